"""3D skeletons to markers for RViz and Foxglove."""

from __future__ import annotations

from typing import Any

from rclpy.node import Node
from visualization_msgs.msg import MarkerArray

from nanohtnet_ros.core.markers import MarkerSettings, PeopleMarkers
from nanohtnet_ros.msg import Skeleton3DArray
from nanohtnet_ros.ros.messages import MESSAGES
from nanohtnet_ros.ros.parameters import NodeParameters
from nanohtnet_ros.ros.qos import RESULTS
from nanohtnet_ros.ros.spin import spin


class MarkerNode(Node):
    """Subscribes to `skeletons`, publishes `~/markers`."""

    def __init__(self, name: str = "marker_node", **options: Any) -> None:
        """Make the node; options are those of `rclpy.node.Node`."""
        super().__init__(name, **options)
        self._settings = NodeParameters(self, MarkerSettings)
        self._markers = PeopleMarkers(MESSAGES)
        self._publisher = self.create_publisher(MarkerArray, "~/markers", RESULTS)
        self._subscription = self.create_subscription(Skeleton3DArray, "skeletons", self._on_skeletons, RESULTS)

    def _on_skeletons(self, msg: Skeleton3DArray) -> None:
        self._publisher.publish(self._markers.step(msg, self._settings.values))


def main(args: list[str] | None = None) -> None:
    """Run the node's process."""
    spin(MarkerNode, args)


if __name__ == "__main__":
    main()
