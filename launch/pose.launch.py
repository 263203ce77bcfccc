"""Skeletons from a camera that already publishes: pose_node and marker_node, RViz on request."""

import os

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, SetEnvironmentVariable
from launch.conditions import IfCondition
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.substitutions import FindPackageShare

SHARE = FindPackageShare("nanohtnet_ros")

ARGUMENTS = {
    "namespace": ("", "namespace of the nodes; one for each camera"),
    "image_topic": ("image", "the camera's image topic, relative to the namespace unless it starts with /"),
    "camera_info_topic": ("camera_info", "the camera's calibration topic"),
    "params_file": (PathJoinSubstitution([SHARE, "config", "pose.yaml"]), "YAML file with the nodes' parameters"),
    "use_sim_time": ("false", "follow /clock, as when a bag is played"),
    "use_rviz": ("false", "open RViz with this package's view"),
    "log_level": ("info", "of the nodes: debug, info, warn, error"),
}


def generate_launch_description():
    arg = LaunchConfiguration
    common = {
        "package": "nanohtnet_ros",
        "namespace": arg("namespace"),
        "parameters": [arg("params_file"), {"use_sim_time": arg("use_sim_time")}],
        "arguments": ["--ros-args", "--log-level", arg("log_level")],
        "output": "screen",
    }
    profile = PathJoinSubstitution([SHARE, "config", "fastdds.xml"])
    actions = [
        DeclareLaunchArgument(name, default_value=default, description=description)
        for name, (default, description) in ARGUMENTS.items()
    ]
    if "FASTRTPS_DEFAULT_PROFILES_FILE" not in os.environ:  # Fast DDS in its default setting loses images
        actions.append(SetEnvironmentVariable("FASTRTPS_DEFAULT_PROFILES_FILE", profile))
    return LaunchDescription([
        *actions,
        Node(
            executable="pose_node", name="pose_node",
            remappings=[("image", arg("image_topic")), ("camera_info", arg("camera_info_topic"))], **common),
        Node(
            executable="marker_node", name="marker_node", remappings=[("skeletons", "pose_node/skeletons")], **common),
        Node(
            package="rviz2", executable="rviz2", name="rviz2", namespace=arg("namespace"),
            arguments=["-d", PathJoinSubstitution([SHARE, "rviz", "pose.rviz"])],
            remappings=[("markers", "marker_node/markers"), ("image", arg("image_topic"))],
            condition=IfCondition(arg("use_rviz"))),
    ])
