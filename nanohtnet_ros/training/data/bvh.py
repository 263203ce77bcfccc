"""BVH motion files: skeleton, channels, and forward kinematics."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from nanohtnet_ros.errors import UserError

AXES = {"x": 0, "y": 1, "z": 2}
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
        hierarchy, found, motion = text.partition("MOTION")
        if not found:
            raise UserError(f"{path}: no line MOTION: the file is cut short or is no BVH file")
        try:
            joints = _parse_hierarchy(hierarchy)
            values, frame_time_s = _parse_motion(motion, sum(len(joint.channels) for joint in joints))
        except StopIteration as error:
            raise UserError(f"{path}: the hierarchy ends in the middle of a joint: the file is cut short") from error
        except ValueError as error:
            raise UserError(f"{path}: {error}") from error
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
        rotations: list[Rotation] = []
        column = 0
        for index, joint in enumerate(self.joints):
            local = np.repeat(joint.offset[None], F, axis=0)
            order, angles = "", []
            for kind, axis in joint.channels:
                if kind == "position":
                    local[:, axis] = self.values[:, column]
                else:
                    order += "XYZ"[axis]
                    angles.append(self.values[:, column])
                column += 1
            turn = _turned(order, angles, F)
            if joint.parent < 0:
                positions[:, index], world = local, turn
            else:
                parent = rotations[joint.parent]
                positions[:, index] = positions[:, joint.parent] + parent.apply(local)
                world = parent * turn
            rotations.append(world)
        return positions


def _turned(order: str, angles: list[np.ndarray], frames: int) -> Rotation:
    """Intrinsic rotations about the axes of `order`; any number of them."""
    turn = Rotation.identity(frames)
    for axis, degrees in zip(order, angles, strict=True):
        turn = turn * Rotation.from_euler(axis, degrees, degrees=True)
    return turn


def _parse_hierarchy(text: str) -> tuple[BvhJoint, ...]:
    words = iter(text.replace("{", " { ").replace("}", " } ").split())
    if next(words) != "HIERARCHY":
        raise UserError("the first word is not HIERARCHY: it is no BVH file")
    open_joints: list[int] = []
    joints: list[BvhJoint] = []
    while (word := next(words, None)) is not None:
        if word == "}":
            if not open_joints:
                raise UserError("a } too many in the hierarchy")
            open_joints.pop()
            continue
        if word not in ("ROOT", "JOINT", "End"):
            raise UserError(f"'{word}' in the hierarchy, expected ROOT, JOINT, End Site or }}")
        name = " ".join(iter(words.__next__, "{"))
        if word == "ROOT" and joints:
            raise UserError(f"a second ROOT '{name}': expected one person a file, split it")
        if word != "ROOT" and not open_joints:
            raise UserError(f"{word} '{name}' is outside of the ROOT's braces")
        parent = open_joints[-1] if open_joints else -1
        end = word == "End"
        open_joints.append(len(joints))
        joints.append(_parse_joint(words, joints[parent].name + END if end else name, parent, end))
    if open_joints or not joints:
        raise UserError("the hierarchy ends before its last }: the file is cut short")
    return tuple(joints)


def _parse_joint(words: Iterator[str], name: str, parent: int, end: bool) -> BvhJoint:
    if (word := next(words)) != "OFFSET":
        raise UserError(f"'{word}' in joint {name}, expected OFFSET")
    offset = np.array([float(next(words)) for _ in range(3)])
    if not np.isfinite(offset).all():
        raise UserError(f"the offset of joint {name} is {offset}, expected finite numbers")
    if end:
        return BvhJoint(name, parent, offset, ())
    if (word := next(words)) != "CHANNELS":
        raise UserError(f"'{word}' in joint {name}, expected CHANNELS")
    channels = []
    for _ in range(int(next(words))):
        word = next(words)
        kind, axis = word[1:].lower(), AXES.get(word[:1].lower())
        if kind not in ("position", "rotation") or axis is None:
            raise UserError(f"channel '{word}' of joint {name}, expected Xposition to Zrotation")
        channels.append((kind, axis))
    return BvhJoint(name, parent, offset, tuple(channels))


def _parse_motion(text: str, channels: int) -> tuple[np.ndarray, float]:
    lines = [line for line in text.splitlines() if line.strip()]
    head = [line.split(":", 1) for line in lines[:2]]
    if len(head) < 2 or any(len(part) != 2 for part in head) or [part[0].strip() for part in head] != [
            "Frames", "Frame Time"]:
        raise UserError(f"after MOTION there is {lines[:2]}, expected 'Frames: N' and 'Frame Time: S'")
    frames, frame_time_s = int(head[0][1]), float(head[1][1])
    if not 0.0 < frame_time_s < 1.0:
        raise UserError(f"the frame time is {frame_time_s} s, expected more than 0 and less than 1")
    rows = lines[2:]
    if len(rows) != frames or frames < 1:
        raise UserError(f"{len(rows)} frames, expected the {frames} that it announces: the file is cut short")
    split = [row.split() for row in rows]
    for number, row in enumerate(split):
        if len(row) != channels:
            raise UserError(f"frame {number} has {len(row)} numbers, expected one for each of {channels} channels")
    values = np.array(split, dtype=np.float64)
    if not np.isfinite(values).all():
        raise UserError(f"frame {np.flatnonzero(~np.isfinite(values).all(axis=1))[0]} has a number that is not finite")
    return values, frame_time_s
