"""BVH, for animators: bones of mean lengths and their rotations; centimetres, y up, facing z at rest."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from nanohtnet_ros.core.joint_frames import joint_frames
from nanohtnet_ros.core.skeleton import Joint
from nanohtnet_ros.recording.writers.motion import Motion, MotionWriter


@dataclass(frozen=True)
class Bone:
    """A joint of the file.

    Attributes:
        name: as most programs know it.
        at: where it is.
        turns: whose frame, see `core/joint_frames.py`, it turns with.
        end: joint at its end, where no other bone begins there.
        children: bones that it carries.
    """

    name: str
    at: Joint
    turns: Joint
    end: Joint | None = None
    children: tuple[Bone, ...] = ()


def _limb(side: str, names: tuple[str, str], top: Joint, middle: Joint, end: Joint) -> Bone:
    return Bone(side + names[0], top, top, children=(Bone(side + names[1], middle, middle, end=end),))


def _limbs(
    names: tuple[str, str], left: tuple[Joint, Joint, Joint], right: tuple[Joint, Joint, Joint]
) -> tuple[Bone, ...]:
    return _limb("Left", names, *left), _limb("Right", names, *right)


HIPS = Bone(
    "Hips",
    Joint.HIP,
    Joint.HIP,
    children=(
        *_limbs(
            ("UpLeg", "Leg"),
            (Joint.L_HIP, Joint.L_KNEE, Joint.L_ANKLE),
            (Joint.R_HIP, Joint.R_KNEE, Joint.R_ANKLE),
        ),
        Bone(
            "Spine",
            Joint.SPINE,
            Joint.THORAX,
            children=(
                Bone("Head", Joint.THORAX, Joint.NECK, end=Joint.HEAD),
                *_limbs(
                    ("Arm", "ForeArm"),
                    (Joint.L_SHOULDER, Joint.L_ELBOW, Joint.L_WRIST),
                    (Joint.R_SHOULDER, Joint.R_ELBOW, Joint.R_WRIST),
                ),
            ),
        ),
    ),
)
"""The shoulders hang on the chest, the head turns about the neck's base; Human3.6M's neck, the nose, is left out."""

FILE_FROM_BODY = np.array([[0.0, 1, 0], [0, 0, 1], [1, 0, 0]])
"""From x ahead, y left, z up to x left, y up, z ahead."""


class BvhWriter(MotionWriter):
    """`person_<id>.bvh`, from where the person was first seen; what is missing stays as it was."""

    suffix = "bvh"

    def save(self, path: Path, motion: Motion) -> None:
        placed = np.isfinite(motion.joints_m[:, Joint.HIP]).all(axis=-1)
        relative = motion.joints_m - motion.joints_m[:, Joint.HIP, None]
        frames = [joint_frames(joints) for joints in relative]
        rotations = np.stack([frame.rotations for frame in frames])  # (F, 17, 3, 3)
        known = np.stack([frame.determined for frame in frames]) & placed[:, None]
        roots_m = motion.joints_m[:, Joint.HIP][_last_known(placed)] @ FILE_FROM_BODY.T
        lines, columns = ["HIERARCHY"], [100.0 * roots_m]

        def add(bone: Bone, parent: Bone | None, indent: str) -> None:
            offset = "0 0 0" if parent is None else _offset(relative, rotations, parent, bone.at)
            lines.append(f"{indent}{'ROOT' if parent is None else 'JOINT'} {bone.name}")
            lines.extend((f"{indent}{{", f"{indent}  OFFSET {offset}"))
            channels = "Zrotation Xrotation Yrotation"
            position = "6 Xposition Yposition Zposition" if parent is None else "3"
            lines.append(f"{indent}  CHANNELS {position} {channels}")
            turned = rotations[:, bone.turns]
            local = turned if parent is None else rotations[:, parent.turns].transpose(0, 2, 1) @ turned
            both = known[:, bone.turns] if parent is None else known[:, bone.turns] & known[:, parent.turns]
            local = FILE_FROM_BODY @ local[_last_known(both)] @ FILE_FROM_BODY.T
            columns.append(Rotation.from_matrix(local).as_euler("ZXY", degrees=True))
            for child in bone.children:
                add(child, bone, indent + "  ")
            if bone.end is not None:
                end = _offset(relative, rotations, bone, bone.end)
                lines.extend((f"{indent}  End Site", f"{indent}  {{", f"{indent}    OFFSET {end}", f"{indent}  }}"))
            lines.append(f"{indent}}}")

        add(HIPS, None, "")
        lines += ["MOTION", f"Frames: {len(motion.joints_m)}", f"Frame Time: {1.0 / motion.rate_hz:.8f}"]
        with path.open("w") as file:
            file.write("\n".join(lines) + "\n")
            np.savetxt(file, np.column_stack(columns), fmt="%.4f")


def _offset(relative: np.ndarray, rotations: np.ndarray, parent: Bone, joint: Joint) -> str:
    """Where a joint lies from its parent on average, in the parent's axes, centimetres."""
    along = np.einsum("fij,fi->fj", rotations[:, parent.turns], relative[:, joint] - relative[:, parent.at])
    known = np.isfinite(along).all(axis=1)
    mean = along[known].mean(axis=0) if known.any() else np.zeros(3)
    return " ".join(f"{100.0 * value:.4f}" for value in FILE_FROM_BODY @ mean)


def _last_known(known: np.ndarray) -> np.ndarray:
    """(F,) index of the last known frame up to each one; of the first known one before that."""
    if not known.any():
        return np.arange(len(known))
    last = np.maximum.accumulate(np.where(known, np.arange(len(known)), -1))
    return np.where(last < 0, int(np.argmax(known)), last)
