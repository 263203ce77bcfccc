"""Subscriptions to cameras and keypoints, watched over."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
from rclpy.node import Node
from rclpy.qos import QoSCompatibility, QoSProfile, qos_check_compatible, qos_policy_name_from_kind
from rclpy.qos_overriding_options import QoSOverridingOptions
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from nanohtnet_ros.core.camera import Camera
from nanohtnet_ros.core.poses import TrackedKeypoints
from nanohtnet_ros.msg import Skeleton2DArray
from nanohtnet_ros.ros.depth import DepthBuffer
from nanohtnet_ros.ros.diagnostics import ERROR, OK, WARN, Diagnostics
from nanohtnet_ros.ros.images import ImageError, image_from_compressed, image_from_msg
from nanohtnet_ros.ros.messages import camera_from_msg, tracked_from_msg
from nanohtnet_ros.ros.qos import NEWEST_IMAGE, RESULTS

try:
    from rclpy.event_handler import SubscriptionEventCallbacks
except ImportError:  # Humble
    from rclpy.qos_event import SubscriptionEventCallbacks


class WatchedInput:
    """A subscription that notices silence and publishers that it cannot hear."""

    def __init__(
        self, node: Node, diagnostics: Diagnostics, kind: type, topic: str, callback: Callable, remedy: str,
        qos: QoSProfile = NEWEST_IMAGE, condition: str = "input",
    ) -> None:
        """Subscribe.

        Args:
            remedy: what to do where nothing comes.
            condition: name of its condition in the diagnostics.
        """
        self._node, self._diagnostics, self._remedy, self._condition = node, diagnostics, remedy, condition
        self._qos_condition = f"QoS of {condition}"
        self._callback = callback
        self._last_s = time.monotonic()
        self._heard = False
        self._incompatible: str | None = None
        self._subscription = node.create_subscription(
            kind, topic, self._on_message, qos,
            qos_overriding_options=QoSOverridingOptions.with_default_policies(),
            event_callbacks=SubscriptionEventCallbacks(incompatible_qos=self._on_incompatible))
        self.topic = self._subscription.topic_name
        self._figure = f"seconds since {self.topic}"

    def close(self) -> None:
        """Unsubscribe."""
        self._node.destroy_subscription(self._subscription)
        self._diagnostics.clear(self._condition)
        self._diagnostics.clear(self._qos_condition)
        self._diagnostics.figures.pop(self._figure, None)

    def refresh(self, stale_after_s: float) -> None:
        """Bring the conditions up to date."""
        silent_s = time.monotonic() - self._last_s
        self._diagnostics.figures[self._figure] = f"{silent_s:.1f}"
        if silent_s > stale_after_s:
            publishers = self._node.count_publishers(self.topic)
            self._diagnostics.set(
                self._condition, WARN,
                f"nothing on {self.topic} for more than {stale_after_s:g} s, {publishers} publishers: {self._remedy}")
        else:
            self._diagnostics.set(
                self._condition, OK, f"{'comes on' if self._heard else 'nothing yet on'} {self.topic}", self._heard)
        if self._incompatible and not self._unheard():
            self._incompatible = None
            self._diagnostics.set(self._qos_condition, OK, "all publishers are heard")

    def _on_message(self, msg) -> None:
        self._last_s, self._heard = time.monotonic(), True
        self._callback(msg)

    def _on_incompatible(self, event) -> None:
        self._incompatible = qos_policy_name_from_kind(event.last_policy_kind)
        name = f"qos_overrides.{self.topic}.subscription.{self._incompatible.lower()}"
        self._diagnostics.set(
            self._qos_condition, ERROR,
            f"a publisher of {self.topic} cannot be heard, its {self._incompatible} is less than asked for: change the "
            f"publisher's, or the parameter {name}")

    def _unheard(self) -> bool:
        publishers = self._node.get_publishers_info_by_topic(self.topic)
        own = self._subscription.qos_profile
        return any(qos_check_compatible(p.qos_profile, own)[0] == QoSCompatibility.ERROR for p in publishers)


class CalibrationInput:
    """A camera's intrinsics as its `camera_info` says them, or an assumed field of view."""

    def __init__(self, node: Node, diagnostics: Diagnostics, prefix: str = "") -> None:
        """Subscribe to `<prefix>camera_info`."""
        self._node, self._diagnostics = node, diagnostics
        self._condition = f"calibration {prefix}".strip(" /")
        self._msg: CameraInfo | None = None
        self._subscription = node.create_subscription(
            CameraInfo, f"{prefix}camera_info", self._on_camera_info, NEWEST_IMAGE,
            qos_overriding_options=QoSOverridingOptions.with_default_policies())

    def close(self) -> None:
        """Unsubscribe."""
        self._node.destroy_subscription(self._subscription)
        self._diagnostics.clear(self._condition)

    def refresh(self, stale_after_s: float) -> None:
        """Nothing to watch: a calibration may come once."""

    def _on_camera_info(self, msg: CameraInfo) -> None:
        self._msg = msg

    def camera(self, width: int, height: int, fov_deg: float) -> Camera:
        """The camera that took an image of this size: as calibrated, or with the assumed field of view, said so."""
        remedy = f"a horizontal field of view of {fov_deg:g} degrees is assumed, so poses lean"
        if self._msg is None:
            sentence = f"no CameraInfo on {self._subscription.topic_name}: {remedy}"
        else:
            try:
                camera = camera_from_msg(self._msg).scaled_to(width, height)
                self._diagnostics.set(self._condition, OK, f"{camera.width}x{camera.height}, fx {camera.fx:.1f} px")
                return camera
            except ValueError as error:
                sentence = f"{error}; until then {remedy}"
        self._diagnostics.set(self._condition, WARN, sentence)
        return Camera.from_field_of_view(width, height, fov_deg)


