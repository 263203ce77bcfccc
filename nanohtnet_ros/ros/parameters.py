"""Every parameter of every node: name, default, range and what it does, in one table."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import rclpy
from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor, SetParametersResult
from rclpy.exceptions import InvalidParameterValueException
from rclpy.node import Node

from nanohtnet_ros.core.body import HIPS_AHEAD_M
from nanohtnet_ros.core.camera import DEFAULT_HORIZONTAL_FOV_DEG
from nanohtnet_ros.detectors.recognise import PERSON_FAMILIES, POSE_FAMILIES
from nanohtnet_ros.runtime.engine_build import PRECISIONS
from nanohtnet_ros.runtime.model_store import DEFAULT_MODEL
from nanohtnet_ros.runtime.session import DEVICES


@dataclass(frozen=True)
class Parameter:
    """One ROS parameter.

    Attributes:
        name: as users set it.
        default: its value where nobody does; the type follows from it.
        description: what it does, with the unit.
        low, high: inclusive range of a number, or None.
        choices: all values that a word may have, or none for any.
        dynamic: may change while the node is configured.
    """

    name: str
    default: Any
    description: str
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()
    dynamic: bool = False

    def descriptor(self) -> ParameterDescriptor:
        """What `ros2 param describe` shows."""
        constraints = [f"one of {', '.join(self.choices)}"] if self.choices else []
        constraints += [] if self.dynamic else ["changes while the node is unconfigured only"]
        descriptor = ParameterDescriptor(
            description=self.description, additional_constraints="; ".join(constraints))
        if self.low is not None and isinstance(self.default, int):
            descriptor.integer_range = [IntegerRange(from_value=int(self.low), to_value=int(self.high), step=0)]
        elif self.low is not None:
            descriptor.floating_point_range = [
                FloatingPointRange(from_value=float(self.low), to_value=float(self.high), step=0.0)]
        return descriptor

    def problem(self, value: Any) -> str | None:
        """Why a value of the right type cannot be taken, beyond what the descriptor's range says."""
        if isinstance(value, float) and not math.isfinite(value):
            return f"{self.name} is {value}, expected a finite number"
        if self.choices and value not in self.choices:
            return f"{self.name} is '{value}', expected one of {', '.join(self.choices)}"
        return None


AUTOSTART = Parameter("autostart", True, "configure and activate at once; if false a lifecycle manager does")
MAX_GAP_S = Parameter(
    "max_gap_s", 0.5, "pauses between frames up to this are bridged, seconds", 0.05, 10.0, dynamic=True)
STALE_AFTER_S = Parameter(
    "stale_after_s", 2.0, "no input for this long is a warning in the diagnostics, seconds", 0.1, 3600.0, dynamic=True)
