"""What detectors say of their own keypoints: confidences that tell much, little or nothing of the error."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from nanohtnet_ros.training.synthesis.virtual_camera import uniform


@dataclass(frozen=True)
class Confidence:
    """Confidences of keypoints. Each window is of a detector of one kind.

    Attributes:
        calibrated: probability of a detector whose confidence falls with its error.
        insensitive: probability of one that is sure of whatever it sees; the others give no confidence, which is 1.
        half_error: range of the error, relative to the person's size, at which a calibrated confidence is a half;
            sampled log-uniformly.
        gain: range of the slope of its logit over the logarithm of the error.
        noise: standard deviation of its logit, half of its variance constant in a window.
        sure: range of an insensitive detector's confidence, of each window.
        doubtful: range of the confidence of joints that are guessed or held; of each joint.
        swapped: by how much confidence falls, at most, where left and right are swapped.
    """

    calibrated: float = 0.5
    insensitive: float = 0.3
    half_error: tuple[float, float] = (0.06, 0.4)
    gain: tuple[float, float] = (0.6, 2.5)
    noise: float = 0.6
    sure: tuple[float, float] = (0.6, 1.0)
    doubtful: tuple[float, float] = (0.02, 0.4)
    swapped: float = 0.7

    @classmethod
    def none(cls) -> Confidence:
        """A confidence of 1 for every keypoint."""
        return cls(calibrated=0.0, insensitive=0.0)

    def apply(self, error: Tensor, hidden: Tensor, swapped: Tensor, rng: torch.Generator) -> Tensor:
        """Say how sure a detector is.

        Args:
            error: (B, S, J) of each keypoint, relative to the person's size.
            hidden: (B, S, J) bool, joints that the detector does not see, but gives and doubts.
            swapped: (B, S, J) bool, joints of which left and right are swapped.
        Returns:
            (B, S, J) in [0, 1].
        """
        B, _, J = error.shape
        low, high = self.half_error
        half = low * (high / low) ** uniform((B, 1, 1), 0.0, 1.0, rng)
        steady, fleeting = (
            (0.5**0.5 * self.noise) * torch.randn(shape, generator=rng, device=rng.device)
            for shape in ((B, 1, J), error.shape)
        )
        calibrated = torch.sigmoid(
            uniform((B, 1, 1), *self.gain, rng) * (half / (error + 1e-3)).log() + steady + fleeting
        )
        insensitive = (uniform((B, 1, 1), *self.sure, rng) + 0.1 * (steady + fleeting)).clamp(0.0, 1.0)
        kind = uniform((B, 1, 1), 0.0, 1.0, rng)
        seen = torch.where(kind < self.calibrated, calibrated, insensitive)
        seen = seen * (1.0 - self.swapped * uniform((B, 1, 1), 0.0, 1.0, rng) * swapped)
        doubtful = (uniform((B, 1, J), *self.doubtful, rng) + 0.1 * fleeting).clamp(0.0, 1.0)
        confidence = torch.where(hidden, doubtful, seen)
        return torch.where(kind < self.calibrated + self.insensitive, confidence, 1.0)
