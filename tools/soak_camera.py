"""A camera before which people come and go all the time, and to which everything happens that happens to cameras."""

from __future__ import annotations

import itertools
import random
import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, replace

import cv2
import numpy as np
from builtin_interfaces.msg import Time
from rclpy.node import Node
from sensor_msgs.msg import CameraInfo, Image

from nanohtnet_ros.core.window import NS_PER_S
from nanohtnet_ros.ros.images import image_to_msg
from nanohtnet_ros.ros.messages import MESSAGES
from nanohtnet_ros.ros.qos import CAMERA
from nanohtnet_ros.samples.clips import packaged_clips
from nanohtnet_ros.samples.video_source import VideoSource

FAULTS = (
    "dropped frames",
    "stall",
    "small step back",
    "jump back",
    "jump forward",
    "restless stamps",
    "other size",
    "corrupt image",
)
FRAME_ID = "camera_optical_frame"


@dataclass(frozen=True, eq=False)
class Shot:
    """One image to take.

    Attributes:
        image: (H, W, 3) uint8 BGR, or the same as a message.
        people: how many are in it.
        wait_s: the camera is silent for this long before.
        jump_s: its clock jumps by this before.
        fault: what begins here, one of `FAULTS`, or nothing.
    """

    image: np.ndarray | Image
    people: int
    wait_s: float = 0.0
    jump_s: float = 0.0
    fault: str = ""


def load_rooms() -> list[list[Image]]:
    """Images with nobody, with one person and with two, decoded once; as messages, since those are slow to make."""
    walk, two = ([*_frames(clip.video)] for clip in packaged_clips())
    empty = [np.median(frames[::4], axis=0).astype(np.uint8) for frames in (walk, two)]
    return [[image_to_msg(frame) for frame in frames] for frames in (empty, walk, two)]


def _frames(video) -> Iterator[np.ndarray]:
    source = VideoSource(str(video))
    while (read := source.read()) is not None:
        yield read[0]
    source.close()


def shots(rooms: list[list[Image]], rate_hz: float, fault_every_s: float, seed: int) -> Iterator[Shot]:
    """Images without end: nobody, one or two people for a random time each, and now and then a fault."""
    rng = random.Random(seed)
    return _with_faults(_people(rooms, rate_hz, rng), rate_hz, fault_every_s, rng)


def _people(rooms: list[list[Image]], rate_hz: float, rng: random.Random) -> Iterator[Shot]:
    people = 0
    while True:
        people = rng.choice([n for n in range(len(rooms)) if n != people])
        images, start = rooms[people], rng.randrange(1000)
        for i in range(int(rng.uniform(0.5, 4.0 if people == 0 else 10.0) * rate_hz)):
            if people == 0:  # one of the two rooms throughout
                yield Shot(images[start % len(images)], 0)
            else:  # forwards and backwards, so that nobody leaps
                yield Shot(images[abs((start + i) % (2 * len(images) - 2) - (len(images) - 1))], people)


def _with_faults(plain: Iterator[Shot], rate_hz: float, every_s: float, rng: random.Random) -> Iterator[Shot]:
    while True:
        for fault in rng.sample(FAULTS, len(FAULTS)):  # each in its turn
            yield from itertools.islice(plain, int(rng.uniform(0.5, 1.5) * every_s * rate_hz))
            if fault == "dropped frames":
                skipped = rng.randint(3, 20)
                yield replace(next(itertools.islice(plain, skipped, None)), wait_s=skipped / rate_hz, fault=fault)
            elif fault == "stall":
                yield replace(next(plain), wait_s=rng.uniform(1.0, 3.0), fault=fault)
            elif fault == "small step back":
                yield replace(next(plain), jump_s=-rng.uniform(0.1, 0.4), fault=fault)
            elif fault == "jump back":
                yield replace(next(plain), jump_s=-rng.choice((1.0, 6.0, 60.0, 3600.0)), fault=fault)
            elif fault == "jump forward":
                yield replace(next(plain), jump_s=rng.choice((0.4, 0.8, 1.5, 60.0, 3600.0)), fault=fault)
            elif fault == "restless stamps":
                for i, shot in enumerate(itertools.islice(plain, int(rng.uniform(0.5, 2.0) * rate_hz))):
                    jump_s = (-1.2 if i % 2 else 1.2) / rate_hz  # every other one a little before the one before it
                    yield replace(shot, jump_s=jump_s, fault=fault if i == 0 else "")
            elif fault == "other size":
                for i, shot in enumerate(itertools.islice(plain, int(rng.uniform(0.5, 4.0) * rate_hz))):
                    yield replace(shot, image=_halved(shot.image), fault=fault if i == 0 else "")
            else:
                yield replace(next(plain), image=_corrupted(rng), fault=fault)


