"""Motion files: sequences of Human3.6M's 17 joints at 50 Hz in one `.npz`, checked before they are used."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nanohtnet_ros.core.skeleton import H36M_17, Joint
from nanohtnet_ros.errors import UserError
from nanohtnet_ros.training.data import FRAME_RATE_HZ

UNITS_M = {"metre": 1.0, "inch": 0.0254, "CMU unit": 0.0254 / 0.45, "centimetre": 0.01, "millimetre": 0.001}
USUAL_LEG_M, POSSIBLE_LEG_M = (0.6, 1.15), (0.25, 1.4)
"""Leg lengths by which a unit is guessed, unique among the units; and of any person, children included."""

OF_SEQUENCES = ("starts", "lengths", "names", "actions", "split")
REQUIRED = ("positions", *OF_SEQUENCES, "fps", "parents")
"""Arrays of a motion file: those with one value for each sequence, and all that are read."""

ORDER = f"expected Human3.6M's joints in the order {', '.join(H36M_17.joint_names)}"

MAX_LEG_RATIO = 2.0
"""Of a frame's leg to the sequence's median; 1.1 at most in CMU's recordings."""

MAX_SIDE_RATIO = 2.0
"""Of a left bone's length to the right one's; 1.16 at most in CMU's recordings."""

MAX_BACKWARD_KNEE_M = 0.05
"""Mean of all frames, behind the middle of hip and ankle; CMU's knees lie 0.13 m before it."""

MIN_UPRIGHT = 0.5
"""Mean cosine between a file's trunks and its vertical axis; 0.97 of CMU's recordings."""

Z_UP_FROM = {
    "+x": "[1, 2, 0]",
    "-x": "[1, 2, 0]] * [1, -1, -1",
    "+y": "[2, 0, 1]",
    "-y": "[2, 0, 1]] * [1, -1, -1",
    "-z": "[0, 1, 2]] * [1, -1, -1",
}
"""The axis that is up to the indices, and signs, of `positions[..., ...]` that turn it to z."""


@dataclass(frozen=True)
class MotionSequence:
    """One recording of one person.

    Attributes:
        joints_m: (F, 17, 3), Human3.6M order, metres, z up, 50 Hz.
        name, subject, action: labels; the subject is empty where the file does not say.
        split: train or val.
        source: the file.
    """

    joints_m: np.ndarray
    name: str
    subject: str
    action: str
    split: str
    source: Path


