"""Subscriptions to cameras and keypoints, monitored."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

import numpy as np
from rclpy.node import Node
from rclpy.qos import QoSCompatibility, QoSProfile, qos_check_compatible, qos_policy_name_from_kind
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from nanohtnet_ros.core.camera import Camera
from nanohtnet_ros.core.camera_info import camera_of_image
from nanohtnet_ros.core.messages import stamp_ns, tracked_from_msg
from nanohtnet_ros.core.poses import TrackedKeypoints
from nanohtnet_ros.core.window import MAX_GAP_S, NS_PER_S
from nanohtnet_ros.errors import UserError
from nanohtnet_ros.msg import Skeleton2DArray
from nanohtnet_ros.ros.depth import DepthBuffer
from nanohtnet_ros.ros.diagnostics import ERROR, OK, WARN, Diagnostics
from nanohtnet_ros.ros.fastdds import NEW, OLD
from nanohtnet_ros.ros.qos import LATCHED, NEWEST_IMAGE, OVERRIDABLE, RESULTS, copy_of
from nanohtnet_ros.samples.image_messages import ImageError, ImageReader

try:
    from rclpy.event_handler import SubscriptionEventCallbacks
except ImportError:  # Humble
    from rclpy.qos_event import SubscriptionEventCallbacks


JUMP_NS = int(MAX_GAP_S * NS_PER_S)
"""Stamps that step back by more are a jump in time; by less, a stale frame, which the pipeline refuses by itself."""

JUMPS_FOR_S = 60.0
"""How long a jump in time stays a warning."""

UNKNOWN_NODE = "_NODE_NAME_UNKNOWN_"
"""What rmw calls a node of which only the publisher, by UDP multicast, is known."""

OTHER_USER = (
    "its node's data does not arrive: on one machine Fast DDS passes data through /dev/shm, which other users' "
    "processes, as of root in a container, cannot open. Run camera and this node as one user; or both with "
    f"FASTDDS_BUILTIN_TRANSPORTS=UDPv4, and without {OLD}, {NEW} and "
    "ROS_AUTOMATIC_DISCOVERY_RANGE=LOCALHOST"
)


def publisher_names(node: Node, topic: str) -> list[str]:
    """Full names of the nodes that publish a topic, once for each publisher."""
    publishers = node.get_publishers_info_by_topic(node.resolve_topic_name(topic))
    return sorted(f"{p.node_namespace.rstrip('/')}/{p.node_name}" for p in publishers)


def is_other_user(publishers: list[str]) -> bool:
    """Whether silent publishers, by their names, are known by multicast alone and nothing else of them arrives."""
    return any(name.endswith(UNKNOWN_NODE) for name in publishers)


class PublisherWatch:
    """Warns where more than one publisher feeds an input that is made for one."""

    def __init__(self, node: Node, diagnostics: Diagnostics, topic: str, condition: str) -> None:
        self._node, self._diagnostics, self.topic = node, diagnostics, topic
        self._condition = f"publishers of {condition}"
        self._many = False

    def refresh(self) -> list[str]:
        """Bring the condition up to date; returns the publishing nodes' names."""
        names = publisher_names(self._node, self.topic)
        if len(names) > 1:
            self._diagnostics.set(
                self._condition,
                WARN,
                f"{len(names)} on {self.topic}, {' and '.join(names)}: stop all but one, or remap; their images and "
                "stamps are taken for one camera's",
            )
        elif self._many:
            self._diagnostics.set(self._condition, OK, f"one on {self.topic}")
        self._many = len(names) > 1
        return names

    def close(self) -> None:
        """Forget the condition."""
        self._diagnostics.clear(self._condition)


