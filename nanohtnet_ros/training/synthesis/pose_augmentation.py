"""Pose augmentation: recorded motion with other angles of limbs, trunk and head, and tilted or lying people."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from nanohtnet_ros.core.skeleton import H36M_LIMBS, Joint
from nanohtnet_ros.training.data import FRAME_RATE_HZ
from nanohtnet_ros.training.synthesis.body_axes import HIPS, SHOULDERS, body_axes, bones_of, chain, rotated
from nanohtnet_ros.training.synthesis.virtual_camera import some_of, uniform

UPPER, LOWER = ([limb[i] for limb in H36M_LIMBS] for i in (1, 2))  # knees and elbows, ankles and wrists: legs first
TRUNK = slice(Joint.SPINE, None)  # with head and arms
HEAD = slice(Joint.NECK, Joint.HEAD + 1)
MAX_BEND_RAD = 2.6  # between thigh and shin, upper arm and forearm


@dataclass(frozen=True)
class PoseAugmentation:
    """Random changes of recorded poses, after Gong et al., "PoseAug", CVPR 2021, but sampled, not learnt.

    Angles are standard deviations in degrees. Half of an angle's variance is constant in a window, half oscillates.

    Attributes:
        probability: of a window being changed.
        arms_deg: of each arm about each axis of the chest.
        legs_deg: of each leg about each axis of the pelvis.
        trunk_deg: of the trunk with arms and head, likewise.
        head_deg: of neck and head about the axes of the chest.
        bend: of the logarithm of a factor on the angle of each elbow and knee; straight ones stay straight.
        sway_hz: frequency of the oscillation, sampled uniformly.
        tilt_deg: of the whole body about either horizontal axis.
        lying_probability: of a window whose person lies: is rotated by 60 to 110 degrees in any direction.
    """

    probability: float = 0.5
    arms_deg: float = 15.0
    legs_deg: float = 6.0
    trunk_deg: float = 6.0
    head_deg: float = 8.0
    bend: float = 0.15
    sway_hz: tuple[float, float] = (0.1, 0.8)
    tilt_deg: float = 5.0
    lying_probability: float = 0.02

    def apply(self, joints_m: Tensor, rng: torch.Generator) -> Tensor:
        """Change the poses of some of the windows.

        Args:
            joints_m: (B, T, 17, 3) world frame, z up.
        Returns:
            (B, T, 17, 3). Bone lengths are kept, and the height of the window's lowest joint above the ground.
        """
        changed = joints_m.clone()
        posed = some_of(len(joints_m), self.probability, rng)
        if len(posed):
            changed[posed] = self._tilt(self._pose(joints_m[posed], rng), rng)
        lying = some_of(len(joints_m), self.lying_probability, rng)
        if len(lying):
            changed[lying] = lay_down(changed[lying], rng)
        lowest = [x[..., 2].amin(dim=(1, 2)) for x in (joints_m, changed)]
        changed[..., 2] += (lowest[0] - lowest[1])[:, None, None]
        return changed

    def _pose(self, joints_m: Tensor, rng: torch.Generator) -> Tensor:
        """Rotate limbs, head and trunk of (B, T, 17, 3)."""
        B, T = joints_m.shape[:2]
        pelvis, chest = body_axes(joints_m, HIPS), body_axes(joints_m, SHOULDERS)
        bones = bones_of(joints_m)
        sigma = torch.tensor((self.legs_deg, self.legs_deg, self.arms_deg, self.arms_deg), device=rng.device)
        turns = sway(B, T, 4, 3, self.sway_hz, rng) * torch.deg2rad(sigma)[:, None]  # (B, T, 4, 3) in the parts' axes
        axes = torch.stack((pelvis, pelvis, chest, chest), dim=2)
        turns = (turns[..., None, :] @ axes)[..., 0, :]
        upper, lower = rotated(bones[:, :, UPPER], turns), rotated(bones[:, :, LOWER], turns)
        bones[:, :, UPPER] = upper
        bones[:, :, LOWER] = bent(upper, lower, torch.exp(self.bend * sway(B, T, 4, 1, self.sway_hz, rng)))

        for part, axes, degrees in ((HEAD, chest, self.head_deg), (TRUNK, pelvis, self.trunk_deg)):
            turn = math.radians(degrees) * sway(B, T, 1, 3, self.sway_hz, rng) @ axes
            bones[:, :, part] = rotated(bones[:, :, part], turn)
        return chain(bones)

    def _tilt(self, joints_m: Tensor, rng: torch.Generator) -> Tensor:
        turn = math.radians(self.tilt_deg) * torch.randn((len(joints_m), 3), generator=rng, device=rng.device)
        turn[:, 2] = 0.0
        return turned(joints_m, turn)


def sway(B: int, T: int, parts: int, width: int, hz: tuple[float, float], rng: torch.Generator) -> Tensor:
    """(B, T, parts, width) of unit variance: half a constant, half a sine of a frequency in a range."""
    shape = (B, 1, parts, width)
    seconds = torch.arange(T, device=rng.device)[:, None, None] / FRAME_RATE_HZ
    phase = 2.0 * math.pi * (uniform(shape, *hz, rng) * seconds + uniform(shape, 0.0, 1.0, rng))
    constant, amplitude = (torch.randn(shape, generator=rng, device=rng.device) for _ in range(2))
    return 0.5**0.5 * constant + amplitude * phase.sin()


def lay_down(joints_m: Tensor, rng: torch.Generator) -> Tensor:
    """Rotate people (B, T, 17, 3) by 60 to 110 degrees about any horizontal axis."""
    angle = torch.deg2rad(uniform((len(joints_m),), 60.0, 110.0, rng))
    axis = uniform((len(joints_m),), 0.0, 2.0 * math.pi, rng)
    turn = torch.stack((axis.cos() * angle, axis.sin() * angle, torch.zeros_like(angle)), dim=-1)
    return turned(joints_m, turn)


def turned(joints_m: Tensor, rotation: Tensor) -> Tensor:
    """Rotate bodies (B, T, 17, 3) by rotation vectors (B, 3) about the newest frame's pelvis."""
    pivot = joints_m[:, -1:, :1]
    return pivot + rotated(joints_m - pivot, rotation[:, None, None])


def bent(upper: Tensor, lower: Tensor, factor: Tensor) -> Tensor:
    """Rotate lower bones (..., 3) so that their angle to the upper ones is multiplied by a factor (..., 1)."""
    normal = torch.linalg.cross(upper, lower)
    angle = torch.atan2(normal.norm(dim=-1, keepdim=True), (upper * lower).sum(dim=-1, keepdim=True))
    wanted = (angle * factor).minimum(angle.clamp_min(MAX_BEND_RAD))  # those bent further are kept
    return rotated(lower, F.normalize(normal, dim=-1) * (wanted - angle))
