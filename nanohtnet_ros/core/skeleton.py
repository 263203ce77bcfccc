"""Skeleton topologies and the conversions between them.

Joint names, parents, flip pairs and limb lists live here and nowhere else.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np


@dataclass(frozen=True)
class Skeleton:
    """A named set of joints.

    Attributes:
        name: identifier used in model files and messages.
        joint_names: one name per joint, in the order of every array's joint axis.
        parents: index of each joint's parent, -1 for the root; empty where the set is no tree.
        flip_pairs: (left, right) index pairs that swap when the image is mirrored.
    """

    name: str
    joint_names: tuple[str, ...]
    parents: tuple[int, ...]
    flip_pairs: tuple[tuple[int, int], ...]

    def __len__(self) -> int:
        return len(self.joint_names)

    @property
    def bones(self) -> tuple[tuple[int, int], ...]:
        """(parent, child) index pairs, in the order of the children."""
        return tuple((parent, child) for child, parent in enumerate(self.parents) if parent >= 0)

    @property
    def flip_order(self) -> np.ndarray:
        """(J,) int64 indices that reorder a mirrored person's joints: `mirrored[..., flip_order, :]`."""
        order = np.arange(len(self))
        for left, right in self.flip_pairs:
            order[left], order[right] = right, left
        return order


class Joint(IntEnum):
    """Indices of `H36M_17`'s joints."""

    HIP = 0
    R_HIP = 1
    R_KNEE = 2
    R_ANKLE = 3
    L_HIP = 4
    L_KNEE = 5
    L_ANKLE = 6
    SPINE = 7
    THORAX = 8
    NECK = 9
    HEAD = 10
    L_SHOULDER = 11
    L_ELBOW = 12
    L_WRIST = 13
    R_SHOULDER = 14
    R_ELBOW = 15
    R_WRIST = 16


H36M_17 = Skeleton(
    name="h36m_17",
    joint_names=tuple(joint.name.lower() for joint in Joint),
    parents=(-1, 0, 1, 2, 0, 4, 5, 0, 7, 8, 9, 8, 11, 12, 8, 14, 15),
    flip_pairs=((4, 1), (5, 2), (6, 3), (11, 14), (12, 15), (13, 16)),
)
"""Human3.6M's 17 joints; `neck` is the point that papers call neck/nose, `head` is the head's top."""

# Limbs of H36M_17 from the trunk outwards; NanoHTNet's part-level branches gather joints in this order.
H36M_LIMBS = ((1, 2, 3), (4, 5, 6), (11, 12, 13), (14, 15, 16))
RIGHT_LEG, LEFT_LEG, LEFT_ARM, RIGHT_ARM = H36M_LIMBS

CROWN_SHARES = (0.7, 0.5)
"""How far the crown lies beyond the ears' middle: shares of the ways to it from the shoulders' middle and the nose.

Each of two views of a real man, two of a rendered man and one of a rendered woman has its own best shares: 0.8 and
0.5, 0.7 and 0.9, 0.6 and 0.7, 0.55 and 0.85, 0.55 and 0.95. With these, which count the real man most, the crown is 26,
25, 30, 43 and 50 mm off in the image.
"""

# fmt: off
BLAZEPOSE_33 = Skeleton(
    name="blazepose_33",
    joint_names=(
        "nose", "l_eye_inner", "l_eye", "l_eye_outer", "r_eye_inner", "r_eye", "r_eye_outer",
        "l_ear", "r_ear", "mouth_l", "mouth_r", "l_shoulder", "r_shoulder", "l_elbow", "r_elbow",
        "l_wrist", "r_wrist", "l_pinky", "r_pinky", "l_index", "r_index", "l_thumb", "r_thumb",
        "l_hip", "r_hip", "l_knee", "r_knee", "l_ankle", "r_ankle", "l_heel", "r_heel",
        "l_foot_index", "r_foot_index",
    ),
    parents=(),
    flip_pairs=((1, 4), (2, 5), (3, 6), (7, 8), (9, 10), (11, 12), (13, 14), (15, 16), (17, 18),
                (19, 20), (21, 22), (23, 24), (25, 26), (27, 28), (29, 30), (31, 32)),
)
# fmt: on
"""The 33 landmarks of BlazePose (MediaPipe Pose)."""


def _blazepose_to_h36m_weights() -> np.ndarray:
    """(17, 33) weights of BlazePose landmarks in each Human3.6M joint; every row sums to one.

    Limb joints are the landmarks themselves, the others are made of them. BlazePose marks shoulders on top and hips
    low, where motion capture means the joints' centres; the shares of the trunk's length that they are moved by were
    measured on the two rendered people of the demo (a man and a woman).
    """
    index = {name: i for i, name in enumerate(BLAZEPOSE_33.joint_names)}

    def middle(left: str, right: str) -> np.ndarray:
        return (landmark(left) + landmark(right)) / 2

    def landmark(name: str) -> np.ndarray:
        return np.eye(len(index), dtype=np.float32)[index[name]]

    shoulders, hips, ears = (middle(f"l_{part}", f"r_{part}") for part in ("shoulder", "hip", "ear"))
    trunk = shoulders - hips
    hip, thorax = hips + 0.03 * trunk, shoulders + 0.05 * trunk
    made = {
        "hip": hip,
        "spine": (hip + thorax) / 2,
        "thorax": thorax,
        "neck": landmark("nose"),
        "head": ears + CROWN_SHARES[0] * (ears - shoulders) + CROWN_SHARES[1] * (ears - landmark("nose")),
        **{f"{side}_hip": landmark(f"{side}_hip") + 0.03 * trunk for side in "lr"},
        **{f"{side}_shoulder": landmark(f"{side}_shoulder") - 0.05 * trunk for side in "lr"},
    }
    return np.stack([made[name] if name in made else landmark(name) for name in H36M_17.joint_names])


