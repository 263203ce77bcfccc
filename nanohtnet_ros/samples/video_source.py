"""Frames of a video file, a folder of images or a webcam."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from nanohtnet_ros.errors import UserError

IMAGE_SUFFIXES = {".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"}


class VideoSource:
    """Frames one after the other, at the source's own rate.

    Attributes:
        live: true for a webcam, whose frames come when they come.
        frame_rate_hz: of the source.
    """

    def __init__(self, source: str, default_rate_hz: float = 25.0) -> None:
        """Open a source.

        Args:
            source: path of a video file or of a folder of images (in the order of their names), or the number of
                a webcam.
            default_rate_hz: of a folder, and of a file that states none.
        Raises:
            ValueError: it cannot be opened; the message says what to do.
        """
        self._images: list[Path] = []
        self._capture: cv2.VideoCapture | None = None
        self._next = 0
        self._source = source
        self.live = source.isdigit()
        path = Path(source).expanduser()
        if not source:
            raise UserError("no source is given: set it to a video file, a folder of images or a webcam's number")
        if not self.live and path.is_dir():
            self._images = sorted(p for p in path.iterdir() if p.suffix.lower() in IMAGE_SUFFIXES)
            if not self._images:
                raise UserError(f"{path} holds no images, expected files in {', '.join(sorted(IMAGE_SUFFIXES))}")
            self.frame_rate_hz = default_rate_hz
            return
        if not self.live and not path.is_file():
            raise UserError(f"there is no file or folder {path}: check the path, it must be seen from this process")
        self._capture = cv2.VideoCapture(int(source) if self.live else str(path))
        if not self._capture.isOpened():
            raise UserError(
                f"webcam {source} cannot be opened: is it plugged in, free, and readable by this user (group video)?"
                if self.live else f"{path} is no video that OpenCV can read: convert it to H.264 in an .mp4 file")
        stated = self._capture.get(cv2.CAP_PROP_FPS)
        self.frame_rate_hz = stated if 0.1 <= stated <= 1000.0 else default_rate_hz

    def read(self) -> np.ndarray | None:
        """The next frame, (H, W, 3) uint8 BGR, or None after the last one.

        Raises:
            ValueError: an image of a folder cannot be read.
        """
        if self._capture is not None:
            ok, frame = self._capture.read()
            return frame if ok else None
        if self._next == len(self._images):
            return None
        path = self._images[self._next]
        self._next += 1
        image = cv2.imread(str(path), cv2.IMREAD_COLOR)
        if image is None:
            raise UserError(f"{path} is no image that OpenCV can read: remove it or convert it")
        return image

    def rewind(self) -> None:
        """Go back to the first frame of a file or folder."""
        self._next = 0
        if self._capture is not None and not self.live:
            self._capture.release()
            self._capture = cv2.VideoCapture(str(Path(self._source).expanduser()))

    def close(self) -> None:
        """Let go of the file or device."""
        if self._capture is not None:
            self._capture.release()
