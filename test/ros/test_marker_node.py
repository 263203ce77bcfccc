import numpy as np
import pytest

rclpy = pytest.importorskip("rclpy", reason="ROS 2 is not installed")

from builtin_interfaces.msg import Time
from scipy.spatial.transform import Rotation
from std_msgs.msg import Header
from visualization_msgs.msg import Marker, MarkerArray

from nanohtnet_ros.core.poses import Person
from nanohtnet_ros.core.skeleton import Joint
from nanohtnet_ros.core.transforms import move_person
from nanohtnet_ros.ros.marker_node import LABEL_HEIGHT_M, TRUNK, skeleton_markers
from nanohtnet_ros.ros.messages import skeletons_to_msg
from nanohtnet_ros.ros.parameters import MarkerNodeParameters

from factories import STANDING_M

HEADER = Header(stamp=Time(sec=3), frame_id="camera_optical_frame")
ROOT = np.array((0.5, 0.0, 4.0))


@pytest.fixture
def person(make_keypoints):
    def make(track_id: int, confidence=1.0, root=ROOT, missing=()) -> Person:
        keypoints = make_keypoints(ROOT, np.where(np.isin(np.arange(17), missing), 0.0, confidence))
        joints = np.where(keypoints.valid[:, None], STANDING_M, np.nan).astype(np.float32)
        return Person(track_id, 0.0, keypoints, joints, keypoints.confidence, root)

    return make


@pytest.fixture
def show(processes, peer, wait_for):
    """Publishes people and returns the markers that come of it."""
    processes.node("marker_node")
    markers = peer.listen("/marker_node/markers", MarkerArray)

    def send(*people: Person) -> list[Marker]:
        before = len(markers)
        peer.publish("skeletons", skeletons_to_msg(list(people), HEADER))
        wait_for(lambda: len(markers) > before, "markers")
        return markers[-1].markers

    wait_for(lambda: peer.node.count_publishers("/marker_node/markers") > 0, "marker_node")
    return send


def test_markers_show_bones_joints_and_confidence_and_go_with_the_person(show, person):
    both = show(person(1), person(2, confidence=0.2, missing=(3,)))
    by_key = {(m.ns, m.id): m for m in both}
    assert set(by_key) == {(ns, i) for ns in ("joints", "bones", "label") for i in (1, 2)}
    assert all(m.header == HEADER and m.action == Marker.ADD and m.lifetime.sec == 1 for m in both)

    joints = by_key["joints", 1]
    assert joints.type == Marker.SPHERE_LIST and len(joints.points) == len(joints.colors) == 17
    np.testing.assert_allclose([(p.x, p.y, p.z) for p in joints.points], STANDING_M + ROOT, atol=1e-5)
    bones = by_key["bones", 1]
    assert bones.type == Marker.LINE_LIST and len(bones.points) == len(bones.colors) == 32
    assert by_key["label", 1].text == "1"

    # A missing joint has neither ball nor bone; an unsure person is paler than a sure one.
    assert len(by_key["joints", 2].points) == 16 and len(by_key["bones", 2].points) == 30
    assert by_key["joints", 2].colors[0].a < 0.5 < joints.colors[0].a
    assert all(np.isfinite((p.x, p.y, p.z)).all() for m in both for p in m.points)

    left = show(person(2))
    gone = {(m.ns, m.id) for m in left if m.action == Marker.DELETE}
    assert gone == {(ns, 1) for ns in ("joints", "bones", "label")}
    assert {(m.action) for m in left if m.id == 2} == {Marker.ADD}

    # Somebody whose place is not known is not drawn anywhere; what was shown of them goes.
    assert {(m.id, m.action) for m in show(person(2, root=None))} == {(2, Marker.DELETE)}
    assert show() == []


@pytest.mark.parametrize(
    ("missing", "top"), [((), Joint.HEAD), ((Joint.HEAD,), Joint.NECK), ((Joint.HIP,), Joint.HEAD)]
)
@pytest.mark.parametrize("up", ["optical", "z up"])
def test_the_label_stands_above_the_head_in_any_frame(person, up, missing, top):
    rotation = np.eye(3) if up == "optical" else np.array(((0, 0, 1), (-1, 0, 0), (0, -1, 0)))
    standing = move_person(person(1, missing=missing), Rotation.from_matrix(rotation).as_quat(), np.zeros(3))
    (skeleton,) = skeletons_to_msg([standing], HEADER).skeletons
    label = skeleton_markers(skeleton, HEADER, MarkerNodeParameters())[2].pose.position
    above = np.array((label.x, label.y, label.z)) - rotation @ (STANDING_M[top] + ROOT)
    np.testing.assert_allclose(above, rotation @ (0, -LABEL_HEIGHT_M, 0), atol=0.06)  # the head is a little ahead


def test_a_person_without_trunk_is_labelled_at_the_root(person):
    (skeleton,) = skeletons_to_msg([person(1, missing=TRUNK)], HEADER).skeletons
    label = skeleton_markers(skeleton, HEADER, MarkerNodeParameters())[2].pose.position
    np.testing.assert_allclose((label.x, label.y, label.z), ROOT)