def _halved(image: Image) -> np.ndarray:
    pixels = np.frombuffer(image.data, np.uint8).reshape(image.height, image.width, 3)
    return cv2.resize(pixels, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)


def _corrupted(rng: random.Random) -> Image:
    image = image_to_msg(np.zeros((480, 640, 3), np.uint8))
    return rng.choice(
        (
            Image(height=480, width=640, encoding="bgr8", step=1920, data=image.data[:100_000]),
            Image(height=480, width=640, encoding="bgr8", step=640, data=image.data),
            Image(height=480, width=640, encoding="no such", step=1920, data=image.data),
            Image(encoding="bgr8"),
        )
    )


@dataclass(frozen=True)
class Sent:
    """What is remembered of an image that was sent.

    Attributes:
        at_s: when, on the steady clock.
        people: how many are in it.
        empty_s: how long the room has been empty, counted in images.
    """

    at_s: float
    people: int
    empty_s: float


class SoakCamera:
    """Publishes `image` and `camera_info` from a thread, on a schedule of the steady clock."""

    def __init__(self, node: Node, film: Iterator[Shot], empty: Image, rate_hz: float) -> None:
        """Make the publishers; `start` begins.

        Args:
            film: images to take.
            empty: the last images, when it stops.
        """
        self._film, self._empty, self._rate_hz = film, empty, rate_hz
        self._images = node.create_publisher(Image, "image", CAMERA)
        self._camera_infos = node.create_publisher(CameraInfo, "camera_info", CAMERA)
        self._camera = packaged_clips()[0].truth.camera
        self._offset_ns = time.time_ns() - time.monotonic_ns()
        self._sent: OrderedDict[int, Sent] = OrderedDict()
        self._lock = threading.Lock()
        self._empty_images = 0
        self.count = self.late = 0
        self.last_s = 0.0
        self.faults: Counter[str] = Counter()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="camera", daemon=True)

    def start(self) -> None:
        """Begin to publish."""
        self._thread.start()

    def stop(self, empty_s: float = 2.0) -> None:
        """Show the empty room for a while, then end."""
        self._stop.set()
        self._thread.join()
        self._take(itertools.repeat(Shot(self._empty, 0), int(empty_s * self._rate_hz)))

    def subscribed(self) -> bool:
        """Whether somebody sees the images and their calibration."""
        return self._images.get_subscription_count() > 0 and self._camera_infos.get_subscription_count() > 0

    def answered(self, stamp_ns: int) -> Sent | None:
        """What was sent under a stamp; only once, so a second answer or one to nothing gets None."""
        with self._lock:
            return self._sent.pop(stamp_ns, None)

    def _run(self) -> None:
        self._take(itertools.takewhile(lambda _: not self._stop.is_set(), self._film))

    def _take(self, film: Iterator[Shot]) -> None:
        due_s = time.monotonic()
        for shot in film:
            due_s += 1.0 / self._rate_hz + shot.wait_s
            self._offset_ns += round(shot.jump_s * NS_PER_S)
            self.faults.update([shot.fault] if shot.fault else [])
            behind_s = time.monotonic() - due_s
            if behind_s < 0:
                time.sleep(-behind_s)
            elif behind_s > 1.0 / self._rate_hz:  # a camera does not make up for what it has missed
                self.late += 1
                due_s += behind_s
            self._publish(shot)

    def _publish(self, shot: Shot) -> None:
        image = image_to_msg(shot.image) if isinstance(shot.image, np.ndarray) else shot.image
        stamp_ns = time.monotonic_ns() + self._offset_ns
        image.header.stamp = Time(sec=stamp_ns // NS_PER_S, nanosec=stamp_ns % NS_PER_S)
        image.header.frame_id = FRAME_ID
        camera_info = MESSAGES.camera_info(self._camera.scaled_to(image.width or 640, image.height or 480))
        camera_info.header = image.header
        self._camera_infos.publish(camera_info)
        now_s = time.monotonic()
        self._empty_images = 0 if shot.people else self._empty_images + 1
        with self._lock:
            self._sent[stamp_ns] = Sent(now_s, shot.people, self._empty_images / self._rate_hz)
            while len(self._sent) > 1000:
                self._sent.popitem(last=False)
        self._images.publish(image)
        self.count += 1
        self.last_s = now_s
