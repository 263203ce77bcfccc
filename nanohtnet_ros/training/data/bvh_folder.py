"""A folder of BVH files of any skeleton, unit and frame rate as recordings of Human3.6M's joints at 50 Hz."""

from __future__ import annotations

import logging
import os
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from scipy.interpolate import CubicSpline

from nanohtnet_ros.core.body import ANKLE_HEIGHT_M
from nanohtnet_ros.core.skeleton import Joint
from nanohtnet_ros.errors import UserError
from nanohtnet_ros.training.data import FRAME_RATE_HZ
from nanohtnet_ros.training.data.bvh import BvhMotion
from nanohtnet_ros.training.data.bvh_joints import Names, find_mapping, load_mapping, restore_bones, to_h36m
from nanohtnet_ros.training.data.motion_file import (
    POSSIBLE_LEG_M,
    UNITS_M,
    USUAL_LEG_M,
    MotionSequence,
    check_person,
    check_sides,
    leg_length,
)

logger = logging.getLogger(__name__)

FLOOR_PERCENTILE = 5.0


@dataclass(frozen=True)
class BvhOptions:
    r"""Options of reading BVH files.

    Attributes:
        mapping: YAML file that names the joints of an unknown skeleton, with lines such as 'r_hip: RightUpLeg'.
        metres_per_unit: of the files' lengths; None guesses from the leg: metres, inches, CMU's, centi- or millimetres.
        up: vertical axis; auto takes y or z, whichever trunks of the folder are more aligned with.
        drop_first: leading frames to drop, 1 for the T-pose of cgspeed's CMU conversions.
        floor: ankles puts the floor of each file 0.07 m below the 5th percentile of the lower ankle's height; keep
            keeps heights, for people on stairs and ladders.
        subject_pattern: regular expression whose group is the subject in a file's name; for LAFAN1 (subject\d+).
        val_subjects: subjects of the split val, comma-separated (02,12); by default every eighth, from the last. All of
            them, for data that are only evaluated on.
    Raises:
        UserError: the pattern is no regular expression, or a number of frames is negative.
    """

    mapping: Path | None = None
    metres_per_unit: float | None = None
    up: Literal["auto", "y", "z"] = "auto"
    drop_first: int = 0
    floor: Literal["ankles", "keep"] = "ankles"
    subject_pattern: str = r"^([^_]+)"
    val_subjects: str = ""

    def __post_init__(self) -> None:
        if self.drop_first < 0:
            raise UserError(f"drop_first is {self.drop_first}, expected 0 or more frames")
        try:
            re.compile(self.subject_pattern)
        except re.error as error:
            raise UserError(
                f"subject_pattern is '{self.subject_pattern}', expected a regular expression: {error}"
            ) from error


def read_bvh_folder(folder: Path | str, options: BvhOptions) -> list[MotionSequence]:
    """Read a folder of BVH files, its sub-folders and linked folders included.

    Joints come from forward kinematics (`bvh_joints` maps them) and are resampled to 50 Hz by cubic splines. Files that
    cannot be used are left out, with a warning that lists them.

    Args:
        folder: with `.bvh` files.
        options: how to read them.
    Returns:
        One sequence a file, its action by the sub-folder, its subject by its name.
    Raises:
        FileNotFoundError: no folder, or no file in it.
        UserError: no file is understood, or the subjects cannot be split; the message says which and why.
    """
    folder = Path(folder)
    files = bvh_files(folder)
    if not files:
        raise FileNotFoundError(f"no .bvh file in {folder} or its sub-folders")
    given = load_mapping(options.mapping) if options.mapping else {}
    recordings, left_out = [], []
    for path in files:
        try:
            recordings.append(_read_file(path, folder, given, options))
        except (UserError, OSError) as error:
            left_out.append(str(error))
    if not recordings:
        raise UserError("\n  ".join((f"none of the {len(files)} .bvh files in {folder} can be used:", *left_out)))
    if left_out:
        logger.warning("\n  ".join((f"{len(left_out)} of {len(files)} .bvh files are left out:", *left_out)))
    try:
        check_sides(recordings)
    except UserError as error:
        raise UserError(f"{folder}: {error}") from error
    up = options.up
    if up == "auto":
        trunk = np.concatenate([r.joints_m[:, Joint.THORAX] - r.joints_m[:, Joint.HIP] for r in recordings])
        trunk = trunk.mean(axis=0)
        up = "y" if trunk[1] >= trunk[2] else "z"
    if up == "y":  # BVH people face z with their left to x; ours face x with their left to y
        recordings = [replace(r, joints_m=r.joints_m[..., [2, 0, 1]]) for r in recordings]
    if options.floor == "ankles":
        for recording in recordings:
            lowest = recording.joints_m[:, [Joint.R_ANKLE, Joint.L_ANKLE], 2].min(axis=1)
            recording.joints_m[..., 2] += ANKLE_HEIGHT_M - np.percentile(lowest, FLOOR_PERCENTILE)
    held_out = _held_out({r.subject for r in recordings}, options.val_subjects)
    return [replace(r, split="val" if r.subject in held_out else "train") for r in recordings]


