"""Errors of a lifting network: `nanohtnet evaluate`, and a short score for training and export."""

from __future__ import annotations

import json as json_format
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from nanohtnet_ros.core.metrics import mpjpe_mm, n_mpjpe_mm, p_mpjpe_mm
from nanohtnet_ros.errors import UserError
from nanohtnet_ros.model.network_config import used_offset
from nanohtnet_ros.training.data import FRAME_RATE_HZ
from nanohtnet_ros.training.data.windows import EvaluationSet, Ground
from nanohtnet_ros.training.evaluation.predictor import Lift, LiftingNetwork, predict, torch_lift
from nanohtnet_ros.training.evaluation.report import measure, tables
from nanohtnet_ros.training.loop.provenance import provenance_of
from nanohtnet_ros.training.sources import SourceOptions, SyntheticViews, open_training_data, source_options_of
from nanohtnet_ros.training.synthesis.evaluation_set import motion_set

__all__ = ["Lift", "evaluate", "evaluation_set_of", "score", "torch_lift"]


def score(lift: Lift, data: EvaluationSet, offsets: Sequence[int] | None = None) -> dict[str, float]:
    """MPJPE, P-MPJPE and N-MPJPE in millimetres for each condition, as `clean_mpjpe_mm`.

    The used frame is the newest one if the set has targets of it, else the middle one of its offsets.

    Args:
        lift: a network, see `torch_lift`.
        data: windows to measure on.
        offsets: frames of the network's outputs; None: those of the set.
    Raises:
        UserError: the network has no output for the used frame.
    """
    frame = used_offset(data.offsets)
    target = data.targets_m[:, data.offsets.index(frame)].numpy()
    offsets = tuple(data.offsets if offsets is None else offsets)
    if frame not in offsets:
        raise UserError(
            f"the network's outputs are the frames {list(offsets)}, the set's targets are of {frame}: "
            "build it with the network's offsets"
        )
    output = offsets.index(frame) - len(offsets)
    scores = {}
    for condition, keypoints in data.keypoints.items():
        predicted = predict(lift, keypoints, data.level, [output])[:, 0, :, :3]
        for name, metric in (("mpjpe", mpjpe_mm), ("p_mpjpe", p_mpjpe_mm), ("n_mpjpe", n_mpjpe_mm)):
            scores[f"{condition}_{name}_mm"] = round(metric(predicted, target), 2)
    return scores


def evaluation_set_of(
    data: Path,
    split: str,
    network: LiftingNetwork,
    source: SourceOptions | None = None,
    ground: Ground = "withheld",
) -> tuple[EvaluationSet, EvaluationSet | None]:
    """Evaluation sets for a network: windows for its errors, and windows for MPJVE.

    Args:
        data: any kind that `open_training_data` reads.
        split: of the data.
        network: that the windows are for.
        source: options of reading the data.
        ground: whether windows are levelled.
    Returns:
        Both sets; None for the second if the first one has consecutive windows, which give MPJVE too.
    Raises:
        FileNotFoundError: no such data.
        UserError: the data or its split is not understood, its frame rate is not the network's, or it does not tell
            where down is.
    """
    if network.frame_rate_hz != FRAME_RATE_HZ:
        raise UserError(
            f"{network.name} takes {network.frame_rate_hz:g} frames a second, the data has "
            f"{FRAME_RATE_HZ:g}: evaluate a network of that rate"
        )
    views = open_training_data(data, split, options=source)
    windows = views.evaluation_set(network.window_length, network.offsets, ground=ground)
    if not isinstance(views, SyntheticViews):
        return windows, None
    return windows, motion_set(views.capture, network.window_length, network.offset, ground=ground)


def evaluate(
    model: str,
    data: Path,
    split: str = "val",
    ground: Ground = "withheld",
    flip: Literal["both", "off", "on"] = "both",
    per: str | None = None,
    json: Path | None = None,
    figure: Path | None = None,
    device: Literal["cpu", "cuda"] = "cpu",
    threads: int = 1,
    source: SourceOptions | None = None,
) -> None:
    """Print the errors of a network on recorded motion; docs/evaluation.md defines the measures.

    Args:
        model: a checkpoint (.pth), an exported network (.onnx, its .json beside it), or the name of an installed one.
        data: motion file (.npz), or folder of such files, of .bvh files, of Human3.6M's or of MPI-INF-3DHP's archives.
        split: of the data.
        ground: whether the network is told where down is (given) or not (withheld); of motion capture.
        flip: average with the mirrored window's output: off, on, or both.
        per: comma-separated breakdowns: action, subject, joint, distance, height, elevation, roll, cut_off,
            body; by default all that the data allows.
        json: file to write everything to.
        figure: picture to write (.png).
        device: to run the network on.
        threads: CPU threads of an exported network.
        source: options of reading the data, see docs/data.md; by default those of a checkpoint's training.
    """
    if figure is not None:
        if figure.suffix != ".png":
            raise UserError(f"the picture to write is {figure}, expected a name that ends in .png")
        from nanohtnet_ros.training.evaluation.figure import draw_report  # matplotlib may be missing: fail early
    network = LiftingNetwork.open(model, device, threads)
    if source is None and Path(model).suffix == ".pth":
        source = source_options_of(provenance_of(Path(model)))
    windows, motion = evaluation_set_of(data, split, network, source, ground)
    report = measure(network, windows, motion, flip, per.split(",") if per is not None else None)
    print(tables(report))
    for path in filter(None, (json, figure)):
        path.parent.mkdir(parents=True, exist_ok=True)
    if json is not None:
        content = {"model": model, "data": str(data), "split": split, "ground": ground, **report}
        json.write_text(json_format.dumps(content, indent=2) + "\n")
    if figure is not None:
        draw_report(report, figure)
