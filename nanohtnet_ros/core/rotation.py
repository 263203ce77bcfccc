"""Cameras that are mounted, or held, on their side or upside down."""

from __future__ import annotations

import cv2
import numpy as np

from nanohtnet_ros.core.detector import Detector
from nanohtnet_ros.core.poses import Keypoints

ROTATIONS = (0, 90, 180, 270)
"""Degrees by which an image may be turned clockwise to stand upright."""

AUTO = "auto"
"""In place of one of `ROTATIONS`: by gravity, as far as it is known."""

LEAST_GAIN = 0.3
"""An image is turned another way where down comes so much nearer to its bottom, in sines: a camera between two ways, or
one that looks straight down, does not make it turn to and fro."""

CODES = {90: cv2.ROTATE_90_CLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_COUNTERCLOCKWISE}


def upright_from_optical(degrees: int) -> np.ndarray:
    """(3, 3) rotation from a camera's optical axes to those of one that is turned so that its image is upright.

    The upper left part turns image coordinates about the optical axis.
    """
    s, c = ((0, 1), (1, 0), (0, -1), (-1, 0))[degrees // 90]
    return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]], np.float64)


def upright_rotation(down_cam: np.ndarray, now: int = 0) -> int:
    """Degrees by which an image is to be turned clockwise so that down is at its bottom.

    Args:
        down_cam: (3,) unit vector that points to the floor, in the camera's optical axes.
        now: degrees that stay where no others are clearly better.
    """
    down = {degrees: float((upright_from_optical(degrees) @ down_cam)[1]) for degrees in ROTATIONS}
    best = max(down, key=lambda degrees: down[degrees])
    return best if down[best] > down[now] + LEAST_GAIN else now


class RotatedDetector:
    """A detector that sees the image upright; keypoints are in pixels of the image as it came."""

    def __init__(self, detector: Detector, degrees: int) -> None:
        """Put a rotation around a detector.

        Args:
            degrees: by which the image is turned clockwise, one of `ROTATIONS`.
        """
        self._detector, self._degrees = detector, degrees
        self.family, self.runtime = detector.family, detector.runtime

    @property
    def rates_hz(self) -> dict[str, float]:
        """Of the detector, if it has any."""
        return getattr(self._detector, "rates_hz", {})

    def dropped(self, frames: int) -> None:
        """Tell the detector, if it cares."""
        getattr(self._detector, "dropped", int)(frames)

    def reset(self) -> None:
        """Forget what earlier images taught."""
        self._detector.reset()

    def detect(self, image_bgr: np.ndarray, stamp_ns: int) -> list[Keypoints]:
        """Find people; see `Detector.detect`."""
        height, width = image_bgr.shape[:2]
        turn = upright_from_optical(self._degrees)[:2, :2]
        corner = np.minimum(turn @ (width - 1, height - 1), 0.0)  # of the turned image, about the first pixel
        turned = cv2.rotate(image_bgr, CODES[self._degrees]) if self._degrees else image_bgr
        people = self._detector.detect(turned, stamp_ns)
        return [Keypoints(((person.xy_px + corner) @ turn).astype(np.float32), person.confidence) for person in people]


class SelfRightingDetector(RotatedDetector):
    """A detector that sees the image upright as far as gravity is known."""

    def __init__(self, detector: Detector) -> None:
        """Put a rotation around a detector; the image is taken as it comes until gravity is known."""
        super().__init__(detector, 0)

    def right(self, down_cam: np.ndarray) -> None:
        """Turn the next images upright by (3,) down in the camera's optical axes."""
        degrees = upright_rotation(down_cam, self._degrees)
        if degrees != self._degrees:
            self._degrees = degrees
            self._detector.reset()
