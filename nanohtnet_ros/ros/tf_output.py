"""A TF frame per joint, named after REP 155."""

from __future__ import annotations

import numpy as np
from geometry_msgs.msg import TransformStamped
from rclpy.node import Node
from std_msgs.msg import Header

from nanohtnet_ros.core.joint_frames import body_id, frame_name, joint_frames
from nanohtnet_ros.core.messages import stamp_ns
from nanohtnet_ros.core.poses import Person
from nanohtnet_ros.core.rotation import upright_from_optical
from nanohtnet_ros.core.skeleton import Joint
from nanohtnet_ros.core.transforms import OPTICAL_FROM_BODY_AXES, rotation_to_xyzw
from nanohtnet_ros.ros.messages import MESSAGES
from nanohtnet_ros.ros.optional import import_for
from nanohtnet_ros.ros.qos import LATCHED, TF

WARN_EVERY_S = 5.0


def person_transforms(person: Person, header: Header, prefix: str = "", joints: bool = True) -> list[TransformStamped]:
    """The body's frame under the header's, and a frame under the body's for each detected joint.

    Args:
        person: in the header's frame; without a known root there are no frames.
        prefix: of the body's id.
        joints: false for the body's frame alone.
    """
    if person.root_m is None:
        return []
    frames = joint_frames(person.joints_rel_m)
    name = body_id(person.track_id, prefix)
    body = frame_name(Joint.HIP, name)
    transforms = [MESSAGES.transform(header, body, person.root_m, frames.body_xyzw)]
    if not joints:
        return transforms
    in_body = Header(stamp=header.stamp, frame_id=body)
    for joint in np.flatnonzero(np.isfinite(frames.positions_m).all(axis=1)):
        if joint != Joint.HIP:
            transforms.append(
                MESSAGES.transform(
                    in_body, frame_name(joint, name), frames.positions_m[joint], frames.orientations_xyzw[joint]
                )
            )
    return transforms


def has_frame(node: Node, header: Header) -> bool:
    """Whether there is a frame to place people under; a warning says so where there is none."""
    if not header.frame_id:
        node.get_logger().warning(
            "the images' header has no frame_id, so TF and RViz cannot place people: set it in the camera driver",
            throttle_duration_sec=WARN_EVERY_S,
        )
    return bool(header.frame_id)


class TfOutput:
    """Publishes people's frames on /tf; people without a root have none."""

    def __init__(self, node: Node, prefix: str = "", joints: bool = True) -> None:
        """Make the publisher.

        Args:
            prefix: of the bodies' ids.
            joints: false for the bodies' frames alone.
        Raises:
            ImportError: tf2_msgs is not installed.
        """
        self._prefix, self._joints = prefix, joints
        self._message = import_for("publish_tf" if joints else "publish_hri", "tf2_msgs.msg", "tf2-msgs").TFMessage
        self._node = node
        self._publisher = node.create_publisher(self._message, "/tf", TF)
        self._last_ns: int | None = None
        self._sent: set[int] = set()

    def publish(self, people: list[Person], header: Header) -> None:
        """Send the frames of all people in one message; frames sent for this stamp before are not sent again.

        Args:
            people: with roots and axes of the header's frame.
            header: the stamp of the image, and the frame that bodies are placed in.
        """
        if not has_frame(self._node, header):
            return
        if stamp_ns(header) != self._last_ns:
            self._last_ns = stamp_ns(header)
            self._sent.clear()
        placed = [person for person in people if person.root_m is not None and person.track_id not in self._sent]
        self._sent.update(person.track_id for person in placed)
        if placed:
            self._publisher.publish(
                self._message(
                    transforms=[t for p in placed for t in person_transforms(p, header, self._prefix, self._joints)]
                )
            )

    def close(self) -> None:
        """Stop publishing; listeners keep the frames until they expire."""
        self._node.destroy_publisher(self._publisher)


class UprightFrame:
    """A static frame at the camera with z up, so that RViz shows people upright whatever frames the driver publishes.

    It is a child of the camera's frame, which may have another parent. Up is the image's, since gravity is not known.
    """

    def __init__(self, node: Node, name: str, image_rotation: int = 0) -> None:
        """Make the publisher.

        Args:
            name: of the frame.
            image_rotation: the parameter of that name, degrees.
        Raises:
            ImportError: tf2_msgs is not installed.
        """
        self._message = import_for("upright_frame", "tf2_msgs.msg", "tf2-msgs").TFMessage
        self._node, self._name, self._parent = node, name, ""
        self._xyzw = rotation_to_xyzw(upright_from_optical(image_rotation).T @ OPTICAL_FROM_BODY_AXES)
        self._publisher = node.create_publisher(self._message, "/tf_static", LATCHED)

    def publish(self, header: Header) -> None:
        """Broadcast the frame once its parent is known, and again if that changes.

        Args:
            header: of the camera.
        """
        if not has_frame(self._node, header) or header.frame_id in (self._parent, self._name):
            return
        self._parent = header.frame_id
        self._publisher.publish(
            self._message(transforms=[MESSAGES.transform(header, self._name, np.zeros(3), self._xyzw)])
        )

    def close(self) -> None:
        """Destroy the publisher."""
        self._node.destroy_publisher(self._publisher)
