"""Batches that are functions of (seed, step, shard): the same after an interruption and in any order."""

from __future__ import annotations

import hashlib
import signal
from collections.abc import Callable, Iterator

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from nanohtnet_ros.errors import UserError
from nanohtnet_ros.training.loop.distributed import Process
from nanohtnet_ros.training.loop.optimisation import LoopConfig

Draw = Callable[[int, torch.Generator], tuple[Tensor, ...]]
"""Draws a number of samples; the first dimension of every tensor counts them."""


def seed_of(*words: object) -> int:
    """Hash of some values as a seed."""
    return int.from_bytes(hashlib.blake2b(repr(words).encode(), digest_size=8).digest(), "big") >> 1


class StepBatches(Dataset[tuple[Tensor, ...]]):
    """This process's part of every step's batch."""

    def __init__(self, draw: Draw, config: LoopConfig, shards: int, process: Process) -> None:
        self.draw, self.seed = draw, config.seed
        self.size = config.batch_size // shards
        count = shards // process.processes
        self.shards = range(process.rank * count, (process.rank + 1) * count)
        self.device = process.device if config.batches_on == "device" else torch.device("cpu")

    def __getitem__(self, step: int) -> tuple[Tensor, ...]:
        parts = []
        for shard in self.shards:
            rng = torch.Generator(self.device).manual_seed(seed_of("batch", self.seed, step, shard))
            parts.append(self.draw(self.size, rng))
        return parts[0] if len(parts) == 1 else tuple(torch.cat(tensors) for tensors in zip(*parts, strict=True))


def shards_of(config: LoopConfig, process: Process) -> int:
    """Number of shards of a batch.

    Raises:
        UserError: processes, shards and batch size do not divide.
    """
    shards = process.processes if config.shards is None else config.shards
    if shards % process.processes:
        raise UserError(f"shards is {shards}, expected a multiple of the {process.processes} processes")
    if config.batch_size % shards:
        raise UserError(f"batch_size is {config.batch_size}, expected a multiple of the {shards} processes")
    return shards


def load_batches(
    draw: Draw, config: LoopConfig, shards: int, process: Process, first: int, workers: int
) -> Iterator[tuple[Tensor, ...]]:
    """This process's batches from step `first` on, on its device.

    Args:
        workers: processes that prefetch batches; 0 for none.
    Raises:
        UserError: workers with batches made on a GPU.
    """
    if workers and config.batches_on == "device" and process.device.type == "cuda":
        raise UserError(f"{workers} workers, but batches are made on the GPU: set workers to 0 or batches_on to cpu")
    loader = DataLoader(
        StepBatches(draw, config, shards, process),
        batch_size=None,
        sampler=range(first, config.steps),
        num_workers=workers,
        worker_init_fn=_leave_signals,
        pin_memory=process.device.type == "cuda" and workers > 0,
        generator=torch.Generator(),
    )
    for batch in loader:
        yield tuple(tensor.to(process.device, non_blocking=True) for tensor in batch)


def _leave_signals(worker: int) -> None:
    """Ctrl-C reaches all processes of a terminal; only the training process shall act on it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
