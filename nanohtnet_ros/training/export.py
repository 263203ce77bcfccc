"""Trained network to ONNX, with the sidecar that inference needs."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch

from nanohtnet_ros.core.camera import FOCAL_NORM
from nanohtnet_ros.core.skeleton import H36M_17
from nanohtnet_ros.model.nanohtnet import NanoHTNet, load_checkpoint
from nanohtnet_ros.runtime.session import open_session
from nanohtnet_ros.training.evaluate import score, torch_lift
from nanohtnet_ros.training.evaluation_set import EvaluationSet
from nanohtnet_ros.training.mocap import FRAME_RATE_HZ, MotionCapture
from nanohtnet_ros.training.train import record_of

OPSET = 18
PARITY_M = 1e-4


def export_onnx(model: NanoHTNet, path: Path) -> None:
    """Write a network as ONNX and compare the file with it.

    The file takes `keypoints (B, T, 17, 2)` and gives `joints (B, n, 17, 3)`, with any B.

    Raises:
        RuntimeError: ONNX Runtime's joints differ from PyTorch's by more than 0.1 mm.
    """
    model.eval()
    example = torch.randn(2, model.config.window_length, model.config.joints, 2) * 0.3
    program = torch.onnx.export(
        model, (example,), dynamo=True, input_names=["keypoints"], output_names=["joints"], opset_version=OPSET,
        dynamic_shapes=({0: torch.export.Dim("B")},), verbose=False)
    proto = program.model_proto
    for part in (proto.graph, *proto.graph.node, *proto.graph.input, *proto.graph.value_info):
        del part.metadata_props[:]  # stack traces with this machine's paths, and the same names again
    path.write_bytes(proto.SerializeToString())
    session, lift = open_session(path, "cpu"), torch_lift(model)
    for batch in (1, 3):
        x = (torch.randn(batch, *example.shape[1:]) * 0.3).numpy()
        worst = float(np.abs(session.run(x) - lift(x)).max())
        if not worst <= PARITY_M:
            raise RuntimeError(f"{path}: joints differ from PyTorch's by {worst:.2e} m, expected at most {PARITY_M:g}")


def export(checkpoint: Path, out: Path, data: Path | None = None, split: str = "val") -> None:
    """Export a streaming network: ONNX file and JSON sidecar of the same name.

    Args:
        checkpoint: `checkpoint.pth` of a training; the record beside it goes into the sidecar.
        out: the .onnx file to write.
        data: motion file (.npz) to measure the errors on that the sidecar states; without it, it states none.
        split: which part of the file.
    """
    if out.suffix != ".onnx":
        raise ValueError(f"the file to write is {out}, expected a name that ends in .onnx")
    model = load_checkpoint(checkpoint)
    out.parent.mkdir(parents=True, exist_ok=True)
    export_onnx(model, out)
    metrics = {}
    if data is not None:
        held_out = EvaluationSet.build(MotionCapture.load(data, split), model.config.window_length)
        metrics[split] = {"windows": len(held_out), **score(open_session(out, "cpu").run, held_out)}
    card = {
        "window_length": model.config.window_length,
        "frame_rate_hz": FRAME_RATE_HZ,
        "output_offsets": list(range(1 - model.config.kept_frames, 1)),
        "look_ahead": 0,
        "skeleton": H36M_17.name,
        "input": "keypoints (B, window_length, 17, 2): undistorted (u - cx) / fx and (v - cy) / fy, times focal_norm",
        "output": "joints (B, len(output_offsets), 17, 3): metres, camera's optical axes, relative to joint 0",
        "focal_norm": FOCAL_NORM,
        "metrics": metrics,
        "training": record_of(checkpoint),
    }
    out.with_suffix(".json").write_text(json.dumps(card, indent=2) + "\n")
    for name, value in metrics.get(split, {}).items():
        print(f"{name:20} {value}")
