"""What every 2D detector gives to the pipeline."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from nanohtnet_ros.core.poses import Keypoints


class Detector(Protocol):
    """Finds every person's 17 Human3.6M keypoints in an image."""

    family: str
    """How it works, by the name that the parameter `detector_family` has for it."""

    runtime: str
    """What runs its networks, as shown to users."""

    def detect(self, image_bgr: np.ndarray, stamp_ns: int) -> list[Keypoints]:
        """Find people.

        Args:
            image_bgr: (H, W, 3) uint8.
            stamp_ns: when it was taken, after the previous one.
        Returns:
            One `Keypoints` per person, in no particular order.
        """
        ...

    def reset(self) -> None:
        """Forget what earlier images taught, as after a jump in time."""
        ...
