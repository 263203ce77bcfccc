import numpy as np
import pytest

rclpy = pytest.importorskip("rclpy", reason="ROS 2 is not installed")
tf2_msgs = pytest.importorskip("tf2_msgs.msg", reason="tf2_msgs is not installed")

from builtin_interfaces.msg import Time
from std_msgs.msg import Header

from nanohtnet_ros.core.joint_frames import REP_155_NAMES
from nanohtnet_ros.core.messages import joints_from_msg, root_from_msg
from nanohtnet_ros.core.skeleton import Joint
from nanohtnet_ros.ros.qos import LATCHED
from nanohtnet_ros.ros.tf_output import TfOutput, UprightFrame, person_transforms

from factories import STANDING_M, xyzw_to_rotation
from streams import image

ROOT = np.array((0.5, 0.0, 4.0))


def header(sec: int, frame_id: str = "camera_optical_frame") -> Header:
    return Header(stamp=Time(sec=sec), frame_id=frame_id)


def position(transform) -> np.ndarray:
    t = transform.transform.translation
    return np.array((t.x, t.y, t.z))


def rotation(transform) -> np.ndarray:
    q = transform.transform.rotation
    return xyzw_to_rotation((q.x, q.y, q.z, q.w))


@pytest.fixture
def output(peer, wait_for):
    output = TfOutput(peer.node)
    output.heard = peer.listen("/tf", tf2_msgs.TFMessage, 100)
    wait_for(lambda: output._publisher.get_subscription_count() > 0, "a listener of /tf")
    yield output
    output.close()


def test_each_joint_is_a_frame_under_the_body_and_the_body_under_the_camera(output, make_person, wait_for):
    output.publish([make_person(1), make_person(2, missing=(0, 3, 16)), make_person(3, root_m=None)], header(5))
    wait_for(lambda: output.heard, "frames")
    transforms = {t.child_frame_id: t for t in output.heard[0].transforms}
    assert len(transforms) == len(output.heard[0].transforms) == 17 + 15
    assert set(transforms) == {f"{name}_p1" for name in REP_155_NAMES} | {
        f"{name}_p2" for name in REP_155_NAMES if name not in ("r_ankle", "r_wrist")
    }
    for child, transform in transforms.items():
        person = child[-2:]
        parent = "camera_optical_frame" if child.startswith("body") else f"body_{person}"
        assert transform.header == header(5, parent)
        assert np.isfinite(position(transform)).all()
        np.testing.assert_allclose(np.linalg.det(rotation(transform)), 1)
    body = transforms["body_p1"]
    np.testing.assert_allclose(position(body), ROOT)
    for joint, name in enumerate(REP_155_NAMES[1:], 1):
        in_camera = rotation(body) @ position(transforms[f"{name}_p1"]) + position(body)
        np.testing.assert_allclose(in_camera, STANDING_M[joint] + ROOT, atol=1e-5)


def test_a_stamp_is_sent_once_per_person(output, make_person, wait_for):
    output.publish([make_person(1)], header(5))
    output.publish([make_person(1)], header(5))
    output.publish([make_person(1), make_person(2)], header(5))
    output.publish([], header(6))
    output.publish([make_person(1)], header(6))
    wait_for(lambda: len(output.heard) >= 3, "three messages")
    sent = [
        sorted({t.child_frame_id for t in m.transforms if t.child_frame_id.startswith("body")}) for m in output.heard
    ]
    assert sent == [["body_p1"], ["body_p2"], ["body_p1"]]


def test_a_prefix_tells_cameras_apart(make_person):
    transforms = person_transforms(make_person(1), header(5), "left_")
    assert {t.child_frame_id for t in transforms} == {f"{name}_left_p1" for name in REP_155_NAMES}
    assert {t.header.frame_id for t in transforms} == {"camera_optical_frame", "body_left_p1"}


def test_a_body_alone_has_one_frame(make_person):
    assert [t.child_frame_id for t in person_transforms(make_person(1), header(5), joints=False)] == ["body_p1"]


@pytest.mark.parametrize(
    ("image_rotation", "up"), [(0, (0, -1, 0)), (90, (-1, 0, 0)), (180, (0, 1, 0)), (270, (1, 0, 0))]
)
def test_the_upright_frame_has_z_up_below_the_cameras_own(peer, wait_for, image_rotation, up):
    """Below it, since a driver's own tree may have a parent for the camera; again where the camera's frame changes."""
    frame = UprightFrame(peer.node, "camera_upright", image_rotation)
    heard = peer.listen("/tf_static", tf2_msgs.TFMessage, LATCHED)
    frame.publish(header(5, ""))
    for _ in range(3):
        frame.publish(header(6))
    wait_for(lambda: heard, "the frame")
    frame.publish(header(7, "other_camera"))
    wait_for(lambda: len(heard) >= 2, "the frame below the other camera")
    assert [(m.transforms[0].header.frame_id, m.transforms[0].child_frame_id) for m in heard] == [
        ("camera_optical_frame", "camera_upright"),
        ("other_camera", "camera_upright"),
    ]
    optical_from_upright = rotation(heard[0].transforms[0])
    np.testing.assert_allclose(optical_from_upright @ (0, 0, 1), up, atol=1e-9)
    np.testing.assert_allclose(optical_from_upright @ (1, 0, 0), (0, 0, 1), atol=1e-9)  # ahead
    np.testing.assert_allclose(position(heard[0].transforms[0]), 0)
    frame.close()


def test_without_a_parent_there_are_no_frames(output, make_person, wait_for):
    output.publish([make_person(1)], header(5, frame_id=""))
    output.publish([make_person(2)], header(6))
    wait_for(lambda: output.heard, "frames")
    assert output.heard[0].transforms[0].child_frame_id == "body_p2"


def test_tf2_accepts_every_frame(output, make_person, wait_for):
    tf2_ros = pytest.importorskip("tf2_ros", reason="tf2_ros is not installed")
    output.publish([make_person(1)], header(5))
    wait_for(lambda: output.heard, "frames")
    buffer = tf2_ros.Buffer()
    for transform in output.heard[0].transforms:
        buffer.set_transform(transform, "test")
    wrist = buffer.lookup_transform("camera_optical_frame", "l_wrist_p1", rclpy.time.Time(seconds=5))
    np.testing.assert_allclose(position(wrist), STANDING_M[13] + ROOT, atol=1e-5)


def test_a_person_stands_in_the_upright_frame(start_pose, peer, wait_for, picture):
    pose = start_pose(upright_frame="camera_upright")
    (person,) = pose.send_and_wait(image(picture, 1000.0)).skeletons
    heard = peer.listen("/tf_static", tf2_msgs.TFMessage, LATCHED)
    wait_for(lambda: heard, "the frame")
    (upright,) = heard[0].transforms
    assert (upright.header.frame_id, upright.child_frame_id) == (pose.skeletons[-1].header.frame_id, "camera_upright")
    joints = (joints_from_msg(person) + root_from_msg(person)) @ rotation(upright)  # camera_upright_from_camera
    assert joints[Joint.HEAD, 2] > joints[Joint.HIP, 2] + 0.5 and joints[Joint.HIP, 2] > joints[Joint.R_ANKLE, 2] + 0.5
    assert joints[Joint.HIP, 0] > 1.0  # ahead