FINDING = (
    Parameter("detector", "blazepose", "2D detector: a name that 'nanohtnet models list' shows, or an .onnx file"),
    Parameter("detector_family", "auto", "what that file is; auto tells by its tensors",
              choices=("auto", *POSE_FAMILIES)),
    Parameter("person_detector", "", "for rtmpose, what finds the boxes: a name or an .onnx file, as for `detector`"),
    Parameter("person_detector_family", "auto", "what that file is; auto tells by its tensors and its name",
              choices=("auto", *PERSON_FAMILIES)),
    Parameter("max_people", 6, "people followed at most", 1, 30),
    Parameter("detect_every", 1, "frames between two looks for newcomers while somebody is in view; blazepose, rtmpose",
              1, 1000),
    Parameter("max_missed_s", 1.0, "a person not seen for this long is gone, seconds", 0.05, 60.0, dynamic=True),
    Parameter("threads", 2, "CPU threads of each of the detector's networks", 1, 64),
    Parameter("image_transport", "raw", "how images come; compressed ones on the topic `compressed` below `image`",
              choices=("raw", "compressed")),
)
RUNTIME = (
    Parameter("device", "auto", "what runs ONNX networks: TensorRT, ONNX Runtime on CUDA or on the CPU; auto takes the "
              "first that works", choices=DEVICES),
    Parameter("require_gpu", False,
              "do not configure where auto would run an ONNX network on the CPU; BlazePose always does"),
    Parameter("precision", "fp32", "numbers that TensorRT computes with", choices=PRECISIONS),
    Parameter("cuda_graph", False, "replay TensorRT's launches as CUDA graphs: less work for the CPU"),
)
LIFTING = (
    Parameter("model", DEFAULT_MODEL, "lifting network: a name that 'nanohtnet models list' shows, or an .onnx file"),
    Parameter("look_ahead_s", 0.0, "publish poses of this long ago, made with what came after, seconds; the network's "
              "nearest output is taken", 0.0, 10.0),
    Parameter("horizontal_fov_deg", DEFAULT_HORIZONTAL_FOV_DEG,
              "field of view assumed without a valid CameraInfo, degrees", 1.0, 179.0, dynamic=True),
    Parameter("person_height_m", 0.0, "how tall the people are, metres, 0.5 or more; 0 if not known", 0.0, 2.5,
              dynamic=True),
    Parameter("hips_ahead_m", HIPS_AHEAD_M, "how far ahead of the joints' centres the 2D detector marks hips, metres",
              0.0, 0.15, dynamic=True),
    Parameter("use_depth", False, "measure distances in depth images (topic `depth`, aligned with `image`)"),
    Parameter("depth_tolerance_s", 0.05, "a depth image this far from the image in time still serves, seconds",
              0.0, 1.0),
    Parameter("constant_bones", True, "give a person's bones the lengths they had on average", dynamic=True),
    Parameter("one_euro", True, "steady joints and places with a One Euro filter", dynamic=True),
    Parameter("one_euro_min_cutoff_hz", 3.0, "its cutoff for joints at rest, Hz", 0.01, 100.0, dynamic=True),
    Parameter("one_euro_beta", 4.0, "its cutoff gained per speed, Hz per m/s", 0.0, 100.0, dynamic=True),
    Parameter("target_frame", "", "frame that skeletons are transformed to by TF; empty: the camera's"),
    Parameter("publish_tf", False, "broadcast a frame body_<id> for each person and one for each joint"),
    Parameter("publish_hri", False, "publish people as ROS4HRI bodies under /humans/bodies (needs hri_msgs)"),
)
POSE_NODE = (AUTOSTART, *FINDING, *LIFTING, *RUNTIME, MAX_GAP_S, STALE_AFTER_S)
DETECTOR_NODE = (AUTOSTART, *FINDING, *RUNTIME, MAX_GAP_S, STALE_AFTER_S)
LIFTER_NODE = (
    AUTOSTART,
    Parameter("cameras", [""], "name of each camera, which leads its topics; one without a name has none"),
    *LIFTING, *RUNTIME, MAX_GAP_S, STALE_AFTER_S)
MARKER_NODE = (
    Parameter("joint_diameter_m", 0.06, "diameter of the joints' spheres, metres", 0.001, 1.0, dynamic=True),
    Parameter("bone_width_m", 0.03, "width of the bones' lines, metres", 0.001, 1.0, dynamic=True),
    Parameter("lifetime_s", 1.0, "markers vanish this long after the last message, seconds", 0.05, 60.0, dynamic=True),
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
NODES = {
    "pose_node": POSE_NODE, "detector_node": DETECTOR_NODE, "lifter_node": LIFTER_NODE, "marker_node": MARKER_NODE,
    "video_node": VIDEO_NODE}


class Settings:
    """A node's parameters: declared from a table, checked at every change, at hand as attributes of `values`."""

    def __init__(
        self, node: Node, table: tuple[Parameter, ...],
        locked: Callable[[], str | None] = lambda: "it is read when the node starts: start the node with it",
        changed: Callable[[SimpleNamespace], None] = lambda values: None,
    ) -> None:
        """Declare a node's parameters.

        Args:
            table: which.
            locked: why parameters that are not dynamic cannot change at this moment, or None if they can.
            changed: called with all new values once a change has passed; a ValueError of its own refuses it.
        Raises:
            rclpy.exceptions.ParameterException: a value that the node was started with cannot be taken.
        """
        self._table = {parameter.name: parameter for parameter in table}
        self._locked, self._changed = locked, changed
        values = {}
        for parameter in table:
            value = node.declare_parameter(parameter.name, parameter.default, parameter.descriptor()).value
            if problem := parameter.problem(value):
                raise InvalidParameterValueException(parameter.name, value, problem)
            values[parameter.name] = value
        self.values = SimpleNamespace(**values)
        node.add_on_set_parameters_callback(self._on_set)

    def _on_set(self, new: list[rclpy.Parameter]) -> SetParametersResult:
        """Check a change and take it over. Humble has no callback for after the change, so it is done before."""
        new = [parameter for parameter in new if parameter.name in self._table]
        for parameter in new:
            entry = self._table[parameter.name]
            problem = entry.problem(parameter.value)
            if not problem and not entry.dynamic and parameter.value != getattr(self.values, parameter.name):
                why = self._locked()
                problem = f"{parameter.name} cannot change now: {why}" if why else None
            if problem:
                return SetParametersResult(successful=False, reason=problem)
        values = SimpleNamespace(**(vars(self.values) | {parameter.name: parameter.value for parameter in new}))
        try:
            self._changed(values)
        except ValueError as error:
            return SetParametersResult(successful=False, reason=str(error))
        self.values = values
        return SetParametersResult(successful=True)
