"""BVH files of several skeletons, and their joints' places by 4x4 matrices."""

from __future__ import annotations

from pathlib import Path

import numpy as np

# name, parent, offset in centimetres: y up, facing z, left to +x. "end" marks an End Site.
MIXAMO = (
    ("Hips", None, (0, 95, 0)),
    ("Spine", "Hips", (0, 10, 0)),
    ("Spine1", "Spine", (0, 12, 0)),
    ("Spine2", "Spine1", (0, 12, 0)),
    ("Neck", "Spine2", (0, 14, 0)),
    ("Head", "Neck", (0, 9, 2)),
    ("end", "Head", (0, 18, 1)),
    ("LeftShoulder", "Spine2", (5, 10, 0)),
    ("LeftArm", "LeftShoulder", (13, 0, 0)),
    ("LeftForeArm", "LeftArm", (28, 0, 0)),
    ("LeftHand", "LeftForeArm", (25, 0, 0)),
    ("end", "LeftHand", (8, 0, 0)),
    ("RightShoulder", "Spine2", (-5, 10, 0)),
    ("RightArm", "RightShoulder", (-13, 0, 0)),
    ("RightForeArm", "RightArm", (-28, 0, 0)),
    ("RightHand", "RightForeArm", (-25, 0, 0)),
    ("end", "RightHand", (-8, 0, 0)),
    ("LeftUpLeg", "Hips", (9, -4, 0)),
    ("LeftLeg", "LeftUpLeg", (0, -42, 0)),
    ("LeftFoot", "LeftLeg", (0, -41, 0)),
    ("end", "LeftFoot", (0, -5, 14)),
    ("RightUpLeg", "Hips", (-9, -4, 0)),
    ("RightLeg", "RightUpLeg", (0, -42, 0)),
    ("RightFoot", "RightLeg", (0, -41, 0)),
    ("end", "RightFoot", (0, -5, 14)),
)


def cgspeed(whole: bool):
    """CMU's skeleton as cgspeed converts it, without its thorax and wrist bones; or with them."""
    chest, hand, there = (0.2, 11.5, -0.3), (18.0, 0.0, 0.0), float(whole)
    rows = [
        ("Hips", None, (0, 95, 0)),
        ("LowerBack", "Hips", (0, 0, 0)),
        ("Spine", "LowerBack", (0, 11, 0)),
        ("Spine1", "Spine", chest),
        ("Neck", "Spine1", tuple(there * x for x in chest)),
        ("Neck1", "Neck", (0, 9, 1)),
        ("Head", "Neck1", (0, 9, -1)),
        ("end", "Head", (0, 10, 0)),
    ]
    for side, s in (("Left", 1), ("Right", -1)):
        rows += [
            (f"{side[0]}HipJoint", "Hips", (0, 0, 0)),
            (f"{side}UpLeg", f"{side[0]}HipJoint", (9 * s, -9, 4)),
            (f"{side}Leg", f"{side}UpLeg", (14 * s, -38, 0)),
            (f"{side}Foot", f"{side}Leg", (14 * s, -39, 0)),
            ("end", f"{side}Foot", (1, -3, 12)),
            (f"{side}Shoulder", "Spine1", tuple(there * x for x in chest)),
            (f"{side}Arm", f"{side}Shoulder", (17 * s, 7, -1)),
            (f"{side}ForeArm", f"{side}Arm", (28 * s, 0, 0)),
            (f"{side}Hand", f"{side}ForeArm", tuple((1 + there / 2) * s * x for x in hand)),
            (f"{side}FingerBase", f"{side}Hand", (0, 0, 0)),
            ("end", f"{side}FingerBase", (4 * s, 0, 0)),
        ]
    return tuple(rows)


H36M_OF_MIXAMO = {
    1: "RightUpLeg",
    2: "RightLeg",
    3: "RightFoot",
    4: "LeftUpLeg",
    5: "LeftLeg",
    6: "LeftFoot",
    7: "Spine1",
    8: "Neck",
    11: "LeftArm",
    12: "LeftForeArm",
    13: "LeftHand",
    14: "RightArm",
    15: "RightForeArm",
    16: "RightHand",
}