BLAZEPOSE_TO_H36M = _blazepose_to_h36m_weights()


def blazepose_to_h36m(xy_px: np.ndarray, confidence: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Convert one person's BlazePose landmarks to Human3.6M joints.

    Knees, ankles, elbows, wrists and nose are the landmarks themselves; the others are made of several.

    Args:
        xy_px: (33, 2) pixels.
        confidence: (33,) in [0, 1].
    Returns:
        (17, 2) float32 pixels, and (17,) float32 confidences: the lowest of the landmarks that a joint is mostly
        made of.
    """
    joints = BLAZEPOSE_TO_H36M @ np.asarray(xy_px, np.float32)
    used = np.where(np.abs(BLAZEPOSE_TO_H36M) > 0.1, np.asarray(confidence, np.float32)[None, :], np.inf)
    return joints.astype(np.float32), used.min(axis=1).astype(np.float32)


# fmt: off
COCO_17 = Skeleton(
    name="coco_17",
    joint_names=(
        "nose", "l_eye", "r_eye", "l_ear", "r_ear", "l_shoulder", "r_shoulder", "l_elbow", "r_elbow",
        "l_wrist", "r_wrist", "l_hip", "r_hip", "l_knee", "r_knee", "l_ankle", "r_ankle",
    ),
    parents=(),
    flip_pairs=((1, 2), (3, 4), (5, 6), (7, 8), (9, 10), (11, 12), (13, 14), (15, 16)),
)
# fmt: on
"""COCO's 17 keypoints. Halpe-26 and COCO-WholeBody-133 begin with the same."""

# Below this share of a joint a keypoint only nudges it, and does not say how sure it is.
NUDGE = 0.1


def _coco_to_h36m_weights(nudged: bool) -> np.ndarray:
    """(17, 17) weights of COCO's keypoints in each Human3.6M joint; every row sums to one.

    - Knees, ankles, elbows, wrists: the keypoints themselves. Human3.6M's neck, which papers call neck/nose: the nose.
    - Hips and shoulders: people who annotate photographs mark shoulders on top and hips low, so each is moved along the
      trunk (hips' middle to shoulders' middle) towards the joint's centre: hips up by 3 % of it, shoulders down by 5 %.
    - Hip, the root: the middle of the hips, moved like them. Thorax: the middle of the shoulders, 5 % of the trunk
      higher, where motion capture has the base of the neck. Spine: half way between the two.
    - Head, the crown: from the ears' middle on, by `CROWN_SHARES` of the ways that lead to it from the shoulders'
      middle and from the nose.

    The shares are those of `blazepose_to_h36m`, measured with BlazePose, whose landmarks of these names were made to
    be COCO's; with a detector trained on COCO itself they have not been measured.

    Args:
        nudged: False leaves out the small moves along the trunk, for a person whose trunk is not all in view.
    """
    index = {name: i for i, name in enumerate(COCO_17.joint_names)}

    def keypoint(name: str) -> np.ndarray:
        return np.eye(len(index), dtype=np.float32)[index[name]]

    def middle(part: str) -> np.ndarray:
        return (keypoint(f"l_{part}") + keypoint(f"r_{part}")) / 2

    shoulders, hips, ears, nose = middle("shoulder"), middle("hip"), middle("ear"), keypoint("nose")
    trunk = (shoulders - hips) * np.float32(nudged)
    hip, thorax = hips + 0.03 * trunk, shoulders + 0.05 * trunk
    made = {
        "hip": hip,
        "spine": (hip + thorax) / 2,
        "thorax": thorax,
        "neck": nose,
        "head": ears + CROWN_SHARES[0] * (ears - shoulders) + CROWN_SHARES[1] * (ears - nose),
        **{f"{side}_hip": keypoint(f"{side}_hip") + 0.03 * trunk for side in "lr"},
        **{f"{side}_shoulder": keypoint(f"{side}_shoulder") - 0.05 * trunk for side in "lr"},
    }
    return np.stack([made[name] if name in made else keypoint(name) for name in H36M_17.joint_names])


COCO_TO_H36M = _coco_to_h36m_weights(nudged=True)
COCO_TO_H36M_NO_TRUNK = _coco_to_h36m_weights(nudged=False)


def coco_to_h36m(xy_px: np.ndarray, confidence: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Convert people's COCO keypoints to Human3.6M joints.

    Args:
        xy_px: (..., 17, 2) pixels.
        confidence: (..., 17); a keypoint with 0 or less, or without finite coordinates, is missing.
    Returns:
        (..., 17, 2) float32 pixels, NaN where a keypoint that a joint is made of is missing, and (..., 17) float32
        confidences: the lowest of the keypoints that a joint is made of.
    """
    xy_px, confidence = np.asarray(xy_px, np.float32), np.asarray(confidence, np.float32)
    there = np.isfinite(xy_px).all(axis=-1) & (confidence > 0)
    trunk = [COCO_17.joint_names.index(f"{side}_{part}") for part in ("shoulder", "hip") for side in "lr"]
    whole = there[..., trunk].all(axis=-1)
    weights = np.where(whole[..., None, None], COCO_TO_H36M, COCO_TO_H36M_NO_TRUNK)
    joints = weights @ np.where(there[..., None], xy_px, 0)
    used = np.where(np.abs(COCO_TO_H36M) > NUDGE, np.where(there, confidence, 0)[..., None, :], np.inf)
    sure = used.min(axis=-1).astype(np.float32)
    return np.where(sure[..., None] > 0, joints, np.nan).astype(np.float32), sure
