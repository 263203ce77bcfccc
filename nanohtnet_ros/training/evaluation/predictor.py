"""Lifting networks as functions of arrays, wherever they come from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from nanohtnet_ros.core.camera import FOCAL_NORM
from nanohtnet_ros.core.model_card import ModelCard
from nanohtnet_ros.core.skeleton import H36M_17
from nanohtnet_ros.errors import UserError
from nanohtnet_ros.model.checkpoints import load_network
from nanohtnet_ros.model.network_config import used_offset
from nanohtnet_ros.runtime.model_store import find_model
from nanohtnet_ros.runtime.session import open_session
from nanohtnet_ros.training.data import FRAME_RATE_HZ
from nanohtnet_ros.training.data.windows import SlidingWindows

Lift = Callable[[np.ndarray], np.ndarray]
"""(B, T, 17, 2) normalised keypoints to (B, n, 17, 3) metres, or (B, n, 17, 4) with the log of expected errors."""


@dataclass(frozen=True, eq=False)
class LiftingNetwork:
    """A network and what its outputs are.

    Attributes:
        name: of its file.
        lift: the network; keypoints in our normalisation.
        window_length: T.
        frame_rate_hz: of the window's time grid.
        offsets: frames of the n outputs, relative to the window's newest (0).
        offset: the one of them whose pose is used: the newest frame if there, else the one that the card or the
            centred form means.
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
            ValueError: the file cannot be read, or network and card contradict each other.
        """
        if Path(model).suffix == ".pth":
            return cls._from_checkpoint(Path(model), device)
        return cls._from_onnx(find_model(model), device, threads)

    @classmethod
    def _from_checkpoint(cls, path: Path, device: str) -> LiftingNetwork:
        network = load_network(path).to(device)
        offsets = tuple(network.config.frame_offsets)
        return cls(
            path.name, torch_lift(network), network.config.window_length, FRAME_RATE_HZ, offsets, used_offset(offsets))

    @classmethod
    def _from_onnx(cls, path: Path, device: str, threads: int) -> LiftingNetwork:
        card = ModelCard.of(path)
        session = open_session(path, device, threads)
        expected = (card.window_length, len(H36M_17), 2)
        if tuple(session.input_shape[1:]) != expected:
            raise UserError(
                f"{path} takes windows of {tuple(session.input_shape[1:])}, its card says {expected}: "
                "export it again, card and network belong together")
        offset = 0 if 0 in card.output_offsets else -card.look_ahead
        if offset not in card.output_offsets:
            raise UserError(
                f"{path}: the look-ahead of {card.look_ahead} frames is that of no output, they are the frames "
                f"{list(card.output_offsets)}: export it again")
        scale = np.float32(card.focal_norm / FOCAL_NORM)
        return cls(
            path.name, lambda keypoints: session.run(keypoints * scale), card.window_length, card.frame_rate_hz,
            tuple(card.output_offsets), offset)


def torch_lift(model: torch.nn.Module) -> Lift:
    """A PyTorch model, on any device, as a function of arrays; puts it into evaluation mode."""
    model.eval()
    device = next((tensor.device for tensor in model.parameters()), torch.device("cpu"))

    @torch.inference_mode()
    def lift(keypoints: np.ndarray) -> np.ndarray:
        return model(torch.from_numpy(keypoints).to(device)).float().cpu().numpy()

    return lift


def mirror(points: np.ndarray) -> np.ndarray:
    """(..., 17, 2 to 4) keypoints or joints of the mirrored image: x changes sign, left joints become right ones.

    A fourth value, of the joint's error, keeps its sign.
    """
    flipped = points[..., H36M_17.flip_order, :].copy()
    flipped[..., 0] *= -1
    return flipped


def mirrored(lift: Lift) -> Lift:
    """A network that looks at the mirrored image and mirrors its answer back."""
    return lambda keypoints: mirror(lift(mirror(keypoints)))


def flip_averaged(lift: Lift) -> Lift:
    """A network whose answer is the mean of its own and that of its mirror image."""
    other = mirrored(lift)
    return lambda keypoints: (lift(keypoints) + other(keypoints)) / 2


def predict(
    lift: Lift, keypoints: Tensor | SlidingWindows, outputs: Sequence[int], expected: int | None = None,
    batch_size: int = 512,
) -> np.ndarray:
    """Lift many windows, a batch at a time.

    Args:
        keypoints: (N, T, 17, 2).
        outputs: which of the network's n outputs to keep, by index.
        expected: n, if it is to be checked.
    Returns:
        (N, len(outputs), 17, 3 or 4), joint 0 at zero.
    Raises:
        ValueError: the network gives another number of outputs, or values that are not finite.
    """
    batches = []
    for start in range(0, len(keypoints), batch_size):
        joints = lift(keypoints[start:start + batch_size].numpy())
        if expected is not None and joints.shape[1] != expected:
            raise UserError(f"the network gives {joints.shape[1]} output frames, expected {expected}: "
                             "its offsets do not belong to it, export it again")
        if not np.isfinite(joints).all():
            raise UserError("the network's joints are not finite: its training has diverged, or its file is damaged")
        batches.append(joints[:, list(outputs)])
    joints = np.concatenate(batches)
    joints[:, :, 0, :3] = 0.0
    return joints
