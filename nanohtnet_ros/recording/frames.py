"""What goes in and out of a run: frames of a source, results of a frame, and what takes them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from nanohtnet_ros.core.camera import Camera
from nanohtnet_ros.core.ground import Ground, level_from_camera
from nanohtnet_ros.core.lifter import WindowLifter
from nanohtnet_ros.core.poses import Person, TrackedKeypoints
from nanohtnet_ros.core.rotation import upright_from_optical


@dataclass(frozen=True, eq=False)
class Frame:
    """One frame of a source, not decoded yet.

    Attributes:
        stamp_ns: when it was taken.
        read: gives (H, W, 3) uint8 BGR and the camera; a UserError if it cannot be read. Only until the next frame.
        ground: where down and the floor are, or None.
    """

    stamp_ns: int
    read: Callable[[], tuple[np.ndarray, Camera]]
    ground: Ground | None = None


class Source(Protocol):
    """Where frames come from.

    Attributes:
        title: what it is, as shown to users.
        live: frames come when they come, and not a second time.
        frame_count: as the source states it; None where it does not.
        frame_rate_hz: as the source states it; each frame's own stamp counts.
        frame_id: optical frame of the images.
        warnings: what is doubtful in what was read so far.
        damage: why frames are missing at the end, or an empty text.
    """

    title: str
    live: bool
    frame_count: int | None
    frame_rate_hz: float
    frame_id: str
    warnings: list[str]
    damage: str

    def __iter__(self) -> Iterator[Frame]: ...

    def close(self) -> None:
        """Release it."""


@dataclass(frozen=True, eq=False)
class FrameResult:
    """What came out of one frame.

    Attributes:
        index: of the frame in its source, from 0; frames that could not be read are counted too.
        time_s: when the image was taken, after the source's first one, seconds.
        stamp_ns: of the image.
        delay_ns: people are of a moment so long before the image (look-ahead).
        camera: that took it.
        ground: where down and the floor are, or None.
        people: skeletons.
        tracked: keypoints in the image itself.
        image_bgr: (H, W, 3) uint8, or None where no writer needs it.
    """

    index: int
    time_s: float
    stamp_ns: int
    delay_ns: int
    camera: Camera
    ground: Ground | None
    people: list[Person]
    tracked: list[TrackedKeypoints]
    image_bgr: np.ndarray | None = None


@dataclass(frozen=True, eq=False)
class RunInfo:
    """What holds for all results of a run.

    Attributes:
        title: of the source.
        frame_id: optical frame of the images.
        frame_rate_hz: as the source states it.
        network: that lifts.
        ground_frame: TF frame of people's places on the floor; empty: on the floor below the camera.
        image_rotation: clockwise turn that makes images upright, degrees.
    """

    title: str
    frame_id: str
    frame_rate_hz: float
    network: WindowLifter
    ground_frame: str = ""
    image_rotation: int = 0

    def level_from_camera(self, ground: Ground | None) -> np.ndarray:
        """(3, 3) to the optical axes of a level camera; where down is not known the upright image's down is taken."""
        if ground is None or ground.down_cam is None:
            return upright_from_optical(self.image_rotation)
        return level_from_camera(ground.down_cam)


class Writer(Protocol):
    """Takes results one after the other, each once and in order.

    Attributes:
        needs_images: whether results must hold the image.
    """

    needs_images: bool

    def write(self, result: FrameResult) -> None:
        """Take the next result."""

    def close(self) -> None:
        """Complete what is written, also after an error."""