def read_motion_file(path: Path | str) -> list[MotionSequence]:
    """Read and check all sequences of a motion file, see docs/data.md.

    Raises:
        FileNotFoundError: no such file.
        UserError: it is none, or its content cannot be of people in metres, z up, at 50 Hz; the message names the
            sequence and the frame.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no motion data at {path}")
    arrays = _arrays(path)
    try:
        _check_layout(arrays)
        starts, lengths = arrays["starts"].astype(np.int64), arrays["lengths"].astype(np.int64)
        subjects = arrays["subjects"] if arrays.get("subjects", starts).dtype.kind == "U" else np.full(len(starts), "")
        sequences = [
            MotionSequence(
                arrays["positions"][start : start + length], str(name), str(subject), str(action), str(split), path
            )
            for start, length, name, subject, action, split in zip(
                starts, lengths, arrays["names"], subjects, arrays["actions"], arrays["split"], strict=True
            )
        ]
        for sequence in sequences:
            check_person(sequence.joints_m, f"sequence '{sequence.name}'")
        _check_vertical(sequences)
        check_sides(sequences)
    except UserError as error:
        raise UserError(f"{path}: {error}") from error
    return sequences


def write_motion_file(path: Path, sequences: Sequence[MotionSequence]) -> None:
    """Write what `read_motion_file` reads."""
    lengths = np.array([len(s.joints_m) for s in sequences])
    np.savez_compressed(
        path,
        positions=np.concatenate([s.joints_m for s in sequences]).astype(np.float32),
        starts=np.cumsum(lengths) - lengths,
        lengths=lengths,
        names=np.array([s.name for s in sequences]),
        actions=np.array([s.action for s in sequences]),
        subjects=np.array([s.subject for s in sequences]),
        split=np.array([s.split for s in sequences]),
        sources=np.array([s.source.suffix[1:].lower() for s in sequences]),
        fps=FRAME_RATE_HZ,
        joint_names=np.array(H36M_17.joint_names),
        parents=np.array(H36M_17.parents),
    )


def leg_length(joints: np.ndarray) -> float:
    """Length of thigh and shin of (F, 17, 3) joints, mean over sides and frames."""
    return float(_legs(_bones(joints)).mean())


def check_person(joints: np.ndarray, what: str) -> None:
    """Check that a sequence is of a person in metres, by its bones.

    Args:
        joints: (F, 17, 3).
        what: the sequence, for messages.
    Raises:
        UserError: a number is not finite, a leg has no possible length, or joints are in another order.
    """
    finite = np.isfinite(joints).all(axis=(1, 2))
    if not finite.all():
        frame = int(np.flatnonzero(~finite)[0])
        joint = H36M_17.joint_names[np.flatnonzero(~np.isfinite(joints[frame]).all(axis=-1))[0]]
        raise UserError(
            f"{what}, frame {frame}: {joint} is {joints[frame][Joint[joint.upper()]]}, expected finite numbers "
            f"({(~finite).sum()} of {len(joints)} frames have others): interpolate these frames or split the sequence"
        )
    x = joints.astype(np.float64)
    bones = _bones(x)
    legs = _legs(bones)
    leg = float(np.median(legs))
    if not POSSIBLE_LEG_M[0] <= leg <= POSSIBLE_LEG_M[1]:
        unit = next((unit for unit, m in UNITS_M.items() if USUAL_LEG_M[0] <= leg * m <= USUAL_LEG_M[1]), None)
        remedy = f"multiply positions by {UNITS_M[unit]:.4g}, their unit seems to be the {unit}" if unit else ORDER
        raise UserError(
            f"{what}: thigh and shin are {leg:.4g} m, expected {POSSIBLE_LEG_M[0]} to {POSSIBLE_LEG_M[1]}: {remedy}"
        )
    odd = np.flatnonzero((legs > MAX_LEG_RATIO * leg) | (legs < leg / MAX_LEG_RATIO))
    if len(odd):
        raise UserError(
            f"{what}, frame {odd[0]}: thigh and shin are {legs[odd[0]]:.4g} m, in other frames {leg:.4g} ({len(odd)} "
            f"of {len(joints)} frames): interpolate frames in which the person was lost, or split the sequence there"
        )
    _check_order(x, bones.mean(axis=0), what)


def _legs(bones: np.ndarray) -> np.ndarray:
    """(F,) length of thigh and shin of (F, 17) bones, mean over sides."""
    return bones[:, [Joint.R_KNEE, Joint.R_ANKLE, Joint.L_KNEE, Joint.L_ANKLE]].sum(axis=1) / 2


def _bones(joints: np.ndarray) -> np.ndarray:
    """(F, 17) length of the bone from its parent to each joint, 0 for the hip."""
    return np.linalg.norm(joints - joints[:, [max(parent, 0) for parent in H36M_17.parents]], axis=-1)


def _check_order(joints: np.ndarray, bones: np.ndarray, what: str) -> None:
    """Check left against right, and the trunk from below."""
    for left, right in H36M_17.flip_pairs:
        if max(bones[left], bones[right]) > MAX_SIDE_RATIO * min(bones[left], bones[right]):
            names = H36M_17.joint_names
            raise UserError(
                f"{what}: the bones to {names[left]} and {names[right]} are {bones[left]:.3f} and "
                f"{bones[right]:.3f} m long, expected the same on both sides: {ORDER}"
            )
    trunk = _unit(joints[:, Joint.THORAX] - joints[:, Joint.HIP])
    for upper, lower in ((Joint.SPINE, Joint.HIP), (Joint.THORAX, Joint.SPINE), (Joint.HEAD, Joint.THORAX)):
        if np.einsum("fc,fc->f", joints[:, upper] - joints[:, lower], trunk).mean() <= 0:
            raise UserError(f"{what}: {upper.name.lower()} lies below {lower.name.lower()} along the trunk: {ORDER}")
    hips = joints[:, Joint.L_HIP] - joints[:, Joint.R_HIP]
    shoulders = joints[:, Joint.L_SHOULDER] - joints[:, Joint.R_SHOULDER]
    if np.einsum("fc,fc->f", hips, shoulders).mean() <= 0:
        raise UserError(f"{what}: left and right of shoulders and hips are opposite: {ORDER}")


def check_sides(sequences: Sequence[MotionSequence]) -> None:
    """Check that knees bend forwards, which tells right from left.

    Raises:
        UserError: they bend backwards.
    """
    x = np.concatenate([s.joints_m for s in sequences]).astype(np.float64)
    forwards = _unit(np.cross(x[:, Joint.L_HIP] - x[:, Joint.R_HIP], x[:, Joint.THORAX] - x[:, Joint.HIP]))
    knees = x[:, [Joint.R_KNEE, Joint.L_KNEE]]
    middles = (x[:, [Joint.R_HIP, Joint.L_HIP]] + x[:, [Joint.R_ANKLE, Joint.L_ANKLE]]) / 2
    bend_m = np.einsum("fkc,fc->fk", knees - middles, forwards).mean()
    if bend_m < -MAX_BACKWARD_KNEE_M:
        raise UserError(
            f"knees bend backwards by {-bend_m:.3f} m: the axes are left-handed (negate one of them), or "
            f"right and left are exchanged ({ORDER})"
        )


def _check_vertical(sequences: Sequence[MotionSequence]) -> None:
    """Check that people's trunks point along z more than along any other axis."""
    trunks = [_unit(s.joints_m[:, Joint.THORAX].astype(np.float64) - s.joints_m[:, Joint.HIP]) for s in sequences]
    mean = np.concatenate(trunks).mean(axis=0)
    axis = int(np.argmax(np.abs(mean)))
    up = "-+"[int(mean[axis] > 0)] + "xyz"[axis]
    if up != "+z" and abs(mean[axis]) > MIN_UPRIGHT:
        raise UserError(
            f"trunks point along {up} (mean cosine {abs(mean[axis]):.2f}), expected z up: store "
            f"positions[..., {Z_UP_FROM[up]}]"
        )


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-9)


