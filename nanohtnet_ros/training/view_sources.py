"""Moments seen from several cameras at once, out of recorded motion."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from nanohtnet_ros.training.mocap import MotionCapture
from nanohtnet_ros.training.synthesis import Synthesis


class ViewSource(Protocol):
    """Recorded motion that random moments are drawn from; tensors are on the random numbers' device."""

    def views(
        self, size: int, views: int, window_length: int, rng: torch.Generator
    ) -> tuple[Tensor, Tensor, Tensor]:
        """(V, B, T, 17, 2) keypoints of B moments in V cameras, (B,) recordings, (B,) newest frames."""
        ...

    def batch(
        self, size: int, window_length: int, offsets: Sequence[int], rng: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """(B, T, 17, 2) keypoints and (B, n, 17, 3) root-relative joints, metres, at `offsets` from the newest."""
        ...


@dataclass(frozen=True)
class MotionViews:
    """Motion capture seen through virtual cameras."""

    capture: MotionCapture
    synthesis: Synthesis

    def views(
        self, size: int, views: int, window_length: int, rng: torch.Generator
    ) -> tuple[Tensor, Tensor, Tensor]:
        return self.synthesis.views(self.capture, size, views, window_length, rng)

    def batch(
        self, size: int, window_length: int, offsets: Sequence[int], rng: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        return self.synthesis.batch(self.capture, size, window_length, offsets, rng)
