"""People to measure with: the packaged clips' images, and their keypoints put side by side."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

import cv2
import numpy as np

from nanohtnet_ros.core.camera import Camera
from nanohtnet_ros.core.poses import Keypoints
from nanohtnet_ros.core.window import NS_PER_S
from nanohtnet_ros.samples.clips import Clip, packaged_clips
from nanohtnet_ros.samples.video_source import VideoSource

SIZE = 640, 480
FRAME_NS = NS_PER_S // 30
COLUMNS, SHARE, STEP_PX = 10, 0.2, 50


def clips() -> dict[int, Clip]:
    """The packaged clips, by how many people they show."""
    return {clip.truth.joints_px.shape[1]: clip for clip in packaged_clips() if clip.truth is not None}


def images(clip: Clip, size: tuple[int, int] = SIZE) -> list[np.ndarray]:
    """A clip's images, widened to the proportions of a width and height, and scaled to it."""
    source, found = VideoSource(str(clip.video)), []
    while (read := source.read()) is not None:
        wider = max(0, round(read[0].shape[0] * size[0] / size[1]) - read[0].shape[1]) // 2
        image = cv2.copyMakeBorder(read[0], 0, 0, wider, wider, cv2.BORDER_REPLICATE)
        found.append(cv2.resize(image, size))
    source.close()
    return found


def camera_of(width: int, height: int) -> Camera:
    """A camera for images of any proportions."""
    return Camera(width, height, 1.2 * height, 1.2 * height, width / 2, height / 2)


def to_and_fro(frames: list) -> Iterator[tuple]:
    """Frames forwards and backwards without end, so that nobody leaps, each with its stamp in nanoseconds."""
    for i in count():
        yield frames[abs(i % (2 * len(frames) - 2) - (len(frames) - 1))], (i + 1) * FRAME_NS


def crowd(people: int, frames: int = 100) -> tuple[list[list[Keypoints]], Camera]:
    """Keypoints of so many people in each of some frames, walking side by side, and the camera that sees them."""
    truth = clips()[1].truth
    assert truth is not None
    rng, crowded = np.random.default_rng(0), []
    for frame in range(frames):
        seen = []
        for person in range(people):
            row, column = divmod(person, COLUMNS)
            walking = SHARE * truth.joints_px[(frame + 5 * person) % len(truth.joints_px), 0]
            xy_px = walking + np.array([STEP_PX * column, 40 + SIZE[1] / 2 * row]) + rng.normal(0.0, 0.3, (17, 2))
            seen.append(Keypoints(xy_px.astype(np.float32), rng.uniform(0.7, 1.0, 17)))
        crowded.append(seen)
    return crowded, truth.camera.scaled_to(*SIZE)
