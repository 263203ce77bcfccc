"""A folder of BVH files as motion capture, and `nanohtnet data convert`."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from scipy.interpolate import CubicSpline

from nanohtnet_ros.core.skeleton import H36M_17
from nanohtnet_ros.errors import UserError
from nanohtnet_ros.training.data.archives import sha256_of
from nanohtnet_ros.training.data.bvh import BvhMotion
from nanohtnet_ros.training.data.bvh_cmu import restore_bones
from nanohtnet_ros.training.data.bvh_joints import find_mapping, leg_length, load_mapping, to_h36m
from nanohtnet_ros.training.data.mocap import FRAME_RATE_HZ, MotionCapture

UNITS_M = {"metre": 1.0, "inch": 0.0254, "CMU unit": 0.0254 / 0.45, "centimetre": 0.01, "millimetre": 0.001}
USUAL_LEG_M, POSSIBLE_LEG_M = (0.6, 1.15), (0.25, 1.4)
"""Leg lengths that a unit is guessed by, which no two units can both explain; and those of anybody, children too."""

STANDING_ANKLE_M = 0.07
"""Height of the lowest ankle above the floor: the median over our motion data's sequences."""

FLOOR_PERCENTILE = 5.0
ANKLES = [H36M_17.joint_names.index(f"{side}_ankle") for side in "rl"]


@dataclass(frozen=True)
class BvhOptions:
    """How BVH files are read.

    Attributes:
        mapping: YAML file that names the joints of an unknown skeleton.
        metres_per_unit: of the files' lengths; None guesses from the leg: metres, inches, CMU's, centi- or millimetres.
        up: the files' vertical axis; auto takes y or z, along which the folder's people are longer.
        drop_first: frames to leave out at the start, 1 for the T-pose of cgspeed's CMU conversions.
        floor: ankles puts the floor of each file 0.07 m below the lower ankle's 5th percentile in height; keep leaves
            heights as they are, for people on stairs and ladders.
        subject_pattern: regular expression whose group finds the subject in a file's name (01_02.bvh is of 01).
        val_subjects: subjects held out as split val, with commas between; none holds out every eighth, from the last.
    """

    mapping: Path | None = None
    metres_per_unit: float | None = None
    up: Literal["auto", "y", "z"] = "auto"
    drop_first: int = 0
    floor: Literal["ankles", "keep"] = "ankles"
    subject_pattern: str = r"^([^_]+)"
    val_subjects: str = ""


@dataclass(frozen=True)
class Recording:
    """One file's motion: (F, 17, 3) float64 metres at 50 Hz and its labels."""

    joints_m: np.ndarray
    name: str
    subject: str
    action: str


def read_folder(folder: Path | str, split: str, options: BvhOptions | None = None) -> MotionCapture:
    """Read one split of a folder of BVH files, its sub-folders included.

    A file's action is the name of the folder it lies in, its subject the part of its name that `subject_pattern`
    finds. Joints come from forward kinematics (`bvh_joints` maps them) and are resampled to 50 Hz by cubic splines;
    metres, z up.

    Args:
        folder: with `.bvh` files.
        split: train or val, by subject.
        options: how to read them.
    Raises:
        FileNotFoundError: no folder, or no file in it.
        ValueError: a file is not understood, or the split is empty; the message says which and why.
    """
    options = options or BvhOptions()
    files = bvh_files(folder)
    recordings = [r for r, part in _with_splits(_read_all(files, Path(folder), options), options) if part == split]
    if not recordings:
        raise UserError(f"{folder}: no recording in split '{split}', expected train or val")
    lengths = torch.tensor([len(r.joints_m) for r in recordings])
    return MotionCapture(
        joints_world_m=torch.from_numpy(np.concatenate([r.joints_m for r in recordings]).astype(np.float32)),
        starts=torch.cumsum(lengths, 0) - lengths,
        lengths=lengths,
        actions=tuple(r.action for r in recordings),
        names=tuple(r.name for r in recordings),
        sha256=sha256_of(*files),
    )


