"""Where down and the floor are: by TF, by an inertial sensor, or by what the user says of a fixed camera."""

from __future__ import annotations

import contextlib
import math
from collections import deque
from collections.abc import Callable
from threading import Lock

import numpy as np
from rclpy.node import Node
from rclpy.qos import QoSHistoryPolicy, QoSProfile, QoSReliabilityPolicy
from scipy.spatial.transform import Rotation
from sensor_msgs.msg import Imu
from std_msgs.msg import Header

from nanohtnet_ros.core.gravity import GravityFilter
from nanohtnet_ros.core.ground import Ground
from nanohtnet_ros.core.messages import stamp_ns
from nanohtnet_ros.core.window import NS_PER_S
from nanohtnet_ros.errors import UserError
from nanohtnet_ros.ros.diagnostics import OK, WARN, Diagnostics
from nanohtnet_ros.ros.inputs import WatchedInput
from nanohtnet_ros.ros.parameters import GroundParameters
from nanohtnet_ros.ros.pipeline_node import PipelineNode
from nanohtnet_ros.ros.tf_buffer import TfBuffer

IMU = QoSProfile(history=QoSHistoryPolicy.KEEP_LAST, depth=100, reliability=QoSReliabilityPolicy.BEST_EFFORT)
KEPT_NS = 2 * NS_PER_S  # longer than a slow detector takes for an image
NEAR_NS = NS_PER_S // 2  # most time between an image and the measurement that counts for it
NOT_KNOWN = "not known"
AGREES_COS = math.cos(math.radians(15.0))
"""An orientation that is farther from the accelerations' average is not one: many drivers never fill it."""


def ground_tf(node: PipelineNode, p: GroundParameters) -> TfBuffer | None:
    """TF, where the parameters need it or may; the node closes it.

    Raises:
        ImportError: tf2_ros is not installed and `ground_frame` is set.
    """
    if p.ground_frame:
        return node.keep_output(TfBuffer(node, "ground_frame"))
    if p.imu_topic:
        with contextlib.suppress(ImportError):
            return node.keep_output(TfBuffer(node, "imu_topic"))
    return None


class ImuInput(WatchedInput):
    """Which way down is, by an inertial sensor."""

    def __init__(self, node: Node, diagnostics: Diagnostics, topic: str) -> None:
        """Subscribe."""
        self._filter, self._lock = GravityFilter(), Lock()
        self._downs: deque[tuple[int, str, np.ndarray]] = deque()
        remedy = "start the inertial sensor's driver or correct imu_topic"
        super().__init__(node, diagnostics, Imu, topic, self._on_imu, remedy, IMU, "imu")

    def _on_imu(self, msg: Imu) -> None:
        stamp, a, w = stamp_ns(msg.header), msg.linear_acceleration, msg.angular_velocity
        down = self._filter.update(stamp, np.array((a.x, a.y, a.z)), np.array((w.x, w.y, w.z)))
        by_orientation = _down_of_orientation(msg)
        if by_orientation is not None and (down is None or down @ by_orientation >= AGREES_COS):
            down = by_orientation
        if down is None:
            return
        with self._lock:
            if self._downs and stamp < self._downs[-1][0]:
                self._downs.clear()
            self._downs.append((stamp, msg.header.frame_id, down))
            while self._downs[0][0] < stamp - KEPT_NS:
                self._downs.popleft()

    def down(self, image_stamp_ns: int) -> tuple[str, np.ndarray] | None:
        """The sensor's frame, and (3,) down in it at an image's stamp; None where nothing is near enough in time."""
        with self._lock:
            downs = list(self._downs)
        if not downs:
            return None
        stamp, frame_id, down = min(downs, key=lambda entry: abs(entry[0] - image_stamp_ns))
        return (frame_id, down) if abs(stamp - image_stamp_ns) <= NEAR_NS else None


def _down_of_orientation(msg: Imu) -> np.ndarray | None:
    """Down in the sensor's axes by its orientation (REP 145: in a world with z up), or None where it has none."""
    q = msg.orientation
    xyzw = np.array((q.x, q.y, q.z, q.w))
    if msg.orientation_covariance[0] == -1.0 or not abs(np.linalg.norm(xyzw) - 1.0) < 0.1:
        return None
    return -Rotation.from_quat(xyzw).as_matrix()[2]


