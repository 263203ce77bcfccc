"""Messages that runs write without ROS are those of the nodes."""

import numpy as np
import pytest

rclpy = pytest.importorskip("rclpy", reason="ROS 2 is not installed")

from rclpy.serialization import deserialize_message, serialize_message

from nanohtnet_ros.core.camera import Camera
from nanohtnet_ros.core.lifter import WindowLifter
from nanohtnet_ros.core.markers import MarkerSettings, PeopleMarkers
from nanohtnet_ros.core.messages import MessageBuilder
from nanohtnet_ros.core.poses import Person
from nanohtnet_ros.core.window import NS_PER_S
from nanohtnet_ros.recording import messages as of_rosbags
from nanohtnet_ros.ros import messages as of_rclpy

from factories import STANDING_M


def assert_received_alike(build) -> None:
    """A message made by rosbags and the same made by rclpy are the same to a subscriber."""
    message, expected = (build(messages) for messages in (of_rosbags.MESSAGES, of_rclpy.MESSAGES))
    content = bytes(of_rosbags.typestore().serialize_cdr(message, message.__msgtype__))
    kind = type(expected)
    assert str(deserialize_message(content, kind)) == str(deserialize_message(serialize_message(expected), kind))


def header(messages: MessageBuilder):
    return messages.header(12 * NS_PER_S + 345, "optical")


@pytest.fixture
def people(make_keypoints) -> list[Person]:
    joints, confidence = STANDING_M.copy(), np.linspace(0, 1, 17, dtype=np.float32)
    joints[0] = np.nan
    root = np.array([0.1, 0.2, 3.3])
    return [
        Person(7, 1.25, make_keypoints(), joints, confidence, root, 1.81, 0.04, 0.12, np.array([1.0, 2.0, 0.9])),
        Person(8, 0.0, make_keypoints((0.5, 0, 3), confidence), STANDING_M, confidence, None),
    ]


def test_skeletons(people):
    up = np.array((0.0, -0.8, 0.6))
    assert_received_alike(lambda messages: messages.skeletons(people, header(messages), "map", up))
    assert_received_alike(lambda messages: messages.skeletons(people, header(messages)))
    assert_received_alike(lambda messages: messages.skeletons_2d(people, header(messages), 640, 480))


def test_markers(people):
    def markers(messages: MessageBuilder, *moments: list[Person]):
        draw = PeopleMarkers(messages)
        return [draw.step(messages.skeletons(shown, header(messages)), MarkerSettings()) for shown in moments][-1]

    assert_received_alike(lambda messages: markers(messages, people))
    assert_received_alike(lambda messages: markers(messages, people, people[1:]))


@pytest.mark.parametrize(
    "camera",
    [
        Camera(640, 480, 600.0, 601.0, 319.0, 239.0, "plumb_bob", (0.1, 0.01, 0.0, 0.0, 0.0)),
        Camera(640, 480, 300.0, 301.0, 319.0, 239.0, "equidistant"),
        Camera.from_field_of_view(640, 480),
    ],
)
def test_camera_info(camera):
    assert_received_alike(lambda messages: messages.camera_info(camera, header(messages)))


def test_description():
    network = WindowLifter.open("nano_s_81_streaming")
    assert_received_alike(lambda messages: messages.description(network))


def test_fields_that_are_not_given_are_zero_or_empty():
    for kind in ("sensor_msgs/msg/CameraInfo", "sensor_msgs/msg/CompressedImage", "sensor_msgs/msg/JointState"):
        assert_received_alike(lambda messages, kind=kind: messages.make(kind))
