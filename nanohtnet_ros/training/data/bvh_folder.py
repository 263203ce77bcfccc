"""A folder of BVH files of any skeleton, unit and frame rate as recordings of Human3.6M's joints at 50 Hz."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from scipy.interpolate import CubicSpline

from nanohtnet_ros.core.skeleton import Joint
from nanohtnet_ros.errors import UserError
from nanohtnet_ros.training.data import FRAME_RATE_HZ
from nanohtnet_ros.training.data.bvh import BvhMotion
from nanohtnet_ros.training.data.bvh_joints import Names, find_mapping, leg_length, load_mapping, restore_bones, to_h36m

UNITS_M = {"metre": 1.0, "inch": 0.0254, "CMU unit": 0.0254 / 0.45, "centimetre": 0.01, "millimetre": 0.001}
USUAL_LEG_M, POSSIBLE_LEG_M = (0.6, 1.15), (0.25, 1.4)
"""Leg lengths by which a unit is guessed, unique among the units; and of any person, children included."""

STANDING_ANKLE_M = 0.07
"""Height of the lowest ankle above the floor: the median over our motion data's sequences."""

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
        val_subjects: subjects of the split val, comma-separated (02,12); by default every eighth, from the last.
    """

    mapping: Path | None = None
    metres_per_unit: float | None = None
    up: Literal["auto", "y", "z"] = "auto"
    drop_first: int = 0
    floor: Literal["ankles", "keep"] = "ankles"
    subject_pattern: str = r"^([^_]+)"
    val_subjects: str = ""


@dataclass(frozen=True)
class BvhRecording:
    """One file's motion.

    Attributes:
        joints_m: (F, 17, 3) float64, metres, z up, 50 Hz.
        name: of the file.
        subject: the part of its name that `subject_pattern` finds.
        action: name of the folder that the file lies in.
        split: train or val.
    """

    joints_m: np.ndarray
    name: str
    subject: str
    action: str
    split: str = "train"


def read_bvh_folder(folder: Path | str, options: BvhOptions) -> list[BvhRecording]:
    """Read a folder of BVH files, its sub-folders included.

    Joints come from forward kinematics (`bvh_joints` maps them) and are resampled to 50 Hz by cubic splines.

    Args:
        folder: with `.bvh` files.
        options: how to read them.
    Raises:
        FileNotFoundError: no folder, or no file in it.
        UserError: a file is not understood, or the subjects cannot be split; the message says which and why.
    """
    given = load_mapping(options.mapping) if options.mapping else {}
    recordings = [_read_file(path, Path(folder), given, options) for path in bvh_files(folder)]
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
            recording.joints_m[..., 2] += STANDING_ANKLE_M - np.percentile(lowest, FLOOR_PERCENTILE)
    held_out = _held_out({r.subject for r in recordings}, options.val_subjects)
    return [replace(r, split="val" if r.subject in held_out else "train") for r in recordings]


def bvh_files(folder: Path | str) -> list[Path]:
    """The folder's BVH files, sorted.

    Raises:
        FileNotFoundError: there is none.
    """
    files = sorted(path for path in Path(folder).rglob("*") if path.suffix.lower() == ".bvh")
    if not files:
        raise FileNotFoundError(f"no .bvh file in {folder} or its sub-folders")
    return files


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


def _read_file(path: Path, folder: Path, given: Names, options: BvhOptions) -> BvhRecording:
    motion = BvhMotion.load(path)
    motion, mapping = restore_bones(motion, find_mapping(motion.names, given, str(path)))
    subject = re.search(options.subject_pattern, path.stem)
    if subject is None or not subject.groups():
        raise UserError(f"{path}: '{options.subject_pattern}' finds no subject in the name: change --subject_pattern")
    if len(motion.values) <= options.drop_first:
        raise UserError(f"{path}: {len(motion.values)} frames, all of which --drop_first {options.drop_first} drops")
    joints = to_h36m(motion.positions()[options.drop_first:], mapping)
    try:
        scale = metres_per_unit(leg_length(joints), options.metres_per_unit)
        joints = resample(joints, motion.frame_time_s)
    except ValueError as error:
        raise UserError(f"{path}: {error}") from error
    action = path.parent.name if path.parent != folder else "motion"
    return BvhRecording(scale * joints, path.stem, subject.group(1), action)


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
            f"{', '.join(UNITS_M)}: give --metres_per_unit, or --mapping if these are not the leg's joints")
    if not POSSIBLE_LEG_M[0] <= leg * given <= POSSIBLE_LEG_M[1]:
        raise UserError(
            f"thigh and shin are {leg:.4g} units, {leg * given:.4g} m with {given} metres a unit, expected "
            f"{POSSIBLE_LEG_M[0]} to {POSSIBLE_LEG_M[1]} m: change --metres_per_unit")
    return given


def _held_out(subjects: set[str], val_subjects: str) -> set[str]:
    """Subjects of the split val: those given, or every eighth."""
    there = ", ".join(sorted(subjects))
    held_out = {subject.strip() for subject in val_subjects.split(",")} - {""} or set(sorted(subjects)[::-8])
    unknown = held_out - subjects
    if unknown:
        raise UserError(f"no recording of {', '.join(sorted(unknown))} to hold out: there are {there}")
    if held_out == subjects:
        raise UserError(
            f"no subject is left to train on, the subjects are {there}: hold out fewer with --val_subjects, or find "
            "more of them with --subject_pattern")
    return held_out
