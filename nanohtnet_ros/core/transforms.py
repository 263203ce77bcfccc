"""Rotations as quaternions, and people moved to other frames."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.spatial.transform import Rotation

from nanohtnet_ros.core.poses import Person

OPTICAL_FROM_BODY_AXES = np.array(((0, -1, 0), (0, 0, -1), (1, 0, 0)), np.float64)
"""REP 103's axes, x ahead, y to the left, z up, in optical ones: right, down, ahead."""


def rotation_to_xyzw(rotation: np.ndarray) -> np.ndarray:
    """(..., 3, 3) rotation matrices to (..., 4) unit quaternions with w >= 0."""
    xyzw = Rotation.from_matrix(rotation.reshape(-1, 3, 3)).as_quat().reshape(*rotation.shape[:-2], 4)
    return np.where(xyzw[..., 3:] < 0, -xyzw, xyzw)


def move_person(person: Person, xyzw: np.ndarray, translation_m: np.ndarray) -> Person:
    """Express a person's 3D joints in another frame; the 2D keypoints stay as they are.

    Args:
        person: in the source frame.
        xyzw: (4,) rotation of `target_from_source`, of any length but zero.
        translation_m: (3,) translation of `target_from_source`.
    Returns:
        The person with joints in the target's axes and the root, where it is known, at its place there.
    Raises:
        ValueError: the quaternion is zero or not finite.
    """
    if not np.isfinite(xyzw).all():
        raise ValueError(f"quaternion xyzw is {list(xyzw)}, expected finite numbers")
    rotation = Rotation.from_quat(xyzw).as_matrix()
    root = None if person.root_m is None else rotation @ person.root_m + translation_m
    joints = (person.joints_rel_m @ rotation.T).astype(np.float32)
    return replace(person, joints_rel_m=joints, root_m=root)
