"""How far a person's root is, by a depth image aligned to the colour image."""

from __future__ import annotations

import numpy as np

from nanohtnet_ros.core.skeleton import H36M_17

SKIN_M = {
    "hip": 0.11,
    "r_hip": 0.10,
    "l_hip": 0.10,
    "spine": 0.11,
    "thorax": 0.10,
    "l_shoulder": 0.06,
    "r_shoulder": 0.06,
    "r_knee": 0.06,
    "l_knee": 0.06,
    "r_ankle": 0.04,
    "l_ankle": 0.04,
    "l_elbow": 0.045,
    "r_elbow": 0.045,
    "l_wrist": 0.03,
    "r_wrist": 0.03,
}
"""How much nearer than its centre each joint's skin is.

Rounded half thicknesses of an adult, from common body measures: a trunk 20 to 24 cm deep, girths of knee and elbow over
2 pi, a little clothing. People differ by about 2 cm, and a body seen from its side is thicker, which is why limbs
count as well as the trunk. Nose and crown are left out: the nose lies on the skin or, seen from behind, under the
whole head, and beside the crown there is background.
"""

PATCH_M = 0.03  # half the side of a joint's patch: as wide as a wrist
MIN_CONFIDENCE = 0.3
MIN_JOINTS = 4
AGREE_M = 0.2  # a joint whose estimate is further from the median has something in front of it, or misses the body
NEAREST_M, FARTHEST_M = 0.2, 20.0
SKIN = np.array([SKIN_M.get(name, np.nan) for name in H36M_17.joint_names])


def root_depth(
    depth_m: np.ndarray, joints_rel_m: np.ndarray, xy_px: np.ndarray, confidence: np.ndarray
) -> float | None:
    """Measure how far the root is along the optical axis.

    Every joint gives an estimate: the depth of the skin in front of it, plus the skin's distance from its centre, less
    its place relative to the root. Hidden joints measure what hides them and come out too near, joints beside the
    body too far: the estimates' weighted median is taken, once of all and then of those near it. Of a person who is
    mostly hidden it may still be the depth of what hides them.

    Args:
        depth_m: (H, W) float32 metres along the optical axis, at the colour image's pixels; NaN or 0 where unknown.
        joints_rel_m: (17, 3) root-relative, optical axes; NaN where missing.
        xy_px: (17, 2) keypoints, pixels of the colour image; NaN where missing.
        confidence: (17,) of the keypoints.
    Returns:
        Metres, or None: fewer than four joints have depth, or most of their weight disagrees with the median.
    """
    sure = np.isfinite(joints_rel_m).all(axis=1) & np.isfinite(xy_px).all(axis=1) & (confidence >= MIN_CONFIDENCE)
    sure &= np.isfinite(SKIN)
    radius = _patch_radius_px(joints_rel_m[sure], xy_px[sure])
    skin = np.full(len(H36M_17), np.nan)
    for joint in np.flatnonzero(sure):
        skin[joint] = _patch_depth(depth_m, xy_px[joint], radius)
    root = skin + SKIN - joints_rel_m[:, 2]
    known = np.isfinite(root)
    if known.sum() < MIN_JOINTS:
        return None
    root, weight = root[known], confidence[known]
    near = np.abs(root - weighted_median(root, weight)) <= AGREE_M
    if near.sum() < MIN_JOINTS or weight[near].sum() < 0.5 * weight.sum():
        return None
    return weighted_median(root[near], weight[near])


def weighted_median(values: np.ndarray, weight: np.ndarray) -> float:
    """The value with half of the weight on either side of it; the mean of two where half lies between; (N,) both."""
    order = np.argsort(values)
    values, total = values[order], np.cumsum(weight[order])
    half = total[-1] / 2
    middle = int(np.searchsorted(total, half))
    return float(values[middle : middle + 1 + (total[middle] == half)].mean())


def _patch_radius_px(joints_rel_m: np.ndarray, xy_px: np.ndarray) -> int:
    """`PATCH_M` in pixels at this person, by the spreads of their keypoints and joints; at least 1."""
    if len(joints_rel_m) < MIN_JOINTS:
        return 1
    px_per_m = np.sqrt(xy_px.var(axis=0).sum() / max(joints_rel_m[:, :2].var(axis=0).sum(), 1e-6))
    return max(1, round(PATCH_M * float(px_per_m)))


def _patch_depth(depth_m: np.ndarray, xy_px: np.ndarray, radius: int) -> float:
    """Median of the valid depths around a keypoint; NaN outside the image or where less than a quarter is valid."""
    height, width = depth_m.shape
    x, y = np.rint(xy_px).astype(int)
    if not (0 <= x < width and 0 <= y < height):
        return np.nan
    patch = depth_m[max(0, y - radius) : y + radius + 1, max(0, x - radius) : x + radius + 1]
    valid = patch[(patch >= NEAREST_M) & (patch <= FARTHEST_M)]
    return float(np.median(valid)) if 4 * valid.size >= patch.size else np.nan
