"""New motion from old: one recording's legs under another's upper body, and arms of others."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from nanohtnet_ros.training.synthesis.body_axes import SHOULDERS, body_axes

LOWER_JOINTS = 7  # hip and both legs come first in Human3.6M's order
ARMS = (slice(11, 14), slice(14, 17))  # left and right: shoulder, elbow, wrist


@dataclass(frozen=True)
class Crossover:
    """Exchange of upper bodies between recordings.

    After Li et al., "Cascaded Deep Monocular 3D Human Pose Estimation with Evolutionary Training Data", CVPR 2020.

    Attributes:
        share: of the windows that get another's upper body.
        level: least horizontal part of the line between the hips, in either recording and every frame, for a
            heading to be defined (people who lie or turn cartwheels keep their own).
        arms_share: of the windows, in which the left, the right or each arm moves as another's does about the chest.
    """

    share: float = 0.5
    level: float = 0.6
    arms_share: float = 0.3

    def apply(self, joints_m: Tensor, donors_m: Tensor) -> Tensor:
        """Put donors' upper bodies on people's legs.

        The upper body is turned about the vertical, frame by frame, so that both pelvises head the same way, and
        scaled by the ratio of the legs' lengths.

        Args:
            joints_m, donors_m: (B, T, 17, 3) world frame, z up.
        Returns:
            (B, T, 17, 3); windows without a heading are those of `joints_m`.
        """
        own, other = (x[:, :, 4] - x[:, :, 1] for x in (joints_m, donors_m))  # (B, T, 3) right hip to left
        has_heading = ((flatness(own) > self.level) & (flatness(other) > self.level)).all(dim=1)
        angle = torch.atan2(own[..., 1], own[..., 0]) - torch.atan2(other[..., 1], other[..., 0])
        cos, sin = angle.cos()[..., None], angle.sin()[..., None]
        x, y, z = (donors_m[:, :, LOWER_JOINTS:] - donors_m[:, :, :1]).unbind(dim=-1)
        upper = torch.stack((cos * x - sin * y, sin * x + cos * y, z), dim=-1)
        upper = upper * (leg_length(joints_m) / leg_length(donors_m))[:, None, None, None]
        crossed = torch.cat((joints_m[:, :, :LOWER_JOINTS], joints_m[:, :, :1] + upper), dim=2)
        return torch.where(has_heading[:, None, None, None], crossed, joints_m)

    def exchange_arms(self, joints_m: Tensor, donors_m: Tensor, rng: torch.Generator) -> Tensor:
        """Move the left, the right or each arm of people as donors' do, scaled to the length of their own.

        Args:
            joints_m, donors_m: (B, T, 17, 3) world frame.
            rng: chooses which arm.
        Returns:
            (B, T, 17, 3).
        """
        which = torch.randint(0, 3, (len(joints_m), 1, 1, 1), generator=rng, device=rng.device)
        own_from_donor = body_axes(joints_m, SHOULDERS).transpose(-1, -2) @ body_axes(donors_m, SHOULDERS)
        out = joints_m.clone()
        for other, arm in enumerate(ARMS):
            own, given = joints_m[:, :, arm], donors_m[:, :, arm]
            ratio = (length(own[:, -1]) / length(given[:, -1]))[:, None, None, None]
            moved = own[:, :, :1] + ratio * (given - given[:, :, :1]) @ own_from_donor.transpose(-1, -2)
            out[:, :, arm] = torch.where(which == 1 - other, own, moved)
        return out


def flatness(vector: Tensor) -> Tensor:
    """(...) share of a vector's (..., 3) length that is horizontal."""
    return vector[..., :2].norm(dim=-1) / vector.norm(dim=-1).clamp_min(1e-6)


def leg_length(joints_m: Tensor) -> Tensor:
    """(B,) thigh and shin of the right leg, newest frame."""
    return length(joints_m[:, -1, 1:4])


def length(joints_m: Tensor) -> Tensor:
    """(...) length of the way along joints (..., n, 3)."""
    return (joints_m[..., 1:, :] - joints_m[..., :-1, :]).norm(dim=-1).sum(dim=-1)
