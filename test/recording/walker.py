"""A video of nothing and a detector that sees somebody walk in it: runs that take milliseconds a frame."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import numpy as np

from nanohtnet_ros.core.camera import Camera
from nanohtnet_ros.core.poses import Keypoints
from nanohtnet_ros.estimator import PoseEstimator

from factories import STANDING_M
from video_files import write_avi

CAMERA = Camera.from_field_of_view(640, 480)


class Walker:
    """Detector that finds one person, or two, who walk on from frame to frame.

    Args:
        people: how many.
        stop: a signal to send to this process, and the frame to do so at.
    """

    family = runtime = "walker"
    stop: tuple[int, int] | None = None

    def __init__(self, people: int = 1, stop: tuple[int, int] | None = None) -> None:
        self.people, self.stop, self.frame, self.noise_px = people, stop, 0, np.zeros((17, 2))

    def __getstate__(self) -> dict:
        return {name: value for name, value in vars(self).items() if name != "stop"}

    def reset(self) -> None:
        self.frame = 0

    def detect(self, image_bgr: np.ndarray, stamp_ns: int) -> list[Keypoints]:
        if self.stop and self.frame == self.stop[1]:
            os.kill(os.getpid(), self.stop[0])
        rng = np.random.default_rng(self.frame)
        self.noise_px = 0.9 * self.noise_px + rng.normal(scale=0.5, size=(17, 2))  # what a restart would lose
        joints = [STANDING_M + (-1.0 + 0.02 * self.frame, 0.5 * i, 3.0 + i) for i in range(self.people)]
        self.frame += 1
        return [
            Keypoints((CAMERA.project(person) + self.noise_px).astype(np.float32), np.full(17, 0.9, np.float32))
            for person in joints
        ]


def estimator(people: int = 1, stop: tuple[int, int] | None = None, **settings) -> PoseEstimator:
    """An estimator with a walker for its detector."""
    return PoseEstimator(detector=Walker(people, stop), model="nano_s_81_streaming", **settings)


def write_video(path: Path, frames: int = 130) -> Path:
    """A video of grey images."""
    return write_avi(path, [np.full((480, 640, 3), i % 200, np.uint8) for i in range(frames)])


def main() -> None:
    """In a process of its own, with the arguments VIDEO OUT FORMATS FRAME, killed at a frame."""
    import sys

    from nanohtnet_ros.recording.loop import Job, process

    video, out, formats, frame = sys.argv[1:]
    with estimator(2, (signal.SIGKILL, int(frame))) as killed:
        process(Job(video, Path(out), tuple(formats.split(","))), killed)
