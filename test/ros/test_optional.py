import json
import sys

import pytest

rclpy = pytest.importorskip("rclpy", reason="ROS 2 is not installed")

from nanohtnet_ros.ros.hri_output import HriOutput
from nanohtnet_ros.ros.optional import import_for
from nanohtnet_ros.ros.target_frame import TargetFrame
from nanohtnet_ros.ros.tf_output import TfOutput


def test_what_is_installed_is_imported():
    assert import_for("a_parameter", "json", "json") is json


@pytest.mark.parametrize(
    ("module", "parameter", "package", "make"),
    [
        ("tf2_msgs.msg", "publish_tf", "tf2-msgs", TfOutput),
        ("tf2_ros", "target_frame", "tf2-ros-py", lambda node: TargetFrame(node, "map")),
        ("hri_msgs.msg", "publish_hri", "hri-msgs", HriOutput),
    ],
)
def test_a_missing_package_is_named_with_its_remedy(monkeypatch, module, parameter, package, make):
    monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.setenv("ROS_DISTRO", "jazzy")
    with pytest.raises(ImportError, match=f"{parameter} needs {module}.*sudo apt install ros-jazzy-{package}"):
        make(None)