class DepthInput(WatchedInput):
    """Depth images that are aligned with a camera's images."""

    def __init__(self, node: Node, diagnostics: Diagnostics, tolerance_s: float, prefix: str = "") -> None:
        """Subscribe to `<prefix>depth`.

        Args:
            tolerance_s: most time between an image and its depth image.
        """
        self._buffer = DepthBuffer(tolerance_s)
        self._tolerance_s = tolerance_s
        self._depth_condition = f"depth image {prefix}".strip(" /")
        super().__init__(
            node, diagnostics, Image, f"{prefix}depth", self._buffer.push, "start the depth camera or remap 'depth'",
            condition=f"depth {prefix}".strip(" /"))

    def close(self) -> None:
        super().close()
        self._diagnostics.clear(self._depth_condition)

    def depth_m(self, stamp_ns: int, image_size: tuple[int, int]) -> np.ndarray | None:
        """The depth image of a moment, (H, W) float32 metres, or None where there is none that can be used.

        Args:
            image_size: width and height of the image that it must be aligned with.
        """
        try:
            depth = self._buffer.nearest(stamp_ns, image_size)
        except ImageError as error:
            self._diagnostics.set(self._depth_condition, ERROR, str(error))
            return None
        if depth is None:
            self._diagnostics.set(
                self._depth_condition, WARN,
                f"none within {self._tolerance_s:g} s of the image: distances are estimated")
        else:
            self._diagnostics.set(self._depth_condition, OK, "used")
        return depth


class KeypointInput(WatchedInput):
    """People's 2D keypoints from one camera."""

    def __init__(self, node: Node, diagnostics: Diagnostics, callback: Callable, prefix: str = "") -> None:
        """Subscribe to `<prefix>skeletons_2d`."""
        self._keypoints_condition = f"keypoints {prefix}".strip(" /")
        super().__init__(
            node, diagnostics, Skeleton2DArray, f"{prefix}skeletons_2d", callback,
            "start the detector_node or remap 'skeletons_2d'", RESULTS, f"input {prefix}".strip(" /"))

    def people(self, msg: Skeleton2DArray) -> list[TrackedKeypoints] | None:
        """Everybody in a message, or None where it cannot be used."""
        size = f"{msg.image_width}x{msg.image_height} pixels"
        if msg.image_width == 0 or msg.image_height == 0:
            self._diagnostics.set(
                self._keypoints_condition, ERROR,
                f"they are of an image of {size}, expected both to be positive: their publisher must set the size")
            return None
        self._diagnostics.set(self._keypoints_condition, OK, f"of {size}")
        return tracked_from_msg(msg)

    def close(self) -> None:
        super().close()
        self._diagnostics.clear(self._keypoints_condition)


class ImageInput(WatchedInput):
    """Images of one camera, raw or compressed."""

    def __init__(self, node: Node, diagnostics: Diagnostics, transport: str, callback: Callable) -> None:
        """Subscribe to `image`, or to `image/compressed` beside it."""
        self._compressed = transport == "compressed"
        topic = node.resolve_topic_name("image") + "/compressed" if self._compressed else "image"
        kind = CompressedImage if self._compressed else Image
        super().__init__(node, diagnostics, kind, topic, callback, "start the camera or remap 'image'")

    def image(self, msg: Image | CompressedImage) -> np.ndarray:
        """(H, W, 3) uint8 BGR of a message.

        Raises:
            ImageError: it holds no usable image.
        """
        image = image_from_compressed(msg) if self._compressed else image_from_msg(msg)
        encoding = msg.format if self._compressed else msg.encoding
        self._diagnostics.set("image", OK, f"{image.shape[1]}x{image.shape[0]} {encoding}")
        return image

    def close(self) -> None:
        super().close()
        self._diagnostics.clear("image")
