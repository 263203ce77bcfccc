"""What the launch files share: their arguments, and nodes with what the arguments say."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import yaml
from ament_index_python.packages import PackageNotFoundError, get_package_prefix, get_package_share_directory
from launch.action import Action
from launch.actions import DeclareLaunchArgument, SetEnvironmentVariable
from launch.events.process import ProcessExited
from launch.launch_context import LaunchContext
from launch.logging import get_logger, launch_config
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue

from nanohtnet_ros.core.settings import did_you_mean
from nanohtnet_ros.errors import UserError
from nanohtnet_ros.ros.fastdds import profile_environment

SHARE = Path(get_package_share_directory("nanohtnet_ros"))
AS_IN_FILE = "empty: as params_file says"
RESPAWN_DELAY_S = 2.0
IN_OTHER_FILES = {"source", "camera_info_file", "loop", "speed", "first", "second"}
"""Arguments of demo.launch.py and two_cameras.launch.py, which include pose.launch.py."""
LOGGER = get_logger("nanohtnet_ros")


@dataclass(frozen=True)
class Argument:
    """A launch argument.

    Attributes:
        default: its text.
        description: what it does.
        choices: all that it may be, or None.
    """

    default: str
    description: str
    choices: list[str] | None = None


BOOLS = ["true", "false", "True", "False", "1", "0"]

# Arguments that are also parameters are empty by default: a value would override the params_file's.
ARGUMENTS = {
    "namespace": Argument("", "namespace of the nodes; one for each camera"),
    "node_name": Argument("pose_node", "name of the pose node; one for each camera where they share a namespace"),
    "params_file": Argument(str(SHARE / "config" / "pose.yaml"), "YAML file with the nodes' parameters"),
    "image_topic": Argument(
        "image", "the camera's images, relative to the namespace unless it starts with /; never with /compressed"
    ),
    "camera_info_topic": Argument("camera_info", "the camera's calibration"),
    "depth_topic": Argument("", "depth images in the colour camera's view, for distances; empty: none is used"),
    "image_transport": Argument(
        "", f"how images come: as they are, or from image_topic/compressed; {AS_IN_FILE}", ["", "raw", "compressed"]
    ),
    "use_sim_time": Argument("", f"true: follow /clock, as when a bag is played; {AS_IN_FILE}"),
    "use_rviz": Argument("false", "open RViz with this package's view", BOOLS),
    "fixed_frame": Argument("", "RViz's fixed frame; empty: a frame with z up that is broadcast at the camera"),
    "use_viewer": Argument("false", "serve a page for browsers at http://localhost:9090 (needs rerun)", BOOLS),
    "log_level": Argument("info", "of the nodes", ["debug", "info", "warn", "error", "fatal"]),
    "autostart": Argument(
        "", f"true: the nodes configure and activate themselves; false: a lifecycle manager does; {AS_IN_FILE}"
    ),
    "respawn": Argument(
        "false", "true: start a node again when it ends; false: a node that fails ends the launch", BOOLS
    ),
}


def warn_of_unknown(context: LaunchContext, arguments: dict[str, Argument]) -> None:
    """Log arguments that are spelt nearly as one of a file's; launch ignores what no file declares.

    Those that are near to none may be those of a launch file that includes ours.
    """
    for name in sorted(set(context.launch_configurations) - set(ARGUMENTS) - IN_OTHER_FILES):
        if near := did_you_mean(name, arguments):
            LOGGER.warning(f"launch argument '{name}' is not known{near}")


def declared(arguments: dict[str, Argument] = ARGUMENTS) -> list[Action]:
    """Actions that come before all nodes: the arguments, and Fast DDS's profile."""
    actions: list[Action] = [
        DeclareLaunchArgument(name, default_value=a.default, description=a.description, choices=a.choices)
        for name, a in arguments.items()
    ]
    return actions + [
        SetEnvironmentVariable(name, value) for name, value in profile_environment(os.environ, SHARE).items()
    ]


def fail_with(event: ProcessExited, context: LaunchContext) -> None:
    """End the launch, with exit code 1, where a node ended by itself and not well.

    Raises:
        RuntimeError: it did.
    """
    if event.returncode != 0 and not context.is_shutdown:
        raise RuntimeError(f"{event.process_name} ended with exit code {event.returncode}, so the launch ends")


