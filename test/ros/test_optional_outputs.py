"""Outputs that need packages which not every robot has: without them the node says which, and how to get them."""

import importlib.util

import pytest

pytest.importorskip("rclpy", reason="ROS 2 is not installed")

from lifecycle_msgs.msg import State
from lifecycle_msgs.srv import GetState


@pytest.mark.parametrize(
    ("setting", "module", "package"),
    [
        ({"publish_tf": "true"}, "tf2_msgs", "tf2-msgs"),
        ({"target_frame": "map"}, "tf2_ros", "tf2-ros-py"),
        ({"ground_frame": "base_footprint"}, "tf2_ros", "tf2-ros-py"),
        ({"publish_hri": "true"}, "hri_msgs", "hri-msgs"),
        ({"publish_people": "true"}, "people_msgs", "people-msgs"),
    ],
)
@pytest.mark.parametrize("node", ["pose_node", "lifter_node"])
def test_a_missing_package_is_named(processes, peer, wait_for, node, setting, module, package):
    if importlib.util.find_spec(module):
        pytest.skip(f"{module} is installed")
    says = peer.diagnostics()
    process = processes.node(node, **setting)
    wait_for(lambda: "cannot load" in says(node), "the diagnostic")
    assert next(iter(setting)) in says(node) and package in says(node)
    state = peer.call(f"/{node}/get_state", GetState, GetState.Request())
    assert state.current_state.id == State.PRIMARY_STATE_UNCONFIGURED and process.poll() is None
