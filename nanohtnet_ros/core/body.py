"""A person's size, and the hip joints' centres behind the hips that a detector marks."""

from __future__ import annotations

import math

import numpy as np

from nanohtnet_ros.core.skeleton import Joint
from nanohtnet_ros.errors import UserError

ANKLE_HEIGHT_M = 0.07
"""From the soles to the ankle joints: 7.3 and 6.3 cm up to the lateral malleolus of ANSUR II's men and women, 7 cm up
to the lowest ankle in the motion data (median over sequences), 7.2 cm under the planted foot of both rendered people of
the demo, in shoes."""

HIGHER = [Joint.R_HIP, Joint.R_KNEE, Joint.L_HIP, Joint.L_KNEE, Joint.HIP, Joint.SPINE, Joint.THORAX]
LOWER = [Joint.R_KNEE, Joint.R_ANKLE, Joint.L_KNEE, Joint.L_ANKLE, Joint.SPINE, Joint.THORAX, Joint.HEAD]
"""Ends of the bones that make up a height: two of each leg, three of the trunk."""

HIPS = [Joint.HIP, Joint.R_HIP, Joint.L_HIP]

LOWEST_M, TALLEST_M = 0.5, 2.6


def standing_height(joints_rel_m: np.ndarray) -> float | None:
    """How tall the person stands who has this skeleton's bones.

    Adds up ankle to sole, leg (the mean of both, or the one that is known), hip to spine to thorax, and thorax to
    crown. The last is taken straight: the neck joint is the nose in some data and a point of the neck's axis in
    others, and a way over the nose would add 10 cm.

    On the true joints of the demo's rendered man and woman this gives 1.755 and 1.674 m. Their crowns are highest at
    1.725 and 1.648 m as they walk, when the hips are 2.6 cm lower than straight legs would hold them: 1.751 and
    1.674 m. A network's poses are another matter: one that makes everybody average gives everybody about one height,
    which scaling by it corrects.

    Args:
        joints_rel_m: (17, 3), any axes; NaN where missing.
    Returns:
        Metres; None where both legs, or a joint from hip to crown, are not complete.
    """
    height = float(standing_heights(joints_rel_m))
    return height if math.isfinite(height) else None


def standing_heights(joints_rel_m: np.ndarray) -> np.ndarray:
    """(...,) `standing_height` of (..., 17, 3), NaN for None."""
    bones = joints_rel_m[..., LOWER, :].astype(np.float64) - joints_rel_m[..., HIGHER, :]
    lengths = np.sqrt((bones**2).sum(axis=-1))
    right, left = lengths[..., 0] + lengths[..., 1], lengths[..., 2] + lengths[..., 3]
    return ANKLE_HEIGHT_M + (np.fmin(right, left) + np.fmax(right, left)) / 2.0 + lengths[..., 4:].sum(axis=-1)


def scale_to_height(
    joints_rel_m: np.ndarray, person_height_m: float, skeleton_height_m: float | None = None
) -> np.ndarray:
    """Give a skeleton a person's size.

    Args:
        joints_rel_m: (17, 3) root-relative; NaN where missing.
        person_height_m: how tall the person truly is.
        skeleton_height_m: what `standing_height` gives for this person's skeletons on average over the track. The
            frame's own is used if left out, which trembles with the pose.
    Returns:
        (17, 3), the input's dtype; as it was where the skeleton's height is not known.
    Raises:
        ValueError: the person's height is no height of a person.
    """
    check_person_height(person_height_m)
    height_m = standing_height(joints_rel_m) if skeleton_height_m is None else skeleton_height_m
    if height_m is None or not height_m > 0:
        return joints_rel_m.copy()
    return (joints_rel_m * (person_height_m / height_m)).astype(joints_rel_m.dtype)


def check_person_height(person_height_m: float) -> None:
    """Refuse implausible heights.

    Raises:
        ValueError: it is not between 0.5 and 2.6 m.
    """
    if not LOWEST_M <= person_height_m <= TALLEST_M:
        raise UserError(
            f"person_height_m is {person_height_m:g}, expected {LOWEST_M} to {TALLEST_M} metres: give it in metres"
        )


HIPS_AHEAD_M = 0.02
"""What nodes take. BlazePose marks the hips of a real man 0.2 cm ahead, those of a rendered man 5.0 and 5.3 cm in two
clips, of a rendered woman 1.8 cm (`tools/measure_placement.py`, and the real man's truth). Over two views of the real
man 0.02 gives the least error, and 0 and 0.04 are a millimetre worse (`tools/measure_real.py`)."""

LEAST_M2 = 1e-4  # of the product of hips' distance and trunk; below it the forward direction is undefined


def hips_to_centres(joints_rel_m: np.ndarray, ahead_m: float) -> np.ndarray:
    """Move the hips back by what a 2D detector marks them ahead of the joints' centres.

    The network takes keypoints as they are, so its hips lie where the detector marks them, with BlazePose centimetres
    ahead of the joints. Since the root is between the hips, all that is relative to it moves too.

    Args:
        joints_rel_m: (17, 3) root-relative, metres, any right-handed axes.
        ahead_m: how far ahead of the centres hips are marked. The spine, made of hips and thorax, moves by half of it.
    Returns:
        (17, 3) relative to the moved root; unchanged where hips and trunk do not tell where ahead is.
    """
    a, b, c = (joints_rel_m[Joint.L_HIP] - joints_rel_m[Joint.R_HIP]).tolist()
    x, y, z = (joints_rel_m[Joint.THORAX] - joints_rel_m[Joint.HIP]).tolist()
    ahead = b * z - c * y, c * x - a * z, a * y - b * x
    length = math.hypot(*ahead)
    if not length > LEAST_M2:
        return joints_rel_m
    step = np.array([ahead_m / length * way for way in ahead], joints_rel_m.dtype)
    moved = joints_rel_m + step  # relative to a root that is that far back
    moved[HIPS] = joints_rel_m[HIPS]
    moved[Joint.SPINE] -= step / 2
    return moved
