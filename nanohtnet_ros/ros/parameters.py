"""Every parameter of every node, as typed settings: name, default, range and what it does."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import Field, dataclass, fields, replace
from typing import Any, Generic, TypeVar

import rclpy
from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor, SetParametersResult
from rclpy.node import Node

from nanohtnet_ros.config import EstimatorSettings, LiftingSettings, TrackingSettings
from nanohtnet_ros.core.camera import DEFAULT_HORIZONTAL_FOV_DEG
from nanohtnet_ros.core.markers import MarkerSettings
from nanohtnet_ros.core.settings import Settings, constraint_of, default_of, did_you_mean, setting
from nanohtnet_ros.errors import UserError


@dataclass(frozen=True)
class PipelineNodeParameters(Settings):
    """Of all nodes of the pipeline."""

    autostart: bool = setting(True, "configure and activate at once; if false a lifecycle manager does")
    stale_after_s: float = setting(
        2.0, "no input for this long is a warning in the diagnostics, seconds", 0.1, 3600.0, live=True
    )


@dataclass(frozen=True)
class ImageParameters(Settings):
    """Of nodes that take images."""

    image_transport: str = setting(
        "raw", "how images come; compressed ones on the topic `compressed` below `image`", choices=("raw", "compressed")
    )


@dataclass(frozen=True)
class GroundParameters(Settings):
    """Of nodes that may know where down and the floor are."""

    ground_frame: str = setting(
        "", "TF frame with z up and the floor at z = 0, as base_footprint: gives gravity and the camera's height"
    )
    imu_topic: str = setting("", "sensor_msgs/Imu that gives gravity, where ground_frame does not")
    camera_height_m: float = setting(
        0.0, "height of the camera above the floor without ground_frame, metres; 0 if not known", 0.0, 100.0, live=True
    )
    camera_pitch_deg: float = setting(
        0.0, "how far a fixed camera, without ground_frame and imu_topic, looks down, degrees", -90.0, 90.0, live=True
    )
    camera_roll_deg: float = setting(
        0.0, "how far it is turned clockwise, seen from behind, degrees", -180.0, 180.0, live=True
    )


@dataclass(frozen=True)
class SkeletonParameters(GroundParameters):
    """Of nodes that publish 3D skeletons."""

    horizontal_fov_deg: float = setting(
        DEFAULT_HORIZONTAL_FOV_DEG,
        "field of view along the longer side, assumed without a valid CameraInfo, degrees",
        1.0,
        179.0,
        live=True,
    )
    use_depth: bool = setting(False, "measure distances in depth images (topic `depth`, aligned with `image`)")
    depth_tolerance_s: float = setting(0.05, "largest time between an image and its depth image, seconds", 0.0, 1.0)
    target_frame: str = setting("", "frame that skeletons are transformed to by TF; empty: the camera's")
    upright_frame: str = setting(
        "", "frame to broadcast at the camera: its optical axes turned to x ahead, z up, for RViz; empty: none"
    )
    publish_tf: bool = setting(False, "broadcast a frame body_<id> for each person and one for each joint")
    publish_hri: bool = setting(False, "publish people as ROS4HRI bodies under /humans/bodies (needs hri_msgs)")
    publish_people: bool = setting(False, "publish ~/people for social navigation (needs people_msgs)")


@dataclass(frozen=True)
class PoseNodeParameters(SkeletonParameters, EstimatorSettings, ImageParameters, PipelineNodeParameters):
    """Of pose_node."""


@dataclass(frozen=True)
class DetectorNodeParameters(GroundParameters, TrackingSettings, ImageParameters, PipelineNodeParameters):
    """Of detector_node."""


@dataclass(frozen=True)
class LifterNodeParameters(SkeletonParameters, LiftingSettings, PipelineNodeParameters):
    """Of lifter_node."""

    cameras: tuple[str, ...] = setting(("",), "name of each camera, which leads its topics; a single camera needs none")

    def __post_init__(self) -> None:
        """Check every value, and that cameras can be told apart."""
        super().__post_init__()
        if not self.cameras or len(set(self.cameras)) != len(self.cameras):
            raise UserError(
                f"cameras is {list(self.cameras)}, expected one or more names that differ; a single camera's may be ''"
            )


@dataclass(frozen=True)
class ViewerNodeParameters(ImageParameters):
    """Of viewer_node."""

    web_address: str = setting(
        "127.0.0.1", "IP address that page and data are served at; 0.0.0.0: whoever reaches this machine can look"
    )
    web_port: int = setting(9090, "of the page", 1, 65535)
    grpc_port: int = setting(9876, "of the page's data", 1, 65535)
    memory_mb: int = setting(500, "data kept for browsers that come later, MB; the oldest goes first", 10, 100_000)


@dataclass(frozen=True)
class VideoNodeParameters(Settings):
    """Of video_node."""

    source: str = setting("", "video file, folder of images, or number of a webcam")
    loop: bool = setting(False, "start again after the last frame")
    speed: float = setting(1.0, "playback speed of a file; stamps stay the source's", 0.01, 100.0)
    frame_rate: float = setting(25.0, "of a folder of images, and of a video that states none, Hz", 0.1, 1000.0)
    frame_id: str = setting("camera_optical_frame", "optical frame of the images")
    camera_info_file: str = setting("", "calibration in YAML, by camera_calibration, OpenCV or Kalibr; empty for none")
    wait_for_subscribers: int = setting(0, "subscribers to wait for before the first image", 0, 100)
    exit_at_end: bool = setting(True, "end the process after the last frame")


NODES: dict[str, type[Settings]] = {
    "pose_node": PoseNodeParameters,
    "detector_node": DetectorNodeParameters,
    "lifter_node": LifterNodeParameters,
    "marker_node": MarkerSettings,
    "video_node": VideoNodeParameters,
    "viewer_node": ViewerNodeParameters,
}

ROS_PARAMETERS = {"use_sim_time", "start_type_description_service"}
"""Parameters that every ROS node has."""

START_AGAIN = "it is read when the node starts: start the node with it"

S = TypeVar("S", bound=Settings)


def descriptor(entry: Field, fixed: str) -> ParameterDescriptor:
    """What `ros2 param describe` shows of a setting.

    Args:
        fixed: when a setting that is not live can change.
    """
    known, default = constraint_of(entry), default_of(entry)
    constraints = [f"one of {', '.join(map(str, known.choices))}"] if known.choices else []
    constraints += [] if known.live else [fixed]
    # Floats and texts also take whole numbers, as `ros2 param set` gives them; `Settings` checks the type.
    described = ParameterDescriptor(
        type=rclpy.Parameter.Type.from_parameter_value(as_parameter(default)).value,
        description=known.description,
        additional_constraints="; ".join(constraints),
        dynamic_typing=isinstance(default, (float, str)),
    )
    if known.low is None or known.high is None:
        return described
    if isinstance(default, int):
        described.integer_range = [IntegerRange(from_value=int(known.low), to_value=int(known.high), step=0)]
    else:
        described.floating_point_range = [
            FloatingPointRange(from_value=float(known.low), to_value=float(known.high), step=0.0)
        ]
    return described


def as_parameter(value: Any) -> Any:
    """A setting's value as ROS takes it."""
    return list(value) if isinstance(value, tuple) else value


