"""GPU memory for a session: PyTorch's, allocated once."""

from __future__ import annotations

from contextlib import AbstractContextManager
from math import prod
from types import ModuleType
from typing import Any


class CudaMemory:
    """A session's tensors, and the stream that works on them."""

    def __init__(self, torch: ModuleType) -> None:
        self._torch = torch
        self.stream = torch.cuda.Stream()

    def device(self, shape: tuple[int, ...], dtype: str) -> Any:
        """A tensor on the GPU, uninitialised; `dtype` as torch and NumPy both call it."""
        return self._torch.empty(shape, dtype=getattr(self._torch, dtype), device="cuda")

    def host(self, shape: tuple[int, ...], dtype: str) -> Any:
        """A tensor in memory that the GPU reads and writes by itself."""
        return self._torch.empty(shape, dtype=getattr(self._torch, dtype), pin_memory=True)

    def working(self) -> AbstractContextManager:
        """PyTorch's copies go to our stream in here."""
        return self._torch.cuda.stream(self.stream)

    def graph(self) -> Any:
        """An empty CUDA graph."""
        return self._torch.cuda.CUDAGraph()

    def capture(self, graph: Any) -> AbstractContextManager:
        """What is enqueued on our stream in here is recorded; other threads may go on using the GPU."""
        return self._torch.cuda.graph(graph, stream=self.stream, capture_error_mode="thread_local")

    def wait(self) -> None:
        """Until all that was enqueued is done."""
        self.stream.synchronize()

    def release(self) -> None:
        """Return the memory of deleted tensors to the GPU."""
        self._torch.cuda.empty_cache()


def view(flat: Any, shape: tuple[int, ...]) -> Any:
    """The beginning of a flat buffer as a tensor of a shape."""
    return flat[: prod(shape)].view(shape)
