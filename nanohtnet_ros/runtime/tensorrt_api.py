"""TensorRT and CUDA, loaded on first use, and what their versions do differently."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from functools import lru_cache
from types import ModuleType
from typing import TYPE_CHECKING, Any

from nanohtnet_ros.runtime.base import GpuUnavailableError
from nanohtnet_ros.runtime.cuda_memory import check

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


def load_cuda() -> ModuleType:
    """CUDA's runtime in NVIDIA's cuda-python, with a GPU to use.

    Raises:
        GpuUnavailableError: it is missing, or sees no GPU.
    """
    try:
        try:
            from cuda.bindings import runtime as cuda
        except ImportError:
            from cuda import cudart as cuda  # before 12.6
    except ImportError as error:
        raise GpuUnavailableError(
            f"cuda-python, which holds TensorRT's buffers, cannot be imported ({error}): pip install cuda-python of "
            "CUDA's version"
        ) from error
    try:
        count = check(cuda.cudaGetDeviceCount())
    except (RuntimeError, GpuUnavailableError) as error:  # where there is no driver, cuda-python 12.2 raises itself
        raise GpuUnavailableError(f"cuda-python, which holds TensorRT's buffers, sees no GPU: {error}") from error
    if not count:
        raise GpuUnavailableError("cuda-python, which holds TensorRT's buffers, sees no GPU")
    return cuda


def version_of(trt: ModuleType) -> tuple[int, int]:
    """TensorRT's major and minor version."""
    major, minor = trt.__version__.split(".")[:2]
    return int(major), int(minor)


def current_gpu(cuda: ModuleType) -> Gpu:
    """The GPU that CUDA uses."""
    known = check(cuda.cudaGetDeviceProperties(check(cuda.cudaGetDevice())))
    return Gpu(known.name.partition(b"\0")[0].decode(), f"{known.major}.{known.minor}")


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
