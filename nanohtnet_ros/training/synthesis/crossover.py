"""Crossover of recordings: one's legs with another's upper body or arms."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from nanohtnet_ros.core.skeleton import H36M_LIMBS, Joint
from nanohtnet_ros.training.synthesis.body_axes import SHOULDERS, body_axes

LOWER_JOINTS = Joint.SPINE  # hip and both legs come first in Human3.6M's order
RIGHT_LEG, LEFT_LEG, LEFT_ARM, RIGHT_ARM = (slice(limb[0], limb[-1] + 1) for limb in H36M_LIMBS)


@dataclass(frozen=True)
class Crossover:
    """Exchange of upper bodies between recordings.

    After Li et al., "Cascaded Deep Monocular 3D Human Pose Estimation with Evolutionary Training Data", CVPR 2020.

    Attributes:
        probability: of a window getting another's upper body.
        level: minimum horizontal part of the line between the hips, in either recording and every frame, for a
            heading to be defined (people who lie or turn cartwheels keep their own upper body).
        arms_probability: of a window in which the left, the right or each arm moves as another's does.
    """

    probability: float = 0.5
    level: float = 0.6
    arms_probability: float = 0.3

    def apply(self, joints_m: Tensor, donors_m: Tensor) -> Tensor:
        """Replace upper bodies by donors'.

        A donor's is turned about the vertical, frame by frame, to the heading of the pelvis, and scaled by the ratio
        of leg lengths.

        Args:
            joints_m, donors_m: (B, T, 17, 3) world frame, z up.
        Returns:
            (B, T, 17, 3); windows without a heading are those of `joints_m`.
        """
        own, other = (x[:, :, Joint.L_HIP] - x[:, :, Joint.R_HIP] for x in (joints_m, donors_m))
        has_heading = ((flatness(own) > self.level) & (flatness(other) > self.level)).all(dim=1)
        angle = torch.atan2(own[..., 1], own[..., 0]) - torch.atan2(other[..., 1], other[..., 0])
        cos, sin = angle.cos()[..., None], angle.sin()[..., None]
        x, y, z = (donors_m[:, :, LOWER_JOINTS:] - donors_m[:, :, :1]).unbind(dim=-1)
        upper = torch.stack((cos * x - sin * y, sin * x + cos * y, z), dim=-1)
        upper = upper * (limb_length(joints_m, RIGHT_LEG) / limb_length(donors_m, RIGHT_LEG))[:, None, None, None]
        crossed = torch.cat((joints_m[:, :, :LOWER_JOINTS], joints_m[:, :, :1] + upper), dim=2)
        return torch.where(has_heading[:, None, None, None], crossed, joints_m)

    def exchange_arms(self, joints_m: Tensor, donors_m: Tensor, rng: torch.Generator) -> Tensor:
        """Replace the motion of the left, the right or each arm by donors', scaled to the arm's length.

        Args:
            joints_m, donors_m: (B, T, 17, 3) world frame.
            rng: chooses which arm.
        Returns:
            (B, T, 17, 3).
        """
        which = torch.randint(0, 3, (len(joints_m), 1, 1, 1), generator=rng, device=rng.device)
        own_from_donor = body_axes(joints_m, SHOULDERS).transpose(-1, -2) @ body_axes(donors_m, SHOULDERS)
        out = joints_m.clone()
        for other, arm in enumerate((LEFT_ARM, RIGHT_ARM)):
            own, given = joints_m[:, :, arm], donors_m[:, :, arm]
            ratio = (limb_length(joints_m, arm) / limb_length(donors_m, arm))[:, None, None, None]
            moved = own[:, :, :1] + ratio * (given - given[:, :, :1]) @ own_from_donor.transpose(-1, -2)
            out[:, :, arm] = torch.where(which == 1 - other, own, moved)
        return out


def flatness(vector: Tensor) -> Tensor:
    """(...) horizontal part of a vector's (..., 3) length."""
    return vector[..., :2].norm(dim=-1) / vector.norm(dim=-1).clamp_min(1e-6)


def limb_length(joints_m: Tensor, limb: slice) -> Tensor:
    """(B,) length of a limb's two bones in the newest frame of (B, T, 17, 3)."""
    return joints_m[:, -1, limb].diff(dim=1).norm(dim=-1).sum(dim=-1)


def leg_length(joints_m: Tensor) -> Tensor:
    """(B,) length of thigh and shin in the newest frame of (B, T, 17, 3), mean of both sides."""
    return (limb_length(joints_m, RIGHT_LEG) + limb_length(joints_m, LEFT_LEG)) / 2
