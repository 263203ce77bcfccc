"""Batches that are functions of (seed, step, shard): the same after an interruption and in any order."""

from __future__ import annotations

import hashlib
import signal
from collections.abc import Callable, Iterator

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from nanohtnet_ros.errors import UserError
from nanohtnet_ros.training.loop.distributed import Machine
from nanohtnet_ros.training.loop.optimisation import LoopConfig

Draw = Callable[[int, torch.Generator], tuple[Tensor, ...]]
"""Number of samples and random numbers to tensors, whose first dimension is the samples."""


def seed_of(*words: object) -> int:
    """A seed that is the hash of some words."""
    return int.from_bytes(hashlib.blake2b(repr(words).encode(), digest_size=8).digest(), "big") >> 1


class StepBatches(Dataset):
    """This process's share of every step's batch."""

    def __init__(self, draw: Draw, config: LoopConfig, shards: int, machine: Machine) -> None:
        self.draw, self.seed = draw, config.seed
        self.size = config.batch_size // shards
        count = shards // machine.processes
        self.shards = range(machine.rank * count, (machine.rank + 1) * count)
        self.device = machine.device if config.batches_on == "device" else torch.device("cpu")

    def __getitem__(self, step: int) -> tuple[Tensor, ...]:
        parts = []
        for shard in self.shards:
            rng = torch.Generator(self.device).manual_seed(seed_of("batch", self.seed, step, shard))
            parts.append(self.draw(self.size, rng))
        return parts[0] if len(parts) == 1 else tuple(torch.cat(tensors) for tensors in zip(*parts, strict=True))


def shards_of(config: LoopConfig, machine: Machine) -> int:
    """Number of shards that a batch is drawn in.

    Raises:
        ValueError: processes, shards and batch size do not divide.
    """
    shards = machine.processes if config.shards is None else config.shards
    if shards % machine.processes:
        raise UserError(f"shards is {shards}, expected a multiple of the {machine.processes} processes")
    if config.batch_size % shards:
        raise UserError(f"batch_size is {config.batch_size}, expected a multiple of the {shards} processes")
    return shards


def load_batches(
    draw: Draw, config: LoopConfig, shards: int, machine: Machine, first: int, workers: int
) -> Iterator[tuple[Tensor, ...]]:
    """This process's batches from step `first` on, on the machine's device.

    Args:
        workers: processes that make batches ahead; 0 makes each when it is needed.
    Raises:
        ValueError: workers with batches made on a GPU.
    """
    if workers and config.batches_on == "device" and machine.device.type == "cuda":
        raise UserError(f"{workers} workers, but batches are made on the GPU: set workers to 0 or batches_on to cpu")
    loader = DataLoader(
        StepBatches(draw, config, shards, machine), batch_size=None, sampler=range(first, config.steps),
        num_workers=workers, worker_init_fn=_leave_signals, pin_memory=machine.device.type == "cuda" and workers > 0,
        generator=torch.Generator())
    for batch in loader:
        yield tuple(tensor.to(machine.device, non_blocking=True) for tensor in batch)


def _leave_signals(worker: int) -> None:
    """Ctrl-C goes to all processes of a terminal, and is for the one that trains."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
