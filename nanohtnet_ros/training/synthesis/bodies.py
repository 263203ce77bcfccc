"""Bodies of people as they are: recorded motion with the lengths of surveyed men, women and children."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from nanohtnet_ros.core.body import ANKLE_HEIGHT_M
from nanohtnet_ros.core.skeleton import Joint
from nanohtnet_ros.training.synthesis.anthropometry import (
    LENGTHS,
    MEN_MM,
    WOMEN_MM,
    adult_lengths,
    child_lengths,
    survey_stature,
)
from nanohtnet_ros.training.synthesis.body_axes import bones_of, chain
from nanohtnet_ros.training.synthesis.definitions import with_anatomical_head

ANKLE, TRUNK = LENGTHS.index("ankle"), LENGTHS.index("trunk")
BENT_TRUNK = 1.015
"""Hip to spine to thorax, per hip to thorax, of CMU's people who stand."""

BONES = {
    "hip": (Joint.R_HIP, Joint.L_HIP),
    "thigh": (Joint.R_KNEE, Joint.L_KNEE),
    "shin": (Joint.R_ANKLE, Joint.L_ANKLE),
    "neck": (Joint.NECK,),
    "skull": (Joint.HEAD,),
    "shoulder": (Joint.L_SHOULDER, Joint.R_SHOULDER),
    "upper_arm": (Joint.L_ELBOW, Joint.R_ELBOW),
    "forearm": (Joint.L_WRIST, Joint.R_WRIST),
}
"""Joints that a length's bones end at; the trunk has two bones one after the other."""


@dataclass(frozen=True)
class BodyVariation:
    """Bodies that recorded motion is given, whatever the recorded person's.

    Attributes:
        men, women, children: shares of the windows; the others' bodies are as recorded.
        even: share of the men and women whose statures are uniform in `men_m` and `women_m`, not as surveyed.
        men_m, women_m, children_m: ranges of statures; children's are uniform.
        spread: standard deviation of the logarithm of each length besides, for where data sets and detectors put
            joints, the same on both sides.
        hips_spread: of the hips' distance.
    """

    men: float = 0.42
    women: float = 0.38
    children: float = 0.14
    even: float = 0.3
    men_m: tuple[float, float] = (1.55, 2.05)
    women_m: tuple[float, float] = (1.42, 1.9)
    children_m: tuple[float, float] = (1.0, 1.5)
    spread: float = 0.025
    hips_spread: float = 0.1

    def apply(self, joints_m: Tensor, rng: torch.Generator) -> Tensor:
        """Give people other bodies; directions of bones are kept.

        Args:
            joints_m: (B, T, 17, 3) world frame, z up, the floor at 0.
        Returns:
            (B, T, 17, 3), with the neck at the joint of neck and skull and the head above it by the skull's height, as
            `definitions.with_nose_and_crown` takes them. Ways, and heights above standing ankles, are scaled as the
            legs; the lowest joint of each frame has a scaled height, so that feet stay on the floor.
        """
        joints_m = with_anatomical_head(joints_m)
        bones = bones_of(joints_m)
        recorded = bones[:, -1].norm(dim=-1).clamp_min(1e-3)  # (B, 17)
        lengths, drawn = self.lengths_m(len(joints_m), rng)
        wanted = recorded.clone()
        for name, ends in BONES.items():
            wanted[:, list(ends)] = lengths[:, LENGTHS.index(name), None]
        trunk = (Joint.SPINE, Joint.THORAX)
        bent = BENT_TRUNK * lengths[:, TRUNK, None]
        wanted[:, list(trunk)] = recorded[:, list(trunk)] * bent / recorded[:, list(trunk)].sum(dim=1, keepdim=True)
        factors = torch.where(drawn[:, None], wanted / recorded, 1.0)
        factors[:, Joint.HIP] = 1.0

        legs = [Joint.R_KNEE, Joint.R_ANKLE, Joint.L_KNEE, Joint.L_ANKLE]
        scale = ((factors * recorded)[:, legs].sum(dim=1) / recorded[:, legs].sum(dim=1))[:, None]
        spread = torch.randn((len(joints_m), len(BONES) + 1), generator=rng, device=rng.device)
        for i, (name, ends) in enumerate((*BONES.items(), ("trunk", trunk))):
            factors[:, list(ends)] *= torch.exp(
                (self.hips_spread if name == "hip" else self.spread) * spread[:, i, None]
            )
        changed = bones * factors[:, None, :, None]
        changed[:, :, Joint.HIP, :2] *= scale[..., None]
        changed = chain(changed)
        low, new_low = (x[..., 2].amin(dim=2) for x in (joints_m, changed))  # (B, T)
        ankle = lengths[:, ANKLE, None]
        floor = torch.where(drawn[:, None], ankle - scale * ANKLE_HEIGHT_M, 0.0)
        changed[..., 2] += (scale * low + floor - new_low)[..., None]
        return changed

    def lengths_m(self, size: int, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        """(B, 10) `LENGTHS` of people, and (B,) whether they are drawn; the others' body is the recorded one."""
        numbers = torch.rand((size, 3), generator=rng, device=rng.device).cpu().double().numpy()
        normal = torch.randn((size, len(LENGTHS) + 1), generator=rng, device=rng.device).cpu().double().numpy()
        kind = np.searchsorted(np.cumsum((self.men, self.women, self.children)), numbers[:, 0], side="right")
        lengths = np.empty((size, len(LENGTHS)))
        for i, (survey, limits) in enumerate(((MEN_MM, self.men_m), (WOMEN_MM, self.women_m))):
            mean, sigma = survey_stature(survey)
            stature = np.where(
                numbers[:, 1] < self.even, np.interp(numbers[:, 2], (0, 1), limits), mean + sigma * normal[:, 0]
            )
            chosen = kind == i
            lengths[chosen] = adult_lengths(survey, stature.clip(*limits)[chosen], normal[chosen, 1:])
        young = kind >= 2
        lengths[young] = child_lengths(np.interp(numbers[young, 2], (0, 1), self.children_m), normal[young, 1:])
        drawn = torch.from_numpy(kind < 3).to(rng.device)
        return torch.from_numpy(lengths).float().to(rng.device), drawn