class WatchedInput:
    """A subscription that notices silence, publishers that it cannot hear or that are too many, and jumps in time."""

    def __init__(
        self,
        node: Node,
        diagnostics: Diagnostics,
        kind: type,
        topic: str,
        callback: Callable,
        remedy: str,
        qos: QoSProfile = NEWEST_IMAGE,
        condition: str = "input",
    ) -> None:
        """Subscribe.

        Args:
            node: the node that subscribes.
            diagnostics: the node's.
            kind: of message; it has a header.
            topic: its name.
            callback: takes each message.
            remedy: what to do where nothing comes.
            qos: of the subscription; parameters can override it.
            condition: name of its condition in the diagnostics.
        """
        self._node, self._diagnostics, self._remedy, self._condition = node, diagnostics, remedy, condition
        self._qos_condition, self._time_condition = f"QoS of {condition}", f"time of {condition}"
        self._callback = callback
        self._last_s = time.monotonic()
        self._heard = False
        self._incompatible: str | None = None
        self._stamp_ns: int | None = None
        self._jumps, self._jumped_s, self._jump_s = 0, -math.inf, 0.0
        self._subscription = node.create_subscription(
            kind,
            topic,
            self._on_message,
            copy_of(qos),
            qos_overriding_options=OVERRIDABLE,
            event_callbacks=SubscriptionEventCallbacks(incompatible_qos=self._on_incompatible),
        )
        self.topic = self._subscription.topic_name
        self._publishers = PublisherWatch(node, diagnostics, self.topic, condition)
        self._figures = (f"seconds since {self.topic}", f"jumps of time on {self.topic}")

    def close(self) -> None:
        """Unsubscribe."""
        self._node.destroy_subscription(self._subscription)
        for condition in (self._condition, self._qos_condition, self._time_condition):
            self._diagnostics.clear(condition)
        self._publishers.close()
        for figure in self._figures:
            self._diagnostics.figures.pop(figure, None)

    def refresh(self, stale_after_s: float) -> None:
        """Bring the conditions up to date."""
        now_s = time.monotonic()
        silent_s, publishers = now_s - self._last_s, self._publishers.refresh()
        self._diagnostics.figures.update(zip(self._figures, (f"{silent_s:.1f}", self._jumps), strict=True))
        if silent_s > stale_after_s:
            self._diagnostics.set(
                self._condition,
                WARN,
                f"nothing on {self.topic} for more than {stale_after_s:g} s, {len(publishers)} publishers: "
                f"{OTHER_USER if is_other_user(publishers) else self._remedy}",
            )
        else:
            self._diagnostics.set(
                self._condition, OK, f"{'comes on' if self._heard else 'nothing yet on'} {self.topic}", self._heard
            )
        if self._incompatible and not self._unheard():
            self._incompatible = None
            self._diagnostics.set(self._qos_condition, OK, "all publishers are heard")
        if now_s - self._jumped_s <= JUMPS_FOR_S:
            self._diagnostics.set(
                self._time_condition,
                WARN,
                f"stamps on {self.topic} went back {self._jumps} times, last by {self._jump_s:.3f} s, and everything "
                "restarts each time: a bag that loops does that, and so do two publishers",
            )
        elif self._jumps:
            self._diagnostics.set(self._time_condition, OK, f"no jump for more than {JUMPS_FOR_S:g} s")

    def _on_message(self, msg) -> None:
        self._last_s, self._heard = time.monotonic(), True
        stamp, last = stamp_ns(msg.header), self._stamp_ns
        if last is not None and stamp < last - JUMP_NS:
            self._jumps, self._jumped_s, self._jump_s = self._jumps + 1, self._last_s, (last - stamp) / NS_PER_S
        self._stamp_ns = stamp
        self._callback(msg)

    def _on_incompatible(self, event) -> None:
        self._incompatible = qos_policy_name_from_kind(event.last_policy_kind)
        name = f"qos_overrides.{self.topic}.subscription.{self._incompatible.lower()}"
        self._diagnostics.set(
            self._qos_condition,
            ERROR,
            f"a publisher of {self.topic} cannot be heard, its {self._incompatible} is less than asked for: change the "
            f"publisher's, or the parameter {name}",
        )

    def _unheard(self) -> bool:
        publishers = self._node.get_publishers_info_by_topic(self.topic)
        own = self._subscription.qos_profile
        return any(qos_check_compatible(p.qos_profile, own)[0] == QoSCompatibility.ERROR for p in publishers)


class CalibrationInput:
    """A camera's intrinsics by its `camera_info`, or an assumed field of view."""

    def __init__(self, node: Node, diagnostics: Diagnostics, prefix: str = "") -> None:
        """Subscribe to `<prefix>camera_info`.

        A subscription that hears every publisher does not get what was latched before it came. One that gets that does
        not hear the others, whose nodes warn of it: it is added where a publisher latches.
        """
        self._node, self._diagnostics = node, diagnostics
        self._condition = f"calibration {prefix}".strip(" /")
        self._msg: CameraInfo | None = None
        self._camera: Camera | None = None  # as last time, with what it has worked out of its lens
        topic = f"{prefix}camera_info"
        self._subscriptions = [
            node.create_subscription(
                CameraInfo, topic, self._on_camera_info, copy_of(NEWEST_IMAGE), qos_overriding_options=OVERRIDABLE
            )
        ]
        self.topic = self._subscriptions[0].topic_name
        self._publishers = PublisherWatch(node, diagnostics, self.topic, self._condition)

    def close(self) -> None:
        """Unsubscribe."""
        for subscription in self._subscriptions:
            self._node.destroy_subscription(subscription)
        self._diagnostics.clear(self._condition)
        self._publishers.close()

    def refresh(self, stale_after_s: float) -> None:
        """Look for publishers that latch, or are too many; silence is no fault, a calibration may come once."""
        self._publishers.refresh()
        latched = LATCHED.durability
        if all(subscription.qos_profile.durability != latched for subscription in self._subscriptions) and any(
            p.qos_profile.durability == latched for p in self._node.get_publishers_info_by_topic(self.topic)
        ):
            quiet = SubscriptionEventCallbacks(incompatible_qos=lambda event: None)
            self._subscriptions.append(
                self._node.create_subscription(
                    CameraInfo, self.topic, self._on_camera_info, LATCHED, event_callbacks=quiet
                )
            )

    def _on_camera_info(self, msg: CameraInfo) -> None:
        self._msg = msg

    def camera(self, width: int, height: int, fov_deg: float) -> Camera:
        """The camera that took an image of this size: as calibrated, or else with the assumed field of view."""
        remedy = f"a horizontal field of view of {fov_deg:g} degrees is assumed, so poses lean"
        if self._msg is None:
            sentence = f"no CameraInfo on {self.topic}: {remedy}"
        else:
            try:
                camera = camera_of_image(self._msg, width, height)
                if camera != self._camera:
                    self._camera = camera
                self._diagnostics.set(self._condition, OK, f"{camera.width}x{camera.height}, fx {camera.fx:.1f} px")
                return self._camera
            except UserError as error:
                sentence = f"{error}; until then {remedy}"
        self._diagnostics.set(self._condition, WARN, sentence)
        return Camera.from_field_of_view(width, height, fov_deg)


