"""Windows of 2D keypoints to root-relative 3D poses."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from nanohtnet_ros.core.camera import FOCAL_NORM
from nanohtnet_ros.core.skeleton import H36M_17
from nanohtnet_ros.core.window import Window
from nanohtnet_ros.runtime.session import Session


@dataclass(frozen=True)
class ModelCard:
    """What inference needs to know of an exported network; the JSON file beside the ONNX file.

    Attributes:
        window_length: T, frames of the input.
        frame_rate_hz: of the window's time grid.
        output_offsets: each output frame's place relative to the window's newest frame, which is 0.
        look_ahead: frames of the window after the frame whose pose is published; 0 for live networks.
        skeleton: name of the joint set.
        focal_norm: input coordinates are undistorted tangents times this.
        metrics: measured errors, see `nanohtnet evaluate`.
        training: what the network was trained on and how.
    """

    window_length: int
    frame_rate_hz: float
    output_offsets: tuple[int, ...]
    look_ahead: int
    skeleton: str
    focal_norm: float
    metrics: dict[str, Any] = field(default_factory=dict)
    training: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def load(cls, path: Path | str) -> ModelCard:
        """Read and check a sidecar.

        Raises:
            FileNotFoundError: no such file.
            ValueError: it is no JSON, or a field is missing or of the wrong kind; the message names it.
        """
        path = Path(path)
        if not path.is_file():
            raise FileNotFoundError(f"no model card at {path}: export the network with 'nanohtnet export'")
        try:
            content = json.loads(path.read_text())
            card = cls(
                window_length=int(content["window_length"]),
                frame_rate_hz=float(content["frame_rate_hz"]),
                output_offsets=tuple(int(offset) for offset in content["output_offsets"]),
                look_ahead=int(content["look_ahead"]),
                skeleton=str(content["skeleton"]),
                focal_norm=float(content["focal_norm"]),
                metrics=dict(content["metrics"]),
                training=dict(content["training"]),
            )
        except KeyError as error:
            raise ValueError(f"{path} has no field {error}: export the network again") from error
        except (TypeError, ValueError) as error:
            raise ValueError(f"{path} is no model card: {error}") from error
        if card.skeleton != H36M_17.name:
            raise ValueError(f"{path}: skeleton is '{card.skeleton}', expected '{H36M_17.name}'")
        if card.window_length < 1 or not card.frame_rate_hz > 0 or not card.focal_norm > 0 or not card.output_offsets:
            raise ValueError(f"{path}: window_length, frame_rate_hz, focal_norm and output_offsets must be positive")
        return card


@dataclass(frozen=True, eq=False)
class LiftedPose:
    """One person's 3D pose.

    Attributes:
        joints_rel_m: (17, 3) float32, metres, relative to joint 0, optical axes.
        stamp_ns: of the frame that the pose is of.
    """

    joints_rel_m: np.ndarray
    stamp_ns: int


class Lifter:
    """Runs a lifting network on the windows of all people at once."""

    def __init__(self, session: Session, card: ModelCard) -> None:
        """Join a network and its card.

        Raises:
            ValueError: they disagree on the window, or the network is not one for live use.
        """
        expected = (card.window_length, len(H36M_17), 2)
        if tuple(session.input_shape[1:]) != expected:
            raise ValueError(
                f"the network takes (B, {', '.join(map(str, session.input_shape[1:]))}) but its card says "
                f"(B, {', '.join(map(str, expected))}): export it again, card and network belong together"
            )
        if 0 not in card.output_offsets or card.look_ahead:
            raise ValueError(
                f"the network's outputs are frames {list(card.output_offsets)} with a look-ahead of {card.look_ahead}, "
                "expected the newest frame (0) among them and no look-ahead: use a streaming network"
            )
        self.card = card
        self._session = session
        self._scale = np.float32(card.focal_norm / FOCAL_NORM)
        self._newest = card.output_offsets.index(0)

    def lift(self, windows: list[Window]) -> list[LiftedPose]:
        """Lift every person's newest frame in one batch.

        Args:
            windows: one per person.
        Returns:
            One pose per window, in their order.
        Raises:
            ValueError: a window's length differs from the model's.
        """
        if not windows:
            return []
        for window in windows:
            if len(window.keypoints_norm) != self.card.window_length:
                raise ValueError(
                    f"window has {len(window.keypoints_norm)} frames, model expects {self.card.window_length}: "
                    "set window_length from the model's card"
                )
        batch = np.stack([window.keypoints_norm for window in windows]) * self._scale  # (B, T, J, 2)
        joints = self._session.run(batch)[:, self._newest].copy()  # (B, J, 3)
        joints[:, 0] = 0.0  # the network's own value there means nothing
        return [LiftedPose(pose, window.stamp_ns) for pose, window in zip(joints, windows, strict=True)]
