"""sensor_msgs images, raw and compressed, to OpenCV arrays: messages of rclpy or rosbags, which are not needed here."""

from __future__ import annotations

import contextlib
import io
import re
import sys
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol

import cv2
import numpy as np

from nanohtnet_ros.errors import UserError

# Encodings that name a layout but no colours, and what cameras mean by them; and newer names of the same layout.
ALIASES = {
    "8UC1": "mono8",
    "8UC3": "bgr8",
    "8UC4": "bgra8",
    "16UC3": "bgr16",
    "16UC4": "bgra16",
    "uyvy": "yuv422",
    "yuyv": "yuv422_yuy2",
}

CHANNELS = {
    "mono": 1,
    "bgr": 3,
    "rgb": 3,
    "bgra": 4,
    "rgba": 4,
    "bayer_rggb": 1,
    "bayer_bggr": 1,
    "bayer_gbrg": 1,
    "bayer_grbg": 1,
}
LAYOUTS = {f"{colours}{bits}": (np.dtype(f"u{bits // 8}"), n) for colours, n in CHANNELS.items() for bits in (8, 16)}
LAYOUTS |= {"yuv422": (np.dtype("u1"), 2), "yuv422_yuy2": (np.dtype("u1"), 2)}
"""Encoding to type and number of the values of one pixel."""

PLANES = {"nv12": cv2.COLOR_YUV2BGR_NV12, "nv21": cv2.COLOR_YUV2BGR_NV21}
"""Encodings with a plane of brightness and one of colours at half the size, which neither converter knows."""

MEASUREMENTS = re.compile(r"(16U|8S|16S|32S|32F|64F)(C1)?")
"""Encodings of depth, disparity and other single numbers."""

BIG_ENDIAN = int(sys.byteorder == "big")  # this machine
PIXEL_BITS = (10, 12, 14, 16)
"""Of cameras whose pixels come in 16 bits; most leave the upper ones empty."""

JPEG_START, JPEG_SCAN, JPEG_END = b"\xff\xd8", b"\xff\xda", b"\xff\xd9"


class Image(Protocol):
    """The fields of `sensor_msgs/Image` that are read."""

    height: int
    width: int
    encoding: str
    is_bigendian: int
    step: int
    data: Any


class CompressedImage(Protocol):
    """The fields of `sensor_msgs/CompressedImage` that are read."""

    format: str
    data: Any


@dataclass(eq=False)
class Pixels:
    """An image without padding, in this machine's byte order; has the fields of `sensor_msgs/Image`."""

    height: int
    width: int
    encoding: str
    step: int
    data: Any
    is_bigendian: int = BIG_ENDIAN


class ImageError(UserError):
    """A message that holds no usable image."""


@lru_cache(maxsize=1)
def cv_bridge() -> Any | None:
    """A CvBridge, or None where it is not installed or does not work.

    Its binary breaks, in several ways and with pages on stderr, beside a NumPy that it was not built for.
    """
    try:
        with contextlib.redirect_stderr(io.StringIO()):
            from cv_bridge import CvBridge

            bridge = CvBridge()
            bridge.imgmsg_to_cv2(bridge.cv2_to_imgmsg(np.zeros((1, 1, 3), np.uint8), "rgb8"), "bgr8")
        return bridge
    except Exception:
        return None


def converter_name() -> str:
    """What converts images, as shown to users."""
    return "cv_bridge" if cv_bridge() else "rosbags-image"


