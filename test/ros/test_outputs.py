"""Outputs of nodes of several cameras."""

import pytest

rclpy = pytest.importorskip("rclpy", reason="ROS 2 is not installed")

from builtin_interfaces.msg import Time
from std_msgs.msg import Header

from nanohtnet_ros.ros.diagnostics import Diagnostics
from nanohtnet_ros.ros.outputs import SkeletonOutput, body_prefix
from nanohtnet_ros.ros.parameters import LifterNodeParameters


@pytest.mark.parametrize(
    ("name", "namespace", "camera", "prefix"),
    [
        ("pose_node", "", "", ""),
        ("lifter_node", "/", "", ""),
        ("pose_node", "/left", "", "left_"),
        ("lifter_node", "/robot/left", "", "robot_left_"),
        ("front", "/robot", "", "robot_front_"),
        ("lifter_node", "", "left", "left_"),
        ("lifter_node", "/robot", "rig/left", "robot_rig_left_"),
        ("pose_node", "/robot_", "", "robot_"),  # no name of a topic has two underscores in a row
    ],
)
def test_ids_of_bodies_differ_by_camera(name, namespace, camera, prefix):
    rclpy.init()
    node = rclpy.create_node(name, namespace=namespace)
    try:
        assert body_prefix(node, camera) == prefix
    finally:
        node.destroy_node()
        rclpy.shutdown()


@pytest.mark.parametrize(
    ("publish", "frames"),
    [
        ({"publish_tf": True}, {"left_p1": 17, "right_p1": 17}),
        (
            {"publish_hri": True},
            {"left_p1": 1, "right_p1": 1},
        ),  # a robot_state_publisher makes the others of joint_states
        ({"publish_tf": True, "publish_hri": True}, {"left_p1": 17, "right_p1": 17}),
    ],
)
def test_two_cameras_of_one_node_share_no_frame_and_no_id(peer, wait_for, make_person, camera, publish, frames):
    messages = pytest.importorskip("tf2_msgs.msg", reason="tf2_msgs is not installed")
    if "publish_hri" in publish:
        hri_msgs = pytest.importorskip("hri_msgs.msg", reason="hri_msgs is not installed")
    p = LifterNodeParameters(upright_frame="camera_upright", **publish)
    outputs = [SkeletonOutput(peer.node, Diagnostics(peer.node), p, name) for name in ("left", "right")]
    heard = peer.listen("/tf", messages.TFMessage, 100)
    ids = peer.listen("/humans/bodies/tracked", hri_msgs.IdsList) if "publish_hri" in publish else []

    seconds = iter(range(1, 100_000))

    def published() -> bool:
        for output, side in zip(outputs, ("left", "right"), strict=True):
            output.publish([make_person(1)], Header(stamp=Time(sec=next(seconds)), frame_id=f"{side}_optical"), camera)
        return {t.header.frame_id for m in heard for t in m.transforms} >= {"left_optical", "right_optical"}

    wait_for(published, "both cameras' frames")
    node = peer.node.get_name()
    transforms = [t for m in heard for t in m.transforms]
    for side in ("left", "right"):
        mine = {t.child_frame_id for t in transforms if t.child_frame_id.endswith(f"{side}_p1")}
        assert len(mine) == frames[f"{side}_p1"]
        parents = {t.header.frame_id for t in transforms if t.child_frame_id == f"body_{node}_{side}_p1"}
        assert parents == {f"{side}_optical"}
    if ids:
        assert {i for m in ids for i in m.ids} == {f"{node}_left_p1", f"{node}_right_p1"}
    for output in outputs:
        output.close()
