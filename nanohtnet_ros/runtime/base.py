"""What every runtime gives: a network that takes one array and returns named arrays."""

from __future__ import annotations

from abc import ABC, abstractmethod
from types import TracebackType
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from typing_extensions import Self


class GpuUnavailableError(OSError):
    """A GPU runtime cannot be used here; the message says why."""


class Session(ABC):
    """A network with one input and one or several outputs; a context manager that frees it. For one thread at a time.

    Attributes:
        runtime: what runs the network, as shown to users.
        input_name: of the input tensor.
        input_shape: -1 where any size will do, as for the batch.
        input_dtype: what `run` takes, as NumPy calls it; float32 also for networks in half precision.
        output_shapes: shape of each output by its name, in the network's order; -1 where it varies.
    """

    runtime: str
    input_name: str
    input_shape: tuple[int, ...]
    input_dtype: str = "float32"
    output_shapes: dict[str, tuple[int, ...]]
    closed = False

    def run(self, x: np.ndarray) -> np.ndarray:
        """Run the network on one batch; the first output, the only one of most networks. As `run_named` otherwise."""
        return next(iter(self.run_named(x).values()))

    def run_named(self, x: np.ndarray) -> dict[str, np.ndarray]:
        """Run the network on one batch.

        Args:
            x: `input_dtype`, of `input_shape`.
        Returns:
            All outputs by their names, in the network's order; real numbers are float32.
        Raises:
            ValueError: another shape or type.
            RuntimeError: the runtime failed, or the session is closed.
        """
        if self.closed:
            raise RuntimeError(f"the session of '{self.input_name}' {self.input_shape} is closed: open it again")
        if x.dtype != self.input_dtype:
            raise ValueError(f"'{self.input_name}' is {x.dtype}, model expects {self.input_dtype}: convert it")
        if x.ndim != len(self.input_shape) or any(
            got != size if size >= 0 else not got for got, size in zip(x.shape, self.input_shape, strict=True)
        ):
            raise ValueError(
                f"'{self.input_name}' has shape {x.shape}, model expects {self.input_shape} (-1 is any but 0)"
            )
        return self._infer(x)

    def close(self) -> None:
        """Free the network's memory; may be called again."""
        if not self.closed:
            self.closed = True
            self._free()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    @abstractmethod
    def _infer(self, x: np.ndarray) -> dict[str, np.ndarray]:
        """Run the network on a batch that has been checked."""

    @abstractmethod
    def _free(self) -> None:
        """Give up memory; called once."""
