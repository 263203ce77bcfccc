"""`nanohtnet engine build`: TensorRT engines ahead of time."""

from __future__ import annotations

from nanohtnet_ros.commands.log import log_to_stdout
from nanohtnet_ros.runtime.engine_store import MAX_BATCH
from nanohtnet_ros.runtime.model_store import DEFAULT_MODEL, find_model
from nanohtnet_ros.runtime.tensorrt_session import TensorRTSession


def build(model: str = DEFAULT_MODEL, precision: str = "fp32", max_batch: int = MAX_BATCH) -> None:
    """Build a network's TensorRT engine into the user's cache, where nodes find it, unless it is there.

    Args:
        model: a name that `nanohtnet models list` shows, or an .onnx file.
        precision: fp32 or fp16.
        max_batch: largest number of people (for a detector that sees whole images: of images) at once.
    """
    with log_to_stdout(), TensorRTSession.from_onnx(find_model(model), precision, max_batch) as session:
        print(f"{session.runtime} takes '{session.input_name}' {session.input_shape} (-1 is any)")
