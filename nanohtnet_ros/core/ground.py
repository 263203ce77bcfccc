"""Where down is, and how high above the floor a camera is."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from nanohtnet_ros.core.rotation import upright_from_optical
from nanohtnet_ros.errors import UserError

STEEP_COS = math.cos(math.radians(10.0))
"""Of the angle between a camera's optical axis and the vertical, where the axis no longer tells what lies ahead."""


OPTICAL_SUFFIX = "_optical_frame"
"""REP 103: all other frames have z up."""


@dataclass(frozen=True, eq=False)
class Ground:
    """What is known of gravity and the floor at the moment of an image. Every part is optional.

    Attributes:
        down_cam: (3,) float64 unit vector that points to the floor, in the camera's optical axes; any length but zero
            is taken.
        height_m: of the camera above the floor, metres.
        ground_from_camera: (3, 4) rotation and translation of a frame of the user's with z up and the floor at z = 0,
            in which people's places are given too. Without it that frame is on the floor straight below the camera, x
            ahead of it, y to the left.
    """

    down_cam: np.ndarray | None = None
    height_m: float | None = None
    ground_from_camera: np.ndarray | None = None

    def __post_init__(self) -> None:
        if self.down_cam is not None:
            down = np.asarray(self.down_cam, np.float64)
            length = float(np.linalg.norm(down)) if down.shape == (3,) else math.nan
            if not 0.0 < length < math.inf:
                raise UserError(
                    f"down_cam is {self.down_cam}, expected three finite numbers, not all zero: a vector that points "
                    "to the floor, in the camera's optical axes (x right, y down, z ahead)"
                )
            object.__setattr__(self, "down_cam", down / length)
        if self.height_m is not None and not 0.0 < self.height_m < math.inf:
            raise UserError(
                f"the camera's height above the floor is {self.height_m:g} m, expected a positive number: "
                "the camera must be above the floor"
            )

    @classmethod
    def of_camera_pose(cls, rotation: np.ndarray, translation_m: np.ndarray) -> Ground:
        """Of a camera whose pose is known.

        Args:
            rotation: (3, 3) `ground_from_camera`, from the camera's optical axes to those of a frame with z up.
            translation_m: (3,) the camera in that frame, whose floor is at z = 0, metres.
        Raises:
            UserError: the camera is not above the floor.
        """
        rotation, translation_m = np.asarray(rotation, np.float64), np.asarray(translation_m, np.float64)
        return cls(-rotation[2], float(translation_m[2]), np.column_stack((rotation, translation_m)))

    @classmethod
    def of_angles(cls, pitch_deg: float = 0.0, roll_deg: float = 0.0, height_m: float | None = None) -> Ground:
        """Of a camera that is mounted at known angles, signed as in REP 103.

        Args:
            pitch_deg: by which the camera looks down.
            roll_deg: by which it is turned clockwise, seen from behind it.
            height_m: above the floor, metres.
        """
        pitch, roll = math.radians(pitch_deg), math.radians(roll_deg)
        down = (math.sin(roll) * math.cos(pitch), math.cos(roll) * math.cos(pitch), math.sin(pitch))
        return cls(np.array(down), height_m)

    @cached_property
    def level_from_camera(self) -> np.ndarray:
        """(3, 3) `level_from_camera` of `down_cam`, which must be known."""
        assert self.down_cam is not None
        return level_from_camera(self.down_cam)

    def place(self, point_cam_m: np.ndarray) -> np.ndarray | None:
        """A (3,) point from the camera's optical axes to the ground frame, metres; None where that is not known."""
        if self.ground_from_camera is not None:
            return self.ground_from_camera[:, :3] @ point_cam_m + self.ground_from_camera[:, 3]
        if self.down_cam is None or self.height_m is None:
            return None
        x, y, z = self.level_from_camera @ point_cam_m
        return np.array((z, -x, self.height_m - y))


def level_from_camera(down_cam: np.ndarray) -> np.ndarray:
    """The rotation to the axes of a level camera: same centre, y down, z where the camera looks, x to the right.

    z is the optical axis projected onto the horizontal plane. Where the camera looks down or up by more than 80
    degrees, it is the image's upward or downward direction.

    Args:
        down_cam: (3,) unit vector that points to the floor, in the camera's optical axes.
    Returns:
        (3, 3).
    """
    steep = abs(down_cam[2]) > STEEP_COS
    ahead = np.array((0.0, -np.sign(down_cam[2]), 0.0) if steep else (0.0, 0.0, 1.0))
    ahead -= (ahead @ down_cam) * down_cam
    ahead /= np.linalg.norm(ahead)
    (a, b, c), (x, y, z) = down_cam.tolist(), ahead.tolist()
    return np.array(((b * z - c * y, c * x - a * z, a * y - b * x), (a, b, c), (x, y, z)))


def unrolled_from_camera(down_cam: np.ndarray) -> np.ndarray | None:
    """The rotation about the optical axis after which down is neither left nor right, for networks without level views.

    Args:
        down_cam: (3,) unit vector that points to the floor, in the camera's optical axes.
    Returns:
        (3, 3); None where the camera looks down or up by more than 80 degrees.
    """
    if abs(down_cam[2]) > STEEP_COS:
        return None
    s, c = down_cam[:2] / np.hypot(*down_cam[:2])
    return np.array(((c, -s, 0.0), (s, c, 0.0), (0.0, 0.0, 1.0)))


def up_in_frame(frame_id: str, camera_frame: str, ground: Ground | None, image_rotation: int = 0) -> np.ndarray:
    """(3,) unit vector against gravity in a frame; in the camera's without a ground it is the image's up.

    Args:
        camera_frame: the camera's optical frame.
        image_rotation: the parameter of that name, degrees.
    """
    if frame_id != camera_frame and not frame_id.endswith(OPTICAL_SUFFIX):
        return np.array((0.0, 0.0, 1.0))
    if ground is not None and ground.down_cam is not None:
        return -ground.down_cam
    return -upright_from_optical(image_rotation)[1]
