"""Every parameter of every node: name, default, range and what it does, in one table."""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rclpy.node import Node

from nanohtnet_ros.core.camera import DEFAULT_HORIZONTAL_FOV_DEG
from nanohtnet_ros.runtime.model_store import DEFAULT_MODEL


@dataclass(frozen=True)
class Parameter:
    """One ROS parameter.

    Attributes:
        name: as users set it.
        default: its value where nobody does; the type follows from it.
        description: what it does, with the unit.
        low, high: inclusive range of a number, or None.
    """

    name: str
    default: Any
    description: str
    low: float | None = None
    high: float | None = None

    def descriptor(self) -> ParameterDescriptor:
        """What `ros2 param describe` shows; parameters are read once, when the node is configured."""
        descriptor = ParameterDescriptor(description=self.description)
        if self.low is not None and isinstance(self.default, int):
            descriptor.integer_range = [IntegerRange(from_value=int(self.low), to_value=int(self.high), step=0)]
        elif self.low is not None:
            descriptor.floating_point_range = [
                FloatingPointRange(from_value=float(self.low), to_value=float(self.high), step=0.0)]
        return descriptor


POSE_NODE = (
    Parameter("autostart", True, "configure and activate at once; if false a lifecycle manager does"),
    Parameter("model", DEFAULT_MODEL, "lifting network: a name that 'nanohtnet models list' shows, or an .onnx file"),
    Parameter("detector", "blazepose", "2D detector: blazepose"),
    Parameter("max_people", 6, "people followed at most", 1, 30),
    Parameter("detect_every", 1, "frames between two looks for newcomers while somebody is in view", 1, 1000),
    Parameter("horizontal_fov_deg", DEFAULT_HORIZONTAL_FOV_DEG,
              "field of view assumed without a valid CameraInfo, degrees", 1.0, 179.0),
    Parameter("max_gap_s", 0.5, "pauses between frames up to this are bridged, seconds", 0.05, 10.0),
    Parameter("max_missed_s", 1.0, "a person not seen for this long is gone, seconds", 0.05, 60.0),
    Parameter("threads", 2, "CPU threads of the detector", 1, 64),
)
MARKER_NODE = (
    Parameter("joint_diameter_m", 0.06, "diameter of the joints' spheres, metres", 0.001, 1.0),
    Parameter("bone_width_m", 0.03, "width of the bones' lines, metres", 0.001, 1.0),
    Parameter("lifetime_s", 1.0, "markers vanish this long after the last message, seconds", 0.05, 60.0),
)
VIDEO_NODE = (
    Parameter("source", "", "video file, folder of images, or number of a webcam"),
    Parameter("loop", False, "start again after the last frame"),
    Parameter("speed", 1.0, "play a file this much faster; stamps stay the source's", 0.01, 100.0),
    Parameter("frame_rate", 25.0, "of a folder of images, and of a video that states none, Hz", 0.1, 1000.0),
    Parameter("frame_id", "camera_optical_frame", "optical frame of the images"),
    Parameter("camera_info_file", "", "calibration in camera_calibration's YAML format; empty for none"),
    Parameter("wait_for_subscribers", 0, "images are published once so many subscribers are there", 0, 100),
    Parameter("exit_at_end", True, "end the process after the last frame"),
)


def declare(node: Node, parameters: tuple[Parameter, ...]) -> None:
    """Declare a node's parameters."""
    for parameter in parameters:
        node.declare_parameter(parameter.name, parameter.default, parameter.descriptor())


def values(node: Node, parameters: tuple[Parameter, ...]) -> SimpleNamespace:
    """The current values, as attributes."""
    return SimpleNamespace(**{p.name: node.get_parameter(p.name).value for p in parameters})
