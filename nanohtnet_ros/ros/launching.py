"""What the launch files share: their arguments, and nodes with what the arguments say."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from launch import LaunchContext
from launch.actions import DeclareLaunchArgument, LogInfo, SetEnvironmentVariable
from launch.conditions import IfCondition
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.substitutions import FindPackageShare

SHARE = FindPackageShare("nanohtnet_ros")
AS_IN_FILE = "empty: as params_file says"


@dataclass(frozen=True)
class Argument:
    """A launch argument.

    Attributes:
        default: text, or a substitution.
        description: what it does.
        choices: all that it may be, or None.
    """

    default: object
    description: str
    choices: list[str] | None = None


# Arguments that are also parameters are empty by default: a value would override the params_file's.
ARGUMENTS = {
    "namespace": Argument("", "namespace of the nodes; one for each camera"),
    "node_name": Argument("pose_node", "name of the pose node; one for each camera where they share a namespace"),
    "params_file": Argument(
        PathJoinSubstitution([SHARE, "config", "pose.yaml"]), "YAML file with the nodes' parameters, by node names"),
    "image_topic": Argument(
        "image", "the camera's images, relative to the namespace unless it starts with /; never with /compressed"),
    "camera_info_topic": Argument("camera_info", "the camera's calibration"),
    "depth_topic": Argument("", "depth images in the colour camera's view, for distances; empty: none is used"),
    "image_transport": Argument(
        "", f"how images come: as they are, or from image_topic/compressed; {AS_IN_FILE}", ["", "raw", "compressed"]),
    "use_sim_time": Argument("", f"true: follow /clock, as when a bag is played; {AS_IN_FILE}"),
    "use_rviz": Argument("false", "open RViz with this package's view"),
    "log_level": Argument("info", "of the nodes", ["debug", "info", "warn", "error", "fatal"]),
    "autostart": Argument("", f"true: work at once; false: a lifecycle manager starts the nodes; {AS_IN_FILE}"),
}


def declared(names: Iterable[str] = ARGUMENTS) -> list:
    """Actions that come before all nodes: the arguments, and Fast DDS's profile."""
    actions = [
        DeclareLaunchArgument(
            name, default_value=ARGUMENTS[name].default, description=ARGUMENTS[name].description,
            choices=ARGUMENTS[name].choices)
        for name in names]
    if "FASTRTPS_DEFAULT_PROFILES_FILE" not in os.environ:  # Fast DDS in its default setting loses images
        profile = PathJoinSubstitution([SHARE, "config", "fastdds.xml"])
        actions.append(SetEnvironmentVariable("FASTRTPS_DEFAULT_PROFILES_FILE", profile))
    return actions


class Arguments:
    """The arguments' values, and what follows from them for every node.

    Attributes:
        values: by name, as text.
        camera: remappings of a node that takes images.
    """

    def __init__(self, context: LaunchContext, names: Iterable[str] = ARGUMENTS) -> None:
        self.values = {name: LaunchConfiguration(name).perform(context) for name in names}
        image = self.values["image_topic"]
        self.camera = [
            ("image", image), ("image/compressed", f"{image}/compressed"),
            ("camera_info", self.values["camera_info_topic"])]

    def given(self, **types: type) -> dict[str, ParameterValue]:
        """Parameters of those arguments that are not empty: `given(autostart=bool)`."""
        return {
            name: ParameterValue(LaunchConfiguration(name), value_type=kind) for name, kind in types.items()
            if self.values[name]}

    def node(self, executable: str, name: str, remappings: list[tuple[str, str]], **parameters) -> Node:
        """One of our nodes, with the params_file, and parameters that override it."""
        parameters |= self.given(use_sim_time=bool)
        return Node(
            package="nanohtnet_ros", executable=executable, name=name, namespace=self.values["namespace"],
            parameters=[self.values["params_file"], parameters],
            remappings=remappings, arguments=["--ros-args", "--log-level", self.values["log_level"]], output="screen")

    def rviz(self, markers: str) -> Node:
        """RViz, where it is asked for; `markers` is the marker node's name."""
        return Node(
            package="rviz2", executable="rviz2", name="rviz2", namespace=self.values["namespace"],
            arguments=["-d", PathJoinSubstitution([SHARE, "rviz", "pose.rviz"])],
            parameters=[self.given(use_sim_time=bool)],
            remappings=[("markers", f"{markers}/markers"), ("image", self.values["image_topic"])],
            condition=IfCondition(self.values["use_rviz"]))

    def warning_without_section(self, name: str) -> list[LogInfo]:
        """A line in the log if the params_file has no section for a node; ROS would ignore the file in silence."""
        path = self.values["params_file"]
        if re.search(rf"(\b{re.escape(name)}|\*)[\"']?\s*:", Path(path).read_text()):
            return []
        return [LogInfo(msg=f"{path} has no section /**/{name}, so {name} has its parameters' defaults")]
