"""Messages that a camera would send."""

from __future__ import annotations

import array
import random

import cv2
import numpy as np
from builtin_interfaces.msg import Time
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

from nanohtnet_ros.ros.images import image_to_msg
from nanohtnet_ros.samples.clips import CLIPS_DIR
from nanohtnet_ros.samples.image_messages import ALIASES, LAYOUTS, PLANES

FRAME_ID = "head_camera_optical_frame"
GREY = np.full((480, 640, 3), 90, np.uint8)
"""An image with nobody in it."""


def header(seconds: float) -> Header:
    """The camera's header at a moment."""
    nanoseconds = round(seconds * 1e9)
    return Header(frame_id=FRAME_ID, stamp=Time(sec=nanoseconds // 10**9, nanosec=nanoseconds % 10**9))


def image(picture: np.ndarray, seconds: float, **changes) -> Image:
    """An image message of a picture; keyword arguments overwrite its fields."""
    msg = image_to_msg(picture)
    msg.header = header(seconds)
    for name, value in changes.items():
        setattr(msg, name, value)
    return msg


def jpeg(picture: np.ndarray, seconds: float) -> CompressedImage:
    """The same as image_transport's `compressed` plugin sends it."""
    ok, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 95])
    assert ok
    msg = CompressedImage(header=header(seconds), format="bgr8; jpeg compressed bgr8")
    msg.data = array.array("B", data.tobytes())
    return msg


def depth(millimetres: np.ndarray, seconds: float) -> Image:
    """A 16UC1 depth image."""
    height, width = millimetres.shape
    msg = Image(header=header(seconds), height=height, width=width, encoding="16UC1", step=2 * width)
    msg.data = array.array("B", millimetres.astype("<u2").tobytes())
    return msg


def frames_of(clip: str, count: int) -> list[np.ndarray]:
    """The first frames of one of this package's clips."""
    video = cv2.VideoCapture(str(CLIPS_DIR / f"{clip}.mp4"))
    frames = [video.read()[1] for _ in range(count)]
    assert all(frame is not None for frame in frames)
    return frames


def random_image(chance: random.Random) -> Image:
    """An image message with anything in its fields, more often something that nearly fits."""
    encodings = (*LAYOUTS, *ALIASES, *PLANES, "16UC1", "32FC1", "", "h264", "bayer", "8UC2")
    width, height = (chance.choice((0, 1, 2, 3, 7, 64, 2**16, 2**32 - 1)) for _ in range(2))
    step = chance.choice((0, 1, width, 2 * width, 3 * width, 6 * width, 2**32 - 1)) % 2**32
    size = chance.choice((0, 1, step * height, step * height + 1, step * height * 3 // 2))
    return Image(
        width=width,
        height=height,
        step=step,
        encoding=chance.choice(encodings),
        is_bigendian=chance.choice((0, 1, 255)),
        data=array.array("B", chance.randbytes(min(size, 50_000))),
    )
