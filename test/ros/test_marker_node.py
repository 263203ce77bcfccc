import numpy as np
import pytest

rclpy = pytest.importorskip("rclpy", reason="ROS 2 is not installed")

from builtin_interfaces.msg import Time
from std_msgs.msg import Header
from visualization_msgs.msg import Marker, MarkerArray

from nanohtnet_ros.core.poses import Person
from nanohtnet_ros.ros.messages import MESSAGES

UP = np.array((0.0, -1.0, 0.0))


@pytest.fixture
def show(processes, peer, wait_for):
    """Publishes people and returns the markers that come of it."""
    processes.node("marker_node", trail_s=1.0)
    markers = peer.listen("/marker_node/markers", MarkerArray)
    stamps = iter(range(3, 1000))

    def send(*people: Person, frame_id="camera_optical_frame", up=UP, sec=None) -> list[Marker]:
        before = len(markers)
        header = Header(stamp=Time(sec=sec or next(stamps)), frame_id=frame_id)
        peer.publish("skeletons", MESSAGES.skeletons(list(people), header, up=up))
        wait_for(lambda: len(markers) > before, "markers")
        assert all(marker.header == header for marker in markers[-1].markers)
        return markers[-1].markers

    wait_for(lambda: peer.node.count_publishers("/marker_node/markers") > 0, "marker_node")
    return send


def lines(markers: list[Marker], track_id: int) -> int:
    return next(len(m.points) // 2 for m in markers if (m.ns, m.id) == ("bones", track_id))


def test_markers_come_and_go_with_the_person(show, make_person):
    both = show(make_person(1), make_person(2, missing=(3,)))
    assert {(m.ns, m.id) for m in both} == {(ns, i) for ns in ("joints", "bones", "label") for i in (1, 2)}
    assert all(m.action == Marker.ADD for m in both)

    left = show(make_person(2))
    gone = {(m.ns, m.id) for m in left if m.action == Marker.DELETE}
    assert gone == {(ns, 1) for ns in ("joints", "bones", "label")}
    assert {(m.action) for m in left if m.id == 2} == {Marker.ADD}

    # Somebody whose place is not known is not drawn anywhere; what was shown of them goes.
    assert {(m.id, m.action) for m in show(make_person(2, root_m=None))} == {(2, Marker.DELETE)}
    assert show() == []


def test_a_trail_grows_to_its_length_and_ends_with_the_frame(show, make_person):
    first = lines(show(make_person(1), sec=10), 1)
    second = lines(show(make_person(1, (0.6, 0, 4)), sec=11), 1)
    third = lines(show(make_person(1, (0.7, 0, 4)), sec=12), 1)
    assert second == third == first + 1  # those of the last second
    assert lines(show(make_person(1, (0.7, 0, 4)), frame_id="base_link", sec=13), 1) == first
    assert lines(show(make_person(1, (0.7, 0, 4)), frame_id="base_link", sec=2), 1) == first  # a bag that starts again


@pytest.mark.parametrize(("frame_id", "axis", "sign"), [("camera_optical_frame", "y", -1), ("base_link", "z", 1)])
def test_a_publisher_that_does_not_tell_up(show, make_person, frame_id, axis, sign):
    label = show(make_person(1, missing=range(17)), frame_id=frame_id, up=None)[2].pose.position
    untold = {"x": 0.5, "y": 0.0, "z": 4.0}
    assert sign * (getattr(label, axis) - untold[axis]) > 0.2
    assert all(getattr(label, other) == untold[other] for other in untold if other != axis)
