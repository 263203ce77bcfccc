"""Recordings of people by calibrated cameras, and windows cut out of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from nanohtnet_ros.core.skeleton import H36M_17

FLIP_ORDER = torch.from_numpy(H36M_17.flip_order)


@dataclass(frozen=True)
class View:
    """One sequence as one camera saw it.

    Attributes:
        keypoints_norm: (F, 17, 2) float32, the network's image coordinates.
        joints_cam_m: (F, 17, 3) float32, metres, optical axes.
        subject, action, camera: what the recording is of.
        valid: (F,) bool, frames that training and evaluation may ask for; None for all.
    Raises:
        ValueError: a shape differs or a number is not finite.
    """

    keypoints_norm: np.ndarray
    joints_cam_m: np.ndarray
    subject: str
    action: str
    camera: str
    valid: np.ndarray | None = None

    def __post_init__(self) -> None:
        frames = len(self.joints_cam_m)
        expected = {"keypoints_norm": (frames, 17, 2), "joints_cam_m": (frames, 17, 3)}
        for name, shape in expected.items():
            array = getattr(self, name)
            if array.shape != shape or not frames:
                raise ValueError(f"{self.name}: {name} has shape {array.shape}, expected {shape} and at least a frame")
            if not np.isfinite(array).all():
                bad = int(np.flatnonzero(~np.isfinite(array).all(axis=(1, 2)))[0])
                raise ValueError(
                    f"{self.name}: {name} is not finite in frame {bad}: repair the file or leave the sequence out")
        if self.valid is not None and self.valid.shape != (frames,):
            raise ValueError(f"{self.name}: valid has shape {self.valid.shape}, expected {(frames,)}")

    @property
    def name(self) -> str:
        return f"{self.subject} {self.action} {self.camera}"


@dataclass(frozen=True)
class Windows:
    """Windows for an evaluation, and what they are of.

    Attributes:
        keypoints_norm: (N, T, 17, 2) float32.
        targets_m: (N, n, 17, 3) root-relative joints of the frames asked for, metres, optical axes.
        labels: `subject`, `action`, `camera`, `sequence` and `frame` of each window, arrays of N.
    """

    keypoints_norm: Tensor
    targets_m: Tensor
    labels: dict[str, np.ndarray]


@dataclass(frozen=True)
class RecordedViews:
    """Sequences as cameras saw them, laid end to end.

    Attributes:
        keypoints_norm: (N, 17, 2) float32.
        joints_cam_m: (N, 17, 3) float32, metres, optical axes.
        starts, lengths: (S,) int64, first frame and frames of each sequence.
        subjects, actions, cameras: labels of each sequence.
        valid: (N,) bool, frames that training and evaluation may ask for.
        sha256: of the files that the recordings were read from.
    """

    keypoints_norm: Tensor
    joints_cam_m: Tensor
    starts: Tensor
    lengths: Tensor
    subjects: tuple[str, ...]
    actions: tuple[str, ...]
    cameras: tuple[str, ...]
    valid: Tensor
    sha256: str

    @classmethod
    def join(cls, views: Iterable[View], sha256: str) -> RecordedViews:
        """Lay sequences end to end.

        Raises:
            ValueError: there is none, or no frame is valid.
        """
        views = list(views)
        if not views:
            raise ValueError("no recording was given, expected at least one sequence")
        lengths = torch.tensor([len(view.joints_cam_m) for view in views])
        valid = np.concatenate([
            np.ones(len(view.joints_cam_m), bool) if view.valid is None else view.valid for view in views])
        if not valid.any():
            raise ValueError(f"none of the {len(valid)} frames is valid: look at the archive's 'valid' flags")
        return cls(
            keypoints_norm=torch.from_numpy(np.concatenate([view.keypoints_norm for view in views])),
            joints_cam_m=torch.from_numpy(np.concatenate([view.joints_cam_m for view in views])),
            starts=torch.cumsum(lengths, 0) - lengths,
            lengths=lengths,
            subjects=tuple(view.subject for view in views),
            actions=tuple(view.action for view in views),
            cameras=tuple(view.camera for view in views),
            valid=torch.from_numpy(valid),
            sha256=sha256,
        )

    @property
    def names(self) -> tuple[str, ...]:
        """One name per sequence: subject, action and camera."""
        return tuple(map(" ".join, zip(self.subjects, self.actions, self.cameras, strict=True)))

    @cached_property
    def valid_frames(self) -> Tensor:
        """(M,) int64 indices of the valid frames."""
        return torch.nonzero(self.valid)[:, 0]

    def batch(
        self, size: int, window_length: int, offsets: Sequence[int], rng: torch.Generator, flip: bool = True
    ) -> tuple[Tensor, Tensor]:
        """Cut random windows; every valid frame is as likely as any other.

        Args:
            size: B.
            window_length: T.
            offsets: n target frames relative to the window's newest (0).
            rng: source of all randomness.
            flip: mirror half of the windows, left for right.
        Returns:
            (B, T, 17, 2) keypoints and (B, n, 17, 3) root-relative joints, metres, optical axes.
        """
        frame = self.valid_frames[torch.randint(len(self.valid_frames), (size,), generator=rng)]
        keypoints, targets = self.windows(frame, window_length, offsets)
        if flip:
            flipped = torch.rand(size, generator=rng) < 0.5
            keypoints[flipped], targets[flipped] = mirrored(keypoints[flipped]), mirrored(targets[flipped])
        return keypoints, targets

    def windows(self, frame: Tensor, window_length: int, offsets: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Cut the windows that answer for given frames.

        A window answers for its newest frame if that is among the offsets, else for the middle one of them, as the
        published, centred network does. Where it reaches over an end of its sequence, the end's frame is repeated.

        Args:
            frame: (B,) int64, of all frames.
            window_length, offsets: as in `batch`.
        Returns:
            As `batch`.
        """
        sequence = torch.searchsorted(self.starts, frame, right=True) - 1
        first = self.starts[sequence][:, None]
        last = first + self.lengths[sequence][:, None] - 1
        newest = (frame - answered(offsets))[:, None]
        seen = (newest + torch.arange(1 - window_length, 1)).clamp(first, last)  # (B, T)
        asked = (newest + torch.tensor(list(offsets))).clamp(first, last)  # (B, n)
        joints = self.joints_cam_m[asked]
        return self.keypoints_norm[seen], joints - joints[:, :, :1]

    def evaluation_windows(self, window_length: int, offsets: Sequence[int], stride: int = 1) -> Windows:
        """Cut a window for every `stride`-th valid frame of each sequence.

        A window of 243 frames takes 33 kB: Human3.6M's 543,344 test frames are 18 GB at a stride of 1, for which
        there is `evaluation_batches`.

        Raises:
            ValueError: the stride is not positive.
        """
        return next(self.evaluation_batches(window_length, offsets, stride, len(self.valid)))

    def evaluation_batches(
        self, window_length: int, offsets: Sequence[int], stride: int = 1, size: int = 1024
    ) -> Iterator[Windows]:
        """The same windows in turn, `size` at a time."""
        if stride < 1:
            raise ValueError(f"stride is {stride}, expected 1 or more")
        frames = torch.cat([
            torch.nonzero(self.valid[start:start + length])[::stride, 0] + start
            for start, length in zip(self.starts.tolist(), self.lengths.tolist(), strict=True)])
        for frame in frames.split(size):
            sequence = (torch.searchsorted(self.starts, frame, right=True) - 1).numpy()
            labels = {name: np.array(values)[sequence] for name, values in (
                ("subject", self.subjects), ("action", self.actions), ("camera", self.cameras))}
            labels |= {"sequence": sequence, "frame": (frame - self.starts[sequence]).numpy()}
            yield Windows(*self.windows(frame, window_length, offsets), labels)


def answered(offsets: Sequence[int]) -> int:
    """The offset of the frame that a window is cut for: the newest frame's (0), or else the middle one."""
    return 0 if 0 in offsets else sorted(offsets)[len(offsets) // 2]


def mirrored(seen: Tensor) -> Tensor:
    """Mirror what a camera saw: (..., 17, 2 or 3), x changes sign and left joints become right ones."""
    flipped = seen[..., FLIP_ORDER, :]
    flipped[..., 0] *= -1.0
    return flipped
