"""How far a pose leans away from the camera: what no single image tells, and gravity does."""

from __future__ import annotations

import numpy as np

from nanohtnet_ros.core.skeleton import Joint


def lean_deg(joints_m: np.ndarray, upright: np.ndarray) -> np.ndarray:
    """Angle from the vertical to the line from hip to thorax, in the vertical plane through camera and person.

    Args:
        joints_m: (N, 17, 3) in any axes.
        upright: (N, 2, 3) horizontal direction from the camera to the person, and up, in the same axes.
    Returns:
        (N,) degrees, positive away from the camera.
    """
    away, up = np.einsum("nij,nj->in", upright, joints_m[:, Joint.THORAX] - joints_m[:, Joint.HIP])
    return np.rad2deg(np.arctan2(away, up))


def lean_error_deg(predicted_m: np.ndarray, target_m: np.ndarray, upright: np.ndarray) -> np.ndarray:
    """(M,) degrees by which poses (N, 17, 3) lean more than the truth, where its trunk is not across that plane."""
    trunk = target_m[:, Joint.THORAX] - target_m[:, Joint.HIP]
    within = np.linalg.norm(np.einsum("nij,nj->ni", upright, trunk), axis=1) > 0.5 * np.linalg.norm(trunk, axis=1)
    more = (lean_deg(predicted_m, upright) - lean_deg(target_m, upright))[within]
    return (more + 180.0) % 360.0 - 180.0
