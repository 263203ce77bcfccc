"""Trained network to ONNX, with the sidecar that inference needs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch

from nanohtnet_ros.core.camera import FOCAL_NORM
from nanohtnet_ros.core.model_card import ModelCard
from nanohtnet_ros.core.skeleton import H36M_17
from nanohtnet_ros.errors import UserError
from nanohtnet_ros.model.checkpoints import load_checkpoint
from nanohtnet_ros.model.cost import multiply_adds
from nanohtnet_ros.model.flip import FlipAveraged
from nanohtnet_ros.model.folded import FoldedNanoHTNet
from nanohtnet_ros.model.nanohtnet import NanoHTNet, NanoHTNetConfig
from nanohtnet_ros.model.network_config import used_offset
from nanohtnet_ros.runtime.session import open_session
from nanohtnet_ros.samples.windows import clip_windows
from nanohtnet_ros.training.data import FRAME_RATE_HZ
from nanohtnet_ros.training.evaluate import evaluation_set_of, score, torch_lift
from nanohtnet_ros.training.evaluation.predictor import LiftingNetwork
from nanohtnet_ros.training.evaluation.report import measure
from nanohtnet_ros.training.loop.provenance import record_of
from nanohtnet_ros.training.sources import SourceOptions, options_of_record

OPSET = 18
PARITY_M = 1e-5


def export_onnx(model: NanoHTNet, path: Path, folded: bool = True, flip: bool = False) -> None:
    """Write a network as ONNX and compare the file, in ONNX Runtime, with the network in PyTorch.

    The file takes `keypoints (B, T, 17, 2)` and gives `joints (B, n, 17, 3)`, with any B; with `uncertainty`
    (B, n, 17, 4).

    Args:
        model: the trained network.
        path: the .onnx file to write.
        folded: write the graph with all that is constant multiplied out (see `model/folded.py`); false writes the
            network operator by operator.
        flip: average with the answer to the mirrored window, within the graph.
    Raises:
        UserError: the outputs differ by more than 0.01 mm, on windows of the packaged clips or on random ones; the
            file is removed.
    """
    graph = inference_graph(model, folded, flip)
    reference = inference_graph(model, folded=False, flip=flip)
    shape = (2, model.config.window_length, len(H36M_17), 2)
    program = torch.onnx.export(
        graph, (0.3 * torch.randn(shape),), dynamo=True, input_names=["keypoints"], output_names=["joints"],
        opset_version=OPSET, dynamic_shapes=({0: torch.export.Dim("B")},), verbose=False)
    proto = program.model_proto
    for part in (proto.graph, *proto.graph.node, *proto.graph.input, *proto.graph.value_info):
        del part.metadata_props[:]  # stack traces with this machine's paths, and the same names again
    path.write_bytes(proto.SerializeToString())
    try:
        check_parity(reference, model.config, path)
    except UserError:
        path.unlink()  # lest a card of an earlier export vouches for it
        raise


def inference_graph(model: NanoHTNet, folded: bool, flip: bool) -> torch.nn.Module:
    """The module that is exported, in evaluation mode; see `export_onnx`."""
    graph = FoldedNanoHTNet(model.eval()) if folded else model.eval()
    return FlipAveraged(graph).eval() if flip else graph


def check_parity(network: torch.nn.Module, config: NanoHTNetConfig, path: Path) -> None:
    """Raise a UserError unless ONNX Runtime gives for a file what PyTorch gives for the network."""
    session, lift = open_session(path, "cpu"), torch_lift(network)
    people, _ = clip_windows(bare_card(config))
    rng = np.random.default_rng(0)
    noise = rng.normal(0.0, 0.3, (3, *people.shape[1:])).astype(np.float32)
    for name, windows in (("one window", people[:1]), ("people", people), ("random numbers", noise)):
        worst = float(np.abs(session.run(windows) - lift(windows)).max())
        if not worst <= PARITY_M:
            raise UserError(
                f"{path}: outputs for {name} differ from PyTorch's by {worst:.2e}, expected at most {PARITY_M:g}")


def bare_card(config: NanoHTNetConfig) -> ModelCard:
    """A network's card without figures."""
    offsets = config.frame_offsets
    return ModelCard(
        config.window_length, FRAME_RATE_HZ, offsets, -used_offset(offsets), H36M_17.name, FOCAL_NORM,
        uncertainty=config.uncertainty)


