"""PoseCLR: contrastive pre-training of a lifting network's encoder on moments seen from several cameras.

After Cai et al., "NanoHTNet: Nano Human Topology Network for Efficient 3D Human Pose Estimation", arXiv 2501.15763,
which describes it and published no code. The mechanics are those of He et al., "Momentum Contrast for Unsupervised
Visual Representation Learning", CVPR 2020.

Letters in shape comments: V views, P = V - 1 keys of a moment, B moments, K keys in the bank, D width of a key,
T frames of a window, n frames of features, J joints, F features of the encoder, h of the head.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nanohtnet_ros.core.skeleton import H36M_17
from nanohtnet_ros.errors import UserError
from nanohtnet_ros.model.lifting_module import LiftingModule

EMPTY = -1  # sequence of a slot of the bank that holds no key yet
EPSILON = 1e-6  # added after the ReLU, so that all-zero features have a direction too
EXCLUDED = -1e6  # similarity of a key that is no negative; finite, for a query may have none at all


@dataclass(frozen=True)
class PoseCLRConfig:
    """Settings of positive and negative pairs.

    Attributes:
        views: V, cameras that see each moment: one is the query's, the others give its positive keys.
        momentum_encoders: one `shared` by all views, or one `per_view`; see `MomentumEncoders`.
        momentum: fraction of their own weights that momentum encoders keep at a step.
        bank_size: K, keys in the memory bank.
        exclusion_frames: a key of the query's own sequence is no negative if its newest frame lies within this many
            frames of the query's; None: the window's length.
        temperature: similarities are divided by it.
        head_features: h, features per joint of a key.
    """

    views: int = 4
    momentum_encoders: Literal["shared", "per_view"] = "shared"
    momentum: float = 0.999
    bank_size: int = 20480
    exclusion_frames: int | None = None
    temperature: float = 0.07
    head_features: int = 8

    def __post_init__(self) -> None:
        if self.views < 2:
            raise UserError(f"views is {self.views}, expected 2 or more: a query needs another camera's key")
        if self.momentum_encoders not in ("shared", "per_view"):
            raise UserError(f"momentum_encoders is '{self.momentum_encoders}', expected 'shared' or 'per_view'")
        if not 0.0 <= self.momentum < 1.0:
            raise UserError(f"momentum is {self.momentum}, expected 0 or more and less than 1")
        if self.bank_size < 1:
            raise UserError(f"bank_size is {self.bank_size}, expected 1 or more")
        if self.exclusion_frames is not None and self.exclusion_frames < 0:
            raise UserError(
                f"exclusion_frames is {self.exclusion_frames}, expected 0 or more: 0 excludes the query's own moment"
            )
        if self.temperature <= 0.0:
            raise UserError(f"temperature is {self.temperature}, expected more than 0: the paper names 0.07 and 0.5")

    def exclusion_for(self, window_length: int) -> int:
        """Frames of the same recording that count as a window's own moment."""
        return window_length if self.exclusion_frames is None else self.exclusion_frames


class ProjectionHead(nn.Module):
    """Features of an encoder to one key of unit length."""

    def __init__(self, frames: int, features: int, head_features: int) -> None:
        super().__init__()
        self.norm_in = nn.LayerNorm(features)
        self.linear = nn.Linear(features, head_features)
        self.norm_out = nn.LayerNorm(head_features)
        self.frame_weights = nn.Parameter(torch.full((frames,), 1.0 / frames))

    def forward(self, features: Tensor) -> Tensor:
        """(B, n, J, F) features to (B, J*h) keys."""
        x = self.norm_out(self.linear(self.norm_in(features)))  # (B, n, J, h)
        x = F.relu(torch.einsum("n,bnjh->bjh", self.frame_weights, x)) + EPSILON
        return F.normalize(x.flatten(1), dim=1)


