"""Recordings by calibrated cameras, and windows of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from nanohtnet_ros.errors import UserError
from nanohtnet_ros.model.flip import mirrored
from nanohtnet_ros.model.network_config import used_offset
from nanohtnet_ros.training.data.windows import EvaluationSet, Ground, SlidingWindows, check_offsets


@dataclass(frozen=True)
class View:
    """One sequence in one camera.

    Attributes:
        keypoints_norm: (F, 17, 2) float32, the network's image coordinates.
        joints_cam_m: (F, 17, 3) float32, metres, optical axes.
        subject, action, camera: labels.
        trial: of the subject; the same in all cameras that recorded it.
        valid: (F,) bool, frames to train and evaluate on; None for all.
    Raises:
        UserError: a shape differs or a number is not finite.
    """

    keypoints_norm: np.ndarray
    joints_cam_m: np.ndarray
    subject: str
    action: str
    camera: str
    trial: str
    valid: np.ndarray | None = None

    def __post_init__(self) -> None:
        frames = len(self.joints_cam_m)
        expected = {"keypoints_norm": (frames, 17, 2), "joints_cam_m": (frames, 17, 3)}
        for name, shape in expected.items():
            array = getattr(self, name)
            if array.shape != shape or not frames:
                raise UserError(f"{self.name}: {name} has shape {array.shape}, expected {shape} and at least a frame")
            if not np.isfinite(array).all():
                bad = int(np.flatnonzero(~np.isfinite(array).all(axis=(1, 2)))[0])
                raise UserError(
                    f"{self.name}: {name} is not finite in frame {bad}: repair the file or leave the sequence out"
                )
        if self.valid is not None and self.valid.shape != (frames,):
            raise UserError(f"{self.name}: valid has shape {self.valid.shape}, expected {(frames,)}")

    @property
    def name(self) -> str:
        """Subject, trial and camera."""
        return f"{self.subject} {self.trial} {self.camera}"


@dataclass(frozen=True, eq=False)
class RecordedWindows(SlidingWindows):
    """Windows that repeat their sequence's last frame beyond its end.

    Attributes:
        last: (N,) int64, row of the sequence's last frame.
    """

    last: Tensor

    def __getitem__(self, chosen: slice) -> Tensor:
        return _take(self.frames, _rows(self.newest[chosen], self.length, self.first[chosen], self.last[chosen]))


@dataclass(frozen=True)
class RecordedViews:
    """Concatenated sequences of cameras.

    Attributes:
        keypoints_norm: (N, 17, 3) float32, with a confidence of 1: the archives have none.
        joints_cam_m: (N, 17, 3) float32, metres, optical axes.
        starts, lengths: (S,) int64, first frame and frames of each sequence.
        subjects, actions, cameras, trials: labels of each sequence.
        condition: kind of the keypoints, such as `gt`.
        valid: (N,) bool, frames to train and evaluate on.
        sha256: of the files that the recordings were read from.
    """

    keypoints_norm: Tensor
    joints_cam_m: Tensor
    starts: Tensor
    lengths: Tensor
    subjects: tuple[str, ...]
    actions: tuple[str, ...]
    cameras: tuple[str, ...]
    trials: tuple[str, ...]
    condition: str
    valid: Tensor
    sha256: str

    @classmethod
    def join(cls, views: Iterable[View], condition: str, sha256: str) -> RecordedViews:
        """Concatenate sequences.

        Raises:
            UserError: there is none, or no frame is valid.
        """
        views = list(views)
        if not views:
            raise UserError("no recording was given, expected at least one sequence")
        lengths = torch.tensor([len(view.joints_cam_m) for view in views])
        valid = np.concatenate(
            [np.ones(len(view.joints_cam_m), bool) if view.valid is None else view.valid for view in views]
        )
        if not valid.any():
            raise UserError(f"none of the {len(valid)} frames is valid: look at the archive's 'valid' flags")
        return cls(
            keypoints_norm=F.pad(
                torch.from_numpy(np.concatenate([view.keypoints_norm for view in views])), (0, 1), value=1.0
            ),
            joints_cam_m=torch.from_numpy(np.concatenate([view.joints_cam_m for view in views])),
            starts=torch.cumsum(lengths, 0) - lengths,
            lengths=lengths,
            subjects=tuple(view.subject for view in views),
            actions=tuple(view.action for view in views),
            cameras=tuple(view.camera for view in views),
            trials=tuple(view.trial for view in views),
            condition=condition,
            valid=torch.from_numpy(valid),
            sha256=sha256,
        )

    @property
    def knows_down(self) -> bool:
        """No: recordings do not tell it."""
        return False

    @property
    def names(self) -> tuple[str, ...]:
        """One name per sequence: subject, trial and camera."""
        return tuple(map(" ".join, zip(self.subjects, self.trials, self.cameras, strict=True)))

    def to(self, device: torch.device | str) -> RecordedViews:
        """The same recordings with their tensors on another device."""
        return replace(
            self,
            keypoints_norm=self.keypoints_norm.to(device),
            joints_cam_m=self.joints_cam_m.to(device),
            starts=self.starts.to(device),
            lengths=self.lengths.to(device),
            valid=self.valid.to(device),
        )

    @cached_property
    def valid_frames(self) -> Tensor:
        """(M,) int64 indices of the valid frames."""
        return torch.nonzero(self.valid)[:, 0]

    def batch(
        self, size: int, window_length: int, offsets: Sequence[int], rng: torch.Generator, flip: bool = True
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Random windows, uniform over the valid frames.

        A window is that of its newest frame if that is among the offsets, else of the middle one of them, as of the
        published, centred network. Beyond an end of its sequence the end's frame is repeated.

        Args:
            size: B.
            window_length: T.
            offsets: n target frames relative to the window's newest (0), ascending.
            rng: source of all randomness, on the device of the recordings.
            flip: mirror half of the windows, left for right.
        Returns:
            (B, T, 17, 3) keypoints with confidence, (B,) zeros, for down is not known, and (B, n, 17, 3) root-relative
            joints, metres, optical axes.
        """
        frame = self._random_frames(size, rng)
        newest, first, last = self._windows_for(frame, self._sequence(frame), offsets)
        keypoints = _take(self.keypoints_norm, _rows(newest, window_length, first, last))
        targets = self._targets(newest, first, last, offsets)
        if flip:
            flipped = torch.nonzero(torch.rand(size, generator=rng, device=rng.device) < 0.5)[:, 0]
            keypoints[flipped], targets[flipped] = mirrored(keypoints[flipped]), mirrored(targets[flipped])
        return keypoints, torch.zeros(size, device=rng.device), targets

    def views(
        self, size: int, views: int, window_length: int, rng: torch.Generator
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Random moments in several of the cameras that recorded them.

        Args:
            size: B.
            views: V, different cameras for each moment.
            window_length: T.
            rng: source of all randomness, on the device of the recordings.
        Returns:
            (V, B, T, 17, 3) keypoints with confidence, (V, B) zeros, for down is not known, (B,) each moment's
            recording, (B,) its newest frame.
        Raises:
            UserError: a recording has fewer cameras.
        """
        frame = self._random_frames(size, rng)
        sequence = self._sequence(frame)
        recording, cameras = self._recordings
        table = cameras[recording[sequence]]  # (B, K), -1 where there are fewer
        if int((cameras >= 0).sum(dim=1).min()) < views:
            raise UserError(f"{views} views are wanted, but a recording has fewer cameras: take fewer views")
        priority = torch.rand(table.shape, generator=rng, device=rng.device) - (table < 0).float()
        chosen = table.gather(1, priority.topk(views, dim=1).indices)  # (B, V)
        within = frame - self.starts[sequence]
        first = self.starts[chosen]
        last = first + self.lengths[chosen] - 1
        rows = _rows((first + within[:, None]).flatten(), window_length, first.flatten(), last.flatten())
        keypoints = _take(self.keypoints_norm, rows).unflatten(0, (size, views)).transpose(0, 1)
        return keypoints, torch.zeros(views, size, device=rng.device), recording[sequence], within

    def evaluation_set(
        self, window_length: int, offsets: Sequence[int], stride: int = 1, ground: Ground = "withheld"
    ) -> EvaluationSet:
        """A window for every `stride`-th valid frame of each sequence, as in `batch`.

        Args:
            window_length: T.
            offsets: frames of the targets, relative to the newest, ascending.
            stride: 1 as in the literature; velocities (MPJVE) need it.
            ground: withheld: recordings do not tell where down is.
        Returns:
            Windows that are cut on demand, with the labels subject, action, camera, sequence, clip,
            frame and distance_m.
        Raises:
            UserError: the stride is not positive, an offset lies outside the window, or ground is to be given.
        """
        if ground != "withheld":
            raise UserError("recordings do not tell where down is: evaluate with ground withheld, or on motion capture")
        if stride < 1:
            raise UserError(f"stride is {stride}, expected 1 or more")
        check_offsets(offsets, window_length)
        frame = torch.cat(
            [
                torch.nonzero(self.valid[start : start + length])[::stride, 0] + start
                for start, length in zip(self.starts.tolist(), self.lengths.tolist(), strict=True)
            ]
        )
        sequence = self._sequence(frame)
        newest, first, last = self._windows_for(frame, sequence, offsets)
        row = sequence.cpu().numpy()
        labels = {
            name: np.array(values)[row]
            for name, values in (("subject", self.subjects), ("action", self.actions), ("camera", self.cameras))
        }
        labels |= {
            "sequence": row,
            "clip": row,
            "frame": (newest - first).cpu().numpy(),
            "distance_m": self.joints_cam_m[frame, 0].norm(dim=-1).cpu().numpy(),
        }
        windows = RecordedWindows(self.keypoints_norm, newest, first, window_length, last)
        targets = self._targets(newest, first, last, offsets)
        return EvaluationSet({self.condition: windows}, torch.zeros(len(frame)), targets, tuple(offsets), labels)

    @cached_property
    def _recordings(self) -> tuple[Tensor, Tensor]:
        """(S,) the recording of each sequence, and (R, K) the sequences of each recording, padded with -1."""
        keys = {key: i for i, key in enumerate(dict.fromkeys(zip(self.subjects, self.trials, strict=True)))}
        recording = [keys[key] for key in zip(self.subjects, self.trials, strict=True)]
        of_each = [[i for i, r in enumerate(recording) if r == key] for key in range(len(keys))]
        widest = max(map(len, of_each))
        table = [row + [-1] * (widest - len(row)) for row in of_each]
        return (torch.tensor(recording, device=self.starts.device), torch.tensor(table, device=self.starts.device))

    def _random_frames(self, size: int, rng: torch.Generator) -> Tensor:
        return self.valid_frames[torch.randint(len(self.valid_frames), (size,), generator=rng, device=rng.device)]

    def _sequence(self, frame: Tensor) -> Tensor:
        return torch.searchsorted(self.starts, frame, right=True) - 1

    def _windows_for(self, frame: Tensor, sequence: Tensor, offsets: Sequence[int]) -> tuple[Tensor, Tensor, Tensor]:
        """(B,) rows of the newest frame, which may lie past its sequence's end, and of the sequence's ends."""
        first = self.starts[sequence]
        return frame - used_offset(offsets), first, first + self.lengths[sequence] - 1

    def _targets(self, newest: Tensor, first: Tensor, last: Tensor, offsets: Sequence[int]) -> Tensor:
        rows = newest[:, None] + torch.tensor(list(offsets), device=newest.device)
        joints = _take(self.joints_cam_m, rows.clamp(first[:, None], last[:, None]))
        return joints - joints[:, :, :1]


def _rows(newest: Tensor, length: int, first: Tensor, last: Tensor) -> Tensor:
    """(B, T) rows of the windows that end at given rows, clamped to their sequences."""
    back = torch.arange(1 - length, 1, device=newest.device)
    return (newest[:, None] + back).clamp(first[:, None], last[:, None])


def _take(frames: Tensor, rows: Tensor) -> Tensor:
    """`frames[rows]`, three times as fast."""
    return frames.index_select(0, rows.flatten()).unflatten(0, rows.shape)
