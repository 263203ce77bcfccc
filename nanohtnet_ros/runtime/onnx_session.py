"""Networks through ONNX Runtime."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from nanohtnet_ros.errors import UserError
from nanohtnet_ros.runtime.base import GpuUnavailableError, Session
from nanohtnet_ros.runtime.engine_build import WORKSPACE_BYTES, batches, check_sizes
from nanohtnet_ros.runtime.engine_store import MAX_BATCH, engine_dir, onnx_sha256

TYPES = {
    f"tensor({name})": np.dtype("float32" if name == "float" else name)
    for name in ("float", "float16", "int32", "int64", "uint8", "bool")
}
INPUT_TYPES = ("tensor(float)", "tensor(float16)")
# Searching for the fastest convolution again for each number of people would stall the pipeline.
CUDA = "CUDAExecutionProvider", {"cudnn_conv_algo_search": "HEURISTIC"}
PROVIDERS: dict[str, list[tuple[str, dict[str, str]]]] = {
    "cpu": [("CPUExecutionProvider", {})],
    "cuda": [CUDA],
    "onnxruntime_tensorrt": [("TensorrtExecutionProvider", {}), CUDA],  # CUDA has what TensorRT cannot run
}


class OnnxSession(Session):
    """Runs an ONNX file on the CPU, on CUDA, or by ONNX Runtime's own TensorRT provider."""

    def __init__(
        self, path: Path, threads: int = 1, device: str = "cpu", options: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        """Open a network.

        Args:
            path: the ONNX file.
            threads: CPU threads.
            device: one of `PROVIDERS`.
            options: of its provider.
        Raises:
            ImportError: ONNX Runtime is not installed.
            GpuUnavailableError: the device is not the CPU, and ONNX Runtime cannot use it for this file.
            UserError: the file cannot be read as ONNX, or has an input that is not of real numbers.
        """
        super().__init__()
        try:
            import onnxruntime
        except ImportError as error:
            raise ImportError(f"{path.name} needs ONNX Runtime: pip install onnxruntime") from error
        session = onnxruntime.SessionOptions()
        session.intra_op_num_threads = threads
        session.inter_op_num_threads = 1
        session.log_severity_level = 3
        session.add_session_config_entry("session.intra_op.allow_spinning", "0")  # a robot's CPU has other work
        (provider, defaults), *others = PROVIDERS[device]
        if provider not in onnxruntime.get_available_providers():
            raise GpuUnavailableError(f"ONNX Runtime {onnxruntime.__version__} was built without {provider}")
        providers = [(provider, {**defaults, **options}), *others]
        try:
            self._session = onnxruntime.InferenceSession(str(path), session, providers=providers, enable_fallback=0)
        except Exception as error:  # ONNX Runtime raises classes of its own for every kind of broken file
            kind = UserError if device == "cpu" else GpuUnavailableError
            raise kind(f"{path} cannot be run by {provider}: {error}") from error
        if provider not in self._session.get_providers():  # it falls back to the CPU, and says so in its log only
            raise GpuUnavailableError(
                f"ONNX Runtime {onnxruntime.__version__} has {provider}, but cannot start it: CUDA's or cuDNN's "
                "libraries are missing or of another version, or there is no GPU"
            )
        inputs = self._session.get_inputs()
        if not inputs or any(i.type not in INPUT_TYPES for i in inputs):
            has = ", ".join(f"{i.name} {i.type}" for i in inputs)
            raise UserError(f"{path} has the inputs {has}, expected {' or '.join(INPUT_TYPES)}")
        self.more_inputs = {i.name: known_sizes(i.shape) for i in inputs}
        self.input_name = inputs[0].name
        self.input_shape = self.more_inputs.pop(self.input_name)
        self.output_shapes = {output.name: known_sizes(output.shape) for output in self._session.get_outputs()}
        self.runtime = f"ONNX Runtime {onnxruntime.__version__}, {device.upper()}"
        self._types = {i.name: TYPES[i.type] for i in inputs}
        self._fixed: dict[str, Any] = {}
        self._binding: Any = None
        if options.get("trt_cuda_graph_enable") == "True":
            self._fix_addresses()

    def _fix_addresses(self) -> None:
        """Keep tensors at their places on the GPU, as the replay of a CUDA graph needs them."""
        from onnxruntime import OrtValue

        self._binding = self._session.io_binding()
        for tensors, bind in (
            (self._session.get_inputs(), self._binding.bind_ortvalue_input),
            (self._session.get_outputs(), self._binding.bind_ortvalue_output),
        ):
            for tensor in tensors:
                self._fixed[tensor.name] = OrtValue.ortvalue_from_numpy(
                    np.zeros(tensor.shape, TYPES[tensor.type]), "cuda", 0
                )
                bind(tensor.name, self._fixed[tensor.name])

    def _infer(self, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        feeds = {name: np.ascontiguousarray(x, self._types[name]) for name, x in inputs.items()}
        if self._binding:
            for name, x in feeds.items():
                self._fixed[name].update_inplace(x)
            self._session.run_with_iobinding(self._binding)
            outputs = [self._fixed[name].numpy() for name in self.output_shapes]
        else:
            outputs = self._session.run(None, feeds)
        return {
            name: out.astype(np.float32) if out.dtype == np.float16 else out
            for name, out in zip(self.output_shapes, outputs, strict=True)
        }

    def _free(self) -> None:
        del self._fixed, self._binding, self._session


def open_by_tensorrt(
    path: Path, threads: int = 1, precision: str = "fp32", max_batch: int = MAX_BATCH, cuda_graph: bool = False
) -> OnnxSession:
    """Open a network with ONNX Runtime's own TensorRT provider, which builds the engine if there is none.

    Args:
        path: the ONNX file. The batch of its inputs may be dynamic, nothing else.
        threads: CPU threads.
        precision: fp32, with TF32, or fp16.
        max_batch: largest batch of the engine, if it is dynamic; a larger one runs in pieces.
        cuda_graph: replay launches as a CUDA graph. There is one for a session, of one size: where all are fixed.
    Raises:
        As `OnnxSession`; UserError also where a size other than the batch is dynamic.
    """
    with OnnxSession(path) as on_cpu:
        inputs = {on_cpu.input_name: on_cpu.input_shape, **on_cpu.more_inputs}
        graph = cuda_graph and not any(-1 in shape for shape in (*inputs.values(), *on_cpu.output_shapes.values()))
    import onnxruntime

    timings = engine_dir() / f"onnxruntime-{onnxruntime.__version__}"
    engines = timings / f"{path.stem}-{onnx_sha256(path)[:16]}-{max_batch}"
    engines.mkdir(parents=True, exist_ok=True)  # ONNX Runtime makes no parents
    options = {
        "trt_engine_cache_enable": "True",
        "trt_engine_cache_path": str(engines),
        "trt_timing_cache_enable": "True",
        "trt_timing_cache_path": str(timings),
        "trt_max_workspace_size": str(WORKSPACE_BYTES),
        "trt_fp16_enable": str(precision == "fp16"),
        "trt_cuda_graph_enable": str(graph),
    }
    for name, shape in inputs.items():
        check_sizes(path, name, shape)
    dynamic = {name: shape[1:] for name, shape in inputs.items() if shape[0] == -1}
    for bound, batch in zip(("min", "opt", "max"), batches(max_batch), strict=True) if dynamic else ():
        options[f"trt_profile_{bound}_shapes"] = ",".join(
            f"{name}:{'x'.join(map(str, (batch, *shape)))}" for name, shape in dynamic.items()
        )
    session = OnnxSession(path, threads, "onnxruntime_tensorrt", options)
    session.max_batch = max_batch if dynamic else None
    session.runtime = f"ONNX Runtime {onnxruntime.__version__}, TensorRT {precision}{', CUDA graph' * graph}"
    return session


def known_sizes(shape: list[int | str | None]) -> tuple[int, ...]:
    """A shape as ONNX has it, with -1 for sizes that are names or unknown."""
    return tuple(size if isinstance(size, int) else -1 for size in shape)
