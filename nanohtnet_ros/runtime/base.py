"""What every runtime gives: a network that takes arrays and returns named arrays."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from threading import Lock
from types import MappingProxyType, TracebackType
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from typing_extensions import Self


class GpuUnavailableError(OSError):
    """A GPU runtime cannot be used here; the message says why."""


class Session(ABC):
    """A network with inputs and outputs; a context manager that frees it. Threads take turns.

    Attributes:
        runtime: what runs the network, as shown to users.
        input_name: of the first input tensor, the only one of most networks.
        input_shape: -1 where any size will do, as for the batch.
        input_dtype: what `run` takes, as NumPy calls it; float32 also for networks in half precision.
        more_inputs: shape of each further input by its name, in the network's order; all are float32.
        output_shapes: shape of each output by its name, in the network's order; -1 where it varies.
        max_batch: a larger batch runs in pieces of it; None for any.
    """

    runtime: str
    input_name: str
    input_shape: tuple[int, ...]
    input_dtype: str = "float32"
    more_inputs: Mapping[str, tuple[int, ...]] = MappingProxyType({})
    output_shapes: dict[str, tuple[int, ...]]
    max_batch: int | None = None
    closed = False

    def __init__(self) -> None:
        """Belong to no thread yet."""
        self._lock = Lock()

    def run(self, *inputs: np.ndarray) -> np.ndarray:
        """Run the network on one batch; the first output, the only one of most networks. As `run_named` otherwise."""
        return next(iter(self.run_named(*inputs).values()))

    def run_named(self, *inputs: np.ndarray) -> dict[str, np.ndarray]:
        """Run the network on one batch.

        Args:
            inputs: the first is `input_dtype`, of `input_shape`; others as `more_inputs` says. All of one batch.
        Returns:
            All outputs by their names, in the network's order; real numbers are float32.
        Raises:
            ValueError: another number of inputs, shape or type.
            RuntimeError: the runtime failed, or the session is closed.
        """
        expected = {self.input_name: self.input_shape, **self.more_inputs}
        if len(inputs) != len(expected):
            raise ValueError(f"{len(inputs)} inputs, model expects {len(expected)}: {', '.join(expected)}")
        for (name, shape), x in zip(expected.items(), inputs, strict=True):
            dtype = self.input_dtype if name == self.input_name else "float32"
            if x.dtype != dtype:
                raise ValueError(f"'{name}' is {x.dtype}, model expects {dtype}: convert it")
            if x.ndim != len(shape) or any(
                got != size if size >= 0 else not got for got, size in zip(x.shape, shape, strict=True)
            ):
                raise ValueError(f"'{name}' has shape {x.shape}, model expects {shape} (-1 is any but 0)")
        if len({len(x) for x in inputs}) != 1:
            raise ValueError(f"the inputs have batches of {[len(x) for x in inputs]}, expected one size for all")
        batch, most = len(inputs[0]), self.max_batch or len(inputs[0])
        with self._lock:
            if self.closed:
                raise RuntimeError(f"the session of '{self.input_name}' {self.input_shape} is closed: open it again")
            pieces = [
                self._infer({name: x[i : i + most] for name, x in zip(expected, inputs, strict=True)})
                for i in range(0, batch, most)
            ]
        if len(pieces) == 1:
            return pieces[0]
        return {name: np.concatenate([piece[name] for piece in pieces]) for name in pieces[0]}

    def close(self) -> None:
        """Free the network's memory; may be called again."""
        with self._lock:
            if not self.closed:
                self.closed = True
                self._free()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    @abstractmethod
    def _infer(self, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Run the network on a batch that has been checked, of `max_batch` at most."""

    @abstractmethod
    def _free(self) -> None:
        """Give up memory; called once."""
