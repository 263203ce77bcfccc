"""Cameras that are mounted on their side or upside down."""

from __future__ import annotations

import cv2
import numpy as np

from nanohtnet_ros.core.detector import Detector
from nanohtnet_ros.core.poses import Keypoints

ROTATIONS = (0, 90, 180, 270)
"""Degrees by which an image may be turned clockwise to stand upright."""

CODES = {90: cv2.ROTATE_90_CLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_COUNTERCLOCKWISE}


def upright_from_optical(degrees: int) -> np.ndarray:
    """(3, 3) rotation from a camera's optical axes to those of one that is turned so that its image is upright.

    The upper left part turns image coordinates about the optical axis.
    """
    s, c = ((0, 1), (1, 0), (0, -1), (-1, 0))[degrees // 90]
    return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]], np.float64)


class RotatedDetector:
    """A detector that sees the image upright; keypoints are in pixels of the image as it came."""

    def __init__(self, detector: Detector, degrees: int) -> None:
        """Put a rotation around a detector.

        Args:
            degrees: by which the image is turned clockwise: 90, 180 or 270.
        """
        self._detector, self._degrees = detector, degrees
        self.family, self.runtime = detector.family, detector.runtime

    def reset(self) -> None:
        """Forget what earlier images taught."""
        self._detector.reset()

    def detect(self, image_bgr: np.ndarray, stamp_ns: int) -> list[Keypoints]:
        """Find people; see `Detector.detect`."""
        height, width = image_bgr.shape[:2]
        turn = upright_from_optical(self._degrees)[:2, :2]
        corner = np.minimum(turn @ (width - 1, height - 1), 0.0)  # of the turned image, about the first pixel
        people = self._detector.detect(cv2.rotate(image_bgr, CODES[self._degrees]), stamp_ns)
        return [Keypoints(((person.xy_px + corner) @ turn).astype(np.float32), person.confidence) for person in people]
