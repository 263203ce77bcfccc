"""People in a browser, live."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.node import Node
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from nanohtnet_ros.core.messages import stamp_ns
from nanohtnet_ros.errors import UserError
from nanohtnet_ros.msg import Skeleton2DArray, Skeleton3DArray
from nanohtnet_ros.ros.parameters import NodeParameters, ViewerNodeParameters
from nanohtnet_ros.ros.qos import NEWEST_IMAGE, RESULTS
from nanohtnet_ros.ros.spin import spin

HELD_IMAGES = 30  # more than come while one is processed


class AnsweredImages:
    """Holds images until their keypoints are there, so that people are drawn where they are."""

    def __init__(self, show: Callable[[Any], None]) -> None:
        """Hold none yet; `show` is called with each image in its turn."""
        self._show = show
        self._held: deque[Any] = deque(maxlen=HELD_IMAGES)
        self._answered_ns = -1

    def image(self, msg: Any) -> None:
        """Hold an image; where no node answers it is shown at once."""
        self._held.append(msg)
        if len(self._held) == HELD_IMAGES and self._answered_ns < stamp_ns(self._held[0].header):
            self._show(msg)

    def keypoints(self, msg: Skeleton2DArray) -> None:
        """Show the image that keypoints are of."""
        self._answered_ns = stamp_ns(msg.header)
        image = next((held for held in self._held if stamp_ns(held.header) == self._answered_ns), None)
        if image is not None:
            while self._held.popleft() is not image:  # those between will not be answered
                pass
            self._show(image)


class ViewerNode(Node):
    """Subscribes to `image`, `camera_info`, `skeletons`, `skeletons_2d` and `/diagnostics`, serves Rerun's page."""

    def __init__(self, name: str = "viewer_node", **options: Any) -> None:
        """Make the node; options are those of `rclpy.node.Node`.

        Raises:
            UserError: Rerun is not installed, or a port is taken.
        """
        super().__init__(name, **options)
        p = NodeParameters(self, ViewerNodeParameters).values
        if find_spec("rerun") is None:
            raise UserError("the viewer needs rerun, which needs NumPy 2: pip install 'nanohtnet_ros[viz]'")
        from nanohtnet_ros.recording.rerun_bag import MessageScene
        from nanohtnet_ros.recording.rerun_page import open_page
        from nanohtnet_ros.recording.rerun_scene import Scene

        stream, page = open_page(p.web_port, p.grpc_port, p.memory_mb, p.web_address)
        self._scene = Scene(stream)
        self._messages = MessageScene(self._scene)
        image_kind, image_topic = (
            (CompressedImage, "image/compressed") if p.image_transport == "compressed" else (Image, "image")
        )
        self._images = AnsweredImages(partial(self._messages.show, type_name(image_kind)))
        for kind, topic, qos, on_message in (
            (image_kind, image_topic, NEWEST_IMAGE, self._images.image),
            (CameraInfo, "camera_info", NEWEST_IMAGE, partial(self._messages.show, type_name(CameraInfo))),
            (Skeleton2DArray, "skeletons_2d", RESULTS, self._on_keypoints),
            (Skeleton3DArray, "skeletons", RESULTS, self._on_skeletons),
            (DiagnosticArray, "/diagnostics", RESULTS, partial(self._messages.show, type_name(DiagnosticArray))),
        ):
            self.create_subscription(kind, topic, on_message, qos)
        self.get_logger().info(f"open {page}")

    def _on_keypoints(self, msg: Skeleton2DArray) -> None:
        self._images.keypoints(msg)
        self._messages.show(type_name(Skeleton2DArray), msg)

    def _on_skeletons(self, msg: Skeleton3DArray) -> None:
        self._messages.show(type_name(Skeleton3DArray), msg)
        age_s = (self.get_clock().now().nanoseconds - stamp_ns(msg.header)) / 1e9
        self._scene.show_figures({"age of skeletons, ms": 1e3 * age_s})


def type_name(kind: Any) -> str:
    """A message's type, as `sensor_msgs/msg/Image`."""
    return f"{kind.__module__.partition('.')[0]}/msg/{kind.__name__}"


def main(args: list[str] | None = None) -> None:
    """Run the node's process."""
    spin(ViewerNode, args)


if __name__ == "__main__":
    main()
