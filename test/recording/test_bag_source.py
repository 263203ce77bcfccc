from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("rosbags", reason="rosbags, which reads bags, is not installed")

from bags import START_NS, jpeg, raw, write_bag

from nanohtnet_ros.core.camera import Camera
from nanohtnet_ros.errors import UserError
from nanohtnet_ros.recording.bag_source import CAMERA_INFO
from nanohtnet_ros.recording.messages import MESSAGES, typestore
from nanohtnet_ros.recording.sources import SourceOptions, open_source

CAMERA = Camera(64, 48, 60.0, 61.0, 31.0, 24.0, "plumb_bob", (0.1, 0.01, 0.0, 0.0, 0.0))
STAMPS = [START_NS + step for step in (0, 40_000_000, 80_000_000, 300_000_000)]


def pictures():
    rng = np.random.default_rng(0)
    smooth = np.linspace(0, 200, 64 * 48 * 3).reshape(48, 64, 3)
    return [(smooth + 10 * rng.random()).astype(np.uint8) for _ in STAMPS]


def frames_of(path, **options):
    source = open_source(str(path), SourceOptions(**options))
    found = [(frame.stamp_ns, *frame.read()) for frame in source]
    source.close()
    return source, found


@pytest.mark.parametrize("storage", ["mcap", "sqlite3"])
@pytest.mark.parametrize("compressed", [False, True])
def test_images_come_with_their_stamps_and_camera_info(tmp_path, storage, compressed):
    images = pictures()
    topic, make = ("/front/image/compressed", jpeg) if compressed else ("/front/image", raw)
    topic = topic.replace("/image/", "/image/")
    bag = write_bag(
        tmp_path / "bag",
        {topic: [make(image, s) for image, s in zip(images, STAMPS, strict=True)]},
        CAMERA,
        storage,
    )
    file = next(bag.glob("*.mcap" if storage == "mcap" else "*.db3"))
    for path in (bag, file):
        source, found = frames_of(path)
        assert (source.frame_count, source.frame_id, source.damage, source.warnings) == (4, "front_optical", "", [])
        assert [stamp for stamp, _, _ in found] == STAMPS
        for (_, image, camera), expected in zip(found, images, strict=True):
            np.testing.assert_allclose(image.astype(int), expected, atol=6 if compressed else 0)
            assert camera == CAMERA


def test_without_camera_info_a_field_of_view_is_assumed_and_a_file_goes_first(tmp_path):
    bag = write_bag(tmp_path / "bag", {"/front/image": [raw(pictures()[0], STAMPS[0])]})
    source, ((_, _, camera),) = frames_of(bag, horizontal_fov_deg=70.0)
    assert not camera.calibrated and "no CameraInfo on /front/camera_info" in source.warnings[0]
    (tmp_path / "c.yaml").write_text(
        "image_width: 64\nimage_height: 48\ndistortion_model: plumb_bob\n"
        "camera_matrix: {data: [50.0, 0, 31.5, 0, 50.0, 23.5, 0, 0, 1]}\n"
        "distortion_coefficients: {data: [0.0, 0, 0, 0, 0]}\n"
    )
    source, ((_, _, camera),) = frames_of(bag, camera_info=tmp_path / "c.yaml")
    assert camera.fx == 50.0 and source.warnings == []


def test_camera_info_of_zeros_is_no_calibration(tmp_path):
    bag = write_bag(
        tmp_path / "bag", {"/front/image": [raw(pictures()[0], STAMPS[0])]}, Camera.from_field_of_view(64, 48)
    )
    source, ((_, _, camera),) = frames_of(bag)
    assert not camera.calibrated and "not calibrated" in source.warnings[0]


def test_the_topic_is_found_or_asked_for(tmp_path):
    image = pictures()[0]
    depth = raw(np.ones((48, 64), np.uint16), STAMPS[0], "16UC1")
    one = {
        "/front/image": [raw(image, STAMPS[0])],
        "/front/image/compressed": [jpeg(image, STAMPS[0])],
        "/front/depth": [depth],
    }
    source, found = frames_of(write_bag(tmp_path / "one", one, CAMERA))
    assert source.frame_count == len(found) == 1
    two = write_bag(tmp_path / "two", {**one, "/back/image": [raw(image + 1, STAMPS[0])]}, CAMERA)
    with pytest.raises(UserError, match=r"has image topics: /back/image, .*: choose one by --topic"):
        frames_of(two)
    _, ((_, found_image, _),) = frames_of(two, topic="/back/image")
    np.testing.assert_array_equal(found_image, image + 1)
    with pytest.raises(UserError, match=r"no images on /side; its image topics are: /back/image"):
        frames_of(two, topic="/side")
    with pytest.raises(UserError, match="no images in colour or grey; its image topics are: /front/depth"):
        frames_of(write_bag(tmp_path / "none", {"/front/depth": [depth]}))


