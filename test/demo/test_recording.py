"""Bags that are written and read, whatever happens to them."""

import os
import random
import time
from pathlib import Path

import pytest

rclpy = pytest.importorskip("rclpy", reason="ROS 2 is not installed")

from nanohtnet_ros.msg import Skeleton3DArray
from rclpy.executors import SingleThreadedExecutor
from rclpy.serialization import serialize_message
from rosbags.interfaces import Qos, QosDurability, QosHistory, QosLiveliness, QosReliability
from sensor_msgs.msg import Image
from std_msgs.msg import String

from nanohtnet_ros.demo.recorder import PART, Bag, Recorder
from nanohtnet_ros.demo.scoring import Recording, report
from nanohtnet_ros.errors import UserError
from nanohtnet_ros.recording.writers.mcap import FOREVER
from nanohtnet_ros.samples.clips import Clip

QOS = Qos(
    QosHistory.KEEP_LAST,
    10,
    QosReliability.RELIABLE,
    QosDurability.VOLATILE,
    FOREVER,
    FOREVER,
    QosLiveliness.AUTOMATIC,
    FOREVER,
    False,
)


def image(i: int) -> Image:
    message = Image(height=24, width=32, encoding="bgr8", step=96, data=os.urandom(24 * 96))
    message.header.stamp.sec = i
    return message


@pytest.fixture
def bag(tmp_path):
    folder = tmp_path / "bag"
    folder.mkdir()
    return Bag(folder)


@pytest.fixture
def recorded(tmp_path, bag):
    """A folder with a bag of a few images."""
    images = bag.add("/video/image", "sensor_msgs/msg/Image", QOS)
    for i in range(5):
        bag.write(images, i, serialize_message(image(i)))
    bag.close()
    return tmp_path / "bag"


def test_a_bag_is_in_its_folder_once_it_is_whole(tmp_path):
    folder = tmp_path / "bag"
    folder.mkdir()
    bag = Bag(folder)
    connection = bag.add("/video/image", "sensor_msgs/msg/Image", QOS)
    bag.write(connection, 1, serialize_message(image(1)))
    assert [p.name for p in folder.iterdir()] == [PART]
    bag.close()
    assert sorted(p.name for p in folder.iterdir()) == ["bag.mcap", "metadata.yaml"]
    assert list(Recording.read(folder, "video").images) == [10**9]


def test_a_full_disk_stops_the_recording_with_the_files_name(bag):
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    part = next(bag._part.glob("*.mcap"))
    handles = [fd for fd in Path("/proc/self/fd").iterdir() if fd.exists() and fd.resolve() == part.resolve()]
    full = os.open("/dev/full", os.O_WRONLY)
    os.dup2(full, int(handles[0].name))
    os.close(full)
    connection = bag.add("/video/image", "sensor_msgs/msg/Image", QOS)
    with pytest.raises(OSError, match=f"cannot write {bag.path}: No space left on device: make room"):
        for i in range(10_000):
            bag.write(connection, i, serialize_message(image(i)))


def test_a_recorder_that_lags_keeps_the_times_of_publication(tmp_path, bag):
    rclpy.init()
    try:
        recorder = Recorder(bag)
        node = rclpy.create_node("peer")
        images = node.create_publisher(Image, "/video/image", 10)
        skeletons = node.create_publisher(Skeleton3DArray, "/video/pose_node/skeletons", 10)
        executor = SingleThreadedExecutor()
        executor.add_node(recorder)
        while not (images.get_subscription_count() and skeletons.get_subscription_count()):
            executor.spin_once(timeout_sec=0.1)
        sent = image(7)
        images.publish(sent)
        between_ns = time.time_ns()
        skeletons.publish(Skeleton3DArray(header=sent.header))
        time.sleep(0.3)  # the recorder does something else meanwhile
        after_ns = time.time_ns()
        while not all(recorder.counts[t] for t in ("/video/image", "/video/pose_node/skeletons")):
            executor.spin_once(timeout_sec=0.1)
        executor.shutdown()
        recorder.destroy_node()
        node.destroy_node()
    finally:
        rclpy.shutdown()
    bag.close()
    recording = Recording.read(tmp_path / "bag", "video")
    assert recording.published_ns["images"][7 * 10**9] <= between_ns
    assert recording.published_ns["images"][7 * 10**9] <= recording.published_ns["skeletons"][7 * 10**9] < after_ns
    assert 0 <= recording.latency_ms()["image_to_skeletons"]["p50"] < 300


@pytest.mark.parametrize(
    ("video", "frames", "lost"),
    [
        ({}, 5, 0),
        ({"published": "3", "skipped": "0"}, 5, 0),  # the last diagnostics did not arrive
        ({"published": "5", "skipped": "2"}, 7, 0),
        ({"published": "6", "skipped": "2"}, 8, 1),
    ],
)
def test_frames_are_those_that_were_recorded_lost_and_skipped(video, frames, lost):
    recording = Recording(images={i: image(i) for i in range(5)}, video=video)
    entry = report(recording, Clip("video", Path("video.mp4")))
    assert (entry["frames"], entry["lost"], entry["drops"]) == (frames, lost, frames)


def test_a_topic_of_another_type_is_said(tmp_path, bag):
    other = bag.add("/video/image", "std_msgs/msg/String", QOS)
    bag.write(other, 1, serialize_message(String(data="x")))
    bag.close()
    with pytest.raises(UserError, match="/video/image is std_msgs/msg/String, expected sensor_msgs/msg/Image"):
        Recording.read(tmp_path / "bag", "video")


@pytest.mark.parametrize("name", ["bag.mcap", "metadata.yaml"])
def test_a_damaged_bag_is_refused_and_never_a_traceback(recorded, name):
    file, rng = recorded / name, random.Random(0)
    whole = file.read_bytes()
    refused = 0
    for size in [0, 1, 8, len(whole) - 1, *(rng.randrange(len(whole)) for _ in range(30))]:
        file.write_bytes(whole[:size])
        try:
            assert len(Recording.read(recorded, "video").images) <= 5
        except UserError as error:
            assert str(recorded) in str(error)
            refused += 1
    assert refused > 20
