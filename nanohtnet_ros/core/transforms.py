"""Rotations as quaternions, and people moved to other frames."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from nanohtnet_ros.core.poses import Person


def rotation_to_xyzw(rotation: np.ndarray) -> np.ndarray:
    """(..., 3, 3) rotation matrices to (..., 4) unit quaternions with w >= 0."""
    (xx, xy, xz), (yx, yy, yz), (zx, zy, zz) = np.moveaxis(rotation, (-2, -1), (0, 1))
    products = np.array(  # of the quaternion's parts, times 4: each row is a multiple of it
        [
            [1.0 + xx - yy - zz, xy + yx, xz + zx, zy - yz],
            [xy + yx, 1.0 - xx + yy - zz, yz + zy, xz - zx],
            [xz + zx, yz + zy, 1.0 - xx - yy + zz, yx - xy],
            [zy - yz, xz - zx, yx - xy, 1.0 + xx + yy + zz],
        ]
    )
    products = np.moveaxis(products, (0, 1), (-2, -1))  # (..., 4, 4)
    largest = np.diagonal(products, axis1=-2, axis2=-1).argmax(axis=-1)
    xyzw = np.take_along_axis(products, largest[..., None, None], axis=-2)[..., 0, :]
    xyzw = xyzw / np.linalg.norm(xyzw, axis=-1, keepdims=True)
    return np.where(xyzw[..., 3:] < 0, -xyzw, xyzw)


def xyzw_to_rotation(xyzw: np.ndarray) -> np.ndarray:
    """(3, 3) rotation matrix of a quaternion, (4,) of any length but zero.

    Raises:
        ValueError: it is zero or not finite.
    """
    length = np.linalg.norm(xyzw)
    if not (np.isfinite(length) and length > 0):
        raise ValueError(f"quaternion xyzw is {list(xyzw)}, expected finite numbers that are not all zero")
    x, y, z, w = np.asarray(xyzw, np.float64) / length
    return np.array(
        [
            [1.0 - 2.0 * (y * y + z * z), 2.0 * (x * y - z * w), 2.0 * (x * z + y * w)],
            [2.0 * (x * y + z * w), 1.0 - 2.0 * (x * x + z * z), 2.0 * (y * z - x * w)],
            [2.0 * (x * z - y * w), 2.0 * (y * z + x * w), 1.0 - 2.0 * (x * x + y * y)],
        ]
    )


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
    rotation = xyzw_to_rotation(xyzw)
    root = None if person.root_m is None else rotation @ person.root_m + translation_m
    joints = (person.joints_rel_m @ rotation.T).astype(np.float32)
    return replace(person, joints_rel_m=joints, root_m=root)
