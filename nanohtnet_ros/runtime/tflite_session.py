"""TensorFlow Lite models through LiteRT (XNNPACK on the CPU)."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

import numpy as np

from nanohtnet_ros.errors import UserError


class TfliteSession:
    """Runs one `.tflite` file with a fixed input shape and several outputs."""

    def __init__(self, path: Path | str, threads: int = 2) -> None:
        """Open a model.

        Args:
            path: the `.tflite` file.
            threads: CPU threads.
        Raises:
            FileNotFoundError: no such file.
            ImportError: LiteRT is not installed.
        """
        path = Path(path)
        if not path.is_file():
            raise FileNotFoundError(f"no model at {path}")
        try:
            from ai_edge_litert.interpreter import Interpreter
        except ImportError as error:
            raise ImportError(f"{path.name} needs LiteRT: pip install ai-edge-litert") from error
        self._interpreter = Interpreter(str(path), num_threads=threads)
        self._interpreter.allocate_tensors()
        self.runtime = f"LiteRT {version('ai-edge-litert')}, CPU"
        (self._input,) = self._interpreter.get_input_details()
        self._outputs = {d["name"]: d["index"] for d in self._interpreter.get_output_details()}
        self.input_shape: tuple[int, ...] = tuple(int(n) for n in self._input["shape"])

    def run(self, x: np.ndarray) -> dict[str, np.ndarray]:
        """Run the model.

        Args:
            x: float32 of `input_shape`.
        Returns:
            Output arrays by tensor name.
        Raises:
            ValueError: the shape differs from the model's.
        """
        if x.shape != self.input_shape:
            raise UserError(f"input has shape {x.shape}, model expects {self.input_shape}")
        self._interpreter.set_tensor(self._input["index"], np.ascontiguousarray(x, np.float32))
        self._interpreter.invoke()
        return {name: self._interpreter.get_tensor(index) for name, index in self._outputs.items()}
