"""Motion-capture sequences and windows cut out of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from nanohtnet_ros.errors import UserError
from nanohtnet_ros.training.data.archives import sha256_of
from nanohtnet_ros.training.data.bvh_folder import BvhOptions, read_bvh_folder
from nanohtnet_ros.training.data.motion_file import MotionSequence, read_motion_file


@dataclass(frozen=True)
class MotionCapture:
    """Sequences of one split, laid end to end.

    Attributes:
        joints_world_m: (N, 17, 3) float32, Human3.6M order, metres, z up.
        starts: (S,) int64, first frame of each sequence.
        lengths: (S,) int64, frames of each sequence.
        actions: one label per sequence.
        names: one name per sequence.
        sha256: of the files that the sequences were read from.
    """

    joints_world_m: Tensor
    starts: Tensor
    lengths: Tensor
    actions: tuple[str, ...]
    names: tuple[str, ...]
    sha256: str

    @classmethod
    def load(cls, path: Path | str, split: str) -> MotionCapture:
        """Read one split of a motion file, see `read_motion_file`, or of all that a folder holds.

        Args:
            path: the `.npz` file, or the folder.
            split: `train` or `val`, as each file says.
        Raises:
            FileNotFoundError: no such file.
            UserError: a file is faulty, or the split is empty.
        """
        files = sorted(Path(path).glob("*.npz")) if Path(path).is_dir() else [path]
        sequences = [sequence for file in files for sequence in read_motion_file(file)]
        return cls.join(sequences, split, f"{path}: give some sequences that split")

    @classmethod
    def from_bvh(cls, folder: Path | str, split: str, options: BvhOptions | None = None) -> MotionCapture:
        """Read one split of a folder of BVH files, see `read_bvh_folder`.

        Args:
            folder: with `.bvh` files.
            split: `train` or `val`, by subject.
            options: how to read them.
        Raises:
            FileNotFoundError: no folder, or no file in it.
            UserError: no file is understood, or the split is empty.
        """
        return cls.join(read_bvh_folder(folder, options or BvhOptions()), split, f"{folder}: change --val_subjects")

    @classmethod
    def join(cls, sequences: Sequence[MotionSequence], split: str, remedy: str) -> MotionCapture:
        """Concatenate the sequences of one split.

        Args:
            sequences: of all splits.
            split: that is taken.
            remedy: where the sequences are from and what to do if none is of the split.
        Raises:
            UserError: none is.
        """
        chosen = [sequence for sequence in sequences if sequence.split == split]
        if not chosen:
            splits = ", ".join(f"{name} ({n})" for name, n in sorted(Counter(s.split for s in sequences).items()))
            raise UserError(f"no sequence in split '{split}', there are {splits} in {remedy}")
        lengths = torch.tensor([len(sequence.joints_m) for sequence in chosen])
        return cls(
            joints_world_m=torch.from_numpy(np.concatenate([s.joints_m for s in chosen]).astype(np.float32)),
            starts=torch.cumsum(lengths, 0) - lengths,
            lengths=lengths,
            actions=tuple(sequence.action for sequence in chosen),
            names=tuple(sequence.name for sequence in chosen),
            sha256=sha256_of(*dict.fromkeys(sequence.source for sequence in sequences)),
        )

    def to(self, device: torch.device | str) -> MotionCapture:
        """The same sequences with their tensors on a device."""
        return replace(
            self,
            joints_world_m=self.joints_world_m.to(device),
            starts=self.starts.to(device),
            lengths=self.lengths.to(device),
        )

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
        frames = [
            self.joints_world_m[s : s + n] for s, n in zip(self.starts[chosen], self.lengths[chosen], strict=True)
        ]
        lengths = self.lengths[chosen]
        return replace(
            self,
            joints_world_m=torch.cat(frames),
            starts=lengths.cumsum(0) - lengths,
            lengths=lengths,
            actions=tuple(self.actions[i] for i in chosen),
            names=tuple(self.names[i] for i in chosen),
        )

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
