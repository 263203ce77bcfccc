"""TensorRT and PyTorch's CUDA, loaded on first use, and what their versions do differently."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from functools import lru_cache
from types import ModuleType
from typing import TYPE_CHECKING, Any

from nanohtnet_ros.runtime.base import GpuUnavailableError

if TYPE_CHECKING:
    import tensorrt as trt


@dataclass(frozen=True)
class Gpu:
    """The GPU that engines are built for.

    Attributes:
        name: as CUDA calls it.
        compute_capability: as 8.7.
    """

    name: str
    compute_capability: str


def load_tensorrt() -> ModuleType:
    """TensorRT's Python module.

    Raises:
        GpuUnavailableError: it is missing, broken, or older than 8.6.
    """
    try:
        import tensorrt as trt
    except ImportError as error:
        raise GpuUnavailableError(f"TensorRT's Python module cannot be imported ({error})") from error
    if version_of(trt) < (8, 6):
        raise GpuUnavailableError(f"TensorRT is {trt.__version__}, expected 8.6 or later")
    return trt


def load_torch() -> ModuleType:
    """PyTorch with a GPU to use.

    Raises:
        GpuUnavailableError: PyTorch is missing, was built without CUDA, or sees no GPU.
    """
    try:
        import torch
    except ImportError as error:
        raise GpuUnavailableError(f"PyTorch, which holds TensorRT's buffers, cannot be imported ({error})") from error
    if not torch.cuda.is_available():
        built = "was built without CUDA" if torch.version.cuda is None else "sees no GPU"
        raise GpuUnavailableError(f"PyTorch {torch.__version__}, which holds TensorRT's buffers, {built}")
    return torch


def version_of(trt: ModuleType) -> tuple[int, int]:
    """TensorRT's major and minor version."""
    major, minor = trt.__version__.split(".")[:2]
    return int(major), int(minor)


def current_gpu(torch: ModuleType) -> Gpu:
    """The GPU that PyTorch uses."""
    major, minor = torch.cuda.get_device_capability()
    return Gpu(torch.cuda.get_device_name(), f"{major}.{minor}")


RECENT_ERRORS: deque[str] = deque(maxlen=3)
"""TensorRT's latest errors: most of its calls return None or False and give the reason only here."""


@lru_cache(maxsize=1)
def logger() -> trt.ILogger:
    """The one logger that all of TensorRT's objects share; it outlives them all."""
    trt = load_tensorrt()

    class ErrorLogger(trt.ILogger):  # type: ignore[name-defined]
        def __init__(self) -> None:
            trt.ILogger.__init__(self)

        def log(self, severity: Any, msg: str) -> None:
            if severity in (trt.ILogger.Severity.ERROR, trt.ILogger.Severity.INTERNAL_ERROR):
                RECENT_ERRORS.append(msg.strip())

    errors = ErrorLogger()
    trt.init_libnvinfer_plugins(errors, "")  # TensorRT's own plugins, which some engines and ONNX files name
    return errors


def recent_errors() -> str:
    """TensorRT's latest errors as one text; they are forgotten."""
    errors = "; ".join(dict.fromkeys(RECENT_ERRORS))
    RECENT_ERRORS.clear()
    return errors or "TensorRT gave no reason"