def export(
    checkpoint: Path, out: Path, data: Path | None = None, split: str = "val", folded: bool = True, flip: bool = False,
    source: SourceOptions | None = None,
) -> None:
    """Export a network: ONNX file and JSON sidecar of the same name.

    Args:
        checkpoint: `checkpoint.pth` of a NanoHTNet's training, whose record goes into the sidecar.
        out: the .onnx file to write.
        data: motion file (.npz), or folder of .bvh files or of recordings' archives, to measure the errors on that the
            sidecar states; without it, it states none.
        split: which part of the data.
        folded: multiply out all that is constant; false writes the network operator by operator, for comparison.
        flip: average with the answer to the mirrored window, within the graph: a little better for twice the work.
        source: how the data is read, see docs/data.md; if left out, as in the training.
    Raises:
        FileNotFoundError, ValueError: checkpoint, data or file name are not as described.
        UserError: the file's outputs are not PyTorch's.
    """
    if out.suffix != ".onnx":
        raise UserError(f"the file to write is {out}, expected a name that ends in .onnx")
    model = load_checkpoint(checkpoint)
    out.parent.mkdir(parents=True, exist_ok=True)
    export_onnx(model, out, folded, flip)
    record = record_of(checkpoint)
    card = card_content(model, record, folded, flip)
    sidecar = out.with_suffix(".json")
    sidecar.write_text(json.dumps(card, indent=2) + "\n")
    if data is None:
        return
    card["metrics"] = {split: measured_errors(out, data, split, source or options_of_record(record))}
    sidecar.write_text(json.dumps(card, indent=2) + "\n")
    for name, value in card["metrics"][split].items():
        if not isinstance(value, list):  # errors by look-ahead are for the sidecar and for `nanohtnet evaluate`
            print(f"{name:20} {value}")


def card_content(model: NanoHTNet, record: dict[str, Any], folded: bool, flip: bool) -> dict[str, Any]:
    """What the sidecar of an exported network says, without its errors."""
    card = bare_card(model.config)
    window = torch.zeros(1, card.window_length, len(H36M_17), 2)
    values = 4 if card.uncertainty else 3
    return {
        "window_length": card.window_length,
        "frame_rate_hz": card.frame_rate_hz,
        "output_offsets": list(card.output_offsets),
        "look_ahead": card.look_ahead,
        "skeleton": card.skeleton,
        "input": "keypoints (B, window_length, 17, 2): undistorted (u - cx) / fx and (v - cy) / fy, times focal_norm",
        "output": f"joints (B, len(output_offsets), 17, {values}): metres, camera's optical axes, relative to joint 0"
        + ("; and the logarithm of the joint's expected error in metres" if card.uncertainty else ""),
        "focal_norm": card.focal_norm,
        "uncertainty": card.uncertainty,
        "flip_averaged": flip,
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "multiply_adds": multiply_adds(inference_graph(model, folded, flip), window),
        "metrics": {},
        "training": record,
    }


def measured_errors(path: Path, data: Path, split: str, source: SourceOptions | None = None) -> dict[str, Any]:
    """Errors of an exported network; for each look-ahead too, where it has several."""
    network = LiftingNetwork.open(str(path))
    windows, motion = evaluation_set_of(data, split, network, source)
    errors = {"windows": len(windows), **score(network.lift, windows, network.offsets)}
    if len(network.offsets) > 1:
        errors["by_look_ahead"] = measure(network, windows, motion, flip="off", per=())["look_ahead"]
    return errors
