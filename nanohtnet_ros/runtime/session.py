"""One way to run a network, whatever runs it."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import numpy as np


class Session(Protocol):
    """A network with one input of real numbers and one or several outputs."""

    input_name: str

    input_shape: tuple[int, ...]
    """Shape of the input; -1 where any size will do, as for the batch."""

    output_shapes: dict[str, tuple[int, ...]]
    """Shape of each output by its name, in the network's order; -1 where it varies."""

    runtime: str
    """What runs the network, as shown to users."""

    def run(self, x: np.ndarray) -> np.ndarray:
        """Run the network on one batch.

        Args:
            x: float32 of `input_shape`.
        Returns:
            The first output, the only one of most networks.
        Raises:
            ValueError: the shape does not fit.
        """
        ...

    def run_named(self, x: np.ndarray) -> dict[str, np.ndarray]:
        """As `run`, with all outputs by their names; real numbers are float32."""
        ...


def open_session(path: Path | str, threads: int = 1) -> Session:
    """Open a network with the best runtime at hand.

    Args:
        path: an ONNX file.
        threads: CPU threads; NanoHTNet is too small to gain from more than one.
    Raises:
        FileNotFoundError: no such file.
        ValueError: the file is no network that can be run.
        ImportError: no runtime is installed.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no model at {path}: see 'nanohtnet models list' for those that are installed")
    from nanohtnet_ros.runtime.onnx_session import OnnxSession

    return OnnxSession(path, threads)