class GroundInput:
    """Where down and the floor are when a camera takes an image.

    `ground_frame` comes first; where TF does not say, gravity may come by `imu_topic`. Without both the camera is fixed
    as the other parameters say.
    """

    def __init__(
        self, node: Node, diagnostics: Diagnostics, parameters: Callable[[], GroundParameters], tf: TfBuffer | None
    ) -> None:
        """Subscribe to what the parameters name.

        Args:
            node: the node that subscribes.
            diagnostics: the node's.
            parameters: gives them as they are now.
            tf: see `ground_tf`.
        """
        self._diagnostics, self._tf, self._parameters = diagnostics, tf, parameters
        topic = parameters().imu_topic
        self._imu = ImuInput(node, diagnostics, topic) if topic else None
        self._names: set[str] = set()

    def ground(self, header: Header, camera: str = "") -> Ground | None:
        """The ground at an image's stamp, or None where nothing tells; the diagnostics say what does.

        Args:
            header: of the image.
            camera: name of one of several.
        """
        sources: list[Callable] = [self._by_tf] if self._parameters().ground_frame else []
        sources += [self._by_imu] if self._imu is not None else []
        ground, sentences, problem = None, [], False
        for source in sources or [self._fixed]:
            try:
                ground, sentence = source(header)
            except UserError as error:
                sentence, problem = str(error), True
            sentences.append(sentence)
            if ground is not None:
                break
        if ground is None and problem:
            sentences.insert(0, NOT_KNOWN)
        self._say(f" {camera}" if camera else "", WARN if problem else OK, "; ".join(sentences), ground)
        return ground

    def _by_tf(self, header: Header) -> tuple[Ground, str]:
        frame = self._parameters().ground_frame
        rotation, translation_m = self._look_up(frame, header)
        try:
            return Ground.of_camera_pose(rotation, translation_m), f"by TF, the floor of '{frame}'"
        except UserError as error:
            raise UserError(f"in ground_frame '{frame}' {error}") from error

    def _by_imu(self, header: Header) -> tuple[Ground, str]:
        assert self._imu is not None
        found = self._imu.down(stamp_ns(header))
        if found is None:
            raise UserError(f"nothing on {self._imu.topic} within {NEAR_NS / NS_PER_S:g} s of the image's stamp")
        frame, down = found
        if frame != header.frame_id:
            rotation, _ = self._look_up(header.frame_id, Header(stamp=header.stamp, frame_id=frame))
            down = rotation @ down
        # Without ground_frame's transform: places in another frame would be taken for places in that one.
        p = self._parameters()
        height_m = None if p.ground_frame else p.camera_height_m or None
        return Ground(down, height_m), f"down by {self._imu.topic}"

    def _fixed(self, header: Header) -> tuple[Ground | None, str]:
        p = self._parameters()
        if not (p.camera_height_m or p.camera_pitch_deg or p.camera_roll_deg):
            return None, NOT_KNOWN
        return Ground.of_angles(p.camera_pitch_deg, p.camera_roll_deg, p.camera_height_m or None), "by parameters"

    def _look_up(self, target_frame: str, header: Header) -> tuple[np.ndarray, np.ndarray]:
        """(3, 3) rotation and (3,) translation to a frame from the header's; raises UserError where TF has none."""
        if self._tf is None:
            raise UserError(
                f"'{header.frame_id}' is not '{target_frame}', and TF needs tf2_ros, which is not installed"
            )
        try:
            xyzw, translation_m = self._tf.look_up(target_frame, header)
        except self._tf.error as error:
            raise UserError(f"no transform from '{header.frame_id}' to '{target_frame}' ({error})") from error
        return Rotation.from_quat(xyzw).as_matrix(), translation_m

    def _say(self, of: str, level: bytes, sentence: str, ground: Ground | None) -> None:
        self._names.add(of)
        self._diagnostics.set(f"ground{of}", level, sentence)
        self._forget_figures(of)
        if ground is None or ground.down_cam is None:
            return
        x, y, z = ground.down_cam
        figures = self._diagnostics.figures
        figures[f"camera{of} looks down deg"] = f"{math.degrees(math.asin(z)):.1f}"
        figures[f"camera{of} rolled deg"] = f"{math.degrees(math.atan2(x, y)):.1f}"
        if ground.height_m is not None:
            figures[f"camera{of} height m"] = f"{ground.height_m:.2f}"

    def _forget_figures(self, of: str) -> None:
        for name in ("looks down deg", "rolled deg", "height m"):
            self._diagnostics.figures.pop(f"camera{of} {name}", None)

    def refresh(self, stale_after_s: float) -> None:
        """Bring the sensor's conditions up to date."""
        if self._imu is not None:
            self._imu.refresh(stale_after_s)

    def close(self) -> None:
        """Unsubscribe."""
        if self._imu is not None:
            self._imu.close()
        for of in self._names:
            self._diagnostics.clear(f"ground{of}")
            self._forget_figures(of)
