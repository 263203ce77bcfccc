"""BVH motion files: skeleton, channels, and forward kinematics."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nanohtnet_ros.errors import UserError

logger = logging.getLogger(__name__)

MOTION = re.compile(r"^[ \t}]*(MOTION)(?=\s|$)", re.MULTILINE | re.IGNORECASE)
"""The word that ends the hierarchy, alone or after its last braces; a joint's name may hold it, too."""

AXES = {"x": 0, "y": 1, "z": 2}
MIN_FRAME_TIME_S = 1e-4

END = "_end"
"""Suffix of an End Site's name, after its parent's."""


@dataclass(frozen=True)
class BvhJoint:
    """One joint of the hierarchy.

    Attributes:
        name: as in the file.
        parent: index of its parent, -1 for the root.
        offset: (3,) from its parent at rest, the file's units.
        channels: (kind, axis) of each of its channels in the file's order: `position` or `rotation`, 0 to 2.
    """

    name: str
    parent: int
    offset: np.ndarray
    channels: tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class BvhMotion:
    """Content of a BVH file.

    Attributes:
        joints: parents before their children.
        values: (F, C) float64, channels of all joints in their order; degrees and the file's units.
        frame_time_s: between two frames.
    """

    joints: tuple[BvhJoint, ...]
    values: np.ndarray
    frame_time_s: float

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the joints."""
        return tuple(joint.name for joint in self.joints)

    @classmethod
    def load(cls, path: Path | str) -> BvhMotion:
        """Read a file.

        Raises:
            FileNotFoundError: no such file.
            UserError: it is not a complete BVH file; the message says what was expected where.
        """
        path = Path(path)
        if not path.is_file():
            raise FileNotFoundError(f"no motion file at {path}")
        text = path.read_text(encoding="utf-8", errors="replace").lstrip("\ufeff")
        found = MOTION.search(text)
        if not found:
            raise UserError(f"{path}: no line MOTION: the file is cut short or is no BVH file")
        try:
            joints = _parse_hierarchy(text[: found.start(1)])
            channels = sum(len(joint.channels) for joint in joints)
            values, frame_time_s, announced = _parse_motion(text[found.end() :], channels)
        except StopIteration as error:
            raise UserError(f"{path}: the hierarchy ends in the middle of a joint: the file is cut short") from error
        except UserError as error:
            raise UserError(f"{path}: {error}") from error
        if len(values) != announced:
            logger.warning(f"{path}: {len(values)} frames, one more than announced: all are taken")
        return cls(joints, values, frame_time_s)

    def positions(self) -> np.ndarray:
        """Joint positions by forward kinematics.

        A joint's rotations apply in the order of its channels, the first one outermost. Position channels replace the
        offset, as in MotionBuilder and Blender.

        Returns:
            (F, J, 3) float64 in the file's axes and units.
        """
        F = len(self.values)
        positions = np.empty((F, len(self.joints), 3))
        rotations = np.empty((F, len(self.joints), 3, 3))  # world from joint
        column = 0
        for index, joint in enumerate(self.joints):
            local = np.repeat(joint.offset[None], F, axis=0)
            turn = np.eye(3)
            for kind, axis in joint.channels:
                if kind == "position":
                    local[:, axis] = self.values[:, column]
                else:
                    turn = turn @ _rotations(axis, self.values[:, column])
                column += 1
            if joint.parent < 0:
                positions[:, index], rotations[:, index] = local, turn
            else:
                parent = rotations[:, joint.parent]
                positions[:, index] = positions[:, joint.parent] + np.einsum("fij,fj->fi", parent, local)
                rotations[:, index] = parent @ turn
        return positions


def _rotations(axis: int, degrees: np.ndarray) -> np.ndarray:
    """(F, 3, 3) right-handed rotations about an axis."""
    i, j = (axis + 1) % 3, (axis + 2) % 3
    angle = np.radians(degrees)
    out = np.zeros((len(degrees), 3, 3))
    out[:, axis, axis] = 1.0
    out[:, i, i] = out[:, j, j] = np.cos(angle)
    out[:, j, i] = np.sin(angle)
    out[:, i, j] = -out[:, j, i]
    return out


def _parse_hierarchy(text: str) -> tuple[BvhJoint, ...]:
    words = iter(text.replace("{", " { ").replace("}", " } ").split())
    if next(words).upper() != "HIERARCHY":
        raise UserError("the first word is not HIERARCHY: it is no BVH file")
    open_joints: list[int] = []
    joints: list[BvhJoint] = []
    while (word := next(words, None)) is not None:
        if word == "}":
            if not open_joints:
                raise UserError("a } too many in the hierarchy")
            open_joints.pop()
            continue
        if word.upper() not in ("ROOT", "JOINT", "END"):
            raise UserError(f"'{word}' in the hierarchy, expected ROOT, JOINT, End Site or }}")
        name = " ".join(iter(words.__next__, "{"))
        root, end = word.upper() == "ROOT", word.upper() == "END"
        if root and joints:
            raise UserError(f"a second ROOT '{name}': expected one person a file, split it")
        if not root and not open_joints:
            raise UserError(f"{word} '{name}' is outside of the ROOT's braces")
        parent = open_joints[-1] if open_joints else -1
        open_joints.append(len(joints))
        joints.append(_parse_joint(words, joints[parent].name + END if end else name, parent, end))
    if open_joints or not joints:
        raise UserError("the hierarchy ends before its last }: the file is cut short")
    return tuple(joints)


def _parse_joint(words: Iterator[str], name: str, parent: int, end: bool) -> BvhJoint:
    if (word := next(words)).upper() != "OFFSET":
        raise UserError(f"'{word}' in joint {name}, expected OFFSET")
    offset = np.array([_number(next(words), f"the offset of joint {name}") for _ in range(3)])
    if end:
        return BvhJoint(name, parent, offset, ())
    if (word := next(words)).upper() != "CHANNELS":
        raise UserError(f"'{word}' in joint {name}, expected CHANNELS")
    channels = []
    for _ in range(_whole_number(next(words), f"the number of channels of joint {name}")):
        word = next(words)
        kind, axis = word[1:].lower(), AXES.get(word[:1].lower())
        if kind not in ("position", "rotation") or axis is None:
            raise UserError(f"channel '{word}' of joint {name}, expected Xposition to Zrotation")
        channels.append((kind, axis))
    return BvhJoint(name, parent, offset, tuple(channels))


def _parse_motion(text: str, channels: int) -> tuple[np.ndarray, float, int]:
    """Values (F, C), the frame time in seconds and the announced number of frames."""
    lines = [line for line in text.splitlines() if line.strip()]
    head = [line.split(":", 1) for line in lines[:2]]
    if (
        len(head) < 2
        or any(len(part) != 2 for part in head)
        or [" ".join(part[0].lower().split()) for part in head] != ["frames", "frame time"]
    ):
        raise UserError(f"after MOTION there is {lines[:2]}, expected 'Frames: N' and 'Frame Time: S'")
    announced = _whole_number(head[0][1].strip(), "the number of frames")
    frame_time_s = _number(head[1][1].strip(), "the frame time")
    if not MIN_FRAME_TIME_S < frame_time_s < 1.0:
        raise UserError(
            f"the frame time is {frame_time_s} s, expected more than {MIN_FRAME_TIME_S} and less than 1: "
            "write the seconds between two frames there"
        )
    rows = [line.split() for line in lines[2:]]
    if announced < 1 or len(rows) < announced:
        raise UserError(f"{len(rows)} frames, expected the {announced} that it announces: the file is cut short")
    if len(rows) > announced + 1:  # some writers, Rokoko's among them, announce the last frame's index
        raise UserError(f"{len(rows)} frames, expected the {announced} that it announces: correct the line 'Frames:'")
    for number, row in enumerate(rows):
        if len(row) != channels:
            raise UserError(f"frame {number} has {len(row)} numbers, expected one for each of {channels} channels")
    try:
        values = np.array(rows, dtype=np.float64)
    except ValueError:
        values = np.array([[_number(word, f"frame {number}") for word in row] for number, row in enumerate(rows)])
    if not np.isfinite(values).all():
        raise UserError(f"frame {np.flatnonzero(~np.isfinite(values).all(axis=1))[0]} has a number that is not finite")
    return values, frame_time_s, announced


def _number(word: str, what: str) -> float:
    try:
        value = float(word)
    except ValueError as error:
        raise UserError(f"{what} has '{word}', expected a number, with a decimal point") from error
    if not np.isfinite(value):
        raise UserError(f"{what} has '{word}', expected a finite number")
    return value


def _whole_number(word: str, what: str) -> int:
    if not re.fullmatch(r"[0-9]{1,9}", word):
        raise UserError(f"{what} is '{word}', expected a whole number")
    return int(word)
