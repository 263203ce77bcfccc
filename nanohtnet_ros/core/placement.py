"""Where in the camera frame a root-relative pose stands."""

from __future__ import annotations

import numpy as np

MIN_JOINTS = 6
NEAREST_M, FARTHEST_M = 0.3, 50.0


def place_root(
    joints_rel_m: np.ndarray, tangents: np.ndarray, weight: np.ndarray, root_depth_m: float | None = None
) -> np.ndarray | None:
    """Find the root's position that projects a root-relative pose onto its keypoints.

    Every joint j with keypoint (u, v) gives two equations that are linear in the root (X, Y, Z):
    `X - u Z = u z_j - x_j` and `Y - v Z = v z_j - y_j`; they are solved by weighted least squares.
    Where Z was measured, only X and Y are.

    Args:
        joints_rel_m: (17, 3) root-relative, optical axes.
        tangents: (17, 2) undistorted keypoints, x/z and y/z.
        weight: (17,) weight of each joint's equations.
        root_depth_m: the root's Z where it is known from elsewhere, as from a depth image.
    Returns:
        (3,) root in the camera frame, metres; None where fewer than six joints are known, or Z is not between 0.3 and
        50 m in front of the camera.
    """
    usable = np.isfinite(joints_rel_m).all(axis=1) & np.isfinite(tangents).all(axis=1) & (weight > 0)
    if usable.sum() < MIN_JOINTS:
        return None
    joints, uv, w = joints_rel_m[usable].astype(np.float64), tangents[usable].astype(np.float64), weight[usable]
    # Normal equations of sum w (X - u Z - a)^2 + w (Y - v Z - b)^2; X and Y follow from Z by weighted means.
    right = uv * joints[:, 2:] - joints[:, :2]  # (n, 2): a, b
    w = w / w.sum()
    uv_mean, right_mean = w @ uv, w @ right
    z = root_depth_m if root_depth_m is not None else _solve_depth(uv - uv_mean, right - right_mean, w)
    if not NEAREST_M <= z <= FARTHEST_M:
        return None
    return np.array([*(right_mean + z * uv_mean), z])


def _solve_depth(uv: np.ndarray, right: np.ndarray, w: np.ndarray) -> float:
    """Z of the normal equations, of (n, 2) keypoints and right sides about their means; NaN where any would do."""
    spread = (w[:, None] * uv**2).sum()
    return -(w[:, None] * uv * right).sum() / spread if spread >= 1e-9 else np.nan
