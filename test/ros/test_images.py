import array
import random
import subprocess
import sys

import cv2
import numpy as np
import pytest

pytest.importorskip("rclpy", reason="ROS 2 is not installed")
pytest.importorskip("hypothesis", reason="hypothesis is not installed")

from hypothesis import given
from hypothesis import strategies as st
from sensor_msgs.msg import CompressedImage, Image

from nanohtnet_ros.ros.depth import depth_from_msg
from nanohtnet_ros.ros.images import image_to_msg
from nanohtnet_ros.samples import image_messages as images
from nanohtnet_ros.samples.image_messages import ImageError, ImageReader, image_from_compressed, image_from_msg

from streams import random_image

COLOURS = np.random.default_rng(0).integers(0, 255, (6, 8, 3), np.uint8)
BGR = cv2.resize(COLOURS, (64, 48), interpolation=cv2.INTER_NEAREST)
GREY = cv2.cvtColor(BGR, cv2.COLOR_BGR2GRAY)


def message(pixels: np.ndarray, encoding: str, padding: int = 0, big_endian: bool = False) -> Image:
    if big_endian:
        pixels = pixels.byteswap()
    rows = np.ascontiguousarray(pixels).view(np.uint8).reshape(len(pixels), -1)
    rows = np.pad(rows, ((0, 0), (0, padding)), constant_values=99)
    return Image(
        height=pixels.shape[0],
        width=pixels.shape[1],
        encoding=encoding,
        is_bigendian=int(big_endian),
        step=rows.shape[1],
        data=array.array("B", rows.tobytes()),
    )


ENCODED = {
    "bgr8": BGR,
    "rgb8": BGR[..., ::-1],
    "bgra8": cv2.cvtColor(BGR, cv2.COLOR_BGR2BGRA),
    "rgba8": cv2.cvtColor(BGR, cv2.COLOR_BGR2RGBA),
    "8UC3": BGR,
    "8UC4": cv2.cvtColor(BGR, cv2.COLOR_BGR2BGRA),
    "mono8": GREY,
    "8UC1": GREY,
    "mono16": GREY.astype(np.uint16) * 257,
    "bgr16": BGR.astype(np.uint16) * 257,
    "rgb16": BGR[..., ::-1].astype(np.uint16) * 257,
    "rgba16": cv2.cvtColor(BGR, cv2.COLOR_BGR2RGBA).astype(np.uint16) * 257,
    "16UC3": BGR.astype(np.uint16) * 257,
}


@pytest.mark.parametrize("padding", [0, 24, 7])  # 7: no whole number of pixels
@pytest.mark.parametrize("encoding", ENCODED)
def test_encodings_give_the_same_picture(encoding, padding):
    expected = BGR if ENCODED[encoding].ndim == 3 else cv2.cvtColor(GREY, cv2.COLOR_GRAY2BGR)
    out = image_from_msg(message(ENCODED[encoding], encoding, padding))
    assert out.dtype == np.uint8
    np.testing.assert_array_equal(out, expected)


@pytest.mark.parametrize("padding", [0, 10])
@pytest.mark.parametrize("encoding", ["mono16", "bgr16", "rgb16"])
def test_big_endian_pixels(encoding, padding):
    little = image_from_msg(message(ENCODED[encoding], encoding))
    big = image_from_msg(message(ENCODED[encoding], encoding, padding, big_endian=True))
    np.testing.assert_array_equal(big, little)


def test_big_endian_says_nothing_about_single_bytes():
    msg = message(BGR, "bgr8")
    msg.is_bigendian = 1
    np.testing.assert_array_equal(image_from_msg(msg), BGR)


@given(
    st.sampled_from(sorted(images.LAYOUTS)), st.integers(1, 20), st.integers(1, 20), st.integers(0, 40), st.booleans()
)
def test_neither_stride_nor_byte_order_changes_the_picture(encoding, height, width, padding, big_endian):
    """Of any size, though colours in pairs or mosaics need even ones."""
    dtype, channels = images.LAYOUTS[encoding]
    if encoding.startswith(("bayer", "yuv")):
        height, width = 2 * height + 2, 2 * width + 2
    values = np.random.default_rng(height * width).integers(0, np.iinfo(dtype).max, (height, width, channels), dtype)
    plain = image_from_msg(message(values, encoding))
    assert plain.shape == (height, width, 3) and plain.dtype == np.uint8
    other = image_from_msg(message(values, encoding, padding, big_endian and dtype.itemsize == 2))
    np.testing.assert_array_equal(other, plain)


