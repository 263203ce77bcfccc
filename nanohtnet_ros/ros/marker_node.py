"""3D skeletons to markers for RViz and Foxglove."""

from __future__ import annotations

from typing import Any

import numpy as np
from builtin_interfaces.msg import Duration
from geometry_msgs.msg import Point
from rclpy.node import Node
from std_msgs.msg import ColorRGBA, Header
from visualization_msgs.msg import Marker, MarkerArray

from nanohtnet_ros.core.drawing import track_colour
from nanohtnet_ros.core.skeleton import H36M_17, Joint
from nanohtnet_ros.msg import Skeleton3D, Skeleton3DArray
from nanohtnet_ros.ros.messages import joints_from_msg, root_from_msg
from nanohtnet_ros.ros.parameters import MarkerNodeParameters, NodeParameters
from nanohtnet_ros.ros.qos import RESULTS
from nanohtnet_ros.ros.spin import spin

NAMESPACES = ("joints", "bones", "label")
LABEL_HEIGHT_M = 0.3  # above the highest known joint of the trunk
TRUNK = (Joint.HEAD, Joint.NECK, Joint.THORAX, Joint.SPINE)


def confidence_colour(track_id: int, confidence: float) -> ColorRGBA:
    """The track's colour at full confidence, fading to a translucent grey at none."""
    rgb = confidence * track_colour(track_id) + (1.0 - confidence) * 0.5
    return ColorRGBA(r=float(rgb[0]), g=float(rgb[1]), b=float(rgb[2]), a=0.25 + 0.75 * float(confidence))


def skeleton_markers(skeleton: Skeleton3D, header: Header, style: MarkerNodeParameters) -> list[Marker]:
    """Joints, bones and a label of one person whose root is known.

    Args:
        style: sizes and lifetime.
    """
    joints = joints_from_msg(skeleton) + root_from_msg(skeleton)
    known = np.isfinite(joints).all(axis=1)
    colours = [confidence_colour(skeleton.track_id, confidence) for confidence in skeleton.confidence]
    points = [Point(x=float(x), y=float(y), z=float(z)) for x, y, z in joints]
    lifetime = Duration(sec=int(style.lifetime_s), nanosec=int(style.lifetime_s % 1 * 1e9))
    balls, bones, label = (
        Marker(header=header, ns=ns, id=skeleton.track_id, type=kind, lifetime=lifetime)
        for ns, kind in zip(NAMESPACES, (Marker.SPHERE_LIST, Marker.LINE_LIST, Marker.TEXT_VIEW_FACING), strict=True)
    )
    for marker in (balls, bones, label):
        marker.pose.orientation.w = 1.0
    balls.scale.x = balls.scale.y = balls.scale.z = style.joint_diameter_m
    balls.points = [points[j] for j in np.flatnonzero(known)]
    balls.colors = [colours[j] for j in np.flatnonzero(known)]
    bones.scale.x = style.bone_width_m
    for parent, child in H36M_17.bones:
        if known[parent] and known[child]:
            bones.points += [points[parent], points[child]]
            bones.colors += [colours[parent], colours[child]]
    label.text = str(skeleton.track_id)
    label.scale.z = 0.2
    label.color = confidence_colour(skeleton.track_id, 1.0)
    x, y, z = label_position(joints, root_from_msg(skeleton)).tolist()
    label.pose.position = Point(x=x, y=y, z=z)
    return [balls, bones, label]


def label_position(joints: np.ndarray, root: np.ndarray) -> np.ndarray:
    """(3,) beyond the head along the body: above it in any frame while the person is upright.

    Args:
        joints: (17, 3) metres; NaN where missing.
        root: (3,) metres.
    """
    top = next((joints[joint] for joint in TRUNK if np.isfinite(joints[joint]).all()), root)
    length = np.linalg.norm(top - root)
    return top + LABEL_HEIGHT_M * (top - root) / length if length > 0 else root


class MarkerNode(Node):
    """Subscribes to `skeletons`, publishes `~/markers`."""

    def __init__(self, name: str = "marker_node", **options: Any) -> None:
        """Make the node; options are those of `rclpy.node.Node`."""
        super().__init__(name, **options)
        self._settings = NodeParameters(self, MarkerNodeParameters)
        self._shown: set[int] = set()
        self._publisher = self.create_publisher(MarkerArray, "~/markers", RESULTS)
        self._subscription = self.create_subscription(Skeleton3DArray, "skeletons", self._on_skeletons, RESULTS)

    def _on_skeletons(self, msg: Skeleton3DArray) -> None:
        placed = [skeleton for skeleton in msg.skeletons if skeleton.root_valid]
        style = self._settings.values
        markers = [marker for skeleton in placed for marker in skeleton_markers(skeleton, msg.header, style)]
        shown = {skeleton.track_id for skeleton in placed}
        for track_id in self._shown - shown:
            markers += [Marker(header=msg.header, ns=ns, id=track_id, action=Marker.DELETE) for ns in NAMESPACES]
        self._shown = shown
        self._publisher.publish(MarkerArray(markers=markers))


def main(args: list[str] | None = None) -> None:
    """Run the node's process."""
    spin(MarkerNode, args)


if __name__ == "__main__":
    main()
