"""Bodies of other proportions, and virtual cameras that look at them as a robot's camera would."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from nanohtnet_ros.training.data import FRAME_RATE_HZ
from nanohtnet_ros.training.synthesis.body_axes import bones_of, chain


def uniform(shape: tuple[int, ...], low: float, high: float, rng: torch.Generator) -> Tensor:
    """Uniform float32 samples in [low, high), on the generator's device."""
    return low + (high - low) * torch.rand(shape, generator=rng, device=rng.device)


def some_of(size: int, share: float, rng: torch.Generator) -> Tensor:
    """(n,) int64, ascending: each of `size` places with a probability of `share`."""
    return torch.nonzero(uniform((size,), 0.0, 1.0, rng) < share)[:, 0]


@dataclass(frozen=True)
class BodyVariation:
    """How much a body's proportions vary about the recorded person's.

    Every spread is the standard deviation of a log factor. Left and right share their factors.

    Attributes:
        scale: of the whole body.
        limbs: of each thigh, shin, upper arm and forearm.
        hips: of the hip half-width, about `hips_mean` times the recorded one.
        shoulders: of the distance from thorax to shoulder.
        trunk: of hip-spine and spine-thorax.
        head: of thorax-neck and neck-head, about `head_mean` times the recorded ones.
    """

    scale: float = 0.05
    limbs: float = 0.06
    hips: float = 0.15
    hips_mean: float = 1.15
    shoulders: float = 0.12
    trunk: float = 0.08
    head: float = 0.25
    head_mean: float = 1.35

    def apply(self, joints_m: Tensor, rng: torch.Generator) -> Tensor:
        """Rebuild bodies with other bone lengths; the bones' directions stay.

        Args:
            joints_m: (B, T, 17, 3) world frame, z up.
        Returns:
            (B, T, 17, 3). Roots are scaled with the body about the ground, so feet stay on it.
        """
        def factor(sigma: float, mean: float = 1.0) -> Tensor:
            return mean * torch.exp(sigma * torch.randn((joints_m.shape[0], 1, 1), generator=rng, device=rng.device))

        hip, shoulder = factor(self.hips, self.hips_mean), factor(self.shoulders)
        thigh, shin, upper_arm, forearm = (factor(self.limbs) for _ in range(4))
        lower_trunk, upper_trunk = factor(self.trunk), factor(self.trunk)
        neck, head = factor(self.head, self.head_mean), factor(self.head, self.head_mean)
        # Factor of the bone that ends at each joint, in Human3.6M order; the root is scaled with the whole body.
        factors = (torch.ones_like(hip), hip, thigh, shin, hip, thigh, shin, lower_trunk, upper_trunk, neck, head,
                   shoulder, upper_arm, forearm, shoulder, upper_arm, forearm)
        scale = factor(self.scale)
        return chain(bones_of(joints_m) * (torch.stack(factors, dim=2) * scale[:, :, None]))


@dataclass(frozen=True)
class JointDefinitions:
    """Where data sets and detectors put the joints that no bone end defines; 2D and 3D follow alike.

    Attributes:
        nose_forward_m: joint 9 moves forward out of the neck's axis by up to this much (neck or nose).
        thorax_to_shoulders: joint 8 moves towards the shoulders' middle by a share in this range.
        spine_share: joint 7 moves towards the point at a share in this range from hip to thorax; how far it moves
            is random, from not at all to all the way.
    """

    nose_forward_m: float = 0.12
    thorax_to_shoulders: tuple[float, float] = (-0.3, 1.0)
    spine_share: tuple[float, float] = (0.4, 0.6)

    def apply(self, joints_m: Tensor, rng: torch.Generator) -> Tensor:
        """Move joints 7, 8 and 9 of each window by a choice of its own; (B, T, 17, 3), world frame."""
        B = joints_m.shape[0]
        hip, spine, thorax, neck, left, right = (joints_m[:, :, j] for j in (0, 7, 8, 9, 11, 14))
        forward = torch.nn.functional.normalize(torch.linalg.cross(left - right, neck - thorax), dim=-1)
        moved = joints_m.clone()
        moved[:, :, 9] = neck + forward * uniform((B, 1, 1), 0.0, self.nose_forward_m, rng)
        moved[:, :, 8] = torch.lerp(thorax, (left + right) / 2, uniform((B, 1, 1), *self.thorax_to_shoulders, rng))
        on_line = torch.lerp(hip, moved[:, :, 8], uniform((B, 1, 1), *self.spine_share, rng))
        moved[:, :, 7] = torch.lerp(spine, on_line, uniform((B, 1, 1), 0.0, 1.0, rng))
        return moved


