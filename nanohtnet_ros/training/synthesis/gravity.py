"""What a robot knows of gravity, and windows seen by level cameras."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from nanohtnet_ros.core.camera import FOCAL_NORM, WIDEST_DEG
from nanohtnet_ros.training.synthesis.virtual_camera import LEAST_DEPTH_M, uniform

CHECKED_EVERY = 4
"""Frames from one to the next in which the width of a level view is checked."""


@dataclass(frozen=True)
class Gravity:
    """Knowledge of where down is.

    Attributes:
        given: probability of a window in which down is known; the others stay in the camera's own axes, and so do those
            of people who are too steeply above or below the camera (a tenth).
        error_deg: standard deviation of the known direction's roll and pitch, constant in a window.
        tremor_deg: the same, independent between frames.
    """

    given: float = 0.65
    error_deg: float = 1.0
    tremor_deg: float = 0.1

    def sense(self, joints_cam_m: Tensor, down_cam: Tensor, rng: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """Choose the windows that are levelled, and what is known of down in them.

        A person more than 80 degrees off a level camera's axis is not levelled: no image coordinates reach there.

        Args:
            joints_cam_m: (B, T, 17, 3) optical axes.
            down_cam: (B, T, 3) or (B, 1, 3) unit vectors to the floor in the same axes.
        Returns:
            (B,) 1 where a window is levelled, else 0; and down, true and as known, (B, T, 3) each: of windows that are
            not levelled it is the image's own, of which the level view is the camera's.
        """
        B, T = joints_cam_m.shape[:2]
        frames = torch.arange(T - 1, -1, -CHECKED_EVERY, device=rng.device)
        some, down = joints_cam_m[:, frames], down_cam.expand(B, T, 3)[:, frames]
        z = (some @ level_from_camera(down)[:, :, 2, :, None])[..., 0]
        within = z > math.cos(math.radians(WIDEST_DEG)) * some.norm(dim=-1)
        level = (within | (some[..., 2] < LEAST_DEPTH_M)).all(dim=2).all(dim=1)
        level &= uniform((B,), 0.0, 1.0, rng) < self.given
        own = torch.tensor((0.0, 1.0, 0.0), device=rng.device)
        true = torch.where(level[:, None, None], down_cam.expand(B, T, 3), own)
        constant, tremor = (torch.randn((B, n, 3), generator=rng, device=rng.device) for n in (1, T))
        error = math.radians(self.error_deg) * constant + math.radians(self.tremor_deg) * tremor
        known = F.normalize(true + level[:, None, None] * error, dim=-1)
        return level.float(), true, known


def level_from_camera(down_cam: Tensor) -> Tensor:
    """(..., 3, 3) `core.ground.level_from_camera` of unit vectors (..., 3), none of them along the optical axis."""
    x, y, z = down_cam.unbind(dim=-1)
    ahead = F.normalize(torch.stack((-z * x, -z * y, 1.0 - z * z), dim=-1), dim=-1)
    return torch.stack((torch.linalg.cross(down_cam, ahead), down_cam, ahead), dim=-2)


def levelled(keypoints: Tensor, level_from_camera: Tensor) -> Tensor:
    """(B, T, J, 2) keypoints in the views of cameras that are turned by (B, T, 3, 3) rotations."""
    x, y = keypoints.unbind(dim=-1)
    (xx, xy, xz), (yx, yy, yz), (zx, zy, zz) = (
        row.unbind(dim=-1) for row in level_from_camera[..., None, :, :].unbind(dim=-2)
    )
    ahead = ((zx * x + zy * y) / FOCAL_NORM + zz).clamp_min(0.1)
    right, down = xx * x + xy * y + FOCAL_NORM * xz, yx * x + yy * y + FOCAL_NORM * yz
    return torch.stack((right / ahead, down / ahead), dim=-1)
