"""Frames of a video file, a folder of images or a webcam, each with its time."""

from __future__ import annotations

import re
from pathlib import Path

import cv2
import numpy as np

from nanohtnet_ros.errors import UserError
from nanohtnet_ros.samples.containers import missing_bytes, states_frames

IMAGE_SUFFIXES = {".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"}


def natural_key(path: Path) -> list[tuple[int, str]]:
    """Sorts names as people count: 1, 2, 10."""
    parts = re.split(r"(\d+)", path.name)
    return [(int(part), part) if part.isdecimal() else (0, part.casefold()) for part in parts]


class VideoSource:
    """Frames one after the other.

    Attributes:
        live: true for a webcam, whose frames come when they come.
        frame_rate_hz: as the source states it; a frame's own time counts where there is one.
        frame_count: as the source states it; None where it does not.
        damage: why frames are missing at the end of a file, or an empty text.
    """

    def __init__(self, source: str, default_rate_hz: float = 25.0) -> None:
        """Open a source.

        Args:
            source: path of a video file or of a folder of images (in the natural order of their names: 1, 2, 10), or
                the number of a webcam.
            default_rate_hz: of a folder, and of a file that states none.

        Raises:
            UserError: it cannot be opened; the message says what to do.
        """
        self._images: list[Path] = []
        self._capture: cv2.VideoCapture | None = None
        self._next = 0
        self.frame_count: int | None = None
        self.damage = ""
        self.frame_rate_hz = default_rate_hz
        self.live = source.isdecimal()
        if not source:
            raise UserError("no source is given: set it to a video file, a folder of images or a webcam's number")
        # An absolute path: what stands before a colon in a relative one would be a protocol to FFmpeg.
        self._path = Path(source).expanduser().absolute()
        if self.live:
            self._open_video(int(source))
        elif self._path.is_dir():
            self._images = sorted(
                (p for p in self._path.iterdir() if p.suffix.lower() in IMAGE_SUFFIXES), key=natural_key
            )
            self.frame_count = len(self._images)
            if not self._images:
                raise UserError(f"{self._path} holds no images, expected files in {', '.join(sorted(IMAGE_SUFFIXES))}")
        elif self._path.is_file():
            missing = missing_bytes(self._path)
            if missing:
                self.damage = f"{self._path} is cut short: {missing / 1e6:.3g} MB are missing at its end"
            self._open_video(str(self._path))
        else:
            raise UserError(
                f"there is no file or folder {self._path}: check the path, it must be seen from this process"
            )
        self._restart(0.0)

    def _open_video(self, source: int | str) -> None:
        self._capture = capture = cv2.VideoCapture(source)
        if not capture.isOpened():
            if self.live:
                raise UserError(
                    f"webcam {source} cannot be opened: is it plugged in, free, and readable by this user "
                    "(group video)?"
                )
            raise UserError(
                f"{self.damage}: copy it again"
                if self.damage
                else f"{source} is no video that OpenCV can read: convert it to H.264 in an .mp4 file"
            )
        rate_hz, count = capture.get(cv2.CAP_PROP_FPS), capture.get(cv2.CAP_PROP_FRAME_COUNT)
        if 0.1 <= rate_hz <= 1000.0:
            self.frame_rate_hz = rate_hz
        if not self.live and 0 < count < 1e9 and states_frames(self._path):
            self.frame_count = int(count)

    def _restart(self, time_s: float) -> None:
        """Set the next frame's time; times go on from there by the steps between the source's own."""
        self._next = 0
        self._time_s = time_s
        self._step_s = 1.0 / self.frame_rate_hz
        self._stated_s: float | None = None

    def advance(self) -> float | None:
        """Go to the next frame.

        Returns:
            Its time in seconds, 0 for the first one; None after the last one.
        """
        if self._capture is None:
            if self._next == len(self._images):
                return None
        elif not self._capture.grab():
            return None
        stated_s = self._capture.get(cv2.CAP_PROP_POS_MSEC) / 1000.0 if self._capture is not None else 0.0
        if self._next == 0:
            self._stated_s = stated_s
        else:
            # Streams without a container have no times, and OpenCV before 4.7 states none for H.264's last frames.
            if self._stated_s is not None and stated_s > self._stated_s:
                self._step_s, self._stated_s = stated_s - self._stated_s, stated_s
            self._time_s += self._step_s
        self._next += 1
        return self._time_s

    def image(self) -> np.ndarray:
        """The frame that `advance` went to, (H, W, 3) uint8 BGR.

        Raises:
            UserError: it cannot be read; the next one may.
        """
        if self._capture is not None:
            ok, frame = self._capture.retrieve()
            if not ok:
                raise UserError(f"frame {self._next - 1} of {self._path.name} cannot be decoded")
            return frame
        path = self._images[self._next - 1]
        image = cv2.imread(str(path), cv2.IMREAD_COLOR)
        if image is None:
            raise UserError(f"{path} is no image that OpenCV can read: remove it or convert it")
        return image

    def read(self) -> tuple[np.ndarray, float] | None:
        """The next frame, (H, W, 3) uint8 BGR, and its time in seconds; None after the last one.

        Raises:
            UserError: it cannot be read; the next one may.
        """
        time_s = self.advance()
        return None if time_s is None else (self.image(), time_s)

    def rewind(self) -> None:
        """Go back to the first frame of a file or folder; time goes on."""
        self.close()
        if self._capture is not None and not self.live:
            self._capture = cv2.VideoCapture(str(self._path))
        self._restart(self._time_s + self._step_s if self._next else 0.0)

    def close(self) -> None:
        """Release the file or device."""
        if self._capture is not None:
            self._capture.release()