@given(
    st.binary(max_size=300),
    st.integers(0, 50),
    st.integers(0, 50),
    st.integers(0, 200),
    st.sampled_from(["", "thermal12", "nv12", "yuv422", *sorted(images.LAYOUTS)]),
)
def test_any_message_gives_a_picture_or_says_why_not(data, height, width, step, encoding):
    msg = Image(height=height, width=width, step=step, encoding=encoding, data=array.array("B", data))
    try:
        assert image_from_msg(msg).shape == (height, width, 3)
    except ImageError as error:
        assert str(error)


def test_16_bits_are_rounded_to_8():
    levels = np.array([[0, 128, 129, 256, 257, 65534, 65535]], np.uint16)
    assert image_from_msg(message(levels, "mono16"))[0, :, 0].tolist() == [0, 0, 1, 1, 1, 255, 255]


@pytest.mark.parametrize("big_endian", [False, True])
@pytest.mark.parametrize("bits", [10, 12, 14, 16])
@pytest.mark.parametrize("encoding", ["mono16", "bgr16"])
def test_cameras_of_fewer_bits_are_not_black(encoding, bits, big_endian):
    pixels = ENCODED[encoding] >> (16 - bits)
    assert pixels.max() >= 1 << (bits - 1)
    out = image_from_msg(message(pixels, encoding, padding=6, big_endian=big_endian))
    expected = image_from_msg(message(ENCODED[encoding], encoding)).astype(int)
    assert np.abs(out - expected).max() <= 1


def test_a_stream_does_not_flicker_with_its_brightest_pixel():
    reader, grey = ImageReader(), np.full((4, 4), 200, np.uint16)
    assert reader.bits == 0
    assert reader.raw(message(grey, "mono16"))[0, 0, 0] == 50 and reader.bits == 10
    assert reader.raw(message(grey * 20, "mono16"))[0, 0, 0] == 249 and reader.bits == 12  # a lamp
    assert reader.raw(message(grey, "mono16"))[0, 0, 0] == 12 and reader.bits == 12
    assert reader.raw(message(grey * 300, "mono16"))[0, 0, 0] == 233 and reader.bits == 16
    assert reader.raw(message(BGR, "bgr8")).shape == BGR.shape and reader.bits == 16


def test_compressed_pixels_of_12_bits():
    pixels = GREY.astype(np.uint16) * 257 >> 4
    reader = ImageReader()
    out = reader.compressed(compressed(pixels, "mono16; png compressed ", ".png"))
    assert reader.bits == 12 and np.abs(out.astype(int) - GREY[..., None]).max() <= 1


FLAT_BGR = (40, 120, 200)