class Arguments:
    """The arguments' values, and what follows from them for every node.

    Attributes:
        values: by name, as text.
        camera: remappings of a node that takes images.
    """

    def __init__(self, context: LaunchContext, arguments: dict[str, Argument] = ARGUMENTS) -> None:
        """Read the values.

        Raises:
            UserError: the params_file is not one.
        """
        self.values = {name: LaunchConfiguration(name).perform(context) for name in arguments}
        self._params = read_params(Path(self.values["params_file"]))
        warn_of_unknown(context, arguments)
        image = self.values["image_topic"]
        self.camera = [
            ("image", image),
            ("image/compressed", f"{image}/compressed"),
            ("camera_info", self.values["camera_info_topic"]),
        ]

    def given(self, **types: type) -> dict[str, ParameterValue]:
        """Parameters of those arguments that are not empty: `given(autostart=bool)`."""
        return {
            name: ParameterValue(LaunchConfiguration(name), value_type=kind)
            for name, kind in types.items()
            if self.values[name]
        }

    def node(self, executable: str, name: str, remappings: list[tuple[str, str]], **parameters: Any) -> Node:
        """One of our nodes, with the params_file, and parameters that override it."""
        parameters |= self.given(use_sim_time=bool)
        respawn = self.is_true("respawn")
        return Node(
            package="nanohtnet_ros",
            executable=executable,
            name=name,
            namespace=self.values["namespace"],
            parameters=[self.values["params_file"], parameters],
            remappings=remappings,
            arguments=["--ros-args", "--log-level", self.values["log_level"]],
            output="screen",
            respawn=respawn,
            respawn_delay=RESPAWN_DELAY_S,
            on_exit=None if respawn else fail_with,
        )

    def skeletons(self, name: str) -> dict[str, Any]:
        """Parameters of the node that publishes skeletons, and is remapped by `camera` and its depth topic."""
        parameters: dict[str, Any] = self.given(autostart=bool)
        if self.values["depth_topic"]:
            parameters["use_depth"] = True
        if self.is_true("use_rviz") and not self.values["fixed_frame"]:
            parameters["upright_frame"] = self.upright_frame(name)
        return parameters

    def depth(self) -> list[tuple[str, str]]:
        """Remapping of the depth images, where there are any."""
        return [("depth", self.values["depth_topic"])] if self.values["depth_topic"] else []

    def upright_frame(self, name: str) -> str:
        """The frame that a node broadcasts at its camera for RViz; every camera has its own."""
        parts = [*self.values["namespace"].split("/"), "" if name in ("pose_node", "lifter_node") else name]
        return "".join(f"{part}_" for part in parts if part) + "camera_upright"

    def is_true(self, name: str) -> bool:
        """Whether an argument says true."""
        return self.values[name] in ("true", "True", "1")

    def rviz(self, markers: str, name: str, drawn: str = "") -> list[Action]:
        """RViz, where it is asked for and installed.

        Args:
            markers: the marker node's name.
            name: of the node that publishes skeletons.
            drawn: of the node that draws keypoints on the image, if that is another one.
        """
        if not self.is_true("use_rviz"):
            return []
        try:
            get_package_prefix("rviz2")
        except PackageNotFoundError:
            distro = os.environ.get("ROS_DISTRO", "$ROS_DISTRO")
            LOGGER.warning(f"RViz is not installed, everything else runs: sudo apt install ros-{distro}-rviz2")
            return []
        view = (SHARE / "rviz" / "pose.rviz").read_text()
        frame = self.values["fixed_frame"] or self.upright_frame(name)
        view = view.replace("Fixed Frame: camera_upright", f"Fixed Frame: {frame}")
        if (self.values["image_transport"] or self.in_params_file(name, "image_transport")) == "compressed":
            view = view.replace("Value: image\n", "Value: image/compressed\n")  # RViz takes the transport from the name
        path = Path(launch_config.get_log_file_path(f"{frame.replace('/', '_')}.rviz"))
        path.write_text(view)
        return [
            Node(
                package="rviz2",
                executable="rviz2",
                name="rviz2",
                namespace=self.values["namespace"],
                arguments=["-d", str(path)],
                parameters=[self.given(use_sim_time=bool)],
                remappings=[
                    ("markers", f"{markers}/markers"),
                    ("debug_image", f"{drawn or name}/debug_image"),
                    *self.camera,
                ],
            )
        ]

    def viewer(self, name: str, drawn: str = "") -> list[Action]:
        """The page for browsers, where it is asked for; arguments as of `rviz`."""
        if not self.is_true("use_viewer"):
            return []
        if find_spec("rerun") is None:
            LOGGER.warning(
                "use_viewer needs rerun, which needs NumPy 2: pip install 'nanohtnet_ros[viz]'; all else runs"
            )
            return []
        topics = [("skeletons", f"{name}/skeletons"), ("skeletons_2d", f"{drawn or name}/skeletons_2d"), *self.camera]
        return [self.node("viewer_node", "viewer_node", topics, **self.given(image_transport=str))]

    def sections(self, name: str) -> list[dict[str, Any]]:
        """The params_file's sections for a node of the namespace; later ones win."""
        node = "/".join(["", *filter(None, self.values["namespace"].split("/")), name])
        return [values for pattern, values in self._params.items() if re.fullmatch(pattern, node)]

    def in_params_file(self, name: str, parameter: str) -> Any:
        """A node's parameter as the params_file says it, or None."""
        return next((s[parameter] for s in reversed(self.sections(name)) if parameter in s), None)

    def warn(self, name: str) -> None:
        """Log where the params_file has no section for a node; ROS would ignore it in silence."""
        if not self.sections(name):
            LOGGER.warning(
                f"{self.values['params_file']} has no section /**/{name}, so {name} has its parameters' defaults"
            )


def read_params(path: Path) -> dict[str, dict[str, Any]]:
    """Parameters of a params_file, by regular expressions of the nodes' full names.

    Raises:
        UserError: it cannot be read, or is not as ROS expects it.
    """
    try:
        content = yaml.safe_load(path.read_text())
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UserError(f"params_file {path} cannot be read: {re.sub(chr(10) + ' *', ', ', str(error))}") from error
    sections = flatten(content) if isinstance(content, dict) else {}
    if not sections:
        raise UserError(f"params_file {path} holds no parameters, expected node names above 'ros__parameters:'")
    return sections


def flatten(content: dict, name: str = "") -> dict[str, dict[str, Any]]:
    """Sections by regular expressions; `/**` is any number of a name's parts, and a namespace may be a level."""
    if isinstance(content.get("ros__parameters"), dict):
        part = "/[^/]+"
        return {re.sub(r"/\*\*?", lambda m: part if m[0] == "/*" else f"({part})*", name): content["ros__parameters"]}
    sections: dict[str, dict[str, Any]] = {}
    for key, value in content.items():
        if isinstance(value, dict):
            sections |= flatten(value, f"{name}/{str(key).strip('/')}")
    return sections
