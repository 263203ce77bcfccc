"""Where a training runs: its device, and the processes that share the work (torchrun)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from nanohtnet_ros.errors import UserError

Device = Literal["auto", "cpu", "cuda"]
CPU = torch.device("cpu")


@dataclass(frozen=True)
class Machine:
    """This process's device and its place among the processes of a training.

    Attributes:
        device: that the network is on.
        rank: number of this process; process 0 evaluates and writes.
        processes: how many there are.
    """

    device: torch.device = CPU
    rank: int = 0
    processes: int = 1

    @property
    def is_first(self) -> bool:
        return self.rank == 0

    def distribute(self, module: nn.Module) -> nn.Module:
        """A module whose gradients are averaged over the processes; with one process the module itself."""
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

    def from_first(self, value: object) -> object:
        """What process 0 passes here, in every process; waits for all of them."""
        if self.processes == 1:
            return value
        box = [value]
        dist.broadcast_object_list(box, src=0, device=self.device)
        return box[0]


@contextmanager
def open_machine(device: Device = "auto", threads: int = 0) -> Iterator[Machine]:
    """Choose the device and join the processes that torchrun started, if it did.

    Args:
        device: "auto" takes CUDA where there is a GPU. Processes on CPUs talk by gloo, on GPUs by NCCL.
        threads: CPU threads of this process, 0 for PyTorch's own choice.
    Raises:
        ValueError: no GPU for "cuda", or fewer than processes on this machine.
    """
    if threads:
        torch.set_num_threads(threads)
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    local_rank, processes = int(os.environ.get("LOCAL_RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
    if device == "cuda" and local_rank >= torch.cuda.device_count():
        raise UserError(
            f"process {local_rank} of this machine finds {torch.cuda.device_count()} GPUs: start as many processes as "
            "there are, or set --device cpu")
    here = torch.device("cuda", local_rank) if device == "cuda" else CPU
    if here.type == "cuda":
        torch.cuda.set_device(here)
    if processes == 1:
        yield Machine(here)
        return
    dist.init_process_group("nccl" if here.type == "cuda" else "gloo")
    try:
        yield Machine(here, dist.get_rank(), dist.get_world_size())
    finally:
        dist.destroy_process_group()
