"""Rotations as matrices and quaternions, and people moved to other frames."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from nanohtnet_ros.core.poses import Person


def xyzw_to_rotation(xyzw: np.ndarray) -> np.ndarray:
    """(4,) quaternion, of any length but zero, to a (3, 3) rotation matrix.

    Raises:
        ValueError: it is zero or not finite.
    """
    xyzw = np.asarray(xyzw, np.float64)
    norm = np.linalg.norm(xyzw)
    if not np.isfinite(norm) or norm < 1e-9:
        raise ValueError(f"quaternion xyzw is {xyzw.tolist()}, expected finite numbers that are not all zero")
    x, y, z, w = xyzw / norm
    return np.array([
        (1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)),
        (2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)),
        (2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)),
    ])


def rotation_to_xyzw(rotation: np.ndarray) -> np.ndarray:
    """(..., 3, 3) rotation matrices to (..., 4) unit quaternions with w >= 0; the inverse of `xyzw_to_rotation`.

    The quaternion is the eigenvector of the largest eigenvalue of a symmetric matrix, which has no special cases:
    I. Y. Bar-Itzhack, "New Method for Extracting the Quaternion from a Rotation Matrix", 2000.
    """
    r = np.moveaxis(np.asarray(rotation, np.float64), (-2, -1), (0, 1))  # (3, 3, ...)
    k = np.array([
        (r[0, 0] - r[1, 1] - r[2, 2], r[0, 1] + r[1, 0], r[0, 2] + r[2, 0], r[2, 1] - r[1, 2]),
        (r[0, 1] + r[1, 0], r[1, 1] - r[0, 0] - r[2, 2], r[1, 2] + r[2, 1], r[0, 2] - r[2, 0]),
        (r[0, 2] + r[2, 0], r[1, 2] + r[2, 1], r[2, 2] - r[0, 0] - r[1, 1], r[1, 0] - r[0, 1]),
        (r[2, 1] - r[1, 2], r[0, 2] - r[2, 0], r[1, 0] - r[0, 1], r[0, 0] + r[1, 1] + r[2, 2]),
    ])
    xyzw = np.linalg.eigh(np.moveaxis(k, (0, 1), (-2, -1)))[1][..., -1]
    return np.where(xyzw[..., 3:] < 0, -xyzw, xyzw)


def move_person(person: Person, xyzw: np.ndarray, translation_m: np.ndarray) -> Person:
    """Express a person's 3D joints in another frame; the 2D keypoints stay as they are.

    Args:
        person: in the source frame.
        xyzw: (4,) rotation of `target_from_source`.
        translation_m: (3,) translation of `target_from_source`.
    Returns:
        The person with joints in the target's axes and the root, where it is known, at its place there.
    """
    rotation = xyzw_to_rotation(xyzw)
    root = None if person.root_m is None else rotation @ person.root_m + translation_m
    joints = (person.joints_rel_m @ rotation.T).astype(np.float32)
    return replace(person, joints_rel_m=joints, root_m=root)
