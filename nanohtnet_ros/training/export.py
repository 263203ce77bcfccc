"""`nanohtnet export`: a trained network to ONNX, with the model card that inference needs."""

from __future__ import annotations

import json
from dataclasses import replace
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
from nanohtnet_ros.model.nanohtnet import NanoHTNet
from nanohtnet_ros.runtime.session import open_session
from nanohtnet_ros.samples.windows import clip_windows
from nanohtnet_ros.training.data import FRAME_RATE_HZ
from nanohtnet_ros.training.evaluate import evaluation_set_of, score, torch_lift
from nanohtnet_ros.training.evaluation.predictor import LiftingNetwork
from nanohtnet_ros.training.evaluation.report import measure
from nanohtnet_ros.training.loop.provenance import provenance_of
from nanohtnet_ros.training.sources import SourceOptions, open_training_data, source_options_of

OPSET = 18
PARITY_M = 1e-5


def export(
    checkpoint: Path,
    out: Path,
    data: Path | None = None,
    split: str = "val",
    folded: bool = True,
    flip: bool = False,
    source: SourceOptions | None = None,
) -> None:
    """Export a network: ONNX file and model card (JSON) of the same name.

    Args:
        checkpoint: `checkpoint.pth` of a NanoHTNet's training, whose provenance goes into the card.
        out: the .onnx file to write.
        data: motion file (.npz), or folder of such files, of .bvh files or of recordings' archives, to measure
            the card's errors on; without it, it has none.
        split: of the data.
        folded: precompute all constants; false writes the network operator by operator, for comparison.
        flip: average with the mirrored window's output, within the graph: slightly better at twice the cost.
        source: options of reading the data, see docs/data.md; by default those of the training.
    Raises:
        FileNotFoundError: no checkpoint or data.
        UserError: checkpoint, data or file name are not as described, or the file's outputs are not PyTorch's.
    """
    if out.suffix != ".onnx":
        raise UserError(f"the file to write is {out}, expected a name that ends in .onnx")
    model, provenance = load_checkpoint(checkpoint), provenance_of(checkpoint)
    out.parent.mkdir(parents=True, exist_ok=True)
    graph = export_onnx(model, out, folded, flip)
    cost = multiply_adds(graph, *(torch.zeros(1, *shape) for shape in card_of(model).input_shapes))
    content = card_content(replace(card_of(model), multiply_adds=cost, training=provenance), flip)
    sidecar = out.with_suffix(".json")
    sidecar.write_text(json.dumps(content, indent=2) + "\n")
    if data is None:
        return
    errors = measured_errors(out, data, split, source or source_options_of(provenance))
    sidecar.write_text(json.dumps({**content, "metrics": {split: errors}}, indent=2) + "\n")
    for name, value in errors.items():
        if not isinstance(value, list):  # errors by look-ahead are for the card and for `nanohtnet evaluate`
            print(f"{name:20} {value}")


def export_onnx(model: NanoHTNet, path: Path, folded: bool = True, flip: bool = False) -> torch.nn.Module:
    """Write a network as ONNX and compare the file, in ONNX Runtime, with the network in PyTorch.

    The file takes `keypoints (B, T, 17, 2)`, with `confidence` (B, T, 17, 3), and with `level` also `level (B,)`. It
    gives `joints (B, n, 17, 3)`, with `uncertainty` (B, n, 17, 4). B is any.

    Args:
        model: the trained network.
        path: the .onnx file to write.
        folded: precompute all constants (see `model/folded.py`); false writes the network operator by operator.
        flip: average with the mirrored window's output, within the graph.
    Returns:
        The exported graph.
    Raises:
        UserError: the outputs differ by more than 0.01 mm, on windows of the packaged clips or on random ones; the
            file is removed.
    """
    plain = model.eval()
    graph: torch.nn.Module = FoldedNanoHTNet(plain) if folded else plain
    if flip:
        graph = FlipAveraged(graph).eval()
    inputs = tuple(0.3 * torch.rand(2, *shape) for shape in card_of(model).input_shapes)
    batch = torch.export.Dim("B")
    program = torch.onnx.export(
        graph,
        inputs,
        dynamo=True,
        input_names=["keypoints", "level"][: len(inputs)],
        output_names=["joints"],
        opset_version=OPSET,
        dynamic_shapes=({0: batch},) * len(inputs),
        verbose=False,
    )
    assert program is not None
    proto = program.model_proto
    for part in (proto.graph, *proto.graph.node, *proto.graph.input, *proto.graph.value_info):
        del part.metadata_props[:]  # stack traces with this machine's paths, and the same names again
    path.write_bytes(proto.SerializeToString())
    try:
        check_parity(FlipAveraged(plain).eval() if flip else plain, card_of(model), path)
    except UserError:
        path.unlink()  # so that a stale card cannot match
        raise
    return graph


