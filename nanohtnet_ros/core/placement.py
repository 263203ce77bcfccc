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
    depths_m = None if root_depth_m is None else np.array([root_depth_m])
    return place_roots(joints_rel_m[None], rays[None], weight[None], depths_m)[0]


def place_roots(
    joints_rel_m: np.ndarray, rays: np.ndarray, weight: np.ndarray, root_depths_m: np.ndarray | None = None
) -> list[np.ndarray | None]:
    """`place_root` of P people: (P, 17, 3), (P, 17, 3), (P, 17) and (P,)."""
    usable = np.isfinite(joints_rel_m.sum(axis=-1) + rays.sum(axis=-1)) & (weight > 0)
    enough = usable.sum(axis=1) >= MIN_JOINTS
    w = np.where(usable, weight, 0.0).astype(np.float64)
    w /= np.maximum(w.sum(axis=1, keepdims=True), 1e-9)
    joints = np.where(usable[..., None], joints_rel_m, 0.0).astype(np.float64)
    rays = np.where(usable[..., None], rays, (0.0, 0.0, 1.0))
    plane = rays[..., 2] > PLANE_UNTIL_COS * np.sqrt((rays**2).sum(axis=-1))
    # Normal equations of sum w (X - u Z - a)^2 + w (Y - v Z - b)^2; X and Y follow from Z by weighted means.
    uv = rays[..., :2] / np.where(plane, rays[..., 2], 1.0)[..., None]
    right = uv * joints[..., 2:] - joints[..., :2]  # (P, 17, 2): a, b
    uv_mean, right_mean = w[:, None] @ uv, w[:, None] @ right  # (P, 1, 2)
    uv, weighted = uv - uv_mean, w[..., None] * (uv - uv_mean)
    spread = (weighted * uv).sum(axis=(1, 2))
    z = -(weighted * (right - right_mean)).sum(axis=(1, 2)) / np.where(spread >= 1e-9, spread, np.nan)
    z = z if root_depths_m is None else root_depths_m
    roots = np.concatenate(((right_mean + z[:, None, None] * uv_mean)[:, 0], z[:, None]), axis=1)
    known, plane = enough & (z >= NEAREST_M) & (z <= FARTHEST_M), plane.all(axis=1)
    return [
        (root if known[i] else None)
        if plane[i] or not enough[i]
        else _place_on_rays(joints[i], rays[i], w[i], None if root_depths_m is None else root_depths_m[i])
        for i, root in enumerate(roots)
    ]


def pose_spread(root_m: np.ndarray, joints_rel_m: np.ndarray, weight: np.ndarray, error_m: np.ndarray) -> np.ndarray:
    """Standard deviation of the logarithm of a placed root's distance, by the errors expected of the pose's joints.

    The distance follows from the joints' extent across the line of sight, which is small where only a few are known.

    Args:
        root_m: (..., 3) as `place_root` gives it.
        joints_rel_m, weight: those that it was given, (..., 17, 3) and (..., 17).
        error_m: (..., 17) expected error of each joint.
    """
    used = np.isfinite(joints_rel_m).all(axis=-1) & (weight > 0)
    joints, w = np.where(used[..., None], joints_rel_m, 0.0), np.where(used, weight, 0.0)
    w = w / np.maximum(w.sum(axis=-1, keepdims=True), 1e-9)
    sight = (root_m / np.sqrt((root_m**2).sum(axis=-1, keepdims=True)))[..., None, :]
    across = joints - (joints * sight).sum(axis=-1, keepdims=True) * sight
    extent2 = ((across - w[..., None, :] @ across) ** 2).sum(axis=-1)
    error = np.where(used, error_m, 0.0)
    return np.sqrt((w**2 * extent2 * error**2).sum(axis=-1) / 3.0) / np.maximum((w * extent2).sum(axis=-1), 1e-9)


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
