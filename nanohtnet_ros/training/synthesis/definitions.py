"""Joints that data sets and detectors define differently: spine, thorax, nose and crown."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from nanohtnet_ros.core.skeleton import Joint
from nanohtnet_ros.training.synthesis.body_axes import SHOULDERS, body_axes
from nanohtnet_ros.training.synthesis.crossover import leg_length
from nanohtnet_ros.training.synthesis.pose_augmentation import sway
from nanohtnet_ros.training.synthesis.virtual_camera import uniform

NECK_PER_LEG, SKULL_PER_LEG = 0.252, 0.177
"""From the recorded thorax to the joint of neck and skull, and from there up to the crown, per thigh and shin.

The crown is 0.087 of the stature above the joint (ANSUR II: tragion to top of head, and 2 cm down to the joint), and of
people who stand 0.202 of it above the shoulder joints (stature less acromial height, and 4 cm down to the joints). The
leg is 0.49 of the stature."""

BONE_LEAN_RAD = math.radians(11.0)
"""The head bone of CMU's recordings leans forward by this (most subjects 8 to 16 degrees) when people walk and look
ahead."""

NOSE, CROWN = (0.91, 0.01), (0.14, 1.0)
"""Forward and upward from the joint of neck and skull, per distance from it up to the crown. The tip of the nose is
0.067 of the stature before the crown and 0.086 below it (subnasale: 0.088, of Snyder et al.'s people from 16 to 20, see
`anthropometry`); the head is carried 0.012 of it before the neck's axis. No publication was found for 0.067 and
0.012."""


def with_anatomical_head(joints_m: Tensor) -> Tensor:
    """Give neck and head of recorded people (B, T, 17, 3) the lengths that `with_nose_and_crown` takes."""
    neck, head = Joint.NECK, Joint.HEAD
    leg = leg_length(joints_m)[:, None, None]
    upwards = F.normalize(joints_m[:, :, neck] - joints_m[:, :, Joint.THORAX], dim=-1)
    bone = F.normalize(joints_m[:, :, head] - joints_m[:, :, neck], dim=-1)
    changed = joints_m.clone()
    changed[:, :, neck] = joints_m[:, :, Joint.THORAX] + NECK_PER_LEG * leg * upwards
    changed[:, :, head] = changed[:, :, neck] + SKULL_PER_LEG * leg * bone
    return changed


def with_nose_and_crown(
    joints_m: Tensor, yaw: Tensor | None = None, pitch: Tensor | None = None, shift: Tensor | None = None
) -> Tensor:
    """Put the neck at the tip of the nose and the head at the crown, as detectors do.

    The face looks where the chest does unless it is turned: recordings know no turn of the head about its own axis.

    Args:
        joints_m: (B, T, 17, 3); the neck is the joint of neck and skull, the head the skull's height along CMU's head
            bone from it.
        yaw: (B, T, 1) radians, of the face to the left.
        pitch: (B, T, 1) radians, of the face downwards.
        shift: (B, 1, 4) of the nose forward and up, and of the crown forward and up, per height of the skull.
    """
    chest = body_axes(joints_m, SHOULDERS)
    forward, upward = chest[..., 0, :], chest[..., 2, :]
    joint = joints_m[:, :, Joint.NECK]
    skull = joints_m[:, :, Joint.HEAD] - joint
    height = skull.norm(dim=-1, keepdim=True)
    up = skull / height.clamp_min(1e-6)
    # The chest's forward direction, by the shortest rotation from its upward direction to the bone's.
    ahead, cosine = ((up * axis).sum(dim=-1, keepdim=True) for axis in (forward, upward))
    forward = F.normalize(forward - ahead / (1.0 + cosine).clamp_min(0.1) * (upward + up), dim=-1)
    lean = torch.full_like(height, BONE_LEAN_RAD)
    up, forward = lean.cos() * up - lean.sin() * forward, lean.cos() * forward + lean.sin() * up
    if yaw is not None:
        forward = yaw.cos() * forward + yaw.sin() * torch.linalg.cross(up, forward)
    if pitch is not None:
        up, forward = pitch.cos() * up + pitch.sin() * forward, pitch.cos() * forward - pitch.sin() * up
    at = torch.tensor((*NOSE, *CROWN), device=joints_m.device) + (0.0 if shift is None else shift)  # (1 or B, 1, 4)
    changed = joints_m.clone()
    for target, (f, u) in ((Joint.NECK, (0, 1)), (Joint.HEAD, (2, 3))):
        changed[:, :, target] = joint + height * (at[..., f, None] * forward + at[..., u, None] * up)
    return changed


def as_detected(joints_m: Tensor) -> Tensor:
    """Recorded people (B, T, 17, 3) with nose and crown as their neck and head; the face looks where the chest does."""
    return with_nose_and_crown(with_anatomical_head(joints_m))


@dataclass(frozen=True)
class JointDefinitions:
    """Variation of joints that data sets and detectors define differently, in 2D and 3D alike.

    Attributes:
        yaw_deg: standard deviation of the head's turn about its own axis, against the chest.
        pitch_deg: standard deviation of its nod, besides the recorded one.
        head_sway_hz: frequency of the part of both that oscillates, sampled uniformly.
        head_spread: standard deviation of nose and crown, forward and up, per height of the skull.
        thorax_raise: the thorax moves, by a random fraction, towards the shoulders' middle, raised by a fraction in
            this range of the trunk (detectors' thorax).
        spine_fraction: the spine moves, by a random fraction, towards the point at a fraction in this range from hip to
            thorax.
    """

    yaw_deg: float = 25.0
    pitch_deg: float = 9.0
    head_sway_hz: tuple[float, float] = (0.05, 0.5)
    head_spread: float = 0.06
    thorax_raise: tuple[float, float] = (0.0, 0.15)
    spine_fraction: tuple[float, float] = (0.4, 0.6)

    def apply(self, joints_m: Tensor, rng: torch.Generator) -> Tensor:
        """Move spine, thorax, neck and head of windows (B, T, 17, 3), world frame.

        Neck and head are those of `with_nose_and_crown`, before and after.
        """
        B, T = joints_m.shape[:2]
        turns = torch.deg2rad(torch.tensor((self.yaw_deg, self.pitch_deg), device=rng.device))
        yaw, pitch = (sway(B, T, 1, 2, self.head_sway_hz, rng)[:, :, 0] * turns).clamp(-1.2, 1.2).split(1, dim=-1)
        shift = self.head_spread * torch.randn((B, 1, 4), generator=rng, device=rng.device)
        moved = with_nose_and_crown(joints_m, yaw, pitch, shift)
        hip, spine, thorax, left, right = (
            joints_m[:, :, joint]
            for joint in (Joint.HIP, Joint.SPINE, Joint.THORAX, Joint.L_SHOULDER, Joint.R_SHOULDER)
        )
        middle = (left + right) / 2
        raised = middle + uniform((B, 1, 1), *self.thorax_raise, rng) * (middle - hip)
        thorax = torch.lerp(thorax, raised, uniform((B, 1, 1), 0.0, 1.0, rng))
        moved[:, :, Joint.THORAX] = thorax
        on_line = torch.lerp(hip, thorax, uniform((B, 1, 1), *self.spine_fraction, rng))
        moved[:, :, Joint.SPINE] = torch.lerp(spine, on_line, uniform((B, 1, 1), 0.0, 1.0, rng))
        return moved
