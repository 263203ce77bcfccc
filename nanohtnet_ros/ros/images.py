"""sensor_msgs images to OpenCV arrays."""

from __future__ import annotations

import array
import contextlib
import io

import numpy as np
from sensor_msgs.msg import Image

# The binary of cv_bridge breaks, in several ways and with pages on stderr, beside a NumPy it was not built for.
try:
    with contextlib.redirect_stderr(io.StringIO()):
        from cv_bridge import CvBridge

        CvBridge().imgmsg_to_cv2(CvBridge().cv2_to_imgmsg(np.zeros((1, 1, 3), np.uint8), "rgb8"), "bgr8")
    CONVERTER = "cv_bridge"
except Exception:
    CvBridge = None
    CONVERTER = "rosbags-image"

# Encodings that name a layout but no colours, and what cameras mean by them.
COLOURLESS = {"8UC1": "mono8", "8UC3": "bgr8", "8UC4": "bgra8"}


class ImageError(ValueError):
    """A message that holds no usable image."""


def image_from_msg(msg: Image) -> np.ndarray:
    """Convert an image message of any common encoding.

    Rows may be padded (`step`), bytes may be big-endian.

    Returns:
        (H, W, 3) uint8, BGR.
    Raises:
        ImageError: the encoding is unknown, or size, step and data do not fit together; the message says which.
    """
    check_layout(msg)
    encoding = COLOURLESS.get(msg.encoding, msg.encoding)
    bgr = _by_cv_bridge(msg, encoding) if CvBridge else _by_rosbags(msg, encoding)
    if bgr.shape != (msg.height, msg.width, 3):
        expected = (msg.height, msg.width, 3)
        raise ImageError(f"an image of encoding '{msg.encoding}' became {bgr.shape}, expected {expected}")
    return bgr


def check_layout(msg: Image) -> None:
    """Refuse an image that is empty, or shorter than its rows.

    Raises:
        ImageError: so it is.
    """
    if msg.width == 0 or msg.height == 0:
        raise ImageError(f"the image is {msg.width}x{msg.height} pixels, expected both to be positive")
    if len(msg.data) < msg.step * msg.height:
        raise ImageError(
            f"the image has {len(msg.data)} bytes, expected step * height = {msg.step} * {msg.height} = "
            f"{msg.step * msg.height}: the camera driver must set step to the bytes of one row")


def _by_cv_bridge(msg: Image, encoding: str) -> np.ndarray:
    named = Image(header=msg.header, height=msg.height, width=msg.width, encoding=encoding,
                  is_bigendian=msg.is_bigendian, step=msg.step)
    named._data = msg.data  # by its setter the data would be copied
    try:
        return CvBridge().imgmsg_to_cv2(named, "bgr8")
    except Exception as error:  # CvBridgeError and whatever NumPy raises on a wrong step
        raise ImageError(f"encoding '{msg.encoding}', step {msg.step} cannot be converted to bgr8: {error}") from error


def _by_rosbags(msg: Image, encoding: str) -> np.ndarray:
    from rosbags.image import ImageError as RosbagsImageError
    from rosbags.image import image_to_cvimage
    from rosbags.image.image import to_cvtype

    try:
        _, _, dtype, channels = to_cvtype(encoding)
    except RosbagsImageError as error:
        raise ImageError(
            f"encoding '{msg.encoding}' is unknown, expected one of sensor_msgs' image encodings, "
            "as bgr8, rgb8, mono8, bayer_rggb8, yuv422_yuy2") from error
    row = msg.width * channels * np.dtype(dtype).itemsize
    if msg.step < row:
        raise ImageError(
            f"step is {msg.step} bytes, expected at least width * channels * bytes = {row} for {msg.width} pixels of "
            f"'{msg.encoding}': the camera driver must set step to the bytes of one row")
    tight = msg
    if msg.step != row or encoding != msg.encoding:
        rows = np.frombuffer(msg.data, np.uint8)[: msg.step * msg.height].reshape(msg.height, msg.step)[:, :row]
        tight = Image(height=msg.height, width=msg.width, encoding=encoding, is_bigendian=msg.is_bigendian, step=row)
        tight._data = array.array("B", rows.tobytes())
    try:
        return image_to_cvimage(tight, "bgr8")
    except Exception as error:  # its own classes, and OpenCV's
        raise ImageError(f"an image of encoding '{msg.encoding}' cannot be converted to bgr8: {error}") from error


def image_to_msg(image_bgr: np.ndarray) -> Image:
    """Make a bgr8 message of an (H, W, 3) uint8 array; the header is the caller's."""
    height, width, _ = image_bgr.shape
    msg = Image(height=height, width=width, encoding="bgr8", is_bigendian=0, step=3 * width)
    msg.data = array.array("B", image_bgr.tobytes())  # of bytes rclpy would check every single one
    return msg
