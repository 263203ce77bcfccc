"""Virtual cameras placed as on a robot."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from nanohtnet_ros.training.data import FRAME_RATE_HZ

LEAST_DEPTH_M = 0.2
"""Joints with less depth are out of the image."""


def uniform(shape: tuple[int, ...], low: float, high: float, rng: torch.Generator) -> Tensor:
    """Uniform float32 samples in [low, high), on the generator's device."""
    return low + (high - low) * torch.rand(shape, generator=rng, device=rng.device)


def some_of(size: int, probability: float, rng: torch.Generator) -> Tensor:
    """(n,) int64, ascending: each of `size` indices with a probability."""
    return torch.nonzero(uniform((size,), 0.0, 1.0, rng) < probability)[:, 0]


@dataclass(frozen=True)
class CameraMotion:
    """Motion of a robot's camera during a window, relative to its pose in the used frame.

    Attributes:
        moving_probability: of a window whose camera moves; the others' are static.
        speed_m_s: maximum forward speed (along the optical axis' heading); a quarter of it backward.
        turn_deg_s: maximum yaw rate.
        shake_deg: maximum amplitude of oscillating pitch and roll.
        shake_hz: range of its frequency.
    """

    moving_probability: float = 0.5
    speed_m_s: float = 1.2
    turn_deg_s: float = 30.0
    shake_deg: float = 1.0
    shake_hz: tuple[float, float] = (0.5, 6.0)

    def drive(self, poses: CameraPoses, frames: int, rng: torch.Generator, offset: int = 0) -> CameraPoses:
        """Poses (B, T) of cameras whose poses (B, 1) in one frame are given.

        Args:
            poses: of the cameras in that frame.
            frames: T.
            offset: that frame, relative to the newest (0).
        """
        B = len(poses.yaw)
        age = (torch.arange(frames - 1, -1, -1, device=rng.device)[None, :] + offset) / FRAME_RATE_HZ  # (1, T) seconds
        moving = (uniform((B, 1), 0.0, 1.0, rng) < self.moving_probability).float()
        speed = moving * uniform((B, 1), -0.25 * self.speed_m_s, self.speed_m_s, rng)
        turn = moving * torch.deg2rad(uniform((B, 1), -self.turn_deg_s, self.turn_deg_s, rng))
        yaw = poses.yaw - turn * age
        # A path of constant speed and yaw rate is an arc; its chord has the mean heading.
        heading = poses.yaw - turn * age / 2
        chord = -speed * age * torch.special.sinc(turn * age / 2 / math.pi)
        step = torch.stack((heading.cos() * chord, heading.sin() * chord, torch.zeros_like(chord)), dim=-1)

        def shake() -> Tensor:
            amplitude = moving * torch.deg2rad(uniform((B, 1), 0.0, self.shake_deg, rng))
            phase = 2.0 * math.pi * (uniform((B, 1), *self.shake_hz, rng) * age + uniform((B, 1), 0.0, 1.0, rng))
            return amplitude * phase.sin()

        return CameraPoses(poses.centre_m + step, yaw, poses.pitch + shake(), poses.roll + shake())


@dataclass(frozen=True)
class CameraPoses:
    """Poses of cameras in F frames each (1: they are static).

    Attributes:
        centre_m: (B, F, 3), world frame, z up.
        yaw: (B, F) radians, heading of the optical axis about world z.
        pitch: (B, F) radians, positive upwards.
        roll: (B, F) radians, about the optical axis.
    """

    centre_m: Tensor
    yaw: Tensor
    pitch: Tensor
    roll: Tensor

    @property
    def down_cam(self) -> Tensor:
        """(B, F, 3) unit vectors to the floor, in each frame's optical axes."""
        level = self.pitch.cos()
        return torch.stack((self.roll.sin() * level, self.roll.cos() * level, -self.pitch.sin()), dim=-1)

    def view(self, joints_world_m: Tensor) -> Tensor:
        """(B, T, 17, 3) joints in each frame's optical axes (x right, y down, z forward); F is 1 or T."""
        rotation = optical_from_world(self.yaw, self.pitch, self.roll)  # (B, F, 3, 3)
        return (joints_world_m - self.centre_m[:, :, None]) @ rotation.transpose(2, 3)


