"""One way to run a network, whatever runs it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import numpy as np

from nanohtnet_ros.errors import UserError
from nanohtnet_ros.runtime.tensorrt_api import GpuUnavailableError


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


DEVICES = ("auto", "tensorrt", "cuda", "cpu")
"""What may run a network: TensorRT, ONNX Runtime on CUDA, ONNX Runtime on the CPU; auto is the first that works."""

TITLES = {"tensorrt": "TensorRT", "cuda": "ONNX Runtime on CUDA"}
ENGINE_SUFFIXES = (".engine", ".plan")
_log = logging.getLogger(__name__)


def open_session(
    path: Path | str, device: str = "auto", threads: int = 1, require_gpu: bool = False, *, precision: str = "fp32",
    max_batch: int = 32, cuda_graph: bool = False, log: Callable[[str], None] = _log.info,
) -> Session:
    """Open a network with the best runtime at hand, or with the one that is named.

    Args:
        path: an ONNX file, or a TensorRT engine (.engine, .plan) that another tool built for this machine.
        device: one of `DEVICES`. Only auto falls back, and says why.
        threads: CPU threads; NanoHTNet is too small to gain from more than one.
        require_gpu: fail where auto would take the CPU.
        precision: fp32 or fp16, of TensorRT.
        max_batch: largest batch of TensorRT's engine, if the network's batch is dynamic; larger ones run in pieces.
        cuda_graph: replay TensorRT's launches as CUDA graphs.
        log: takes lines about runtimes that are passed over and about engines that are built.
    Raises:
        FileNotFoundError: no such file.
        ValueError: the file is no network that can be run, or the arguments contradict each other.
        ImportError: no runtime is installed.
        GpuUnavailableError: the GPU runtime that is named, or any that is required, cannot be used.
    """
    path = Path(path)
    if device not in DEVICES:
        raise UserError(f"device is '{device}', expected one of {', '.join(DEVICES)}")
    if require_gpu and device == "cpu":
        raise UserError("require_gpu is set, but device is 'cpu': change one of them")
    if not path.is_file():
        raise FileNotFoundError(f"no model at {path}: see 'nanohtnet models list' for those that are installed")
    from nanohtnet_ros.runtime.onnx_session import OnnxSession
    from nanohtnet_ros.runtime.tensorrt_session import TensorRTSession

    if path.suffix in ENGINE_SUFFIXES:
        if device not in ("auto", "tensorrt"):
            raise UserError(f"{path} is a TensorRT engine, but device is '{device}': give the ONNX file")
        return TensorRTSession.from_engine(path, cuda_graph)
    ways = {
        "tensorrt": lambda: TensorRTSession.from_onnx(path, precision, max_batch, cuda_graph, log),
        "cuda": lambda: OnnxSession(path, threads, "cuda"),
        "cpu": lambda: OnnxSession(path, threads),
    }
    if device != "auto":
        return ways[device]()
    reasons = []
    for name in ("tensorrt", "cuda"):
        try:
            return ways[name]()
        except Exception as error:  # whatever a library or driver does; the next one may work
            reasons.append(f"{TITLES[name]}: {error}")
            log(f"{path.name} is not run by {reasons[-1]}")
    if require_gpu:
        raise GpuUnavailableError(f"require_gpu is set, but no GPU runtime can run {path.name}. {'. '.join(reasons)}")
    return ways["cpu"]()
