"""Errors of a lifting network on an evaluation set."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from nanohtnet_ros.core.metrics import mpjpe_mm, p_mpjpe_mm
from nanohtnet_ros.training.mocap import MotionCapture
from nanohtnet_ros.training.synthesis import EvaluationSet

Lift = Callable[[np.ndarray], np.ndarray]
"""(B, T, 17, 2) normalised keypoints to (B, n, 17, 3) metres."""


def newest_joints_m(lift: Lift, keypoints: np.ndarray, batch_size: int = 512) -> np.ndarray:
    """(N, 17, 3) the newest frame's joints of every window, with joint 0 at zero."""
    batches = range(0, len(keypoints), batch_size)
    joints = np.concatenate([lift(keypoints[i:i + batch_size])[:, -1] for i in batches])
    joints[:, 0] = 0.0
    return joints


def score(lift: Lift, data: EvaluationSet) -> dict[str, float]:
    """MPJPE and P-MPJPE in millimetres, with exact and with noisy keypoints."""
    target = data.targets_m.numpy()
    scores = {}
    for name, keypoints in (("clean", data.clean), ("noisy", data.noisy)):
        predicted = newest_joints_m(lift, keypoints.numpy())
        scores[f"{name}_mpjpe_mm"] = round(mpjpe_mm(predicted, target), 2)
        scores[f"{name}_p_mpjpe_mm"] = round(p_mpjpe_mm(predicted, target), 2)
    return scores


def torch_lift(model: torch.nn.Module) -> Lift:
    """A PyTorch model as a function of arrays; puts it into evaluation mode."""
    model.eval()

    @torch.inference_mode()
    def lift(keypoints: np.ndarray) -> np.ndarray:
        return model(torch.from_numpy(keypoints)).numpy()

    return lift


def evaluate(model: Path, data: Path, split: str = "val") -> None:
    """Print the errors of an exported model on recorded motion through random virtual cameras.

    Args:
        model: the .onnx file, its .json beside it.
        data: motion file (.npz) with the split.
        split: which part of the file.
    """
    from nanohtnet_ros.core.lifter import ModelCard
    from nanohtnet_ros.runtime.session import open_session

    session = open_session(model, "cpu")
    card = ModelCard.load(model.with_suffix(".json"))
    scores = score(session.run, EvaluationSet.build(MotionCapture.load(data, split), card.window_length))
    for name, value in scores.items():
        print(f"{name:20} {value:6.1f}")