def test_a_damaged_bag_is_said(tmp_path):
    images = [raw(np.random.default_rng(i).integers(0, 255, (480, 640, 3), np.uint8), START_NS + i) for i in range(6)]
    bag = write_bag(tmp_path / "bag", {"/front/image": images}, CAMERA)
    file = next(bag.glob("*.mcap"))
    content = bytearray(file.read_bytes())
    broken = content.copy()
    middle = len(content) // 3
    broken[middle : middle + 1_900_000] = bytes(1_900_000)
    file.write_bytes(broken)
    source, found = frames_of(bag)
    assert 0 < len(found) < 6 and "is damaged" in source.damage
    file.write_bytes(content[:1000])
    with pytest.raises(UserError, match="cannot be read"):
        frames_of(bag)


def recorded_and_killed(file: Path, images, stamps, **how) -> None:
    """A bag's file as a recorder leaves it that is killed."""
    writing = pytest.importorskip("mcap.writer", reason="mcap is not installed")
    if "index_types" in how:
        how["index_types"] = writing.IndexType[how["index_types"]]
    store, kinds = typestore(), {"/front/image": "sensor_msgs/msg/Image", "/front/camera_info": CAMERA_INFO}
    with file.open("wb") as stream:
        writer = writing.Writer(stream, **how)
        writer.start(profile="ros2")
        channels = {}
        for topic, kind in kinds.items():
            definition = store.generate_msgdef(kind, ros_version=2)[0].encode()
            schema = writer.register_schema(kind, "ros2msg", definition)
            channels[topic] = writer.register_channel(topic, "cdr", schema)
        for image, stamp in zip(images, stamps, strict=True):
            info = MESSAGES.camera_info(CAMERA, MESSAGES.header(stamp, "front_optical"))
            for topic, message in (("/front/camera_info", info), ("/front/image", raw(image, stamp))):
                data = bytes(store.serialize_cdr(message, kinds[topic]))
                writer.add_message(channels[topic], stamp, data, stamp)


@pytest.mark.parametrize("folder", [False, True])
@pytest.mark.parametrize(
    ("how", "stamps"),
    [
        ({"chunk_size": 5_000}, STAMPS),
        ({"chunk_size": 10_000, "index_types": "NONE"}, (STAMPS[1], STAMPS[0], *STAMPS[2:])),
        ({"use_chunking": False}, STAMPS),
    ],
)
def test_a_bag_whose_recorder_was_killed_is_read_as_far_as_it_goes(tmp_path, how, stamps, folder):
    images = pictures()
    (tmp_path / "bag").mkdir()
    file = tmp_path / "bag" / "bag_0.mcap"
    recorded_and_killed(file, images, stamps, **how)
    path = file.parent if folder else file
    source, found = frames_of(path)
    whole = len(found)
    assert whole >= 2 and [stamp for stamp, _, _ in found] == STAMPS[:whole] and source.damage == ""
    np.testing.assert_array_equal(found[0][1], images[list(stamps).index(STAMPS[0])])
    assert found[0][2] == CAMERA and source.frame_count == whole
    assert "was not completed" in source.warnings[0]
    content = file.read_bytes()
    file.write_bytes(content[:-1] if folder else content + bytes(5000))  # killed within a record; a computer that died
    source, cut = frames_of(path)
    assert 0 < len(cut) <= whole and source.damage == ""
    file.write_bytes(content[:100])
    with pytest.raises(UserError, match="cannot be read"):
        frames_of(path)


def test_a_bag_of_several_files_without_metadata(tmp_path):
    images = pictures()
    for i, (image, stamp) in enumerate(zip(images, STAMPS, strict=True)):
        bag = write_bag(tmp_path / f"part{i}", {"/front/image": [raw(image, stamp)]}, CAMERA)
        (tmp_path / "bag").mkdir(exist_ok=True)
        next(bag.glob("*.mcap")).rename(tmp_path / "bag" / f"bag_{8 + i}.mcap")  # bag_10 comes after bag_9
    source, found = frames_of(tmp_path / "bag")
    assert [stamp for stamp, _, _ in found] == STAMPS and "was not completed" in source.warnings[0]
