"""The camera's image with the tracked people drawn on it."""

from __future__ import annotations

import numpy as np
from rclpy.node import Node
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from nanohtnet_ros.core.drawing import draw_people
from nanohtnet_ros.core.poses import Person, TrackedKeypoints
from nanohtnet_ros.ros.images import image_to_msg
from nanohtnet_ros.ros.qos import CAMERA


def label_of(person: Person | TrackedKeypoints) -> str:
    """The track's number and how far away the person's root is, as "#3 2.4 m"; the number alone if that is unknown."""
    if not isinstance(person, Person) or person.root_m is None or not np.isfinite(person.root_m).all():
        return f"#{person.track_id}"
    return f"#{person.track_id} {np.linalg.norm(person.root_m):.1f} m"


class DebugImage:
    """Publishes drawn images while there is a subscriber; otherwise it costs nothing."""

    def __init__(self, node: Node, topic: str = "~/debug_image") -> None:
        """Make the publisher."""
        self._node = node
        self._publisher = node.create_publisher(Image, topic, CAMERA)

    def publish(self, image_bgr: np.ndarray, people: list[Person] | list[TrackedKeypoints], header: Header) -> None:
        """Draw people on their image and publish it, if there is a subscriber.

        Args:
            image_bgr: (H, W, 3) uint8; it is not changed.
            people: seen in this image.
            header: the image's own.
        """
        if self._publisher.get_subscription_count() == 0:
            return
        drawn = draw_people(
            image_bgr,
            [(p.track_id, p.keypoints.xy_px, p.keypoints.confidence) for p in people],
            [label_of(person) for person in people],
        )
        msg = image_to_msg(drawn)
        msg.header = header
        self._publisher.publish(msg)

    def close(self) -> None:
        """Destroy the publisher."""
        self._node.destroy_publisher(self._publisher)
