import time

import numpy as np
import pytest

rclpy = pytest.importorskip("rclpy", reason="ROS 2 is not installed")
tf2_ros = pytest.importorskip("tf2_ros", reason="tf2_ros is not installed")

from builtin_interfaces.msg import Time
from geometry_msgs.msg import TransformStamped
from rclpy.parameter import Parameter
from rclpy.qos import DurabilityPolicy, QoSProfile
from rosgraph_msgs.msg import Clock
from std_msgs.msg import Header
from tf2_msgs.msg import TFMessage

from nanohtnet_ros.ros.target_frame import TargetFrame

from factories import STANDING_M

CAMERA = "camera_optical_frame"
ROOT = np.array((0.5, 0.0, 4.0))
STATIC = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)


def header(sec: int, frame_id: str = CAMERA) -> Header:
    return Header(stamp=Time(sec=sec), frame_id=frame_id)


def camera_pose(sec: int, x_m: float = 1.0, parent: str = "map") -> TFMessage:
    """A camera 1.5 m above the floor that looks along the map's x."""
    transform = TransformStamped(header=header(sec, parent), child_frame_id=CAMERA)
    t, q = transform.transform.translation, transform.transform.rotation
    t.x, t.z = x_m, 1.5
    q.x, q.y, q.z, q.w = -0.5, 0.5, -0.5, 0.5
    return TFMessage(transforms=[transform])


@pytest.fixture
def target(peer):
    target = TargetFrame(peer.node, "map")
    yield target
    target.close()


def eventually_transformed(target, people, stamped, wait_for):
    """What `transform` gives once TF has come through."""

    def transformed() -> bool:
        result.append(target.transform(people, stamped))
        return target.problem is None

    result = []
    wait_for(transformed, "the transform")
    return result[-1]


def test_people_are_expressed_in_the_target_frame(target, peer, make_person, wait_for):
    peer.publish("/tf_static", camera_pose(0), STATIC)
    people, stamped = eventually_transformed(
        target, [make_person(1), make_person(2, root_m=None, missing=(3,))], header(7), wait_for
    )
    assert stamped == header(7, "map")
    # Optical x, y, z (right, down, forward) are the map's -y, -z, x.
    in_map = np.column_stack((STANDING_M[:, 2], -STANDING_M[:, 0], -STANDING_M[:, 1]))
    np.testing.assert_allclose(people[0].joints_rel_m, in_map, atol=1e-6)
    np.testing.assert_allclose(people[0].root_m, (5.0, -0.5, 1.5))
    assert people[1].root_m is None and np.isnan(people[1].joints_rel_m[3]).all()
    np.testing.assert_allclose(people[1].joints_rel_m[4], in_map[4], atol=1e-6)


def test_a_moving_camera_is_where_it_was_at_the_images_stamp(target, peer, make_person, wait_for):
    for sec in (4, 6):
        peer.publish("/tf", camera_pose(sec, x_m=float(sec)), 100)
    people, _ = eventually_transformed(target, [make_person(1)], header(5), wait_for)
    np.testing.assert_allclose(people[0].root_m, (9.0, -0.5, 1.5))

    # The transform for this image comes while it is waited for.
    timer = peer.node.create_timer(0.02, lambda: peer.publish("/tf", camera_pose(8, x_m=8.0), 100))
    people, stamped = eventually_transformed(target, [make_person(1)], header(8), wait_for)
    peer.node.destroy_timer(timer)
    assert stamped.frame_id == "map"
    np.testing.assert_allclose(people[0].root_m, (12.0, -0.5, 1.5))


def test_without_extrinsics_people_stay_in_the_cameras_frame_with_a_reason(target, peer, make_person, wait_for):
    people = [make_person(1)]
    started = time.monotonic()
    for sec in range(1, 21):
        moved, stamped = target.transform(people, header(sec))
        assert moved is people and stamped == header(sec)
    assert time.monotonic() - started < 5.0  # nothing waited for frames that nobody publishes
    for part in (CAMERA, "'map'", "20.000 s", "static_transform_publisher"):
        assert part in target.problem

    # Another tree does not help; a transform that ends before the image's time does not either.
    peer.publish("/tf", camera_pose(10, parent="odom"), 100)
    peer.publish("/tf", camera_pose(10), 100)

    def extrapolates() -> bool:
        assert target.transform(people, header(30)) == (people, header(30))
        return "xtrapolation" in target.problem

    wait_for(extrapolates, "the camera's old pose")
    people, stamped = eventually_transformed(target, people, header(10), wait_for)
    assert stamped.frame_id == "map"


def test_what_is_in_the_target_frame_stays(target, make_person):
    people = [make_person(1)]
    assert target.transform(people, header(3, "map")) == (people, header(3, "map"))
    assert target.problem is None
    _, stamped = target.transform(people, header(3, ""))
    assert stamped.frame_id == "" and target.problem


def test_the_warning_is_throttled(target, make_person, capfd):
    for sec in range(20):
        target.transform([make_person(1)], header(sec + 1))
    assert capfd.readouterr().err.count("no transform from") == 1


def test_when_a_bag_starts_again_its_old_transforms_are_forgotten(peer, make_person, wait_for):
    peer.node.set_parameters([Parameter("use_sim_time", value=True)])
    target = TargetFrame(peer.node, "map")

    def set_clock(sec: int) -> None:
        peer.publish("/clock", Clock(clock=Time(sec=sec)))
        wait_for(lambda: peer.node.get_clock().now().nanoseconds == sec * 10**9, "the clock")

    set_clock(100)
    peer.publish("/tf", camera_pose(100), 100)
    eventually_transformed(target, [make_person(1)], header(100), wait_for)
    set_clock(50)
    _, stamped = target.transform([make_person(1)], header(100))
    assert stamped.frame_id == CAMERA and target.problem
    peer.publish("/tf", camera_pose(51), 100)
    _, stamped = eventually_transformed(target, [make_person(1)], header(51), wait_for)
    assert stamped.frame_id == "map"
    target.close()
