"""ONNX files to TensorRT engines."""

from __future__ import annotations

import logging
import time
from pathlib import Path
from threading import Lock
from types import ModuleType
from typing import TYPE_CHECKING

from nanohtnet_ros.errors import UserError
from nanohtnet_ros.runtime import tensorrt_api

if TYPE_CHECKING:
    import tensorrt as trt

PRECISIONS = ("fp32", "fp16")
OPTIMAL_BATCH = 4
WORKSPACE_BYTES = 1 << 30  # more than any of our networks asks for; a Jetson shares its memory with the CPU
PROGRESS_S = 5.0  # between two lines of the log
_log = logging.getLogger(__name__)


def build_engine(path: Path, precision: str, max_batch: int, timing: bytes) -> tuple[bytes, bytes]:
    """Build an engine from an ONNX file; takes seconds to minutes, and logs its progress.

    Args:
        path: the ONNX file. The batch of its inputs may be dynamic, nothing else.
        precision: one of `PRECISIONS`. fp32 is true FP32 (no TF32). fp16 computes in half precision; TensorRT
            8.6, whose networks are not typed, chooses the layers by itself.
        max_batch: largest batch, if it is dynamic.
        timing: timing cache of earlier builds, or nothing.
    Returns:
        The engine and the new timing cache.
    Raises:
        UserError: TensorRT cannot build it; the message has its reasons.
        ImportError: fp16 needs the package onnx, and it is not installed.
    """
    trt = tensorrt_api.load_tensorrt()
    tensorrt_api.RECENT_ERRORS.clear()
    typed = precision == "fp16" and tensorrt_api.version_of(trt) >= (10, 0)
    if typed:
        from nanohtnet_ros.runtime.half import half_onnx

        content = half_onnx(path)
    else:
        content = path.read_bytes()
    builder = trt.Builder(tensorrt_api.logger())
    network = builder.create_network(_network_flags(trt, typed))
    parser = trt.OnnxParser(network, tensorrt_api.logger())
    if not parser.parse(content, str(path)):  # the path is for weights in files of their own
        reasons = "; ".join(parser.get_error(i).desc() for i in range(parser.num_errors))
        raise UserError(f"TensorRT {trt.__version__} cannot read {path}: {reasons or tensorrt_api.recent_errors()}")
    config = builder.create_builder_config()
    config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, WORKSPACE_BYTES)
    if precision == "fp32":
        config.clear_flag(trt.BuilderFlag.TF32)
    elif not typed:
        config.set_flag(getattr(trt.BuilderFlag, "FP16", None))
    profile = builder.create_optimization_profile()
    if _set_profile(network, profile, max_batch, path):
        config.add_optimization_profile(profile)
    cache = _timing_cache(config, timing)
    monitor = progress_monitor(trt, path.stem)
    if hasattr(config, "progress_monitor"):
        config.progress_monitor = monitor
    engine = builder.build_serialized_network(network, config)
    if engine is None:
        raise UserError(f"TensorRT {trt.__version__} cannot build {path}: {tensorrt_api.recent_errors()}")
    return bytes(engine), bytes(cache.serialize())


def _network_flags(trt: ModuleType, typed: bool) -> int:
    """8.6 needs the flag of explicit batches, 10 that of strong types; 11 implies both and dropped the first."""
    major = tensorrt_api.version_of(trt)[0]
    if major < 10:
        return 1 << int(getattr(trt.NetworkDefinitionCreationFlag, "EXPLICIT_BATCH", 0))
    if major == 10 and typed:
        return 1 << int(getattr(trt.NetworkDefinitionCreationFlag, "STRONGLY_TYPED", 0))
    return 0


def _set_profile(
    network: trt.INetworkDefinition,
    profile: trt.IOptimizationProfile,
    max_batch: int,
    path: Path,
) -> bool:
    """State the sizes of a dynamic batch; whether there is one."""
    dynamic = False
    for tensor in map(network.get_input, range(network.num_inputs)):
        shape = tuple(tensor.shape)
        check_sizes(path, tensor.name, shape)
        if shape[0] == -1:
            dynamic = True
            least, usual, most = ((batch, *shape[1:]) for batch in batches(max_batch))
            profile.set_shape(tensor.name, least, usual, most)
    return dynamic


def batches(max_batch: int) -> tuple[int, int, int]:
    """Least, most frequent and largest batch of an engine."""
    return 1, min(OPTIMAL_BATCH, max_batch), max_batch


def check_sizes(path: Path, name: str, shape: tuple[int, ...]) -> None:
    """Refuse an input of which another size than the batch is dynamic."""
    if -1 in shape[1:]:
        raise UserError(
            f"{path}: '{name}' has shape {shape} (-1 is any), expected sizes that are fixed but for the batch: export "
            "it so"
        )


def _timing_cache(config: trt.IBuilderConfig, timing: bytes) -> trt.ITimingCache:
    """Use an earlier build's timings, or start with none where TensorRT cannot use them."""
    cache = config.create_timing_cache(timing)
    if cache is None or not config.set_timing_cache(cache, False):
        cache = config.create_timing_cache(b"")
        config.set_timing_cache(cache, False)
    tensorrt_api.RECENT_ERRORS.clear()
    return cache


def progress_monitor(trt: ModuleType, name: str) -> trt.IProgressMonitor | None:
    """Logs how far a build is; None where TensorRT does not report it (8.6)."""
    if not hasattr(trt, "IProgressMonitor"):
        return None

    class Progress(trt.IProgressMonitor):  # type: ignore[name-defined]
        """Logs the outermost phase every few seconds. TensorRT calls it from several threads."""

        def __init__(self) -> None:
            trt.IProgressMonitor.__init__(self)
            self._lock = Lock()
            self._steps: dict[str, int] = {}
            self._logged_s = time.monotonic()

        def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:
            with self._lock:
                if not parent_phase:
                    self._steps[phase_name] = num_steps

        def step_complete(self, phase_name: str, step: int) -> bool:
            with self._lock:
                steps, now = self._steps.get(phase_name), time.monotonic()
                if steps and now - self._logged_s >= PROGRESS_S:
                    self._logged_s = now
                    _log.info("building the engine of %s: %s, %d of %d", name, phase_name, min(step + 1, steps), steps)
            return True

        def phase_finish(self, phase_name: str) -> None:
            with self._lock:
                self._steps.pop(phase_name, None)

    return Progress()
