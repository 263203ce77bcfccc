"""GPU memory for a session, by NVIDIA's cuda-python: allocated once, filled and read over a stream of its own."""

from __future__ import annotations

import ctypes
import weakref
from collections.abc import Callable
from math import prod
from types import ModuleType
from typing import Any

import numpy as np

from nanohtnet_ros.runtime.base import GpuUnavailableError


def check(result: tuple[Any, ...]) -> Any:
    """The value that a function of CUDA's runtime gives beside its error, None where it gives none.

    Raises:
        GpuUnavailableError: its memory is full, or no GPU can be used.
        RuntimeError: another error.
    """
    error, *values = result
    if int(error):
        lacking = ("MemoryAllocation", "NoDevice", "InsufficientDriver", "InitializationError", "SystemDriverMismatch")
        kind = GpuUnavailableError if error.name.removeprefix("cudaError") in lacking else RuntimeError
        raise kind(f"CUDA says {error.name}")
    return values[0] if values else None


class CudaMemory:
    """A session's buffers, the stream that works on them and the graphs that were recorded from it.

    Attributes:
        stream: its handle.
        release: frees everything; called again it does nothing.
    """

    def __init__(self, cuda: ModuleType) -> None:
        """Make the stream.

        Args:
            cuda: CUDA's runtime, see `tensorrt_api.load_cuda`.
        """
        self._cuda = cuda
        self._held: list[tuple[Callable, Any]] = []
        self.release = weakref.finalize(self, _free, self._held)
        self.release.atexit = False  # the process's end frees all
        made = cuda.cudaStreamCreateWithFlags(cuda.cudaStreamNonBlocking)
        self.stream = int(self._hold(cuda.cudaStreamDestroy, made))

    def _hold(self, free: Callable, made: tuple[Any, ...]) -> Any:
        handle = check(made)
        self._held.append((free, handle))
        return handle

    def device(self, size: int) -> int:
        """Address of so many bytes on the GPU, uninitialised, aligned to 256."""
        return self._hold(self._cuda.cudaFree, self._cuda.cudaMalloc(size))

    def host(self, size: int) -> np.ndarray:
        """(size,) bytes that the GPU reads and writes by itself; good until all is released."""
        address = self._hold(self._cuda.cudaFreeHost, self._cuda.cudaHostAlloc(size, self._cuda.cudaHostAllocDefault))
        return np.ctypeslib.as_array((ctypes.c_uint8 * size).from_address(address))

    def to_device(self, address: int, array: np.ndarray) -> None:
        """Enqueue a copy of a contiguous array to the GPU."""
        kind = self._cuda.cudaMemcpyKind.cudaMemcpyHostToDevice
        check(self._cuda.cudaMemcpyAsync(address, array.ctypes.data, array.nbytes, kind, self.stream))

    def to_host(self, array: np.ndarray, address: int) -> None:
        """Enqueue a copy from the GPU into a contiguous array."""
        kind = self._cuda.cudaMemcpyKind.cudaMemcpyDeviceToHost
        check(self._cuda.cudaMemcpyAsync(array.ctypes.data, address, array.nbytes, kind, self.stream))

    def record(self, enqueue: Callable[[], None]) -> Any:
        """A graph of what a function enqueues on the stream; other threads may go on using the GPU."""
        cuda = self._cuda
        check(cuda.cudaStreamBeginCapture(self.stream, cuda.cudaStreamCaptureMode.cudaStreamCaptureModeThreadLocal))
        try:
            enqueue()
        except BaseException:
            cuda.cudaStreamEndCapture(self.stream)
            raise
        graph = check(cuda.cudaStreamEndCapture(self.stream))
        executable = self._hold(cuda.cudaGraphExecDestroy, cuda.cudaGraphInstantiateWithFlags(graph, 0))
        check(cuda.cudaGraphDestroy(graph))
        return executable

    def launch(self, graph: Any) -> None:
        """Enqueue a recorded graph."""
        check(self._cuda.cudaGraphLaunch(graph, self.stream))

    def wait(self) -> None:
        """Until all that was enqueued is done."""
        check(self._cuda.cudaStreamSynchronize(self.stream))


def _free(held: list[tuple[Callable, Any]]) -> None:
    """Give back what is held, the newest first; what was used before an error of the GPU's cannot be."""
    while held:
        free, handle = held.pop()
        free(handle)


def view(flat: np.ndarray, shape: tuple[int, ...], dtype: str) -> np.ndarray:
    """The beginning of a buffer's bytes as an array."""
    return flat[: prod(shape) * np.dtype(dtype).itemsize].view(dtype).reshape(shape)