class ImageReader:
    """Images of one camera to arrays.

    Attributes:
        bits: how many bits pixels are taken for that come in 16, or 0 where none have come: of 10, 12, 14 and 16 the
            fewest that hold the brightest pixel so far. The message does not tell, and 12 bits taken for 16 are a
            black image.
    """

    def __init__(self) -> None:
        self.bits = 0

    def raw(self, msg: Image) -> np.ndarray:
        """Convert an image message of any common encoding.

        Rows may be padded (`step`), values may be big-endian; 16 bits become 8.

        Returns:
            (H, W, 3) uint8, BGR. It may share the message's memory.
        Raises:
            ImageError: the encoding is unknown, or size, step and data do not fit together; the message says which.
        """
        check_size(msg)
        encoding = ALIASES.get(msg.encoding, msg.encoding)
        try:
            if encoding in PLANES:
                rows = rows_of(msg, msg.width, msg.height * 3 // 2)
                return cv2.cvtColor(np.ascontiguousarray(rows), PLANES[encoding])
            tight = self._brightened(_tight(msg, encoding))
            bridge = cv_bridge()
            bgr = bridge.imgmsg_to_cv2(tight, "bgr8") if bridge else _by_rosbags(tight)
        except ImageError:
            raise
        except Exception as error:  # the converters' own classes, and OpenCV's
            raise ImageError(f"an image of encoding '{msg.encoding}' cannot be converted to bgr8: {error}") from error
        if bgr.shape != (msg.height, msg.width, 3):
            expected = (msg.height, msg.width, 3)
            raise ImageError(f"an image of encoding '{msg.encoding}' became {bgr.shape}, expected {expected}")
        return bgr

    def compressed(self, msg: CompressedImage) -> np.ndarray:
        """Decode what image_transport's `compressed` plugin, or a camera, publishes: JPEG, PNG, TIFF and others.

        The plugin's `format` is "ORIGINAL; CODEC compressed STORED", as in "rgb8; jpeg compressed bgr8". Colours are
        turned to BGR before they are stored, so that an ordinary decoder finds them, whatever the original was. STORED
        is empty where PNG and TIFF keep a grey image or a Bayer mosaic as it is. (From the definition of
        sensor_msgs/CompressedImage and the source of compressed_image_transport, Humble to Rolling.)

        Returns:
            (H, W, 3) uint8, BGR; 16 bits become 8. A photo's note on its orientation is ignored: the camera's
            calibration is that of the pixels as they are stored.
        Raises:
            ImageError: it is depth, or empty, truncated or of a kind that OpenCV does not decode; the message says
                which.
        """
        original, _, codec = (part.strip() for part in msg.format.partition(";"))
        if "compressedDepth" in msg.format or MEASUREMENTS.fullmatch(original):
            raise ImageError(
                f"format '{msg.format}' is depth, expected colours or grey: "
                "take the colour camera's '.../compressed' topic"
            )
        data = bytes(msg.data)
        if not data:
            raise ImageError(f"a compressed image of format '{msg.format}' has 0 bytes: check the camera driver")
        if data.startswith(JPEG_START) and data.rfind(JPEG_END) < data.rfind(JPEG_SCAN):
            # Some versions of OpenCV show the upper part, others nothing.
            raise ImageError(
                f"a JPEG image of {len(data)} bytes ends before its end marker: it was cut off on its way or by the "
                "driver"
            )
        stored = codec.partition("compressed")[2].strip()
        mosaic = original.startswith("bayer_") and not stored
        colours = cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH | cv2.IMREAD_IGNORE_ORIENTATION
        try:
            image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED if mosaic else colours)
        except cv2.error as error:
            raise ImageError(f"a compressed image of format '{msg.format}' cannot be decoded: {error}") from error
        if image is None:
            raise ImageError(
                f"{len(data)} bytes of format '{msg.format}' are no whole image that OpenCV decodes: "
                "set the camera driver or image_transport to jpeg or png"
            )
        if mosaic and image.ndim == 2:
            return self.raw(_pixels(image, original))
        if image.dtype == np.uint16:
            image = self.raw(_pixels(image, "bgr16"))
        if image.dtype != np.uint8:
            raise ImageError(
                f"a compressed image of format '{msg.format}' holds {image.dtype} numbers, expected 8 or 16 bits: "
                "take the colour camera's '.../compressed' topic"
            )
        return cv2.cvtColor(image, cv2.COLOR_RGB2BGR) if stored.startswith("rgb") else image

    def _brightened(self, tight: Pixels) -> Pixels:
        """16-bit pixels that use all of the 16 bits."""
        kind, channels = LAYOUTS[tight.encoding]
        if kind.itemsize == 1:
            return tight
        pixels = np.frombuffer(tight.data, np.uint16, tight.height * tight.width * channels)
        used = int(pixels.max()).bit_length()
        self.bits = max(self.bits, next(bits for bits in PIXEL_BITS if used <= bits))
        if self.bits == 16:
            return tight
        return _pixels((pixels << (16 - self.bits)).reshape(tight.height, tight.width, -1), tight.encoding)