def unknown_parameters(given: Iterable[str], kind: type[Settings]) -> list[str]:
    """A sentence for each name that none of our nodes has; one file may hold the parameters of all of them.

    Args:
        given: names that a node was started with.
        kind: the node's own.
    """
    own = [entry.name for entry in fields(kind)]
    known = {entry.name for other in (kind, *NODES.values()) for entry in fields(other)} | ROS_PARAMETERS
    return [
        f"parameter '{name}' is unknown and ignored{did_you_mean(name, own) or did_you_mean(name, known)}"
        for name in given
        if name not in known and not name.startswith(("qos_overrides.", "diagnostic_updater."))
    ]


class NodeParameters(Generic[S]):
    """A node's parameters: declared from a dataclass of settings, checked at every change.

    Attributes:
        values: what they are now.
    """

    def __init__(
        self,
        node: Node,
        kind: type[S],
        locked: Callable[[], str | None] = lambda: START_AGAIN,
        changed: Callable[[S], None] = lambda values: None,
        fixed: str = "read when the node starts",
    ) -> None:
        """Declare a node's parameters.

        Args:
            kind: which.
            locked: why parameters that are not live cannot change at this moment, or None if they can.
            changed: called with all new values once a change has passed; a UserError of its own refuses it.
            fixed: when parameters that are not live can change, for their description.
        Raises:
            UserError: a value that the node was started with cannot be taken.
        """
        self._entries = {entry.name: entry for entry in fields(kind)}
        self._locked, self._changed = locked, changed
        given = {}
        for name, entry in self._entries.items():
            # Type and range come after our own check, whose message names the value and what was expected.
            any_value = ParameterDescriptor(dynamic_typing=True)
            given[name] = node.declare_parameter(name, as_parameter(default_of(entry)), any_value).value
            kind(**{name: given[name]})
            node.set_descriptor(name, descriptor(entry, fixed))
        # rclpy tells of unknown parameters nowhere else.
        for sentence in unknown_parameters(getattr(node, "_parameter_overrides", ()), kind):
            node.get_logger().warning(sentence)
        self.values: S = kind(**given)
        node.add_on_set_parameters_callback(self._on_set)

    def _on_set(self, new: list[rclpy.Parameter]) -> SetParametersResult:
        """Check a change and take it over. Humble has no callback for after the change, so it is done before."""
        given = {parameter.name: parameter.value for parameter in new if parameter.name in self._entries}
        try:
            values = replace(self.values, **given)
            for name in given:
                changes = getattr(values, name) != getattr(self.values, name)
                why = self._locked() if changes and not constraint_of(self._entries[name]).live else None
                if why:
                    raise UserError(f"{name} cannot change now: {why}")
            self._changed(values)
        except UserError as error:
            return SetParametersResult(successful=False, reason=str(error))
        self.values = values
        return SetParametersResult(successful=True)