def convert(
    folder: Path,
    out: Path,
    mapping: Path | None = None,
    metres_per_unit: float | None = None,
    up: Literal["auto", "y", "z"] = "auto",
    drop_first: int = 0,
    floor: Literal["ankles", "keep"] = "ankles",
    subject_pattern: str = r"^([^_]+)",
    val_subjects: str = "",
) -> None:
    r"""Convert a folder of BVH files to one motion file for `nanohtnet train`.

    Actions are the names of the sub-folders. docs/data.md says more.

    Args:
        folder: with .bvh files, in sub-folders or not.
        out: the .npz file to write.
        mapping: YAML file that names the joints of an unknown skeleton, such as 'r_hip: RightUpLeg'.
        metres_per_unit: of the files' lengths; none guesses metres, inches, CMU's, centi- or millimetres from the leg.
        up: the files' vertical axis; auto takes y or z, along which the people are longer.
        drop_first: frames to leave out at the start, 1 for the T-pose of cgspeed's CMU conversions.
        floor: ankles finds each file's floor below its feet, keep leaves heights as they are.
        subject_pattern: regular expression whose group finds the subject in a file's name; for LAFAN1 (subject\d+).
        val_subjects: subjects held out as split val, with commas between (02,12); none holds out every eighth.
    """
    if out.suffix != ".npz":
        raise UserError(f"the output is {out}, expected a name that ends in .npz")
    options = BvhOptions(mapping, metres_per_unit, up, drop_first, floor, subject_pattern, val_subjects)
    recordings = _with_splits(_read_all(bvh_files(folder), folder, options), options)
    lengths = np.array([len(r.joints_m) for r, _ in recordings])
    np.savez_compressed(
        out,
        positions=np.concatenate([r.joints_m for r, _ in recordings]).astype(np.float32),
        starts=np.cumsum(lengths) - lengths,
        lengths=lengths,
        names=np.array([r.name for r, _ in recordings]),
        actions=np.array([r.action for r, _ in recordings]),
        subjects=np.array([r.subject for r, _ in recordings]),
        split=np.array([split for _, split in recordings]),
        sources=np.array(["bvh"] * len(recordings)),
        fps=FRAME_RATE_HZ,
        joint_names=np.array(H36M_17.joint_names),
        parents=np.array(H36M_17.parents))
    for split in ("train", "val"):
        chosen = [r for r, part in recordings if part == split]
        minutes = sum(len(r.joints_m) for r in chosen) / FRAME_RATE_HZ / 60
        subjects = ", ".join(sorted({r.subject for r in chosen}))
        print(f"{split:5} {len(chosen):5} recordings {minutes:7.2f} min, subjects {subjects}")


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
        ValueError: fewer than two frames.
    """
    if len(joints) < 2:
        raise UserError(f"{len(joints)} frame, expected two or more to make a motion of")
    rate_hz = 1.0 / frame_time_s
    if abs(rate_hz - round(rate_hz)) < 1e-3 * rate_hz:  # files round the time: 0.0333333 is 30 Hz
        rate_hz = round(rate_hz)
    times = np.arange(len(joints)) / rate_hz
    wanted = np.arange(int(np.floor(times[-1] * FRAME_RATE_HZ + 1e-6)) + 1) / FRAME_RATE_HZ
    return joints if rate_hz == FRAME_RATE_HZ else CubicSpline(times, joints, axis=0)(wanted)


def _read_all(files: Iterable[Path], folder: Path, options: BvhOptions) -> list[Recording]:
    given = load_mapping(options.mapping) if options.mapping else {}
    read = [_read_file(path, folder, given, options) for path in files]
    up = options.up
    if up == "auto":
        trunk = np.concatenate([r.joints_m[:, 8] - r.joints_m[:, 0] for r in read]).mean(axis=0)
        up = "y" if trunk[1] >= trunk[2] else "z"
    if up == "y":  # BVH people face z with their left to x; ours face x with their left to y
        read = [Recording(r.joints_m[..., [2, 0, 1]], r.name, r.subject, r.action) for r in read]
    if options.floor == "ankles":
        for recording in read:
            lowest = recording.joints_m[:, ANKLES, 2].min(axis=1)
            recording.joints_m[..., 2] += STANDING_ANKLE_M - np.percentile(lowest, FLOOR_PERCENTILE)
    return read


def _read_file(path: Path, folder: Path, given: dict, options: BvhOptions) -> Recording:
    motion = BvhMotion.load(path)
    motion, mapping = restore_bones(motion, find_mapping(motion.names, given, str(path)))
    subject = re.search(options.subject_pattern, path.stem)
    if subject is None or not subject.groups():
        raise UserError(f"{path}: '{options.subject_pattern}' finds no subject in the name: mend --subject_pattern")
    if len(motion.values) <= options.drop_first:
        raise UserError(f"{path}: {len(motion.values)} frames, of which --drop_first {options.drop_first} leaves none")
    joints = to_h36m(motion.positions()[options.drop_first:], mapping)
    try:
        scale = metres_per_unit(leg_length(joints), options.metres_per_unit)
        joints = resample(joints, motion.frame_time_s)
    except ValueError as error:
        raise UserError(f"{path}: {error}") from error
    action = path.parent.name if path.parent != folder else "motion"
    return Recording(scale * joints, path.stem, subject.group(1), action)


def metres_per_unit(leg: float, given: float | None) -> float:
    """Metres in a file's unit of length, in which a leg is so long.

    Raises:
        ValueError: no unit is usual for such a leg, or the given one makes it impossible.
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
            f"{POSSIBLE_LEG_M[0]} to {POSSIBLE_LEG_M[1]} m: mend --metres_per_unit")
    return given


def _with_splits(recordings: list[Recording], options: BvhOptions) -> list[tuple[Recording, str]]:
    subjects = sorted({r.subject for r in recordings})
    given = {subject.strip() for subject in options.val_subjects.split(",")} - {""}
    held_out = given or set(subjects[::-8])
    unknown = held_out - set(subjects)
    if unknown:
        raise UserError(f"no recording of {', '.join(sorted(unknown))} to hold out: there are {', '.join(subjects)}")
    if held_out == set(subjects):
        raise UserError(
            f"nobody is left to train on, the subjects are {', '.join(subjects)}: hold out fewer with --val_subjects, "
            "or find more of them with --subject_pattern")
    return [(r, "val" if r.subject in held_out else "train") for r in recordings]