def renamed(skeleton, names: dict[str, str], prefix: str = ""):
    """The same skeleton with other names, and a prefix before all of them."""

    def rename(name):
        return name if name in (None, "end") else prefix + names.get(name, name)

    return tuple((rename(name), rename(parent), offset) for name, parent, offset in skeleton)


def write_bvh(
    path: Path,
    skeleton=MIXAMO,
    frames: int = 61,
    rate_hz: float = 60.0,
    order: str = "ZXY",
    scale=1.0,
    seed: int = 0,
    walk=(30.0, 0.0, 50.0),
    move=lambda motion: motion,
) -> dict[str, np.ndarray]:
    """Write a person who walks and swings every joint; returns (F, 3) positions of the named joints, by matrices.

    The same seed at another rate is the same motion. Channels of the root begin with its rotations in odd seeds.
    """
    rng = np.random.default_rng(seed)
    t = np.arange(frames) / rate_hz
    children = {name: [row for row in skeleton if row[1] == name] for name, _, _ in skeleton if name != "end"}
    lines, columns, places = ["HIERARCHY"], [], {}
    turns = {name: (rng.uniform(-25, 25, 3), rng.uniform(0.3, 0.9, 3), rng.uniform(0, 6, 3)) for name in children}

    def emit(name, parent, offset, depth, world):
        pad = "  " * depth
        offset = scale * np.array(offset, float)
        lines.append(f"{pad}{'End Site' if name == 'end' else ('JOINT ' if parent else 'ROOT ') + name}")
        lines.append(f"{pad}{{")
        lines.append(f"{pad}  OFFSET {offset[0]:.6f} {offset[1]:.6f} {offset[2]:.6f}")
        if name == "end":
            lines.append(f"{pad}}}")
            return
        size, speed, phase = turns[name]
        angles = size * np.sin(2 * np.pi * speed * t[:, None] + phase)
        rotations = [(f"{axis}rotation", angles[:, i]) for i, axis in enumerate(order)]
        at = np.repeat(offset[None], frames, 0)
        channels = rotations
        if parent is None:
            at = offset + scale * np.array(walk) * t[:, None]
            positions = [(f"{axis}position", at[:, i]) for i, axis in enumerate("XYZ")]
            channels = rotations + positions if seed % 2 else positions + rotations
        lines.append(f"{pad}  CHANNELS {len(channels)} {' '.join(channel for channel, _ in channels)}")
        columns.extend(values for _, values in channels)
        here = world @ translation(at)
        for i, axis in enumerate(order):
            here = here @ rotation(axis, np.radians(angles[:, i]))
        places[name] = here[:, :3, 3]
        for child in children[name]:
            emit(*child, depth + 1, here)
            if child[0] == "end":
                places[f"{name}_end"] = (here @ translation(scale * np.array(child[2], float)[None]))[:, :3, 3]
        lines.append(f"{pad}}}")

    emit(*skeleton[0], 0, np.eye(4)[None])
    lines += ["MOTION", f"Frames: {frames}", f"Frame Time: {1 / rate_hz:.6f}"]
    lines += [" ".join(f"{value:.6f}" for value in row) for row in np.stack(columns, 1)]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(move("\n".join(lines) + "\n"))
    return places


def translation(by: np.ndarray) -> np.ndarray:
    """(F, 4, 4) from (F, 3)."""
    out = np.repeat(np.eye(4)[None], len(by), 0)
    out[:, :3, 3] = by
    return out


def rotation(axis: str, angle: np.ndarray) -> np.ndarray:
    """(F, 4, 4) right-handed rotations about an axis."""
    out = np.repeat(np.eye(4)[None], len(angle), 0)
    i, j = {"X": (1, 2), "Y": (2, 0), "Z": (0, 1)}[axis]
    out[:, i, i] = out[:, j, j] = np.cos(angle)
    out[:, j, i] = np.sin(angle)
    out[:, i, j] = -np.sin(angle)
    return out
