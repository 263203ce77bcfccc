import array

import cv2
import numpy as np
import pytest

pytest.importorskip("rclpy", reason="ROS 2 is not installed")

from sensor_msgs.msg import Image

from nanohtnet_ros.ros import images
from nanohtnet_ros.ros.images import ImageError, image_from_msg, image_to_msg

COLOURS = np.random.default_rng(0).integers(0, 255, (6, 8, 3), np.uint8)
BGR = cv2.resize(COLOURS, (64, 48), interpolation=cv2.INTER_NEAREST)
GREY = cv2.cvtColor(BGR, cv2.COLOR_BGR2GRAY)


def message(pixels: np.ndarray, encoding: str, padding: int = 0, big_endian: bool = False) -> Image:
    if big_endian:
        pixels = pixels.byteswap()
    rows = np.ascontiguousarray(pixels).view(np.uint8).reshape(len(pixels), -1)
    rows = np.pad(rows, ((0, 0), (0, padding)), constant_values=99)
    return Image(
        height=pixels.shape[0], width=pixels.shape[1], encoding=encoding, is_bigendian=int(big_endian),
        step=rows.shape[1], data=array.array("B", rows.tobytes()))


ENCODED = {
    "bgr8": BGR,
    "rgb8": BGR[..., ::-1],
    "bgra8": cv2.cvtColor(BGR, cv2.COLOR_BGR2BGRA),
    "rgba8": cv2.cvtColor(BGR, cv2.COLOR_BGR2RGBA),
    "8UC3": BGR,
    "mono8": GREY,
    "8UC1": GREY,
    "mono16": GREY.astype(np.uint16) * 257,
    "bgr16": BGR.astype(np.uint16) * 257,
}


@pytest.mark.parametrize("padding", [0, 24])
@pytest.mark.parametrize("encoding", ENCODED)
def test_encodings_give_the_same_picture(encoding, padding):
    expected = BGR if ENCODED[encoding].ndim == 3 else cv2.cvtColor(GREY, cv2.COLOR_GRAY2BGR)
    out = image_from_msg(message(ENCODED[encoding], encoding, padding))
    assert out.dtype == np.uint8 and np.abs(out.astype(int) - expected).max() <= 1


def test_big_endian_pixels():
    out = image_from_msg(message(GREY.astype(np.uint16) * 257, "mono16", big_endian=True))
    assert np.abs(out[..., 0].astype(int) - GREY).max() <= 1


@pytest.mark.parametrize("pattern", ["rggb", "bggr", "gbrg", "grbg"])
def test_bayer_patterns_show_the_colours(pattern):
    flat = np.full((48, 64, 3), (40, 120, 200), np.uint8)  # blue, green, red
    mosaic = np.empty((48, 64), np.uint8)
    for i, letter in enumerate(pattern):
        mosaic[i // 2::2, i % 2::2] = flat[0, 0, "bgr".index(letter)]
    out = image_from_msg(message(mosaic, f"bayer_{pattern}8"))
    assert np.abs(out[4:-4, 4:-4].astype(int) - flat[4:-4, 4:-4]).max() <= 1


def test_yuv_of_webcams():
    yuyv = np.full((48, 64, 2), 128, np.uint8)
    yuyv[..., 0] = GREY
    out = image_from_msg(message(yuyv, "yuv422_yuy2"))
    assert np.abs(out.astype(int).mean(axis=-1) - (GREY.astype(int) - 16) * 255 / 219).mean() < 40
    assert np.ptp(out.astype(int), axis=-1).max() <= 2  # no colour


def test_our_own_messages_come_back():
    np.testing.assert_array_equal(image_from_msg(image_to_msg(BGR)), BGR)


def spoilt(**changes) -> Image:
    msg = image_to_msg(BGR)
    for name, value in changes.items():
        setattr(msg, name, value)
    return msg


@pytest.mark.parametrize(("msg", "says"), [
    (spoilt(encoding="thermal12"), "'thermal12'"),
    (spoilt(encoding=""), "''"),
    (spoilt(encoding="32FC1"), "32FC1"),
    (spoilt(step=10), "step"),
    (spoilt(step=100_000), "step"),
    (spoilt(data=array.array("B", b"123")), "3 bytes, expected step"),
    (spoilt(width=0), "0x48 pixels"),
    (spoilt(height=0), "64x0 pixels"),
    (Image(), "0x0 pixels"),
])
def test_bad_images_are_refused_with_what_is_wrong(msg, says):
    with pytest.raises(ImageError, match=says):
        image_from_msg(msg)


@pytest.mark.skipif(images.CvBridge is None, reason="cv_bridge is not installed or does not import cleanly")
@pytest.mark.parametrize("encoding", [e for e in ENCODED if not e.startswith("8U")])
def test_both_converters_give_the_same_pixels(encoding):
    msg = message(ENCODED[encoding], encoding, padding=12)
    difference = images._by_cv_bridge(msg, encoding).astype(int) - images._by_rosbags(msg, encoding)
    assert np.abs(difference).max() <= 1