def bvh_files(folder: Path | str) -> list[Path]:
    """A folder's BVH files, sorted; linked folders are followed, each folder is visited once."""
    files: list[Path] = []
    visited: set[Path] = set()
    for place, folders, names in os.walk(folder, followlinks=True):
        real = Path(place).resolve()
        if real in visited:
            folders.clear()
            continue
        visited.add(real)
        folders.sort(key=lambda name: (Path(place, name).is_symlink(), name))
        files += [Path(place, name) for name in names if Path(name).suffix.lower() == ".bvh"]
    return sorted(files)


def resample(joints: np.ndarray, frame_time_s: float) -> np.ndarray:
    """(F, 17, 3) at any rate to (G, 17, 3) at 50 Hz by a cubic spline through every coordinate.

    Raises:
        UserError: fewer than two frames.
    """
    if len(joints) < 2:
        raise UserError(f"{len(joints)} frame, expected two or more")
    rate_hz = 1.0 / frame_time_s
    if abs(rate_hz - round(rate_hz)) < 1e-3 * rate_hz:  # files round the time: 0.0333333 is 30 Hz
        rate_hz = round(rate_hz)
    times = np.arange(len(joints)) / rate_hz
    wanted = np.arange(int(np.floor(times[-1] * FRAME_RATE_HZ + 1e-6)) + 1) / FRAME_RATE_HZ
    return joints if rate_hz == FRAME_RATE_HZ else CubicSpline(times, joints, axis=0)(wanted)


def _read_file(path: Path, folder: Path, given: Names, options: BvhOptions) -> MotionSequence:
    if path.name.startswith("._"):
        raise UserError(f"{path}: macOS's attributes of a file, no motion: delete it")
    motion = BvhMotion.load(path)
    motion, mapping = restore_bones(motion, find_mapping(motion.names, given, str(path)))
    found = re.search(options.subject_pattern, path.stem)
    subject = found[1] if found and found.re.groups else None
    if subject is None:
        raise UserError(f"{path}: '{options.subject_pattern}' finds no subject in the name: change --subject_pattern")
    if len(motion.values) <= options.drop_first:
        raise UserError(f"{path}: {len(motion.values)} frames, all of which --drop_first {options.drop_first} drops")
    try:
        with np.errstate(over="ignore", invalid="ignore"):  # `check_person` finds numbers that are not finite
            joints = to_h36m(motion.positions()[options.drop_first :], mapping)
            joints = metres_per_unit(leg_length(joints), options.metres_per_unit) * joints
            check_person(joints, "the motion")
        joints = resample(joints, motion.frame_time_s)
    except UserError as error:
        raise UserError(f"{path}: {error}") from error
    action = path.parent.name if path.parent != folder else "motion"
    return MotionSequence(joints, path.stem, subject, action, "", path)


def metres_per_unit(leg: float, given: float | None) -> float:
    """Metres per unit of length of a file.

    Args:
        leg: length of a leg in the file's units.
        given: by the user; None to guess.
    Raises:
        UserError: no known unit gives a usual leg, or the given one an impossible one.
    """
    if given is None:
        for factor in UNITS_M.values():
            if USUAL_LEG_M[0] <= leg * factor <= USUAL_LEG_M[1]:
                return factor
        raise UserError(
            f"thigh and shin are {leg:.4g} units, which is a leg of {USUAL_LEG_M[0]} to {USUAL_LEG_M[1]} m in none of "
            f"{', '.join(UNITS_M)}: give --metres_per_unit, or --mapping if these are not the leg's joints"
        )
    if not POSSIBLE_LEG_M[0] <= leg * given <= POSSIBLE_LEG_M[1]:
        raise UserError(
            f"thigh and shin are {leg:.4g} units, {leg * given:.4g} m with {given} metres a unit, expected "
            f"{POSSIBLE_LEG_M[0]} to {POSSIBLE_LEG_M[1]} m: change --metres_per_unit"
        )
    return given


def _held_out(subjects: set[str], val_subjects: str) -> set[str]:
    """Subjects of the split val: those given, or every eighth."""
    there = ", ".join(sorted(subjects))
    given = {subject.strip() for subject in val_subjects.split(",")} - {""}
    unknown = given - subjects
    if unknown:
        raise UserError(f"no recording of {', '.join(sorted(unknown))} to hold out: there are {there}")
    if not given and len(subjects) == 1:
        raise UserError(
            f"all recordings are of one subject, '{there}', expected one more to hold out: tell people apart with "
            "--subject_pattern ('(.*)' holds out files instead, which measures on people who were trained on), or give "
            f"--val_subjects {there} to evaluate only"
        )
    return given or set(sorted(subjects)[::-8])
