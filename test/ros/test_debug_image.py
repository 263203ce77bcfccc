import numpy as np
import pytest

rclpy = pytest.importorskip("rclpy", reason="ROS 2 is not installed")

from builtin_interfaces.msg import Time
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from nanohtnet_ros.core.poses import Person
from nanohtnet_ros.ros import debug_image
from nanohtnet_ros.ros.debug_image import DebugImage, label_of
from nanohtnet_ros.samples.image_messages import image_from_msg

from factories import STANDING_M

HEADER = Header(stamp=Time(sec=3), frame_id="camera_optical_frame")
GREY = np.full((480, 640, 3), 90, np.uint8)


@pytest.fixture
def person(make_keypoints):
    def make(root_m=(0.0, 0.0, 4.0)) -> Person:
        keypoints = make_keypoints()
        root = None if root_m is None else np.array(root_m)
        return Person(7, 0.0, keypoints, STANDING_M.astype(np.float32), keypoints.confidence, root)

    return make


def test_labels_tell_the_track_and_the_distance(person):
    assert label_of(person((1.2, 0.0, 1.6))) == "#7 2.0 m"
    assert label_of(person(None)) == "#7"
    assert label_of(person((np.nan, 0.0, 1.0))) == "#7"


def test_it_is_drawn_only_while_somebody_looks(peer, person, wait_for, monkeypatch):
    drawn = []
    draw_people = debug_image.draw_people
    monkeypatch.setattr(debug_image, "draw_people", lambda *args: drawn.append(1) or draw_people(*args))
    image = DebugImage(peer.node)
    topic = f"/{peer.node.get_name()}/debug_image"
    image.publish(GREY, [person()], HEADER)
    assert not drawn

    seen: list[Image] = []
    subscription = peer.node.create_subscription(Image, topic, seen.append, 10)

    def published_and_seen() -> bool:
        image.publish(GREY, [person()], HEADER)
        return bool(seen)

    wait_for(published_and_seen, "the debug image")
    assert drawn and seen[0].header == HEADER and seen[0].encoding == "bgr8"
    difference = image_from_msg(seen[0]) != GREY
    assert 1000 < difference.any(axis=-1).sum() < 0.2 * 640 * 480

    peer.node.destroy_subscription(subscription)
    wait_for(lambda: image._publisher.get_subscription_count() == 0, "the subscription's end")
    drawn.clear()
    image.publish(GREY, [person()], HEADER)
    assert not drawn
    image.close()
    wait_for(lambda: peer.node.count_publishers(topic) == 0, "the topic's end")