def _arrays(path: Path) -> dict[str, np.ndarray]:
    """Arrays of an archive, without pickle."""
    try:
        with np.load(path, allow_pickle=False) as archive:
            missing = [name for name in REQUIRED if name not in archive.files]
            arrays = {name: archive[name] for name in (*REQUIRED, "subjects", "joint_names") if name in archive.files}
    except Exception as error:  # NumPy, zipfile and zlib raise many kinds on a damaged file
        raise UserError(
            f"{path} cannot be read as a motion file ({error}): write it by `numpy.savez`, without pickled objects"
        ) from error
    if missing:
        raise UserError(
            f"{path}: {', '.join(missing)} missing, expected the arrays {', '.join(REQUIRED)}: "
            "docs/data.md describes them, `nanohtnet data convert` writes them"
        )
    return {name: np.asarray(array) for name, array in arrays.items()}


def _check_layout(arrays: dict[str, np.ndarray]) -> None:
    """Check names, types and shapes; positions become float32."""
    positions, parents, fps = arrays["positions"], arrays["parents"].tolist(), arrays["fps"]
    names = arrays.get("joint_names", np.array(H36M_17.joint_names)).tolist()
    if names != list(H36M_17.joint_names) and sorted(map(str, names)) == sorted(H36M_17.joint_names):
        raise UserError(
            f"joint_names are in another order: store positions[:, "
            f"{[names.index(name) for name in H36M_17.joint_names]}] under Human3.6M's"
        )
    if positions.ndim != 3 or positions.shape[1:] != (len(H36M_17.joint_names), 3):
        raise UserError(f"positions have shape {positions.shape}, expected (N, 17, 3): {ORDER}")
    if positions.dtype.kind not in "fiu":
        raise UserError(f"positions are {positions.dtype}, expected float32")
    with np.errstate(over="ignore"):  # becomes infinite, which `check_person` reports with its frame
        arrays["positions"] = positions.astype(np.float32)
    if parents != list(H36M_17.parents):
        raise UserError(f"parents are {parents}, expected {list(H36M_17.parents)}: {ORDER}")
    if fps.size != 1 or fps.dtype.kind not in "fiu" or float(fps.item()) != FRAME_RATE_HZ:
        raise UserError(f"{fps} frames a second, expected {FRAME_RATE_HZ}: resample the positions")
    S = len(arrays["starts"]) if arrays["starts"].ndim else 0
    for name in OF_SEQUENCES:
        array, kind = arrays[name], "iu" if name in ("starts", "lengths") else "U"
        if array.shape != (S,) or not S or array.dtype.kind not in kind:
            raise UserError(
                f"{name} are {array.dtype} of shape {array.shape}, expected "
                f"{'integers' if kind == 'iu' else 'text'}, one for each of one or more sequences "
                f"(starts: {S})"
            )
    if "subjects" in arrays and arrays["subjects"].shape != (S,):
        raise UserError(f"subjects have shape {arrays['subjects'].shape}, expected one for each of {S} sequences")
    end, last = 0, ""
    for start, length, name in sorted(
        zip(map(int, arrays["starts"]), map(int, arrays["lengths"]), arrays["names"], strict=True)
    ):
        if start < 0 or length < 1 or start + length > len(positions):
            raise UserError(
                f"sequence '{name}' is frames {start} to {start + length - 1}, expected one frame or more "
                f"of the {len(positions)} that there are: correct starts and lengths"
            )
        if start < end:
            raise UserError(
                f"sequences '{last}' and '{name}' share frames {start} to {min(end, start + length) - 1}: "
                "correct starts and lengths"
            )
        end, last = start + length, name
