"""Videos, folders of images, webcams and bags as sources of a run."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from queue import Queue
from threading import Thread

import numpy as np

from nanohtnet_ros.core.camera import DEFAULT_HORIZONTAL_FOV_DEG, Camera
from nanohtnet_ros.core.ground import Ground
from nanohtnet_ros.core.window import NS_PER_S
from nanohtnet_ros.errors import UserError
from nanohtnet_ros.recording.frames import Frame, Source
from nanohtnet_ros.samples.video_source import VideoSource

START_NS = 10 * NS_PER_S
"""Stamp of a video's first frame: so poses that lie before it by the look-ahead have stamps above 0."""

FRAME_ID = "camera_optical_frame"
BAGS = (".mcap", ".db3")
NOT_CALIBRATED = "a field of view of {:g} degrees is assumed, so poses lean and distances are off"


@dataclass(frozen=True)
class SourceOptions:
    """How an input is read.

    Attributes:
        topic: image topic of a bag; empty: found.
        camera_info: calibration file; it goes before a bag's own CameraInfo.
        horizontal_fov_deg: field of view along the longer side, assumed without a calibration.
        frame_rate_hz: of a folder of images, and of a video that states none.
        ground_frame: frame of a bag's TF with z up and the floor at z = 0; empty: the following count.
        camera_height_m: above the floor; 0 if not known.
        camera_pitch_deg, camera_roll_deg: by which it looks down, and is turned clockwise seen from behind.
    """

    topic: str = ""
    camera_info: Path | None = None
    horizontal_fov_deg: float = DEFAULT_HORIZONTAL_FOV_DEG
    frame_rate_hz: float = 25.0
    ground_frame: str = ""
    camera_height_m: float = 0.0
    camera_pitch_deg: float = 0.0
    camera_roll_deg: float = 0.0

    @property
    def ground(self) -> Ground | None:
        """Where down and the floor are, or None where nothing of it was told."""
        if not (self.camera_height_m or self.camera_pitch_deg or self.camera_roll_deg):
            return None
        return Ground.of_angles(self.camera_pitch_deg, self.camera_roll_deg, self.camera_height_m or None)

    @property
    def calibration(self) -> Camera | None:
        """The camera of the calibration file, or None.

        Raises:
            UserError: it cannot be read.
        """
        return None if self.camera_info is None else Camera.from_yaml(self.camera_info)


def bag_files(path: Path) -> list[Path]:
    """The files of a rosbag2 in their order: of its folder, or the path itself; none if it is no bag."""
    files = path.iterdir() if path.is_dir() else [path] if path.is_file() else []
    return sorted((file for file in files if file.suffix in BAGS), key=lambda file: (len(file.name), file.name))


def is_bag(path: Path) -> bool:
    """Whether a path is a rosbag2: its folder, or one of its files."""
    return (path / "metadata.yaml").is_file() or bool(bag_files(path))


def open_source(name: str, options: SourceOptions) -> Source:
    """Open an input.

    Args:
        name: path of a video file, a folder of images or a rosbag2; or a webcam's number, where no file has that name.
    Raises:
        UserError, ImportError: it cannot be opened; the message says why.
    """
    path = Path(name).expanduser()
    if is_bag(path):
        from nanohtnet_ros.recording.bag_source import BagFrames

        return BagFrames(path, options)
    return VideoFrames(name, options)


class VideoFrames:
    """A video file, a folder of images or a webcam."""

    frame_id = FRAME_ID

    def __init__(self, name: str, options: SourceOptions) -> None:
        """Open it; arguments and errors as of `open_source`."""
        path = Path(name).expanduser().absolute()
        self._source = VideoSource(name if name.isdecimal() and not path.exists() else str(path), options.frame_rate_hz)
        self._calibration, self._fov_deg = options.calibration, options.horizontal_fov_deg
        self._ground = options.ground
        if options.ground_frame:
            raise UserError(f"--ground_frame is for bags, and {name} is none: use --camera_height_m")
        self.title = f"webcam {name}" if self._source.live else path.name
        self.live, self.frame_count = self._source.live, self._source.frame_count
        self.frame_rate_hz = self._source.frame_rate_hz
        self.damage = self._source.damage
        self.warnings = []
        if self._calibration is None:
            self.warnings.append(f"no calibration (--camera_info): {NOT_CALIBRATED.format(self._fov_deg)}")

    def __iter__(self) -> Iterator[Frame]:
        while (time_s := self._source.advance()) is not None:
            stamp_ns = time.time_ns() if self.live else START_NS + round(time_s * NS_PER_S)
            yield Frame(stamp_ns, self._read, self._ground)

    def _read(self) -> tuple[np.ndarray, Camera]:
        image = self._source.image()
        height, width = image.shape[:2]
        if self._calibration is None:
            return image, Camera.from_field_of_view(width, height, self._fov_deg)
        try:
            return image, self._calibration.scaled_to(width, height)
        except UserError as error:
            raise UserError(f"--camera_info cannot be used for {self.title}: {error}") from error

    def close(self) -> None:
        """Release the file or device."""
        self._source.close()


@dataclass(frozen=True, eq=False)
class ReadFrame:
    """A decoded frame.

    Attributes:
        stamp_ns: when it was taken.
        image_bgr: (H, W, 3) uint8.
        camera: that took it.
        problem: why it could not be read; then there are neither image nor camera.
        ground: where down and the floor are, or None.
    """

    stamp_ns: int
    image_bgr: np.ndarray | None = None
    camera: Camera | None = None
    problem: str = ""
    ground: Ground | None = None

    @classmethod
    def of(cls, frame: Frame) -> ReadFrame:
        """Decode a frame."""
        try:
            return cls(frame.stamp_ns, *frame.read(), ground=frame.ground)
        except UserError as error:
            return cls(frame.stamp_ns, problem=str(error))


def read_ahead(frames: Iterator[Frame], depth: int = 2) -> Generator[ReadFrame, None, None]:
    """Decode frames in a thread of its own, a few before they are needed; the frames' errors come out here."""
    queue: Queue[ReadFrame | BaseException | None] = Queue(depth)
    ended = False

    def decode() -> None:
        try:
            for frame in frames:
                queue.put(ReadFrame.of(frame))
                if ended:
                    return
            queue.put(None)
        except BaseException as error:
            queue.put(error)

    thread = Thread(target=decode, daemon=True)
    thread.start()
    try:
        while (item := queue.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item
    finally:
        ended = True
        for _ in range(200):  # it may wait for a place in the queue, or for a webcam that gives no more images
            if not queue.empty():
                queue.get_nowait()
            thread.join(0.01)
            if not thread.is_alive():
                break
