"""Networks through ONNX Runtime."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from nanohtnet_ros.runtime.tensorrt_api import GpuUnavailableError

PROVIDERS = {
    "cpu": ("CPUExecutionProvider", {}),
    # Searching for the fastest convolution again for each number of people would stall the line.
    "cuda": ("CUDAExecutionProvider", {"cudnn_conv_algo_search": "HEURISTIC"}),
}

class OnnxSession:
    """Runs an ONNX file with one input and one output on the CPU or, where ONNX Runtime can, on CUDA."""

    def __init__(self, path: Path, threads: int = 1, device: str = "cpu") -> None:
        """Open a network.

        Args:
            path: the ONNX file.
            threads: CPU threads.
            device: cpu or cuda.
        Raises:
            ImportError: ONNX Runtime is not installed.
            GpuUnavailableError: the device is cuda, and ONNX Runtime cannot use it.
            ValueError: the file cannot be read as ONNX, or has several inputs or outputs.
        """
        try:
            import onnxruntime
        except ImportError as error:
            raise ImportError(f"{path.name} needs ONNX Runtime: pip install onnxruntime") from error
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        provider, settings = PROVIDERS[device]
        if provider not in onnxruntime.get_available_providers():
            raise GpuUnavailableError(f"ONNX Runtime {onnxruntime.__version__} was built without {provider}")
        try:
            self._session = onnxruntime.InferenceSession(str(path), options, providers=[(provider, settings)])
        except Exception as error:  # ONNX Runtime raises classes of its own for every kind of broken file
            raise ValueError(f"{path} cannot be run: {error}") from error
        if provider not in self._session.get_providers():  # it takes the CPU in its place, and says so in its log only
            raise GpuUnavailableError(
                f"ONNX Runtime {onnxruntime.__version__} has {provider}, but cannot start it: CUDA's or cuDNN's "
                "libraries are missing or of another version, or there is no GPU")
        inputs, outputs = self._session.get_inputs(), self._session.get_outputs()
        if len(inputs) != 1 or len(outputs) != 1:
            raise ValueError(
                f"{path} has inputs {[i.name for i in inputs]} and outputs {[o.name for o in outputs]}, "
                "expected one of each"
            )
        self._input = inputs[0].name
        self.input_shape = tuple(size if isinstance(size, int) else -1 for size in inputs[0].shape)
        self.runtime = f"ONNX Runtime {onnxruntime.__version__}, {device.upper()}"

    def run(self, x: np.ndarray) -> np.ndarray:
        expected = self.input_shape
        if x.ndim != len(expected) or any(e not in (-1, got) for e, got in zip(expected, x.shape, strict=True)):
            raise ValueError(f"'{self._input}' has shape {x.shape}, model expects {expected} (-1 is any)")
        return self._session.run(None, {self._input: np.ascontiguousarray(x, np.float32)})[0]
