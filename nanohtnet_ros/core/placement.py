"""Where in the camera frame a root-relative pose stands."""

from __future__ import annotations

import numpy as np

MIN_JOINTS = 5  # head and shoulders: the distance by them alone is 10 to 20 % off
PLANE_UNTIL_COS = 0.17  # of 80 degrees from the optical axis: x/z and y/z are infinite at 90
NEAREST_M, FARTHEST_M = 0.3, 50.0


def place_root(
    joints_rel_m: np.ndarray, rays: np.ndarray, weight: np.ndarray, root_depth_m: float | None = None
) -> np.ndarray | None:
    """Find the root's position that projects a root-relative pose onto its keypoints.

    Every joint j with ray (u, v, 1) gives two equations that are linear in the root (X, Y, Z):
    `X - u Z = u z_j - x_j` and `Y - v Z = v z_j - y_j`; they are solved by weighted least squares.
    Where Z was measured, only X and Y are. Where a ray is more than 80 degrees off the optical axis, as a fisheye
    lens's may be, distances from the rays are made least instead.

    Args:
        joints_rel_m: (17, 3) root-relative, optical axes.
        rays: (17, 3) undistorted viewing rays of the keypoints, optical axes, of any length; NaN where missing.
        weight: (17,) weight of each joint's equations.
        root_depth_m: the root's Z where it is known from elsewhere, as from a depth image.
    Returns:
        (3,) root in the camera frame, metres; None where fewer than five joints are known, or the root is not between
        0.3 and 50 m away (Z, or the distance where rays are that far off the axis).
    """
    usable = np.isfinite(joints_rel_m).all(axis=1) & np.isfinite(rays).all(axis=1) & (weight > 0)
    if usable.sum() < MIN_JOINTS:
        return None
    joints, rays, w = joints_rel_m[usable].astype(np.float64), rays[usable].astype(np.float64), weight[usable]
    w = w / w.sum()
    if (rays[:, 2] <= PLANE_UNTIL_COS * np.linalg.norm(rays, axis=1)).any():
        return _place_on_rays(joints, rays, w, root_depth_m)
    # Normal equations of sum w (X - u Z - a)^2 + w (Y - v Z - b)^2; X and Y follow from Z by weighted means.
    uv = rays[:, :2] / rays[:, 2:]
    right = uv * joints[:, 2:] - joints[:, :2]  # (n, 2): a, b
    uv_mean, right_mean = w @ uv, w @ right
    z = root_depth_m if root_depth_m is not None else _solve_depth(uv - uv_mean, right - right_mean, w)
    if not NEAREST_M <= z <= FARTHEST_M:
        return None
    return np.array([*(right_mean + z * uv_mean), z])


def pose_spread(root_m: np.ndarray, joints_rel_m: np.ndarray, weight: np.ndarray, error_m: np.ndarray) -> float:
    """Standard deviation of the logarithm of a placed root's distance, by the errors expected of the pose's joints.

    The distance follows from the joints' extent across the line of sight, which is small where only a few are known.

    Args:
        root_m: (3,) as `place_root` gives it.
        joints_rel_m, weight: those that it was given.
        error_m: (17,) expected error of each joint.
    """
    used = np.isfinite(joints_rel_m).all(axis=1) & (weight > 0)
    w = weight[used] / weight[used].sum()
    sight = root_m / np.linalg.norm(root_m)
    across = joints_rel_m[used] - (joints_rel_m[used] @ sight)[:, None] * sight
    extent2 = ((across - w @ across) ** 2).sum(axis=1)
    return float(np.sqrt((w**2 * extent2 * error_m[used] ** 2).sum() / 3.0) / max((w * extent2).sum(), 1e-9))


def _solve_depth(uv: np.ndarray, right: np.ndarray, w: np.ndarray) -> float:
    """Z of the normal equations, of (n, 2) keypoints and right sides about their means; NaN where any would do."""
    spread = (w[:, None] * uv**2).sum()
    return -(w[:, None] * uv * right).sum() / spread if spread >= 1e-9 else np.nan


def _place_on_rays(
    joints: np.ndarray, rays: np.ndarray, w: np.ndarray, root_depth_m: float | None
) -> np.ndarray | None:
    """The root that makes the weighted squares of the joints' distances from their rays, of any direction, least."""
    rays = rays / np.linalg.norm(rays, axis=1, keepdims=True)
    across = np.eye(3) - rays[:, :, None] * rays[:, None, :]  # (n, 3, 3), takes off what lies along the ray
    left = np.einsum("n,nij->ij", w, across)
    right = -np.einsum("n,nij,nj->i", w, across, joints)
    if root_depth_m is not None:
        root = np.array([*np.linalg.solve(left[:2, :2], right[:2] - left[:2, 2] * root_depth_m), root_depth_m])
    elif np.linalg.eigvalsh(left)[0] < 1e-9:  # all rays are one: any distance would do
        return None
    else:
        root = np.linalg.solve(left, right)
    ahead = float(root @ (w @ rays)) > 0
    return root if ahead and NEAREST_M <= np.linalg.norm(root) <= FARTHEST_M else None
