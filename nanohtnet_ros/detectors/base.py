"""What every 2D detector gives to the pipeline, and what a top-down one needs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from nanohtnet_ros.core.poses import Keypoints
from nanohtnet_ros.core.skeleton import COCO_17, coco_to_h36m
from nanohtnet_ros.detectors.network_input import Letterbox, NetworkInput, PixelNormalisation
from nanohtnet_ros.runtime.session import Session

ANY = None
Sizes = tuple[tuple[int, ...] | None, ...]
Layout = dict[str, Sizes]
"""One kind of export: its outputs' usual names, and the possible sizes of each axis."""


class PersonDetector(Protocol):
    """Finds boxes around people, for a detector that looks at one person at a time."""

    runtime: str

    def boxes(self, image_bgr: np.ndarray) -> np.ndarray:
        """Find people.

        Args:
            image_bgr: (H, W, 3) uint8.
        Returns:
            (N, 4) float32 as x0, y0, x1, y1, pixels, highest score first.
        """
        ...


@dataclass(frozen=True)
class PeopleConfig:
    """Limits.

    Attributes:
        max_people: people found at most.
        detect_rate_hz: person detections a second while tracking; detectors of one stage detect in every frame.
        latency_budget_ms: mean time of a frame's detection for which the rates are lowered; 0 for any.
    """

    max_people: int = 6
    detect_rate_hz: float = 30.0
    latency_budget_ms: float = 0.0


class OneStageDetector(ABC):
    """Finds all people's COCO keypoints by one network, in every image by itself; image centred in the input."""

    family: str
    layouts: tuple[Layout, ...]
    normalisation = PixelNormalisation()

    def __init__(self, session: Session, outputs: dict[str, str], config: PeopleConfig | None = None) -> None:
        """Take an open network.

        Args:
            session: the network.
            outputs: names of its output tensors by their usual names, as `recognise` gives them.
            config: limits.
        """
        self.config = config or PeopleConfig()
        self._session, self._outputs = session, outputs
        self._input = NetworkInput(session, self.normalisation)
        self.runtime = session.runtime

    def reset(self) -> None:  # noqa: B027
        """Nothing is kept between images."""

    def detect(self, image_bgr: np.ndarray, stamp_ns: int) -> list[Keypoints]:
        x, letterbox = self._input.letterboxed(image_bgr, centred=True)
        found = self._session.run_named(x)
        outputs = {usual: found[name] for usual, name in self._outputs.items()}
        return people_from_coco(*self._decode(outputs, letterbox))

    @abstractmethod
    def _decode(self, outputs: dict[str, np.ndarray], letterbox: Letterbox) -> tuple[np.ndarray, np.ndarray]:
        """Outputs by their usual names to (P, 17, 2) pixels of the image and (P, 17) confidences."""


def people_from_coco(xy_px: np.ndarray, confidence: np.ndarray) -> list[Keypoints]:
    """People in Human3.6M's joints.

    Args:
        xy_px: (N, K, 2) with COCO's 17 keypoints first.
        confidence: (N, K).
    """
    count = len(COCO_17)
    return [Keypoints(*person) for person in zip(*coco_to_h36m(xy_px[:, :count], confidence[:, :count]), strict=True)]
