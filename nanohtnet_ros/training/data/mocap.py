"""Motion-capture sequences and windows cut out of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from nanohtnet_ros.core.skeleton import H36M_17
from nanohtnet_ros.errors import UserError
from nanohtnet_ros.training.data import FRAME_RATE_HZ
from nanohtnet_ros.training.data.archives import sha256_of
from nanohtnet_ros.training.data.bvh_folder import BvhOptions, bvh_files, read_bvh_folder


@dataclass(frozen=True)
class MotionCapture:
    """Sequences of one split, laid end to end.

    Attributes:
        joints_world_m: (N, 17, 3) float32, Human3.6M order, metres, z up.
        starts: (S,) int64, first frame of each sequence.
        lengths: (S,) int64, frames of each sequence.
        actions: one label per sequence.
        names: one name per sequence.
        sha256: of the file that the sequences were read from.
    """

    joints_world_m: Tensor
    starts: Tensor
    lengths: Tensor
    actions: tuple[str, ...]
    names: tuple[str, ...]
    sha256: str

    @classmethod
    def load(cls, path: Path | str, split: str) -> MotionCapture:
        """Read one split of a `.npz` file of 17-joint sequences at 50 Hz.

        Args:
            path: file with `positions (N, 17, 3)`, `starts`, `lengths`, `names`, `actions`, `split`, `fps`,
                `parents`; read without pickle.
            split: `train` or `val`.
        Raises:
            FileNotFoundError: no such file.
            UserError: the skeleton or the frame rate differs, or the split is empty.
        """
        path = Path(path)
        if not path.is_file():
            raise FileNotFoundError(f"no motion data at {path}")
        with np.load(path, allow_pickle=False) as archive:
            parents = tuple(archive["parents"].tolist())
            if parents != H36M_17.parents:
                raise UserError(f"{path}: parents are {parents}, expected Human3.6M's {H36M_17.parents}")
            if float(archive["fps"]) != FRAME_RATE_HZ:
                raise UserError(f"{path}: {float(archive['fps'])} frames a second, expected {FRAME_RATE_HZ}")
            chosen = np.flatnonzero(archive["split"] == split)
            if not len(chosen):
                raise UserError(f"{path}: no sequence in split '{split}', it has {sorted(set(archive['split']))}")
            positions, starts, lengths = archive["positions"], archive["starts"], archive["lengths"]
            frames = np.concatenate([positions[starts[i]:starts[i] + lengths[i]] for i in chosen])
            lengths = lengths[chosen]
            return cls(
                joints_world_m=torch.from_numpy(frames),
                starts=torch.from_numpy(np.cumsum(lengths) - lengths),
                lengths=torch.from_numpy(lengths),
                actions=tuple(archive["actions"][chosen].tolist()),
                names=tuple(archive["names"][chosen].tolist()),
                sha256=sha256_of(path),
            )

    @classmethod
    def from_bvh(cls, folder: Path | str, split: str, options: BvhOptions | None = None) -> MotionCapture:
        """Read one split of a folder of BVH files, see `read_bvh_folder`.

        Args:
            folder: with `.bvh` files.
            split: `train` or `val`, by subject.
            options: how to read them.
        Raises:
            FileNotFoundError: no folder, or no file in it.
            UserError: a file is not understood, or the split is empty.
        """
        recordings = [r for r in read_bvh_folder(folder, options or BvhOptions()) if r.split == split]
        if not recordings:
            raise UserError(f"{folder}: no recording in split '{split}', expected train or val")
        lengths = torch.tensor([len(r.joints_m) for r in recordings])
        return cls(
            joints_world_m=torch.from_numpy(np.concatenate([r.joints_m for r in recordings]).astype(np.float32)),
            starts=torch.cumsum(lengths, 0) - lengths,
            lengths=lengths,
            actions=tuple(r.action for r in recordings),
            names=tuple(r.name for r in recordings),
            sha256=sha256_of(*bvh_files(folder)),
        )

    def to(self, device: torch.device | str) -> MotionCapture:
        """The same sequences with their tensors on a device."""
        return replace(
            self, joints_world_m=self.joints_world_m.to(device), starts=self.starts.to(device),
            lengths=self.lengths.to(device))

    def subset(self, fraction: float, seed: int = 0) -> MotionCapture:
        """Random sequences, as many as reach a fraction of the frames.

        Raises:
            UserError: the fraction is not in (0, 1].
        """
        if not 0.0 < fraction <= 1.0:
            raise UserError(f"fraction of the data is {fraction}, expected more than 0 and at most 1")
        order = torch.randperm(len(self.lengths), generator=torch.Generator().manual_seed(seed))
        reached = self.lengths[order].cumsum(0) - self.lengths[order]
        chosen = order[reached < fraction * self.lengths.sum()].sort().values
        frames = [self.joints_world_m[s:s + n] for s, n in zip(self.starts[chosen], self.lengths[chosen], strict=True)]
        lengths = self.lengths[chosen]
        return replace(
            self, joints_world_m=torch.cat(frames), starts=lengths.cumsum(0) - lengths, lengths=lengths,
            actions=tuple(self.actions[i] for i in chosen), names=tuple(self.names[i] for i in chosen))

    def sequence_weights(self, action_exponent: float = 0.5) -> Tensor:
        """(S,) sampling weights: actions by their duration to a power, sequences of one by their duration.

        Args:
            action_exponent: 1 samples frames evenly, 0 samples actions evenly.
        """
        lengths = self.lengths.double()
        labels = {action: i for i, action in enumerate(sorted(set(self.actions)))}
        action = torch.tensor([labels[a] for a in self.actions], device=lengths.device)
        total = torch.zeros(len(labels), dtype=torch.float64, device=lengths.device).index_add_(0, action, lengths)
        return lengths / total[action] * total[action] ** action_exponent

    def windows(self, sequence: Tensor, newest: Tensor, length: int, step: Tensor | float = 1.0) -> Tensor:
        """Cut windows that end at a given frame; frames before a sequence's first repeat it.

        Args:
            sequence: (B,) int64.
            newest: (B,) int64, frame within the sequence that is the window's last.
            length: T.
            step: playback speed, scalar or (B,); with linear interpolation.
        Returns:
            (B, T, 17, 3) float32.
        """
        device = self.joints_world_m.device
        back = torch.arange(length - 1, -1, -1, dtype=torch.float32, device=device)[None, :]  # (1, T)
        step = torch.as_tensor(step, dtype=torch.float32, device=device).reshape(-1, 1)
        frame = (newest[:, None].float() - back * step).clamp_min_(0.0)  # (B, T)
        before = frame.floor().long()
        weight = (frame - before)[..., None, None]
        after = torch.minimum(before + 1, newest[:, None])
        start = self.starts[sequence][:, None]
        x = self.joints_world_m[start + before]
        if bool((weight > 0).any()):
            x = torch.lerp(x, self.joints_world_m[start + after], weight)
        return x
