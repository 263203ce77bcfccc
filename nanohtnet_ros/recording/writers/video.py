"""The images with people drawn on them, as a video."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from nanohtnet_ros.core.drawing import draw_people
from nanohtnet_ros.errors import UserError
from nanohtnet_ros.recording.frames import FrameResult, RunInfo

CODEC = "mp4v"
"""MPEG-4 Part 2: what OpenCV's wheels can encode in MP4. They hold no H.264, for its licence."""
HIGHEST_HZ = 60.0


class VideoWriter:
    """`annotated.mp4` at one rate: frames are held, or left out, so that it lasts as long as the source."""

    needs_images = True

    def __init__(self, folder: Path, info: RunInfo) -> None:
        """Begin; the file is named when it is complete."""
        self._path, self._part = folder / "annotated.mp4", folder / "annotated.part.mp4"
        self._rate_hz = min(info.frame_rate_hz, HIGHEST_HZ)
        self._writer: cv2.VideoWriter | None = None
        self._size = 0, 0
        self._written = 0
        self._last: np.ndarray | None = None

    def write(self, result: FrameResult) -> None:
        assert result.image_bgr is not None
        due = round(result.time_s * self._rate_hz)
        while self._last is not None and self._written < due:
            self._put(self._last)
        if due < self._written:
            return
        distances_m = {p.track_id: None if p.root_m is None else p.root_m[2] for p in result.people}
        labels = [
            f"{p.track_id}" if (metres := distances_m.get(p.track_id)) is None else f"{p.track_id}: {metres:.1f} m"
            for p in result.tracked
        ]
        people = [(p.track_id, p.keypoints.xy_px, p.keypoints.confidence) for p in result.tracked]
        self._last = draw_people(result.image_bgr, people, labels)
        self._put(self._last)

    def _put(self, image_bgr: np.ndarray) -> None:
        if self._writer is None:
            self._size = image_bgr.shape[1], image_bgr.shape[0]
            codec = cv2.VideoWriter.fourcc(*CODEC)
            self._writer = cv2.VideoWriter(str(self._part), codec, self._rate_hz, self._size)
            if not self._writer.isOpened():
                raise UserError(f"OpenCV {cv2.__version__} cannot encode {CODEC}: leave mp4 out of --write")
        if image_bgr.shape[1::-1] != self._size:
            image_bgr = cv2.resize(image_bgr, self._size)
        self._writer.write(image_bgr)
        self._written += 1

    def close(self) -> None:
        if self._writer is None:
            return
        self._writer.release()
        # OpenCV does not tell where the disk was full.
        capture = cv2.VideoCapture(str(self._part))
        count = int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
        capture.release()
        if count < self._written:
            raise OSError(f"cannot write {self._path}: {count} of {self._written} frames are in it: is the disk full?")
        self._part.replace(self._path)
