"""Windows of keypoints and their true joints: fixed ones to evaluate on, and what every kind of data gives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

import numpy as np
import torch
from torch import Tensor

from nanohtnet_ros.errors import UserError

Ground = Literal["given", "withheld"]
"""Whether windows are seen by level cameras, since down is known, or by the cameras as they are."""


@dataclass(frozen=True, eq=False)
class SlidingWindows:
    """Overlapping windows, cut on demand from the frames that they share.

    Attributes:
        frames: (M, 17, 3) keypoints of concatenated clips.
        newest: (N,) int64, row of each window's newest frame.
        first: (N,) int64, row of its clip's first frame, which is repeated before the clip's start.
        length: T.
    """

    frames: Tensor
    newest: Tensor
    first: Tensor
    length: int

    @property
    def shape(self) -> tuple[int, ...]:
        """(N, T, 17, 3)."""
        return (len(self.newest), self.length, *self.frames.shape[1:])

    def __len__(self) -> int:
        return len(self.newest)

    def __getitem__(self, chosen: slice) -> Tensor:
        """(B, T, 17, 3) the windows of a slice."""
        rows = self.newest[chosen, None] - torch.arange(self.length - 1, -1, -1)
        return self.frames[torch.maximum(rows, self.first[chosen, None])]


@dataclass(frozen=True, eq=False)
class EvaluationSet:
    """Fixed windows, their true joints, and labels to group errors by.

    Attributes:
        keypoints: by condition (as `clean` and `noisy`), (N, T, 17, 3) normalised keypoints of the same windows and
            their confidence.
        level: (N,) float32, 1 where a window is levelled, 0 where down is not known.
        targets_m: (N, F, 17, 3) root-relative joints, metres, optical axes.
        offsets: the F frames of the targets, relative to the window's newest frame (0); ascending.
        labels: by name, (N,) each. Categories: `action`, `subject`. Of the camera: `distance_m` to the pelvis,
            `camera_height_m` above the ground, `elevation_deg` of the pelvis above its horizon, `roll_deg` to either
            side. Of the person: `cut_off_percent` of joints out of the noisy condition's image, `body_height_m`.
            Indices: `sequence`, `frame` (the newest, in its sequence) and `clip`: consecutive rows of one clip with
            consecutive `frame`s give velocities.
        upright: (N, 2, 3) horizontal direction from the camera to the person, and up, in the targets' axes at the used
            frame; None where they are not known.
    """

    keypoints: Mapping[str, Tensor | SlidingWindows]
    level: Tensor
    targets_m: Tensor
    offsets: tuple[int, ...]
    labels: dict[str, np.ndarray] = field(default_factory=dict)
    upright: np.ndarray | None = None

    def __post_init__(self) -> None:
        N, F = len(self.targets_m), len(self.offsets)
        if tuple(self.targets_m.shape) != (N, F, 17, 3):
            raise UserError(f"targets are {tuple(self.targets_m.shape)}, expected (N, {F}, 17, 3): one per offset")
        shapes = {tuple(keypoints.shape) for keypoints in self.keypoints.values()}
        if len(shapes) != 1 or any(len(s) != 4 or s[0] != N or s[2:] != (17, 3) for s in shapes):
            raise UserError(f"keypoints are {sorted(shapes)}, expected ({N}, T, 17, 3) for every condition")
        if tuple(self.level.shape) != (N,):
            raise UserError(f"level is {tuple(self.level.shape)}, expected ({N},): one per window")
        check_offsets(self.offsets, self.window_length)
        lengths = {name: len(values) for name, values in self.labels.items() if len(values) != N}
        if lengths:
            raise UserError(f"labels {lengths} are not one for each of the {N} windows")

    def __len__(self) -> int:
        return len(self.targets_m)

    @property
    def window_length(self) -> int:
        """T."""
        return next(iter(self.keypoints.values())).shape[1]

    def neighbours(self) -> np.ndarray:
        """(M,) rows whose next row is the next frame in the same camera; empty without these labels."""
        if not {"clip", "frame"} <= self.labels.keys():
            return np.empty(0, np.int64)
        clip, frame = self.labels["clip"], self.labels["frame"]
        return np.flatnonzero((np.diff(clip) == 0) & (np.diff(frame) == 1))


class TrainingData(Protocol):
    """Windows of one split."""

    @property
    def sha256(self) -> str:
        """Checksum of the files."""
        ...

    @property
    def knows_down(self) -> bool:
        """Whether windows can be levelled."""
        ...

    def batch(
        self, size: int, window_length: int, offsets: Sequence[int], rng: torch.Generator
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Random windows.

        Returns:
            (B, T, 17, 3) keypoints and their confidence, (B,) 1 where a window is levelled, else 0, and (B, n, 17, 3)
            root-relative joints, metres, at `offsets` from the newest.
        """
        ...

    def views(
        self, size: int, views: int, window_length: int, rng: torch.Generator
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """(V, B, T, 17, 3) keypoints of B moments in V cameras, (V, B) level, (B,) recordings, (B,) newest frames."""
        ...

    def evaluation_set(
        self, window_length: int, offsets: Sequence[int], stride: int = ..., ground: Ground = ...
    ) -> EvaluationSet:
        """Fixed windows, one for every `stride` frames of a sequence; the default depends on the kind of data."""
        ...

    def to(self, device: torch.device | str) -> TrainingData:
        """The same with its tensors on another device."""
        ...


def check_offsets(offsets: Sequence[int], window_length: int) -> None:
    """Raise a UserError unless the offsets are ascending frames of the window."""
    offsets = list(offsets)
    if not offsets or offsets != sorted(set(offsets)) or offsets[0] <= -window_length or offsets[-1] > 0:
        raise UserError(f"offsets are {offsets}, expected ascending frames of the window, {1 - window_length} to 0")
