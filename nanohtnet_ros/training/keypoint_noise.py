"""Keypoints as a detector on a camera gives them: at the camera's rate, jittering, off by a little."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from nanohtnet_ros.training.mocap import FRAME_RATE_HZ


@dataclass(frozen=True)
class KeypointNoise:
    """Errors added to projected keypoints, in units of the person's size in the image.

    The size is the root-mean-square distance of the newest frame's keypoints from their mean; a standing
    person's height is about 3.7 of it.

    Attributes:
        amount: every window's noise is scaled by one uniform factor from 0 to this.
        jitter: standard deviation of errors that are independent from frame to frame.
        drift: standard deviation of errors that follow an AR(1) process.
        drift_memory: correlation of the drift from one camera frame to the next.
        offset: standard deviation of errors that last for the whole window: detector and motion capture
            disagree on where a joint is.
        camera_rates_hz: frame rates that a window's keypoints are seen at before they are interpolated back to
            50 Hz; the newest frame is always seen.
        camera_rate_weights: relative frequencies of these rates.
    """

    amount: float = 2.0
    jitter: float = 0.02
    drift: float = 0.03
    drift_memory: float = 0.8
    offset: float = 0.04
    camera_rates_hz: tuple[float, ...] = (50.0, 30.0, 25.0, 15.0)
    camera_rate_weights: tuple[float, ...] = (0.4, 0.25, 0.2, 0.15)

    def apply(self, keypoints: Tensor, rng: torch.Generator) -> Tensor:
        """Add errors to clean keypoints.

        Args:
            keypoints: (B, T, 17, 2) at 50 Hz.
        Returns:
            (B, T, 17, 2) at 50 Hz.
        """
        weights = torch.tensor(self.camera_rate_weights)
        choice = torch.multinomial(weights, len(keypoints), replacement=True, generator=rng)
        noisy = torch.empty_like(keypoints)
        for i, rate_hz in enumerate(self.camera_rates_hz):
            chosen = torch.nonzero(choice == i)[:, 0]
            if len(chosen):
                noisy[chosen] = self._at_rate(keypoints[chosen], rate_hz, rng)
        return noisy

    def _at_rate(self, keypoints: Tensor, rate_hz: float, rng: torch.Generator) -> Tensor:
        B, T, J, _ = keypoints.shape
        to_camera, to_model = rate_matrices(T, rate_hz)
        seen = torch.einsum("st,btjc->bsjc", to_camera, keypoints)  # (B, S, J, 2)
        S = seen.shape[1]
        newest = keypoints[:, -1]
        size = (newest - newest.mean(dim=1, keepdim=True)).square().sum(-1).mean(-1).sqrt()[:, None, None, None]
        amount = size * self.amount * torch.rand(B, 1, 1, 1, generator=rng)
        error = self.jitter * torch.randn(seen.shape, generator=rng)
        error += self.offset * torch.randn((B, 1, J, 2), generator=rng)
        steps = torch.randn(seen.shape, generator=rng) * (1.0 - self.drift_memory**2) ** 0.5
        steps[:, 0] = torch.randn((B, J, 2), generator=rng)
        drift = torch.einsum("st,btjc->bsjc", ar1_matrix(S, self.drift_memory), steps)
        return torch.einsum("ts,bsjc->btjc", to_model, seen + amount * (error + self.drift * drift))


def rate_matrices(length: int, rate_hz: float) -> tuple[Tensor, Tensor]:
    """Linear interpolation from the model's grid to a camera's frames and back; both share the newest frame.

    Returns:
        (S, T) from model to camera, (T, S) from camera to model, float32.
    """
    age = torch.arange(length - 1, -1, -1, dtype=torch.float64)  # model frames before the newest
    step = FRAME_RATE_HZ / rate_hz
    camera_age = torch.arange(0, length - 1 + step, step, dtype=torch.float64).flip(0)
    return _interpolation(age, camera_age), _interpolation(camera_age, age)


def _interpolation(source_age: Tensor, target_age: Tensor) -> Tensor:
    """(targets, sources) weights that interpolate linearly; past either end the end is held. Ages descend."""
    time, wanted = -source_age, (-target_age).clamp(-source_age[0], -source_age[-1])
    after = torch.searchsorted(time, wanted).clamp(1, len(time) - 1)
    before = after - 1
    weight = (wanted - time[before]) / (time[after] - time[before])
    matrix = torch.zeros(len(wanted), len(time), dtype=torch.float64)
    row = torch.arange(len(wanted))
    matrix[row, before] = 1.0 - weight
    matrix[row, after] += weight
    return matrix.float()


def ar1_matrix(length: int, memory: float) -> Tensor:
    """(length, length) lower-triangular powers: `x_s = sum_t memory^(s-t) step_t`."""
    s = torch.arange(length)
    power = (s[:, None] - s[None, :]).clamp_min(0).float()
    return torch.tril(torch.tensor(memory) ** power)
