"""ONNX networks in half precision, for runtimes that take each tensor's type from the file."""

from __future__ import annotations

from pathlib import Path

LARGEST = 65504.0  # of half precision


def half_onnx(path: Path) -> bytes:
    """Convert an ONNX file; its inputs and outputs stay float32.

    Raises:
        ImportError: the package onnx is not installed.
    """
    try:
        import onnx
    except ImportError as error:
        raise ImportError(f"fp16 of {path.name} needs the package onnx: pip install onnx, or use fp32") from error
    from onnxruntime.transformers.float16 import convert_float_to_float16

    model = convert_float_to_float16(onnx.load(str(path)), max_finite_val=LARGEST, keep_io_types=True)
    return model.SerializeToString()
