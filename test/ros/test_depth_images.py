import array
import threading

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="ROS 2 is not installed")

from builtin_interfaces.msg import Time
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from nanohtnet_ros.core.window import NS_PER_S
from nanohtnet_ros.ros.depth import DepthBuffer, depth_from_msg
from nanohtnet_ros.samples.image_messages import ImageError

DEPTH_M = np.random.default_rng(0).integers(300, 9000, (5, 7)).astype(np.float32) / 1000
KINDS = {"16UC1": (np.uint16, 1000.0), "32FC1": (np.float32, 1.0)}


def message(depth_m=DEPTH_M, encoding="16UC1", padding=0, big_endian=False, stamp_s=0.0) -> Image:
    kind, per_m = KINDS[encoding]
    pixels = (np.rint(depth_m * per_m) if encoding == "16UC1" else depth_m).astype(kind)
    if big_endian:
        pixels = pixels.byteswap()
    rows = np.ascontiguousarray(pixels).view(np.uint8).reshape(len(pixels), -1)
    rows = np.pad(rows, ((0, 0), (0, padding)), constant_values=99)
    nanoseconds = round(stamp_s * NS_PER_S)
    return Image(
        header=Header(stamp=Time(sec=nanoseconds // NS_PER_S, nanosec=nanoseconds % NS_PER_S)),
        height=pixels.shape[0],
        width=pixels.shape[1],
        encoding=encoding,
        is_bigendian=int(big_endian),
        step=rows.shape[1],
        data=array.array("B", rows.tobytes()),
    )


@pytest.mark.parametrize("encoding", KINDS)
@pytest.mark.parametrize("padding", [0, 3])
@pytest.mark.parametrize("big_endian", [False, True])
def test_every_layout_gives_the_same_metres(encoding, padding, big_endian):
    out = depth_from_msg(message(encoding=encoding, padding=padding, big_endian=big_endian))
    assert out.dtype == np.float32 and out.dtype.isnative
    np.testing.assert_allclose(out, DEPTH_M, atol=1e-6)


@pytest.mark.parametrize(("encoding", "nothing"), [("16UC1", [0.0]), ("32FC1", [np.nan, np.inf, -np.inf, 0.0, -1.0])])
def test_what_was_not_measured_is_nan(encoding, nothing):
    depth = DEPTH_M.copy()
    depth[0, : len(nothing)] = nothing
    out = depth_from_msg(message(depth, encoding))
    assert np.isnan(out[0, : len(nothing)]).all() and np.isfinite(out).sum() == out.size - len(nothing)


def test_the_farthest_and_the_nearest_number():
    depth = np.array([[0.001, 65.535]], np.float32)
    np.testing.assert_allclose(depth_from_msg(message(depth)), depth, rtol=1e-6)


def spoilt(**changes) -> Image:
    msg = message()
    for name, value in changes.items():
        setattr(msg, name, value)
    return msg


@pytest.mark.parametrize(
    ("msg", "words"),
    [
        (spoilt(encoding="bgr8"), "encoding is 'bgr8', expected 16UC1 .millimetres. or 32FC1"),
        (spoilt(encoding=""), "encoding is ''"),
        (spoilt(width=0), "0x5 pixels"),
        (spoilt(height=50), "expected step . height"),
        (spoilt(step=13), "step is 13 bytes, expected at least width . channels . bytes = 14"),
        (spoilt(encoding="32FC1"), "step is 14 bytes, expected at least width . channels . bytes = 28"),
    ],
)
def test_a_broken_message_is_refused_with_its_reason(msg, words):
    with pytest.raises(ImageError, match=words):
        depth_from_msg(msg)


def ns(seconds: float) -> int:
    return round(seconds * NS_PER_S)


def test_the_nearest_by_stamp_within_the_tolerance():
    buffer = DepthBuffer(tolerance_s=0.05)
    assert buffer.nearest(ns(1.0)) is None
    for i in range(4):
        buffer.push(message(np.full((2, 2), 1.0 + i, np.float32), stamp_s=1.0 + i / 10))
    assert buffer.nearest(ns(1.12))[0, 0] == pytest.approx(2.0)
    assert buffer.nearest(ns(1.16))[0, 0] == pytest.approx(3.0)
    assert buffer.nearest(ns(1.35))[0, 0] == pytest.approx(4.0)  # just within
    assert buffer.nearest(ns(1.36)) is None
    assert buffer.nearest(ns(0.9)) is None


def test_a_slow_detector_finds_the_depth_of_a_60_hz_camera():
    """By count, eight of them, it was gone after 0.13 s."""
    buffer = DepthBuffer()
    for i in range(600):
        buffer.push(message(np.full((2, 2), 1.0 + i / 60, np.float32), stamp_s=100.0 + i / 60))
    for age_s in (0.0, 0.2, 0.5, 1.0, 1.9):
        newest_s = 100.0 + 599 / 60
        assert buffer.nearest(ns(newest_s - age_s))[0, 0] == pytest.approx(newest_s - age_s - 99.0, abs=0.01)
    assert buffer.nearest(ns(newest_s - 2.2)) is None and len(buffer) == 121


def test_memory_is_bounded():
    buffer, one = DepthBuffer(kept_s=100.0, kept_bytes=300), len(message().data)
    for i in range(10):
        buffer.push(message(stamp_s=1.0 + i / 10))
    assert len(buffer) == 300 // one
    assert buffer.nearest(ns(1.9)) is not None and buffer.nearest(ns(1.0)) is None
    buffer = DepthBuffer(kept_bytes=0)
    buffer.push(message(stamp_s=1.0))
    assert buffer.nearest(ns(1.0)) is not None


def test_mono16_on_the_depth_topic_is_depth_in_millimetres():
    msg = message()
    msg.encoding = "mono16"
    np.testing.assert_allclose(depth_from_msg(msg), DEPTH_M, atol=1e-6)


def test_a_jump_back_in_time_empties_it():
    buffer = DepthBuffer()
    buffer.push(message(stamp_s=100.0))
    buffer.push(message(stamp_s=1.0))
    assert len(buffer) == 1
    assert buffer.nearest(ns(100.0)) is None and buffer.nearest(ns(1.0)) is not None


def test_a_broken_message_is_refused_when_used():
    buffer = DepthBuffer()
    buffer.push(spoilt(encoding="mono8"))
    with pytest.raises(ImageError, match="mono8"):
        buffer.nearest(0)


def test_depth_of_another_size_is_refused():
    buffer = DepthBuffer()
    buffer.push(message(stamp_s=1.0))
    assert buffer.nearest(ns(1.0), (7, 5)).shape == (5, 7)
    with pytest.raises(ImageError, match="7x5 pixels, the colour image 640x480: register the depth to the colour"):
        buffer.nearest(ns(1.0), (640, 480))


@pytest.mark.parametrize("wrong", [{"tolerance_s": -0.1}, {"tolerance_s": np.nan}, {"kept_s": -1.0}])
def test_a_buffer_that_could_find_nothing_is_refused(wrong):
    with pytest.raises(ValueError, match="expected at least 0"):
        DepthBuffer(**wrong)


def test_one_thread_pushes_while_another_asks():
    buffer, messages, failures = DepthBuffer(), [message(stamp_s=1.0 + i / 100) for i in range(2000)], []

    def ask() -> None:
        try:
            while pushing.is_alive():
                buffer.nearest(ns(5.0))
        except Exception as error:
            failures.append(error)

    pushing = threading.Thread(target=lambda: [buffer.push(msg) for msg in messages])
    asking = threading.Thread(target=ask)
    pushing.start()
    asking.start()
    pushing.join()
    asking.join()
    assert not failures and len(buffer) == 201
