"""Networks through ONNX Runtime."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from nanohtnet_ros.errors import UserError
from nanohtnet_ros.runtime.base import GpuUnavailableError, Session

INPUT_TYPES = {"tensor(float)": np.float32, "tensor(float16)": np.float16}
PROVIDERS: dict[str, tuple[str, dict[str, str]]] = {
    "cpu": ("CPUExecutionProvider", {}),
    # Searching for the fastest convolution again for each number of people would stall the pipeline.
    "cuda": ("CUDAExecutionProvider", {"cudnn_conv_algo_search": "HEURISTIC"}),
}


class OnnxSession(Session):
    """Runs an ONNX file on the CPU or on CUDA."""

    def __init__(self, path: Path, threads: int = 1, device: str = "cpu") -> None:
        """Open a network.

        Args:
            path: the ONNX file.
            threads: CPU threads.
            device: cpu or cuda.
        Raises:
            ImportError: ONNX Runtime is not installed.
            GpuUnavailableError: the device is cuda, and ONNX Runtime cannot use it.
            UserError: the file cannot be read as ONNX, or has an input that is not of real numbers.
        """
        try:
            import onnxruntime
        except ImportError as error:
            raise ImportError(f"{path.name} needs ONNX Runtime: pip install onnxruntime") from error
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # a robot's CPU has other work
        provider, settings = PROVIDERS[device]
        if provider not in onnxruntime.get_available_providers():
            raise GpuUnavailableError(f"ONNX Runtime {onnxruntime.__version__} was built without {provider}")
        try:
            self._session = onnxruntime.InferenceSession(str(path), options, providers=[(provider, settings)])
        except Exception as error:  # ONNX Runtime raises classes of its own for every kind of broken file
            raise UserError(f"{path} cannot be run: {error}") from error
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
        self._types = {i.name: INPUT_TYPES[i.type] for i in inputs}

    def _infer(self, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        outputs = self._session.run(
            None, {name: np.ascontiguousarray(x, self._types[name]) for name, x in inputs.items()}
        )
        return {
            name: out.astype(np.float32) if out.dtype == np.float16 else out
            for name, out in zip(self.output_shapes, outputs, strict=True)
        }

    def _free(self) -> None:
        del self._session


def known_sizes(shape: list[int | str | None]) -> tuple[int, ...]:
    """A shape as ONNX has it, with -1 for sizes that are names or unknown."""
    return tuple(size if isinstance(size, int) else -1 for size in shape)
