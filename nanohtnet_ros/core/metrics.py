"""Errors of 3D poses, all in millimetres, over arrays in metres."""

from __future__ import annotations

import numpy as np


def joint_errors_mm(predicted_m: np.ndarray, target_m: np.ndarray) -> np.ndarray:
    """(..., J) distances between predicted and target joints, both (..., J, 3) metres."""
    return 1000.0 * np.linalg.norm(np.asarray(predicted_m, np.float64) - np.asarray(target_m, np.float64), axis=-1)


def root_relative(joints_m: np.ndarray) -> np.ndarray:
    """(..., J, 3) joints relative to joint 0."""
    return joints_m - joints_m[..., :1, :]


def mpjpe_mm(predicted_m: np.ndarray, target_m: np.ndarray) -> float:
    """Mean per-joint position error of root-relative poses (protocol 1).

    Args:
        predicted_m, target_m: (..., J, 3) metres; both are taken relative to their joint 0, which counts in the
            mean with error 0, as is the custom on Human3.6M.
    """
    return float(joint_errors_mm(root_relative(predicted_m), root_relative(target_m)).mean())


def align_similarity(predicted_m: np.ndarray, target_m: np.ndarray) -> np.ndarray:
    """Move each predicted pose onto its target by the best rotation, translation and scale.

    Args:
        predicted_m, target_m: (N, J, 3).
    Returns:
        (N, J, 3) aligned predictions. Reflections are excluded.
    Source:
        Umeyama, "Least-squares estimation of transformation parameters between two point patterns", 1991.
    """
    x, y = np.asarray(predicted_m, np.float64), np.asarray(target_m, np.float64)
    x_mean, y_mean = x.mean(axis=1, keepdims=True), y.mean(axis=1, keepdims=True)
    x, y = x - x_mean, y - y_mean
    u, s, vt = np.linalg.svd(np.einsum("nji,njk->nik", y, x))  # target_from_predicted correlation
    sign = np.sign(np.linalg.det(u @ vt))
    s[:, -1] *= sign
    u[:, :, -1] *= sign[:, None]
    rotation = u @ vt
    scale = s.sum(axis=1) / np.maximum((x**2).sum(axis=(1, 2)), 1e-12)
    return scale[:, None, None] * np.einsum("nij,nkj->nki", rotation, x) + y_mean


def p_mpjpe_mm(predicted_m: np.ndarray, target_m: np.ndarray) -> float:
    """Mean per-joint position error after similarity alignment (protocol 2); (N, J, 3) metres."""
    return float(joint_errors_mm(align_similarity(predicted_m, target_m), target_m).mean())