@dataclass(frozen=True)
class RobotCameras:
    """Placement of virtual cameras on robots and walls; every range is sampled uniformly unless stated.

    Attributes:
        height_m: of the camera above the ground.
        distance_m: from the camera to the pelvis in the used frame; sampled log-uniformly.
        pan_deg: maximum angle of the pelvis left or right of the optical axis.
        tilt_deg: maximum angle above or below it of the point that the camera is aimed at.
        aim_m: height of that point above the pelvis.
        pitch_deg: of the camera at most, down (negative) and up.
        roll_deg: standard deviation.
        rolled_probability: of a camera that is rolled much.
        rolled_deg: maximum roll of such a camera.
    """

    height_m: tuple[float, float] = (0.2, 3.0)
    distance_m: tuple[float, float] = (1.0, 8.0)
    pan_deg: float = 35.0
    tilt_deg: float = 22.0
    aim_m: tuple[float, float] = (-0.5, 0.8)
    pitch_deg: tuple[float, float] = (-50.0, 35.0)
    roll_deg: float = 4.0
    rolled_probability: float = 0.15
    rolled_deg: float = 30.0

    def place(self, pelvis_m: Tensor, rng: torch.Generator) -> CameraPoses:
        """Sample a still camera for each person.

        Args:
            pelvis_m: (B, 3) in the used frame, world frame, z up.
        """
        B = pelvis_m.shape[0]
        near, far = map(math.log, self.distance_m)
        distance = torch.exp(uniform((B,), near, far, rng))
        height = uniform((B,), *self.height_m, rng)
        rise = ((pelvis_m[:, 2] - height) / distance).clamp(-0.9, 0.9)  # sine of the pelvis' elevation
        elevation = torch.asin(rise)
        azimuth = uniform((B,), -math.pi, math.pi, rng)
        pan = torch.deg2rad(uniform((B,), -self.pan_deg, self.pan_deg, rng))
        tilt = torch.deg2rad(uniform((B,), -self.tilt_deg, self.tilt_deg, rng))
        roll = math.radians(self.roll_deg) * torch.randn(B, generator=rng, device=rng.device)
        rolled = uniform((B,), 0.0, 1.0, rng) < self.rolled_probability
        roll = torch.where(rolled, torch.deg2rad(uniform((B,), -self.rolled_deg, self.rolled_deg, rng)), roll)
        tilt = tilt + torch.atan(uniform((B,), *self.aim_m, rng) / distance)
        pitch = (elevation + tilt).clamp(*map(math.radians, self.pitch_deg))
        ray = torch.stack((elevation.cos() * azimuth.cos(), elevation.cos() * azimuth.sin(), rise), dim=-1)
        centre = pelvis_m - distance[:, None] * ray
        return CameraPoses(centre[:, None], (azimuth + pan)[:, None], pitch[:, None], roll[:, None])


def optical_from_world(yaw: Tensor, pitch: Tensor, roll: Tensor) -> Tensor:
    """(..., 3, 3) rotations from a z-up world to optical axes (x right, y down, z forward).

    Args:
        yaw: (...) radians, heading of the optical axis about world z.
        pitch: (...) radians, positive upwards.
        roll: (...) radians, about the optical axis.
    """
    cy, sy, cp, sp, cr, sr = yaw.cos(), yaw.sin(), pitch.cos(), pitch.sin(), roll.cos(), roll.sin()
    forward = torch.stack((cp * cy, cp * sy, sp), dim=-1)
    right = torch.stack((sy, -cy, torch.zeros_like(cy)), dim=-1)
    down = torch.linalg.cross(forward, right)
    rolled_right = cr[..., None] * right + sr[..., None] * down
    rolled_down = cr[..., None] * down - sr[..., None] * right
    return torch.stack((rolled_right, rolled_down, forward), dim=-2)


def project(joints_cam_m: Tensor, focal_norm: float) -> Tensor:
    """Project joints to normalised image coordinates.

    Args:
        joints_cam_m: (..., 3), optical axes; depth is clamped to at least `LEAST_DEPTH_M`.
        focal_norm: focal length of the image coordinates.
    Returns:
        (..., 2).
    """
    return joints_cam_m[..., :2] / joints_cam_m[..., 2:].clamp_min(LEAST_DEPTH_M) * focal_norm
