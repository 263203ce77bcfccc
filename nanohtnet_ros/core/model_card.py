"""What inference needs to know of an exported network: the JSON file beside its ONNX file."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from nanohtnet_ros.core.camera import FOCAL_NORM
from nanohtnet_ros.core.skeleton import H36M_17
from nanohtnet_ros.errors import UserError, command


@dataclass(frozen=True)
class ModelCard:
    """What inference needs to know of an exported network; the JSON file beside the ONNX file.

    Attributes:
        window_length: T, frames of the input.
        frame_rate_hz: of the window's time grid.
        output_offsets: each output frame's place relative to the window's newest frame, which is 0.
        look_ahead: frames of the window after the frame that the network is best used for: 0 for streaming networks,
            half a window for centred ones.
        skeleton: name of the joint set.
        focal_norm: input coordinates are undistorted tangents times this.
        metrics: measured errors, see `nanohtnet evaluate`.
        training: what the network was trained on and how.
        uncertainty: whether outputs have a fourth value, the natural logarithm of the joint's expected error, metres.
        confidence: whether the network takes the detector's confidence of each keypoint besides its coordinates.
        level: whether it takes besides whether a window is levelled, which is what it was trained for.
        parameters: trained numbers of the network, None where the card does not say.
        multiply_adds: of one window's products, None where the card does not say.
    """

    window_length: int
    frame_rate_hz: float
    output_offsets: tuple[int, ...]
    look_ahead: int
    skeleton: str
    focal_norm: float
    metrics: dict[str, Any] = field(default_factory=dict)
    training: dict[str, Any] = field(default_factory=dict)
    uncertainty: bool = False
    confidence: bool = False
    level: bool = False
    parameters: int | None = None
    multiply_adds: int | None = None

    @property
    def used_offset(self) -> int:
        """The output frame whose pose is used: the newest, or the one with the card's look-ahead."""
        return 0 if 0 in self.output_offsets else -self.look_ahead

    @property
    def input_shapes(self) -> tuple[tuple[int, ...], ...]:
        """Shapes of the network's inputs, without the batch."""
        keypoints = (self.window_length, len(H36M_17), 3 if self.confidence else 2)
        return (keypoints, ()) if self.level else (keypoints,)

    def check_inputs(self, *shapes: tuple[int, ...]) -> None:
        """Raise a UserError unless a network with inputs of these shapes, batch first, is the card's."""
        if tuple(shape[1:] for shape in shapes) != self.input_shapes:
            takes, expected = (
                " and ".join(f"({', '.join(('B', *map(str, sizes)))})" for sizes in inputs)
                for inputs in ([shape[1:] for shape in shapes], self.input_shapes)
            )
            raise UserError(
                f"the network takes {takes} but its card says {expected}: export it again, card and network belong "
                "together"
            )

    def inputs(self, keypoints: np.ndarray, level: np.ndarray) -> tuple[np.ndarray, ...]:
        """The network's inputs, in its order.

        Args:
            keypoints: (B, T, 17, 3) float32 image coordinates of focal length `FOCAL_NORM`, and confidence.
            level: (B,) float32, 1 where a window is levelled, else 0.
        """
        values, scale = self.input_shapes[0][-1], self.focal_norm / FOCAL_NORM
        points = keypoints[..., :values]
        if scale != 1.0:
            points = points * np.array((scale, scale, 1.0), np.float32)[:values]
        return (points, level) if self.level else (points,)

    @classmethod
    def of(cls, network: Path) -> ModelCard:
        """Read the card beside a network's file, or beside the file that it links to; raises as `load`."""
        card = network.with_suffix(".json")
        return cls.load(card if card.is_file() else network.resolve().with_suffix(".json"))

    @classmethod
    def load(cls, path: Path | str) -> ModelCard:
        """Read and check a sidecar.

        Raises:
            FileNotFoundError: no such file.
            ValueError: it is no JSON, or a field is missing or of the wrong kind; the message names it.
        """
        path = Path(path)
        if not path.is_file():
            raise FileNotFoundError(f"no model card at {path}: export the network with '{command('export')}'")
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
                uncertainty=bool(content.get("uncertainty", False)),
                confidence=bool(content.get("confidence", False)),
                level=bool(content.get("level", False)),
                parameters=content.get("parameters"),
                multiply_adds=content.get("multiply_adds"),
            )
        except KeyError as error:
            raise UserError(f"{path} has no field {error}: export the network again") from error
        except (TypeError, ValueError, OverflowError) as error:
            raise UserError(f"{path} is no model card: {error}") from error
        if card.skeleton != H36M_17.name:
            raise UserError(f"{path}: skeleton is '{card.skeleton}', expected '{H36M_17.name}'")
        if card.window_length < 1 or not card.frame_rate_hz > 0 or not card.focal_norm > 0 or not card.output_offsets:
            raise UserError(f"{path}: window_length, frame_rate_hz, focal_norm and output_offsets must be positive")
        return card