class ContrastiveEncoder(nn.Module):
    """An encoder and its projection head.

    The encoder's regression head `fc` is left out and is not trained.
    """

    def __init__(self, encoder: LiftingModule, head_features: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.head = ProjectionHead(encoder.config.kept_frames, encoder.feature_width, head_features)
        encoder.fc.requires_grad_(False)

    def forward(self, keypoints: Tensor, level: Tensor | None = None) -> Tensor:
        """(B, D) keys of unit length of windows, see `LiftingModule.forward`."""
        features, _ = self.encoder.encode(keypoints, level)
        return self.head(features)

    @property
    def key_width(self) -> int:
        """D, width of a key."""
        return len(H36M_17) * self.head.linear.out_features


class MomentumEncoders(nn.Module):
    """Moving averages of the query's encoder and head, which encode the keys.

    There is one for all views, or one for each. All of them follow the same query encoder, so copies updated at the
    same steps would stay equal and be one shared encoder at V times the cost. One for each view is therefore updated
    at the steps in which it encoded keys, those in which its view was not the query's.

    They run in evaluation mode; norms over batches take their statistics from slow averages of the query encoder's,
    after Cai et al., "Exponential Moving Average Normalization", CVPR 2021.
    """

    def __init__(self, query: ContrastiveEncoder, config: PoseCLRConfig) -> None:
        super().__init__()
        self.momentum = config.momentum
        self.per_view = config.momentum_encoders == "per_view"
        copies = config.views if self.per_view else 1
        self.encoders = nn.ModuleList(copy.deepcopy(query) for _ in range(copies)).requires_grad_(False).eval()

    def train(self, mode: bool = True) -> MomentumEncoders:
        """Stay in evaluation mode, whatever the module around is set to."""
        return super().train(False)

    @torch.no_grad()
    def keys(self, keypoints: Tensor, level: Tensor, views: Sequence[int]) -> Tensor:
        """(P, B, D) keys of the given views of windows (V, B, T, J, 3) and whether they are levelled (V, B)."""
        if self.per_view:
            return torch.stack([self.encoders[view](keypoints[view], level[view]) for view in views])
        seen, known = keypoints[list(views)], level[list(views)]
        return self.encoders[0](seen.flatten(0, 1), known.flatten()).unflatten(0, known.shape)

    @torch.no_grad()
    def follow(self, query: ContrastiveEncoder, views: Sequence[int]) -> None:
        """Move towards the query's encoder and head: the shared encoder, or those of the given views."""
        now = query.state_dict()
        for index in views if self.per_view else (0,):
            for name, mine in self.encoders[index].state_dict().items():
                if mine.is_floating_point():
                    mine.lerp_(now[name], 1.0 - self.momentum)
                else:
                    mine.copy_(now[name])


class MemoryBank(nn.Module):
    """Ring buffer of the latest keys of earlier steps, each with its moment."""

    keys: Tensor
    sequence: Tensor
    frame: Tensor
    next: Tensor

    def __init__(self, size: int, key_width: int) -> None:
        super().__init__()
        self.register_buffer("keys", torch.zeros(size, key_width))
        self.register_buffer("sequence", torch.full((size,), EMPTY))
        self.register_buffer("frame", torch.zeros(size, dtype=torch.int64))
        self.register_buffer("next", torch.zeros((), dtype=torch.int64))

    def put(self, keys: Tensor, sequence: Tensor, frame: Tensor) -> None:
        """Replace the oldest keys.

        Args:
            keys: (N, D), unit length.
            sequence: (N,) int64, 0 or more: which recording each shows.
            frame: (N,) int64, its newest frame in that recording.
        Raises:
            UserError: more keys than the bank holds.
        """
        size = len(self.keys)
        if len(keys) > size:
            raise UserError(
                f"one step gives {len(keys)} keys, the memory bank holds {size}: raise bank_size, or take fewer "
                "windows a step"
            )
        slots = (self.next + torch.arange(len(keys), device=keys.device)) % size
        self.keys[slots] = keys.detach().to(self.keys.dtype)
        self.sequence[slots], self.frame[slots] = sequence, frame
        self.next.copy_((self.next + len(keys)) % size)

    def negatives(self, sequence: Tensor, frame: Tensor, exclusion_frames: int) -> Tensor:
        """(B, K) whether each slot holds a key of another moment than each query's.

        Args:
            sequence: (B,) int64, the queries' recordings.
            frame: (B,) int64, their newest frames.
            exclusion_frames: frames of the same recording that count as the query's own moment.
        """
        same = self.sequence == sequence[:, None]
        near = (self.frame - frame[:, None]).abs() <= exclusion_frames
        return self.sequence.ne(EMPTY) & ~(same & near)

    @property
    def filled(self) -> Tensor:
        """Fraction of the slots that hold keys."""
        return self.sequence.ne(EMPTY).float().mean()


def similarities(query: Tensor, positives: Tensor, bank: Tensor, negatives: Tensor) -> tuple[Tensor, Tensor]:
    """Cosines between queries and keys.

    Args:
        query: (B, D), unit length.
        positives: (P, B, D), unit length.
        bank: (K, D), unit length.
        negatives: (B, K) whether a key of the bank is a negative of a query.
    Returns:
        (P, B) with each positive, (B, K) with each negative; `EXCLUDED` where a key is none.
    """
    positive = torch.einsum("bd,pbd->pb", query, positives)
    return positive, (query @ bank.T).masked_fill(~negatives, EXCLUDED)


def info_nce(positive: Tensor, negative: Tensor, temperature: float) -> Tensor:
    """InfoNCE of each positive key against the negatives, averaged over positives and queries.

    Positives of one query do not compete: each is contrasted with the negatives alone.

    Args:
        positive: (P, B) from `similarities`.
        negative: (B, K) from `similarities`.
        temperature: similarities are divided by it.
    Returns:
        Scalar. A query without negatives adds zero.
    """
    rest = (negative / temperature).logsumexp(dim=1)  # (B,)
    return F.softplus(rest - positive / temperature).mean()  # -log(e^p / (e^p + sum e^n))
