"""Lifting networks of any file as functions of arrays."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from nanohtnet_ros.core.model_card import ModelCard
from nanohtnet_ros.errors import UserError
from nanohtnet_ros.model.checkpoints import load_network
from nanohtnet_ros.model.flip import mirrored
from nanohtnet_ros.runtime.model_store import find_model
from nanohtnet_ros.runtime.session import open_session
from nanohtnet_ros.training.data import FRAME_RATE_HZ
from nanohtnet_ros.training.data.windows import SlidingWindows

Lift = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""(B, T, 17, 3) normalised keypoints with confidence, and (B,) whether they are levelled, float32, to (B, n, 17, 3)
metres, or (B, n, 17, 4) with the log of expected errors."""


@dataclass(frozen=True, eq=False)
class LiftingNetwork:
    """A network and its window.

    Attributes:
        name: of its file.
        lift: the network; keypoints with focal length `FOCAL_NORM`.
        window_length: T.
        frame_rate_hz: of the window's time grid.
        offsets: frames of the n outputs, relative to the window's newest (0).
        offset: of the used frame, see `ModelCard.used_offset` and `NetworkConfig.used_offset`.
    """

    name: str
    lift: Lift
    window_length: int
    frame_rate_hz: float
    offsets: tuple[int, ...]
    offset: int

    @classmethod
    def open(cls, model: str, device: str = "cpu", threads: int = 1) -> LiftingNetwork:
        """Open a network.

        Args:
            model: a checkpoint (.pth), an exported network (.onnx, its .json beside it), or the name of one that is
                installed.
            device: cpu or cuda.
            threads: CPU threads of an exported network.
        Raises:
            FileNotFoundError: there is no such network, or no card beside it.
            UserError: the file cannot be read, or network and card contradict each other.
        """
        if Path(model).suffix == ".pth":
            return cls._from_checkpoint(Path(model), device)
        return cls._from_onnx(find_model(model), device, threads)

    @classmethod
    def _from_checkpoint(cls, path: Path, device: str) -> LiftingNetwork:
        network = load_network(path).to(device)
        config = network.config
        return cls(
            path.name,
            torch_lift(network),
            config.window_length,
            FRAME_RATE_HZ,
            config.frame_offsets,
            config.used_offset,
        )

    @classmethod
    def _from_onnx(cls, path: Path, device: str, threads: int) -> LiftingNetwork:
        card = ModelCard.of(path)
        session = open_session(path, device, threads)
        card.check_inputs(session.input_shape, *session.more_inputs.values())
        if card.used_offset not in card.output_offsets:
            raise UserError(
                f"{path}: the look-ahead of {card.look_ahead} frames is that of no output, they are the frames "
                f"{list(card.output_offsets)}: export it again"
            )
        return cls(
            path.name,
            lambda keypoints, level: session.run(*card.inputs(keypoints, level)),
            card.window_length,
            card.frame_rate_hz,
            card.output_offsets,
            card.used_offset,
        )


def torch_lift(model: torch.nn.Module) -> Lift:
    """A PyTorch model, on any device, as a function of arrays; puts it into evaluation mode."""
    model.eval()
    device = next((tensor.device for tensor in model.parameters()), torch.device("cpu"))

    @torch.inference_mode()
    def lift(*inputs: np.ndarray) -> np.ndarray:
        return model(*(torch.from_numpy(x).to(device) for x in inputs)).float().cpu().numpy()

    return lift


def predict(
    lift: Lift,
    keypoints: Tensor | SlidingWindows,
    level: Tensor,
    outputs: Sequence[int],
    expected: int | None = None,
    flip: bool = False,
    batch_size: int = 512,
) -> np.ndarray:
    """Lift many windows, a batch at a time.

    Args:
        lift: the network.
        keypoints: (N, T, 17, 3).
        level: (N,) whether each is levelled.
        outputs: indices of the outputs to keep.
        expected: n, to check.
        flip: give the network the mirrored windows, and mirror its outputs back.
        batch_size: windows of a batch.
    Returns:
        (N, len(outputs), 17, 3 or 4), joint 0 at zero.
    Raises:
        UserError: the network gives another number of outputs, or values that are not finite.
    """
    batches = []
    for start in range(0, len(keypoints), batch_size):
        windows = keypoints[start : start + batch_size]
        known = level[start : start + batch_size].numpy()
        joints = lift((mirrored(windows) if flip else windows).numpy(), known)
        if expected is not None and joints.shape[1] != expected:
            raise UserError(
                f"the network gives {joints.shape[1]} output frames, expected {expected}: "
                "its card is of another network, export it again"
            )
        if not np.isfinite(joints).all():
            raise UserError("the network's joints are not finite: its training has diverged, or the file is damaged")
        joints = joints[:, list(outputs)]
        batches.append(mirrored(torch.from_numpy(joints)).numpy() if flip else joints)
    joints = np.concatenate(batches)
    joints[:, :, 0, :3] = 0.0
    return joints