def check_parity(network: torch.nn.Module, card: ModelCard, path: Path) -> None:
    """Raise a UserError unless ONNX Runtime gives for a file what PyTorch gives for the network."""
    session, lift = open_session(path, "cpu"), torch_lift(network)
    people, _ = clip_windows(card)
    rng = np.random.default_rng(0)
    noise = rng.normal(0.0, 0.3, (3, card.window_length, len(H36M_17), 3)).astype(np.float32)
    noise[..., 2] = rng.random(noise.shape[:-1])
    random = card.inputs(noise, np.array((1.0, 0.0, 1.0), np.float32))
    for name, inputs in (("one window", [x[:1] for x in people]), ("people", people), ("random numbers", random)):
        difference = float(np.abs(session.run(*inputs) - lift(*inputs)).max())
        if not difference <= PARITY_M:
            raise UserError(
                f"{path}: outputs for {name} differ from PyTorch's by {difference:.2e}, expected at most {PARITY_M:g}"
            )


def card_of(model: NanoHTNet) -> ModelCard:
    """A network's card without errors."""
    config = model.config
    return ModelCard(
        config.window_length,
        FRAME_RATE_HZ,
        config.frame_offsets,
        -config.used_offset,
        H36M_17.name,
        FOCAL_NORM,
        uncertainty=config.uncertainty,
        confidence=config.confidence,
        level=config.level,
        parameters=sum(parameter.numel() for parameter in model.parameters()),
    )


def card_content(card: ModelCard, flip: bool) -> dict[str, Any]:
    """The JSON of a card, with a description of input and output."""
    values = 4 if card.uncertainty else 3
    return {
        "window_length": card.window_length,
        "frame_rate_hz": card.frame_rate_hz,
        "output_offsets": list(card.output_offsets),
        "look_ahead": card.look_ahead,
        "skeleton": card.skeleton,
        "input": "keypoints (B, window_length, 17, 2): undistorted (u - cx) / fx and (v - cy) / fy, times focal_norm"
        + ("; (..., 3) with the detector's confidence, 0 where a joint is missing" if card.confidence else "")
        + ("; level (B,): 1 where a level camera sees the keypoints (y is down), else 0" if card.level else ""),
        "output": f"joints (B, len(output_offsets), 17, {values}): metres, camera's optical axes, relative to joint 0"
        + ("; and the logarithm of the joint's expected error in metres" if card.uncertainty else ""),
        "focal_norm": card.focal_norm,
        "uncertainty": card.uncertainty,
        "confidence": card.confidence,
        "level": card.level,
        "flip_averaged": flip,
        "parameters": card.parameters,
        "multiply_adds": card.multiply_adds,
        "metrics": card.metrics,
        "training": card.training,
    }


def measured_errors(path: Path, data: Path, split: str, source: SourceOptions | None = None) -> dict[str, Any]:
    """Errors of an exported network; on levelled windows too (`level_`), and for each look-ahead, if it has several."""
    network = LiftingNetwork.open(str(path))
    windows, motion = evaluation_set_of(data, split, network, source)
    errors: dict[str, Any] = {"windows": len(windows), **score(network.lift, windows, network.offsets)}
    if ModelCard.of(path).level and open_training_data(data, split, options=source).knows_down:
        levelled, _ = evaluation_set_of(data, split, network, source, "given")
        errors |= {f"level_{name}": error for name, error in score(network.lift, levelled, network.offsets).items()}
    if len(network.offsets) > 1:
        errors["by_look_ahead"] = measure(network, windows, motion, flip="off", per=())["look_ahead"]
    return errors