def mosaic(pattern: str, dtype=np.uint8) -> np.ndarray:
    pixels = np.empty((48, 64), dtype)
    for i, letter in enumerate(pattern):
        pixels[i // 2 :: 2, i % 2 :: 2] = FLAT_BGR["bgr".index(letter)] * (np.iinfo(dtype).max // 255)
    return pixels


def assert_flat(bgr: np.ndarray) -> None:
    assert bgr.shape == (48, 64, 3) and np.abs(bgr[4:-4, 4:-4].astype(int) - FLAT_BGR).max() <= 1


@pytest.mark.parametrize("big_endian", [False, True])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("pattern", ["rggb", "bggr", "gbrg", "grbg"])
def test_bayer_patterns_show_the_colours(pattern, dtype, big_endian):
    encoding = f"bayer_{pattern}{np.iinfo(dtype).bits}"
    assert_flat(image_from_msg(message(mosaic(pattern, dtype), encoding, 6, big_endian and dtype == np.uint16)))


@pytest.mark.parametrize(("encoding", "brightness"), [("yuv422_yuy2", 0), ("yuyv", 0), ("yuv422", 1), ("uyvy", 1)])
def test_yuv_of_webcams(encoding, brightness):
    packed = np.full((48, 64, 2), 128, np.uint8)
    packed[..., brightness] = GREY
    out = image_from_msg(message(packed, encoding, padding=5)).astype(int)
    expected = np.clip((GREY.astype(float) - 16) * 255 / 219, 0, 255)[..., None]
    assert np.abs(out - expected).max() <= 2  # no colour, and the brightness of BT.601
    packed[:, 0::2, 1 - brightness] = 200  # much blue
    blue = image_from_msg(message(packed, encoding)).astype(int)
    assert (blue[..., 0] - blue[..., 2]).mean() > 50


@pytest.mark.parametrize(("encoding", "blue"), [("nv12", 0), ("nv21", 1)])
def test_yuv_in_two_planes(encoding, blue):
    planes = np.full((72, 64), 128, np.uint8)
    planes[:48] = 100
    planes[48:, blue::2] = 200
    msg = message(planes, encoding, padding=8)
    msg.height = 48
    out = image_from_msg(msg)
    assert out.shape == (48, 64, 3) and (out[..., 0].astype(int) - out[..., 2]).min() > 100
    msg.data = msg.data[:-80]
    with pytest.raises(ImageError, match=r"5104 bytes, expected step \* height = 72 \* 72 = 5184"):
        image_from_msg(msg)


def test_the_import_converts_nothing():
    code = "import sys\nfrom nanohtnet_ros.samples import image_messages as images\n"
    code += "sys.exit(images.cv_bridge.cache_info().currsize)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_our_own_messages_come_back():
    np.testing.assert_array_equal(image_from_msg(image_to_msg(BGR)), BGR)


def spoilt(**changes) -> Image:
    msg = image_to_msg(BGR)
    for name, value in changes.items():
        setattr(msg, name, value)
    return msg


@pytest.mark.parametrize(
    ("msg", "says"),
    [
        (spoilt(encoding="thermal12"), "'thermal12'"),
        (spoilt(encoding=""), "''"),
        (spoilt(encoding="32FC1"), "'32FC1' is depth or another measurement: take the camera's colour topic"),
        (spoilt(encoding="16UC1"), "'16UC1' is depth"),
        (spoilt(encoding="nv24"), "'nv24' is unknown"),
        (spoilt(encoding="yuv422", width=63), "cannot be converted to bgr8"),  # pixels come in pairs
        (spoilt(step=10), "step"),
        (spoilt(step=100_000), "step"),
        (spoilt(data=array.array("B", b"123")), "3 bytes, expected step"),
        (spoilt(width=0), "0x48 pixels"),
        (spoilt(height=0), "64x0 pixels"),
        (Image(), "0x0 pixels"),
    ],
)
def test_bad_images_are_refused_with_what_is_wrong(msg, says):
    with pytest.raises(ImageError, match=says):
        image_from_msg(msg)


SMOOTH = cv2.GaussianBlur(BGR, (0, 0), 3)  # what JPEG keeps well


def compressed(pixels: np.ndarray, fmt: str, extension: str = ".jpg") -> CompressedImage:
    return CompressedImage(format=fmt, data=array.array("B", cv2.imencode(extension, pixels)[1].tobytes()))


@pytest.mark.parametrize(
    "fmt",
    [
        "jpeg",
        "jpg",
        "",
        "bgr8; jpeg compressed bgr8",
        "rgb8; jpeg compressed bgr8",
        "bgra8; jpeg compressed bgr8",
        "rgb16; jpeg compressed bgr8",
        "rgb8; jpeg compressed",
    ],
)
def test_jpeg_colours_are_those_of_the_sender(fmt):
    out = image_from_compressed(compressed(SMOOTH, fmt))
    assert out.dtype == np.uint8 and out.shape == SMOOTH.shape
    assert np.abs(out.astype(int) - SMOOTH).mean() < 3


def test_a_sender_that_stored_rgb_says_so():
    out = image_from_compressed(compressed(SMOOTH[..., ::-1], "rgb8; jpeg compressed rgb8"))
    assert np.abs(out.astype(int) - SMOOTH).mean() < 3


@pytest.mark.parametrize("fmt", ["mono8; jpeg compressed mono8", "mono8; jpeg compressed ", "jpeg"])
def test_grey_jpeg_becomes_bgr(fmt):
    grey = cv2.cvtColor(SMOOTH, cv2.COLOR_BGR2GRAY)
    out = image_from_compressed(compressed(grey, fmt))
    assert out.shape == BGR.shape and np.abs(out.astype(int) - grey[..., None]).mean() < 3


@pytest.mark.parametrize(
    ("pixels", "fmt"),
    [
        (BGR, "rgb8; png compressed bgr8"),
        (BGR, "png"),
        (cv2.cvtColor(BGR, cv2.COLOR_BGR2BGRA), "png"),
        (BGR.astype(np.uint16) * 257, "rgb16; png compressed bgr16"),
        (GREY, "mono8; png compressed "),
        (GREY.astype(np.uint16) * 257, "mono16; png compressed "),
    ],
)
@pytest.mark.parametrize("extension", [".png", ".tiff"])
def test_lossless_images_come_back_exactly(pixels, fmt, extension):
    expected = BGR if pixels.ndim == 3 else cv2.cvtColor(GREY, cv2.COLOR_GRAY2BGR)
    out = image_from_compressed(compressed(pixels, fmt.replace("png", extension[1:]), extension))
    np.testing.assert_array_equal(out, expected)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_compressed_mosaic_shows_its_colours(dtype):
    encoding = f"bayer_grbg{np.iinfo(dtype).bits}"
    assert_flat(image_from_compressed(compressed(mosaic("grbg", dtype), f"{encoding}; png compressed ", ".png")))


def test_a_compressed_picture_stays_as_the_sensor_took_it():
    msg = compressed(SMOOTH, "jpeg")
    turned = bytes.fromhex("ffe1 0022 457869660000 4d4d002a00000008 0001 0112 0003 00000001 00060000 00000000")
    msg.data = array.array("B", bytes(msg.data[:2]) + turned + bytes(msg.data[2:]))
    data = np.frombuffer(msg.data, np.uint8)
    assert cv2.imdecode(data, cv2.IMREAD_COLOR).shape == (64, 48, 3)  # the note is a valid one
    assert image_from_compressed(msg).shape == BGR.shape


def cut(msg: CompressedImage, share: float) -> CompressedImage:
    msg.data = msg.data[: int(share * len(msg.data))]
    return msg


@pytest.mark.parametrize(
    ("msg", "says"),
    [
        (CompressedImage(format="jpeg"), "'jpeg' has 0 bytes: check the camera driver"),
        (
            CompressedImage(format="h264", data=array.array("B", b"\0\0\0\1abc")),
            "7 bytes of format 'h264' are no whole",
        ),
        (cut(compressed(BGR, "jpeg"), 0.6), "JPEG image of .* ends before its end marker"),
        (cut(compressed(BGR, "jpeg"), 0.01), "set the camera driver or image_transport to jpeg or png"),
        (cut(compressed(BGR, "rgb8; png compressed bgr8", ".png"), 0.6), "set the camera driver or image_transport"),
        (
            compressed(GREY.astype(np.uint16), "16UC1; compressedDepth png", ".png"),
            "is depth, .*'.../compressed' topic",
        ),
        (compressed(GREY.astype(np.uint16), "16UC1; png compressed ", ".png"), "'16UC1; png compressed ' is depth"),
        (compressed(GREY.astype(np.float32), "32FC1; tiff compressed ", ".tiff"), "is depth"),
    ],
)
def test_bad_compressed_images_are_refused_with_what_is_wrong(msg, says):
    with pytest.raises(ImageError, match=says):
        image_from_compressed(msg)


@pytest.mark.skipif(images.cv_bridge() is None, reason="cv_bridge is not installed or does not import cleanly")
@pytest.mark.parametrize("encoding", images.LAYOUTS)
def test_both_converters_give_the_same_pixels(encoding):
    pytest.importorskip("rosbags.image", reason="rosbags-image is not installed")
    dtype, channels = images.LAYOUTS[encoding]
    values = np.random.default_rng(1).integers(0, np.iinfo(dtype).max, (48, 64, channels), endpoint=True, dtype=dtype)
    tight = images._tight(message(values, encoding, padding=7), encoding)
    np.testing.assert_array_equal(images.cv_bridge().imgmsg_to_cv2(tight, "bgr8"), images._by_rosbags(tight))


def test_fuzzed_images_are_converted_or_refused_with_a_reason():
    chance, converted = random.Random(0), 0
    for _ in range(1500):
        msg = random_image(chance)
        for convert in (image_from_msg, depth_from_msg):
            try:
                out = convert(msg)
            except ImageError as error:
                assert str(error)
            else:
                converted += 1
                assert out.shape[:2] == (msg.height, msg.width)
    assert converted > 50


@pytest.mark.parametrize("extension", [".jpg", ".png", ".tiff", ".bmp", ".webp"])
def test_fuzzed_compressed_images_are_decoded_or_refused_with_a_reason(extension):
    chance, whole = random.Random(0), bytes(compressed(SMOOTH, "", extension).data)
    formats = ("jpeg", "rgb8; jpeg compressed bgr8", "bayer_rggb8; png compressed ", "mono16; png compressed", "", ";;")
    for _ in range(150):
        data = bytearray(whole)
        for _ in range(chance.choice((0, 1, 3, 20))):
            at = chance.randrange(len(data)) if chance.random() < 0.7 else chance.randrange(64)
            data[at] = chance.randrange(256)
        msg = CompressedImage(
            format=chance.choice(formats), data=array.array("B", data[: chance.choice((len(data), len(data) // 2, 9))])
        )
        try:
            out = image_from_compressed(msg)
        except ImageError as error:
            assert str(error)
        else:
            assert out.dtype == np.uint8 and out.ndim == 3 and out.shape[2] == 3