class DepthInput(WatchedInput):
    """Depth images that are aligned with a camera's images."""

    def __init__(self, node: Node, diagnostics: Diagnostics, tolerance_s: float, prefix: str = "") -> None:
        """Subscribe to `<prefix>depth`.

        Args:
            node: the node that subscribes.
            diagnostics: the node's.
            prefix: leads the topic's name.
            tolerance_s: most time between an image and its depth image.
        """
        self._buffer = DepthBuffer(tolerance_s)
        self._tolerance_s = tolerance_s
        self._depth_condition = f"depth image {prefix}".strip(" /")
        super().__init__(
            node,
            diagnostics,
            Image,
            f"{prefix}depth",
            self._buffer.push,
            "start the depth camera or remap 'depth'",
            condition=f"depth {prefix}".strip(" /"),
        )

    def close(self) -> None:
        """Unsubscribe."""
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
                self._depth_condition,
                WARN,
                f"none within {self._tolerance_s:g} s of the image: distances are estimated",
            )
        else:
            self._diagnostics.set(self._depth_condition, OK, "used")
        return depth


class KeypointInput(WatchedInput):
    """People's 2D keypoints from one camera."""

    def __init__(self, node: Node, diagnostics: Diagnostics, callback: Callable, prefix: str = "") -> None:
        """Subscribe to `<prefix>skeletons_2d`."""
        self._keypoints_condition = f"keypoints {prefix}".strip(" /")
        super().__init__(
            node,
            diagnostics,
            Skeleton2DArray,
            f"{prefix}skeletons_2d",
            callback,
            "start the detector_node or remap 'skeletons_2d'",
            RESULTS,
            f"input {prefix}".strip(" /"),
        )

    def people(self, msg: Skeleton2DArray) -> list[TrackedKeypoints] | None:
        """All people in a message, or None where it cannot be used."""
        size = f"{msg.image_width}x{msg.image_height} pixels"
        if msg.image_width == 0 or msg.image_height == 0:
            self._diagnostics.set(
                self._keypoints_condition,
                ERROR,
                f"they are of an image of {size}, expected both to be positive: their publisher must set the size",
            )
            return None
        self._diagnostics.set(self._keypoints_condition, OK, f"of {size}")
        return tracked_from_msg(msg)

    def close(self) -> None:
        """Unsubscribe."""
        super().close()
        self._diagnostics.clear(self._keypoints_condition)


class ImageInput(WatchedInput):
    """Images of one camera, raw or compressed."""

    def __init__(self, node: Node, diagnostics: Diagnostics, transport: str, callback: Callable) -> None:
        """Subscribe to `image`, or to `image/compressed` beside it."""
        self._compressed = transport == "compressed"
        self._reader = ImageReader()
        topic = node.resolve_topic_name("image") + "/compressed" if self._compressed else "image"
        kind = CompressedImage if self._compressed else Image
        super().__init__(node, diagnostics, kind, topic, callback, "start the camera or remap 'image'")

    def image(self, msg: Image | CompressedImage) -> np.ndarray:
        """(H, W, 3) uint8 BGR of a message.

        Raises:
            ImageError: it holds no usable image.
        """
        image = self._reader.compressed(msg) if self._compressed else self._reader.raw(msg)
        sentence = f"{image.shape[1]}x{image.shape[0]} {msg.format if self._compressed else msg.encoding}"
        if self._reader.bits:
            sentence += f", taken for {self._reader.bits} bits by its brightest pixel so far"
        self._diagnostics.set("image", OK, sentence)
        return image

    def close(self) -> None:
        """Unsubscribe."""
        super().close()
        self._diagnostics.clear("image")
