"""What every 2D detector gives to the pipeline, and what a top-down one needs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from nanohtnet_ros.core.poses import Keypoints
from nanohtnet_ros.core.skeleton import COCO_17, coco_to_h36m


class PersonDetector(Protocol):
    """Finds boxes around people, for a detector that looks at one person at a time."""

    runtime: str

    def boxes(self, image_bgr: np.ndarray) -> np.ndarray:
        """Find people.

        Args:
            image_bgr: (H, W, 3) uint8.
        Returns:
            (N, 4) float32 as x0, y0, x1, y1, pixels, the surest first.
        """
        ...


@dataclass(frozen=True)
class PeopleConfig:
    """Limits.

    Attributes:
        max_people: people found at most.
        detect_every: frames between two looks for newcomers while somebody is in view; 1 looks always. Detectors of one
            stage look always.
    """

    max_people: int = 6
    detect_every: int = 1


def people_from_coco(xy_px: np.ndarray, confidence: np.ndarray) -> list[Keypoints]:
    """People in Human3.6M's joints.

    Args:
        xy_px: (N, K, 2) with COCO's 17 keypoints first.
        confidence: (N, K).
    """
    count = len(COCO_17)
    return [Keypoints(*person) for person in zip(*coco_to_h36m(xy_px[:, :count], confidence[:, :count]), strict=True)]
