"""3D skeletons to markers for RViz and Foxglove."""

from __future__ import annotations

from collections import deque
from typing import Any

import numpy as np
from rclpy.node import Node
from visualization_msgs.msg import Marker, MarkerArray

from nanohtnet_ros.core.window import NS_PER_S
from nanohtnet_ros.msg import Skeleton3DArray
from nanohtnet_ros.ros.markers import NAMESPACES, floor_below, skeleton_markers
from nanohtnet_ros.ros.messages import stamp_ns
from nanohtnet_ros.ros.parameters import MarkerNodeParameters, NodeParameters
from nanohtnet_ros.ros.qos import RESULTS
from nanohtnet_ros.ros.spin import spin
from nanohtnet_ros.ros.state_output import up_in_frame

TRAIL_STEP_S = 0.1


class MarkerNode(Node):
    """Subscribes to `skeletons`, publishes `~/markers`."""

    def __init__(self, name: str = "marker_node", **options: Any) -> None:
        """Make the node; options are those of `rclpy.node.Node`."""
        super().__init__(name, **options)
        self._settings = NodeParameters(self, MarkerNodeParameters)
        self._frame_id = ""
        self._trails: dict[int, deque[tuple[int, np.ndarray]]] = {}  # of those who are shown: stamps, points
        self._publisher = self.create_publisher(MarkerArray, "~/markers", RESULTS)
        self._subscription = self.create_subscription(Skeleton3DArray, "skeletons", self._on_skeletons, RESULTS)

    def _on_skeletons(self, msg: Skeleton3DArray) -> None:
        style = self._settings.values
        up = np.array((msg.up.x, msg.up.y, msg.up.z))
        if not np.isclose(np.linalg.norm(up), 1.0):  # not told, or by a publisher that knows nothing of it
            up = up_in_frame(msg.header.frame_id, "", None)
        gone = set(self._trails)
        if msg.header.frame_id != self._frame_id:  # the trails lie in another frame
            self._frame_id, self._trails = msg.header.frame_id, {}
        markers = []
        for skeleton in msg.skeletons:
            if skeleton.root_valid:
                floor = floor_below(skeleton, up)
                trail = self._follow(skeleton.track_id, stamp_ns(msg.header), floor, style.trail_s)
                markers += skeleton_markers(skeleton, msg.header, up, style, trail)
                gone.discard(skeleton.track_id)
        for track_id in gone:
            self._trails.pop(track_id, None)
            markers += [Marker(header=msg.header, ns=ns, id=track_id, action=Marker.DELETE) for ns in NAMESPACES]
        self._publisher.publish(MarkerArray(markers=markers))

    def _follow(self, track_id: int, now_ns: int, floor: np.ndarray, trail_s: float) -> np.ndarray:
        """(N, 3) the person's trail, with where they are now at its end."""
        trail = self._trails.setdefault(track_id, deque())
        if trail and now_ns < trail[-1][0]:  # a bag that starts again
            trail.clear()
        if not trail or now_ns - trail[-1][0] >= TRAIL_STEP_S * NS_PER_S:
            trail.append((now_ns, floor))
        while trail and now_ns - trail[0][0] > trail_s * NS_PER_S:
            trail.popleft()
        return np.array([*(point for _, point in trail), floor])


def main(args: list[str] | None = None) -> None:
    """Run the node's process."""
    spin(MarkerNode, args)


if __name__ == "__main__":
    main()
