"""Networks, whatever runs them."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

from nanohtnet_ros.errors import UserError, command
from nanohtnet_ros.runtime.base import GpuUnavailableError, Session
from nanohtnet_ros.runtime.onnx_session import OnnxSession, open_by_tensorrt
from nanohtnet_ros.runtime.tensorrt_session import TensorRTSession

DEVICES = ("auto", "tensorrt", "onnxruntime_tensorrt", "cuda", "cpu")
"""What may run a network: TensorRT, by itself or as ONNX Runtime's provider, ONNX Runtime on CUDA, or on the CPU; auto
is the first of `TITLES` that works, or the CPU."""

TITLES = {"tensorrt": "TensorRT", "cuda": "ONNX Runtime on CUDA"}
ENGINE_SUFFIXES = (".engine", ".plan")
_log = logging.getLogger(__name__)


def open_session(
    path: Path | str,
    device: str = "auto",
    threads: int = 1,
    require_gpu: bool = False,
    *,
    precision: str = "fp32",
    max_batch: int = 32,
    cuda_graph: bool = False,
) -> Session:
    """Open a network with the first runtime that works, or with the one that is named.

    Logs which runtimes cannot be used and which engines are built.

    Args:
        path: an ONNX file, or a TensorRT engine (.engine, .plan) that another tool built for this machine.
        device: one of `DEVICES`. Only auto falls back.
        threads: CPU threads; NanoHTNet is too small to gain from more than one.
        require_gpu: fail where auto would take the CPU.
        precision: fp32 or fp16, of TensorRT.
        max_batch: largest batch of TensorRT's engine, if the network's batch is dynamic; larger ones run in pieces.
        cuda_graph: replay TensorRT's launches as CUDA graphs.
    Raises:
        FileNotFoundError: no such file.
        UserError: the file is no network that can be run, or the arguments contradict each other.
        ImportError: no runtime is installed.
        GpuUnavailableError: the GPU runtime that is named, or any that is required, cannot be used.
    """
    path = Path(path)
    if device not in DEVICES:
        raise UserError(f"device is '{device}', expected one of {', '.join(DEVICES)}")
    if require_gpu and device == "cpu":
        raise UserError("require_gpu is set, but device is 'cpu': change one of them")
    if not path.is_file():
        raise FileNotFoundError(f"no model at {path}: see '{command('models list')}' for those that are installed")
    if path.suffix in ENGINE_SUFFIXES:
        if device not in ("auto", "tensorrt"):
            raise UserError(f"{path} is a TensorRT engine, but device is '{device}': give the ONNX file")
        return TensorRTSession.from_engine(path, cuda_graph)
    backends: dict[str, Callable[[], Session]] = {
        "tensorrt": lambda: TensorRTSession.from_onnx(path, precision, max_batch, cuda_graph),
        "onnxruntime_tensorrt": lambda: open_by_tensorrt(path, threads, precision, max_batch, cuda_graph),
        "cuda": lambda: OnnxSession(path, threads, "cuda"),
        "cpu": lambda: OnnxSession(path, threads),
    }
    if device != "auto":
        return backends[device]()
    reasons = []
    for name, title in TITLES.items():
        try:
            return backends[name]()
        except Exception as error:  # whatever a library or driver raises; the next one may work
            reasons.append(f"{title}: {error}")
            _log.info("%s is not run by %s", path.name, reasons[-1])
    if require_gpu:
        raise GpuUnavailableError(f"require_gpu is set, but no GPU runtime can run {path.name}. {'. '.join(reasons)}")
    return backends["cpu"]()