@dataclass(frozen=True)
class CameraMotion:
    """How a robot's camera moves during a window. It is at its place in the frame whose pose is used.

    Attributes:
        moving_share: of the windows whose camera moves; the others' stand still.
        speed_m_s: forward (along the optical axis' heading), up to this much; a quarter of it backward.
        turn_deg_s: turns left or right at up to this rate.
        shake_deg: amplitude of nodding and rolling, up to this much.
        shake_hz: its frequency.
    """

    moving_share: float = 0.5
    speed_m_s: float = 1.2
    turn_deg_s: float = 30.0
    shake_deg: float = 1.0
    shake_hz: tuple[float, float] = (0.5, 6.0)

    def drive(self, place: CameraPlace, frames: int, rng: torch.Generator, offset: int = 0) -> CameraPlace:
        """Places (B, T) of cameras that are at places (B, 1) in one frame.

        Args:
            place: where each camera is in that frame.
            frames: T.
            offset: that frame, relative to the newest (0).
        """
        B = len(place.yaw)
        age = (torch.arange(frames - 1, -1, -1, device=rng.device)[None, :] + offset) / FRAME_RATE_HZ  # (1, T) seconds
        moving = (uniform((B, 1), 0.0, 1.0, rng) < self.moving_share).float()
        speed = moving * uniform((B, 1), -0.25 * self.speed_m_s, self.speed_m_s, rng)
        turn = moving * torch.deg2rad(uniform((B, 1), -self.turn_deg_s, self.turn_deg_s, rng))
        yaw = place.yaw - turn * age
        # A path of constant speed and turn rate is an arc; the mean heading over the way back spans its chord.
        heading = place.yaw - turn * age / 2
        chord = -speed * age * torch.special.sinc(turn * age / 2 / math.pi)
        step = torch.stack((heading.cos() * chord, heading.sin() * chord, torch.zeros_like(chord)), dim=-1)

        def shake() -> Tensor:
            amplitude = moving * torch.deg2rad(uniform((B, 1), 0.0, self.shake_deg, rng))
            phase = 2.0 * math.pi * (uniform((B, 1), *self.shake_hz, rng) * age + uniform((B, 1), 0.0, 1.0, rng))
            return amplitude * phase.sin()

        return CameraPlace(place.centre_m + step, yaw, place.pitch + shake(), place.roll + shake())


@dataclass(frozen=True)
class CameraPlace:
    """Where cameras are and how they look, for F frames each (1: they stand still).

    Attributes:
        centre_m: (B, F, 3), world frame, z up.
        yaw: (B, F) radians, heading of the optical axis about world z.
        pitch: (B, F) radians, positive looks up.
        roll: (B, F) radians, about the optical axis.
    """

    centre_m: Tensor
    yaw: Tensor
    pitch: Tensor
    roll: Tensor

    def view(self, joints_world_m: Tensor) -> Tensor:
        """(B, T, 17, 3) joints in each frame's optical axes (x right, y down, z forward); F is 1 or T."""
        rotation = optical_from_world(self.yaw, self.pitch, self.roll)  # (B, F, 3, 3)
        return (joints_world_m - self.centre_m[:, :, None]) @ rotation.transpose(2, 3)


@dataclass(frozen=True)
class RobotCameras:
    """Where virtual cameras stand and how they look; every range is sampled uniformly unless stated.

    Attributes:
        height_m: of the camera above the ground.
        distance_m: from camera to the pelvis, in the frame whose pose is used; sampled uniformly in its logarithm.
        pan_deg: the pelvis lies up to this angle left or right of the optical axis.
        tilt_deg: and up to this angle above or below it.
        pitch_deg: the camera looks up or down by this at most.
        roll_deg: standard deviation.
    """

    height_m: tuple[float, float] = (0.2, 2.2)
    distance_m: tuple[float, float] = (1.5, 8.0)
    pan_deg: float = 35.0
    tilt_deg: float = 22.0
    pitch_deg: float = 40.0
    roll_deg: float = 4.0

    def place(self, pelvis_m: Tensor, rng: torch.Generator) -> CameraPlace:
        """Choose a camera for each person.

        Args:
            pelvis_m: (B, 3) of the frame whose pose is used, world frame, z up.
        """
        B = pelvis_m.shape[0]
        distance = torch.exp(uniform((B,), *map(math.log, self.distance_m), rng))
        height = uniform((B,), *self.height_m, rng)
        rise = ((pelvis_m[:, 2] - height) / distance).clamp(-0.9, 0.9)  # sine of the pelvis' elevation
        elevation = torch.asin(rise)
        azimuth = uniform((B,), -math.pi, math.pi, rng)
        pan = torch.deg2rad(uniform((B,), -self.pan_deg, self.pan_deg, rng))
        tilt = torch.deg2rad(uniform((B,), -self.tilt_deg, self.tilt_deg, rng))
        limit = math.radians(self.pitch_deg)
        pitch = (elevation + tilt).clamp(-limit, limit)
        roll = math.radians(self.roll_deg) * torch.randn(B, generator=rng, device=rng.device)
        ray = torch.stack((elevation.cos() * azimuth.cos(), elevation.cos() * azimuth.sin(), rise), dim=-1)
        centre = pelvis_m - distance[:, None] * ray
        return CameraPlace(centre[:, None], (azimuth + pan)[:, None], pitch[:, None], roll[:, None])

    def view(
        self, joints_world_m: Tensor, rng: torch.Generator, motion: CameraMotion | None = None, offset: int = 0
    ) -> Tensor:
        """See each window through a camera of its own.

        Args:
            joints_world_m: (B, T, 17, 3), z up.
            motion: how cameras move; None: they stand still.
            offset: the frame whose pose is used, relative to the newest (0).
        Returns:
            (B, T, 17, 3) in the camera's optical axes at each frame: x right, y down, z forward.
        """
        place = self.place(joints_world_m[:, offset - 1, 0], rng)
        if motion is not None:
            place = motion.drive(place, joints_world_m.shape[1], rng, offset)
        return place.view(joints_world_m)


def optical_from_world(yaw: Tensor, pitch: Tensor, roll: Tensor) -> Tensor:
    """(..., 3, 3) rotations from a z-up world to optical axes (x right, y down, z forward).

    Args:
        yaw: (...) radians, heading of the optical axis about world z.
        pitch: (...) radians, positive looks up.
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
        joints_cam_m: (..., 3), optical axes; joints behind or right at the camera are held at 0.2 m depth.
        focal_norm: image coordinates are tangents times this.
    Returns:
        (..., 2).
    """
    return joints_cam_m[..., :2] / joints_cam_m[..., 2:].clamp_min(0.2) * focal_norm
