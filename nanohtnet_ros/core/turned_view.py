"""A camera turned towards one person, for people at the edge of a fisheye lens.

The network takes x/z and y/z, which end at 80 degrees from the optical axis and are wrong beyond 90. A camera that
only turns sees along the same rays: such a person is seen by a virtual one that faces them, and their pose is
rotated back.
"""

from __future__ import annotations

import math

import numpy as np

from nanohtnet_ros.core.camera import FOCAL_NORM, WIDEST_COS, rays_to_tangents

BACK_COS = math.cos(math.radians(70.0))
"""A person who is no farther than this from the camera's axis is seen without a turn again."""

AHEAD = np.eye(3)
"""Of a virtual camera that looks where the camera itself does."""


def view_of(rays: np.ndarray, view_from_camera: np.ndarray) -> np.ndarray:
    """Choose the view of a person: the current one while it holds all keypoints, else one that faces the person.

    Args:
        rays: (17, 3) unit vectors in the camera's optical axes, NaN where missing.
        view_from_camera: (3, 3) rotation.
    Returns:
        (3, 3) rotation.
    """
    if not (rays @ view_from_camera[2] < WIDEST_COS).any():  # NaN is not
        return view_from_camera
    axis = rays[np.isfinite(rays[:, 2])].mean(axis=0)
    axis /= max(float(np.linalg.norm(axis)), 1e-9)
    if axis[2] < -1.0 + 1e-6:  # straight behind: half a turn about the vertical
        return np.diag((-1.0, 1.0, -1.0))
    x, y, z = axis  # the shortest turn that brings it onto (0, 0, 1)
    return np.array(
        (
            (1.0 - x * x / (1.0 + z), -x * y / (1.0 + z), -x),
            (-x * y / (1.0 + z), 1.0 - y * y / (1.0 + z), -y),
            (x, y, z),
        )
    )


def all_ahead(rays: np.ndarray) -> bool:
    """Whether none of (17, 3) unit vectors, NaN where missing, is more than 70 degrees off the optical axis."""
    return not (rays[:, 2] < BACK_COS).any()


def keypoints_in(rays: np.ndarray, view_from_camera: np.ndarray) -> np.ndarray:
    """The network's coordinates of rays in a view.

    Args:
        rays: (..., N, 3) unit vectors in the camera's optical axes.
        view_from_camera: (3, 3) or (..., 3, 3) rotation.
    Returns:
        (..., N, 2) float32; NaN more than 80 degrees off the view's axis.
    """
    return (FOCAL_NORM * rays_to_tangents(rays @ np.swapaxes(view_from_camera, -1, -2))).astype(np.float32)


def rays_of(keypoints_norm: np.ndarray, view_from_camera: np.ndarray) -> np.ndarray:
    """(..., 2) the network's coordinates in a view to (..., 3) unit vectors in the camera's optical axes."""
    rays = np.concatenate((keypoints_norm / FOCAL_NORM, np.ones_like(keypoints_norm[..., :1])), axis=-1)
    return rays / np.linalg.norm(rays, axis=-1, keepdims=True) @ view_from_camera
