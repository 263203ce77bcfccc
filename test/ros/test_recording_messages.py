"""Messages that runs write without ROS are those of the nodes."""

import numpy as np
import pytest

rclpy = pytest.importorskip("rclpy", reason="ROS 2 is not installed")

from rclpy.serialization import deserialize_message, serialize_message
from std_msgs.msg import Header

from nanohtnet_ros.core.camera import Camera
from nanohtnet_ros.core.lifter import WindowLifter
from nanohtnet_ros.core.poses import Person
from nanohtnet_ros.core.window import NS_PER_S
from nanohtnet_ros.recording import messages
from nanohtnet_ros.ros.messages import camera_to_msg, description_to_msg, skeletons_2d_to_msg, skeletons_to_msg

from factories import STANDING_M

STAMP_NS = 12 * NS_PER_S + 345


def header() -> Header:
    result = Header(frame_id="optical")
    result.stamp.sec, result.stamp.nanosec = divmod(STAMP_NS, NS_PER_S)
    return result


def assert_received_alike(message, expected) -> None:
    """A message of rosbags and one of the nodes are the same to a subscriber."""
    kind = type(expected)
    content = bytes(messages.typestore().serialize_cdr(message, message.__msgtype__))
    assert str(deserialize_message(content, kind)) == str(deserialize_message(serialize_message(expected), kind))


@pytest.fixture
def people(make_keypoints) -> list[Person]:
    joints, confidence = STANDING_M.copy(), np.linspace(0, 1, 17, dtype=np.float32)
    joints[0] = np.nan
    root = np.array([0.1, 0.2, 3.3])
    return [
        Person(7, 1.25, make_keypoints(), joints, confidence, root, 1.81, 0.04, 0.12, np.array([1.0, 2.0, 0.9])),
        Person(8, 0.0, make_keypoints((0.5, 0, 3), confidence), STANDING_M, confidence, None),
    ]


def test_skeletons(people, camera):
    assert_received_alike(messages.skeletons(people, STAMP_NS, "optical"), skeletons_to_msg(people, header()))
    assert_received_alike(
        messages.skeletons_2d(people, STAMP_NS, "optical", camera),
        skeletons_2d_to_msg(people, header(), camera.width, camera.height),
    )


@pytest.mark.parametrize(
    "camera",
    [
        Camera(640, 480, 600.0, 601.0, 319.0, 239.0, "plumb_bob", (0.1, 0.01, 0.0, 0.0, 0.0)),
        Camera(640, 480, 300.0, 301.0, 319.0, 239.0, "equidistant"),
        Camera.from_field_of_view(640, 480),
    ],
)
def test_camera_info(camera):
    expected = camera_to_msg(camera)
    expected.header = header()
    assert_received_alike(messages.camera_info(camera, STAMP_NS, "optical"), expected)


def test_description():
    network = WindowLifter.open("nano_s_81_streaming")
    expected = description_to_msg(network.card, network.name, network.look_ahead_s)
    assert_received_alike(messages.description(network), expected)