def image_from_msg(msg: Image) -> np.ndarray:
    """Convert a single image message; arguments, returns and errors as of `ImageReader.raw`."""
    return ImageReader().raw(msg)


def image_from_compressed(msg: CompressedImage) -> np.ndarray:
    """Decode a single compressed image; arguments, returns and errors as of `ImageReader.compressed`."""
    return ImageReader().compressed(msg)


def _pixels(pixels: np.ndarray, encoding: str) -> Pixels:
    """An (H, W) or (H, W, C) array as an image of an encoding."""
    data = np.ascontiguousarray(pixels).view(np.uint8).reshape(-1)
    return Pixels(pixels.shape[0], pixels.shape[1], encoding, pixels[0].nbytes, data)


def check_size(msg: Image) -> None:
    """Refuse an image without pixels.

    Raises:
        ImageError: it has none.
    """
    if msg.width == 0 or msg.height == 0:
        raise ImageError(f"the image is {msg.width}x{msg.height} pixels, expected both to be positive")


def rows_of(msg: Image, row_bytes: int, rows: int) -> np.ndarray:
    """(rows, row_bytes) uint8 view of a message's data, without the padding.

    Raises:
        ImageError: the message has fewer bytes than that.
    """
    if msg.step < row_bytes:
        raise ImageError(
            f"step is {msg.step} bytes, expected at least width * channels * bytes = {row_bytes} "
            f"for {msg.width} pixels of '{msg.encoding}': the camera driver must set step to the bytes of one row"
        )
    if len(msg.data) < msg.step * rows:
        raise ImageError(
            f"the image has {len(msg.data)} bytes, expected step * height = {msg.step} * {rows} = {msg.step * rows}: "
            "the camera driver must set step to the bytes of one row"
        )
    return np.frombuffer(msg.data, np.uint8)[: msg.step * rows].reshape(rows, msg.step)[:, :row_bytes]


def _tight(msg: Image, encoding: str) -> Pixels:
    """The image without padding and in this machine's byte order.

    cv_bridge shears rows whose padding is no whole pixel, and rosbags-image knows no padding.
    """
    if MEASUREMENTS.fullmatch(encoding):
        raise ImageError(f"encoding '{msg.encoding}' is depth or another measurement: take the camera's colour topic")
    if encoding not in LAYOUTS:
        raise ImageError(
            f"encoding '{msg.encoding}' is unknown, expected one of sensor_msgs' image encodings, "
            "as bgr8, rgb8, mono8, bayer_rggb8, yuv422_yuy2"
        )
    dtype, channels = LAYOUTS[encoding]
    rows = rows_of(msg, msg.width * channels * dtype.itemsize, msg.height)
    swapped = dtype.itemsize > 1 and bool(msg.is_bigendian) != BIG_ENDIAN
    if swapped or msg.step != rows.shape[1]:
        pixels = np.ascontiguousarray(rows).view(dtype).reshape(msg.height, msg.width, channels)
        return _pixels(pixels.byteswap() if swapped else pixels, encoding)
    return Pixels(msg.height, msg.width, encoding, msg.step, msg.data)


def _by_rosbags(tight: Any) -> np.ndarray:
    from rosbags.image import image_to_cvimage

    if LAYOUTS[tight.encoding][0].itemsize == 1:
        return image_to_cvimage(tight, "bgr8")
    # Rounded as cv_bridge does; by itself rosbags-image cuts the fraction off.
    return cv2.convertScaleAbs(image_to_cvimage(tight, "bgr16"), alpha=255.0 / 65535.0)
