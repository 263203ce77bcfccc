"""Device of a training, and the processes that torchrun started for it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from nanohtnet_ros.errors import UserError

Device = Literal["auto", "cpu", "cuda"]
CPU = torch.device("cpu")
Value = TypeVar("Value")


@dataclass(frozen=True)
class Process:
    """Device and rank of this process of a training.

    Attributes:
        device: of the network.
        rank: of this process; process 0 evaluates and writes.
        processes: world size.
    """

    device: torch.device = CPU
    rank: int = 0
    processes: int = 1

    @property
    def is_first(self) -> bool:
        return self.rank == 0

    def distribute(self, module: nn.Module) -> nn.Module:
        """The module, wrapped to average gradients over the processes if there are several."""
        if self.processes == 1:
            return module
        return DistributedDataParallel(module, device_ids=[self.device] if self.device.type == "cuda" else None)

    def mean(self, values: Tensor) -> Tensor:
        """Mean of a tensor over the processes."""
        if self.processes > 1:
            dist.all_reduce(values)
        return values / self.processes

    def highest(self, values: Tensor) -> Tensor:
        """Highest of each value over the processes."""
        if self.processes > 1:
            dist.all_reduce(values, op=dist.ReduceOp.MAX)
        return values

    def from_first(self, value: Value) -> Value:
        """Broadcast process 0's value; a barrier for all of them."""
        if self.processes == 1:
            return value
        box = [value]
        dist.broadcast_object_list(box, src=0, device=self.device)
        return box[0]


@contextmanager
def open_process(device: Device = "auto", threads: int = 0) -> Iterator[Process]:
    """Choose the device, and join the process group if torchrun started this process.

    Args:
        device: "auto" takes CUDA if there is a GPU. The process group uses gloo on CPUs and NCCL on GPUs.
        threads: CPU threads of this process, 0 for PyTorch's own choice.
    Raises:
        UserError: no GPU for "cuda", or fewer GPUs than processes on this machine.
    """
    if threads:
        torch.set_num_threads(threads)
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    local_rank, processes = int(os.environ.get("LOCAL_RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
    if device == "cuda" and local_rank >= torch.cuda.device_count():
        raise UserError(
            f"process {local_rank} of this machine finds {torch.cuda.device_count()} GPUs: start no more processes "
            "than GPUs, or set --device cpu"
        )
    here = torch.device("cuda", local_rank) if device == "cuda" else CPU
    if here.type == "cuda":
        torch.cuda.set_device(here)
    if processes == 1:
        yield Process(here)
        return
    dist.init_process_group("nccl" if here.type == "cuda" else "gloo")
    try:
        yield Process(here, dist.get_rank(), dist.get_world_size())
    finally:
        dist.destroy_process_group()
