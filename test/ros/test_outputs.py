"""Outputs of nodes of several cameras."""

import pytest

rclpy = pytest.importorskip("rclpy", reason="ROS 2 is not installed")

from nanohtnet_ros.ros.outputs import body_prefix


@pytest.mark.parametrize(("name", "namespace", "camera", "prefix"), [
    ("pose_node", "", "", ""),
    ("lifter_node", "/", "", ""),
    ("pose_node", "/left", "", "left_"),
    ("lifter_node", "/robot/left", "", "robot_left_"),
    ("front", "/robot", "", "robot_front_"),
    ("lifter_node", "", "left", "left_"),
    ("lifter_node", "/robot", "rig/left", "robot_rig_left_"),
    ("pose_node", "/robot_", "", "robot_"),  # no name of a topic has two underscores in a row
])
def test_ids_of_bodies_differ_by_camera(name, namespace, camera, prefix):
    rclpy.init()
    node = rclpy.create_node(name, namespace=namespace)
    try:
        assert body_prefix(node, camera) == prefix
    finally:
        node.destroy_node()
        rclpy.shutdown()
