"""People's bodies on ROS4HRI's topics (REP 155)."""

from __future__ import annotations

import numpy as np
from rclpy.node import Node
from sensor_msgs.msg import Image, JointState
from std_msgs.msg import Header

from nanohtnet_ros.core.camera import Camera
from nanohtnet_ros.core.joint_angles import joint_angles
from nanohtnet_ros.core.joint_frames import body_id, joint_frames
from nanohtnet_ros.core.messages import stamp_ns
from nanohtnet_ros.core.poses import Keypoints, Person
from nanohtnet_ros.core.skeleton import H36M_17
from nanohtnet_ros.core.window import NS_PER_S
from nanohtnet_ros.ros.images import image_to_msg
from nanohtnet_ros.ros.optional import import_for
from nanohtnet_ros.ros.qos import RESULTS

BODIES = "/humans/bodies"
KEEP_S = 2.0  # a body's topics stay this long after its last detection so that a short occlusion does not end them
MARGIN = 0.1  # of a region of interest around the joints, in heights or widths: hands, feet and hair lie outside

# What hri_msgs/Skeleton2D has of our joints; its eyes and ears are not among them.
SKELETON_2D_NAMES = {
    "NOSE": "neck",
    "NECK": "thorax",
    **{
        f"{long}_{part.upper()}": f"{short}_{part}"
        for long, short in (("LEFT", "l"), ("RIGHT", "r"))
        for part in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")
    },
}


def normalised(xy_px: np.ndarray, camera: Camera) -> np.ndarray:
    """(..., 2) pixels to shares of the image's width and height; its corners are (0, 0) and (1, 1)."""
    return (xy_px + 0.5) / (camera.width, camera.height)


def region_of_interest(keypoints: Keypoints, camera: Camera) -> np.ndarray | None:
    """(4,) xmin, ymin, xmax, ymax in [0, 1] around the joints; None where the image shows nothing of them."""
    if not keypoints.valid.any():
        return None
    xy = normalised(keypoints.xy_px[keypoints.valid].astype(np.float64), camera)
    low, high = xy.min(axis=0), xy.max(axis=0)
    margin = MARGIN * (high - low)
    low, high = np.clip(low - margin, 0, 1), np.clip(high + margin, 0, 1)
    return np.concatenate((low, high)) if (low < high).all() else None


def crop(image_bgr: np.ndarray, region: np.ndarray) -> np.ndarray:
    """The (h, w, 3) part of an image in a region of interest, at least a pixel wide and high."""
    height, width, _ = image_bgr.shape
    low = np.floor(region[:2] * (width, height)).astype(int)
    high = np.ceil(region[2:] * (width, height)).astype(int)
    return np.ascontiguousarray(image_bgr[low[1] : high[1], low[0] : high[0]])


class _Body:
    """The publishers of one person."""

    def __init__(self, node: Node, messages, name: str) -> None:
        self._node, self._messages, self._name = node, messages, name
        self._roi, self._cropped, self._skeleton, self._joint_states = self._publishers = [
            node.create_publisher(kind, f"{BODIES}/{name}/{topic}", RESULTS)
            for topic, kind in (
                ("roi", messages.NormalizedRegionOfInterest2D),
                ("cropped", Image),
                ("skeleton2d", messages.Skeleton2D),
                ("joint_states", JointState),
            )
        ]

    def publish(self, person: Person, header: Header, image_bgr: np.ndarray | None, camera: Camera) -> None:
        keypoints = person.keypoints
        region = region_of_interest(keypoints, camera)
        if region is not None:
            xmin, ymin, xmax, ymax = region.tolist()
            sure = float(keypoints.confidence[keypoints.valid].mean())
            self._roi.publish(
                self._messages.NormalizedRegionOfInterest2D(
                    header=header, xmin=xmin, ymin=ymin, xmax=xmax, ymax=ymax, c=sure
                )
            )
        if region is not None and image_bgr is not None and self._cropped.get_subscription_count() > 0:
            cropped = image_to_msg(crop(image_bgr, region))
            cropped.header = header
            self._cropped.publish(cropped)
        self._skeleton.publish(self._skeleton_2d(keypoints, header, camera))
        angles = joint_angles(joint_frames(person.joints_rel_m))
        self._joint_states.publish(
            JointState(header=header, name=[f"{name}_{self._name}" for name in angles], position=list(angles.values()))
        )

    def _skeleton_2d(self, keypoints: Keypoints, header: Header, camera: Camera):
        """The joints that the image shows; all others are zero, as the message has no NaN."""
        message = self._messages.Skeleton2D(header=header)
        xy = normalised(keypoints.xy_px.astype(np.float64), camera)
        for theirs, ours in SKELETON_2D_NAMES.items():
            joint = H36M_17.joint_names.index(ours)
            if ((xy[joint] >= 0) & (xy[joint] <= 1)).all():
                point = message.skeleton[getattr(self._messages.Skeleton2D, theirs)]
                (point.x, point.y), point.c = xy[joint].tolist(), float(keypoints.confidence[joint])
        return message

    def close(self) -> None:
        for publisher in self._publishers:
            self._node.destroy_publisher(publisher)


class HriOutput:
    """Publishes who is tracked, and per body `roi`, `cropped`, `skeleton2d` and `joint_states`.

    The angles of `joint_states` are those of the package human_description's model. A robot_state_publisher makes the
    joints' frames of them, by the names that `TfOutput` gives its own: only one of the two may broadcast them.
    """

    def __init__(self, node: Node, prefix: str = "") -> None:
        """Make the publisher of ids; those of bodies come with them.

        Args:
            prefix: of the bodies' ids.
        Raises:
            ImportError: hri_msgs is not installed.
        """
        self._prefix = prefix
        self._messages = import_for("publish_hri", "hri_msgs.msg", "hri-msgs")
        self._node = node
        self._tracked = node.create_publisher(self._messages.IdsList, f"{BODIES}/tracked", RESULTS)
        self._bodies: dict[int, _Body] = {}
        self._seen_ns: dict[int, int] = {}

    def publish(self, people: list[Person], header: Header, image_bgr: np.ndarray | None, camera: Camera) -> None:
        """Publish the people of one image; topics appear with a person and go when they have been away for 2 s.

        Args:
            people: in any frame; only keypoints and angles are published.
            header: of the image.
            image_bgr: (H, W, 3) uint8; None where there is none, and then nothing is cropped.
            camera: for the size of the image.
        """
        now_ns = stamp_ns(header)
        for person in people:
            if person.track_id not in self._bodies:
                self._bodies[person.track_id] = _Body(
                    self._node, self._messages, body_id(person.track_id, self._prefix)
                )
            self._seen_ns[person.track_id] = now_ns
            self._bodies[person.track_id].publish(person, header, image_bgr, camera)
        for track_id in [i for i, seen_ns in self._seen_ns.items() if abs(now_ns - seen_ns) > KEEP_S * NS_PER_S]:
            self._bodies.pop(track_id).close()
            del self._seen_ns[track_id]
        self._tracked.publish(
            self._messages.IdsList(header=header, ids=[body_id(p.track_id, self._prefix) for p in people])
        )

    def close(self) -> None:
        """Stop publishing."""
        for body in self._bodies.values():
            body.close()
        self._node.destroy_publisher(self._tracked)
