"""The core's records to ROS messages and back, whoever makes the messages: rclpy or rosbags."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from nanohtnet_ros.core.camera import Camera
from nanohtnet_ros.core.lifter import WindowLifter
from nanohtnet_ros.core.poses import Keypoints, Person, TrackedKeypoints
from nanohtnet_ros.core.skeleton import H36M_17
from nanohtnet_ros.core.window import NS_PER_S


class MessageBuilder:
    """Makes messages of records.

    Attributes:
        make: gives a message of a type, as `std_msgs/msg/Header`, with the given fields, the others zero or empty.
    """

    def __init__(self, make: Callable[..., Any]) -> None:
        self.make = make

    def header(self, stamp_ns: int, frame_id: str) -> Any:
        """A header; its stamp is not before 0, which stamps cannot be."""
        seconds, nanoseconds = divmod(max(0, stamp_ns), NS_PER_S)
        stamp = self.make("builtin_interfaces/msg/Time", sec=seconds, nanosec=nanoseconds)
        return self.make("std_msgs/msg/Header", stamp=stamp, frame_id=frame_id)

    def point(self, xyz_m: np.ndarray | None, kind: str = "geometry_msgs/msg/Point") -> Any:
        """A (3,) point, or one of NaN for None."""
        x, y, z = (math.nan,) * 3 if xyz_m is None else xyz_m.tolist()
        return self.make(kind, x=x, y=y, z=z)

    def vector(self, xyz: np.ndarray | None) -> Any:
        """A (3,) vector, or one of NaN for None."""
        return self.point(xyz, "geometry_msgs/msg/Vector3")

    def transform(self, header: Any, child: str, position_m: np.ndarray, xyzw: np.ndarray) -> Any:
        """A frame in the header's: (3,) where it is, and (4,) how it is turned."""
        x, y, z, w = xyzw.tolist()
        return self.make(
            "geometry_msgs/msg/TransformStamped",
            header=header,
            child_frame_id=child,
            transform=self.make(
                "geometry_msgs/msg/Transform",
                translation=self.vector(position_m),
                rotation=self.make("geometry_msgs/msg/Quaternion", x=x, y=y, z=z, w=w),
            ),
        )

    def camera_info(self, camera: Camera, header: Any | None = None) -> Any:
        """CameraInfo of a camera; one that is not calibrated has a K of zeros, as the message's definition asks."""
        known = camera.calibrated
        distortion = camera.distortion or (0.0,) * (4 if camera.distortion_model == "equidistant" else 5)
        matrix = camera.matrix * known
        return self.make(
            "sensor_msgs/msg/CameraInfo",
            header=header or self.header(0, ""),
            width=camera.width,
            height=camera.height,
            distortion_model=camera.distortion_model,
            d=list(distortion) if known else [],
            k=matrix.ravel(),
            r=(np.eye(3) * known).ravel(),
            p=np.column_stack((matrix, np.zeros(3))).ravel(),
        )

    def skeletons_2d(
        self, people: Sequence[Person] | Sequence[TrackedKeypoints], header: Any, width: int, height: int
    ) -> Any:
        """2D keypoints of all people in an image of a size, under the image's own header."""
        skeletons = [
            self.make(
                "nanohtnet_ros/msg/Skeleton2D",
                track_id=person.track_id,
                track_age=person.age_s,
                x=person.keypoints.xy_px[:, 0],
                y=person.keypoints.xy_px[:, 1],
                confidence=person.keypoints.confidence,
            )
            for person in people
        ]
        kind = "nanohtnet_ros/msg/Skeleton2DArray"
        return self.make(kind, header=header, image_width=width, image_height=height, skeletons=skeletons)

    def skeletons(
        self, people: Sequence[Person], header: Any, ground_frame: str = "", up: np.ndarray | None = None
    ) -> Any:
        """3D skeletons of all people in an image, under the image's own header.

        Args:
            ground_frame: name of the ground frame.
            up: (3,) unit vector against gravity in the header's frame, or None where it is not told.
        """
        skeletons = [
            self.make(
                "nanohtnet_ros/msg/Skeleton3D",
                track_id=person.track_id,
                track_age=person.age_s,
                joints=[self.point(joint, "geometry_msgs/msg/Point32") for joint in person.joints_rel_m],
                confidence=person.confidence,
                root=self.point(person.root_m),
                root_valid=person.root_m is not None,
                root_sigma_m=person.root_sigma_m,
                root_in_ground=self.point(person.root_ground_m),
                height_m=person.height_m,
                height_sigma_m=person.height_sigma_m,
            )
            for person in people
        ]
        kind = "nanohtnet_ros/msg/Skeleton3DArray"
        return self.make(kind, header=header, ground_frame=ground_frame, up=self.vector(up), skeletons=skeletons)

    def description(self, network: WindowLifter) -> Any:
        """What skeletons of a network are made of, and how far behind the newest image they lie."""
        return self.make(
            "nanohtnet_ros/msg/SkeletonDescription",
            skeleton=H36M_17.name,
            joint_names=list(H36M_17.joint_names),
            parents=list(H36M_17.parents),
            model=network.name,
            window_length=network.card.window_length,
            frame_rate=network.card.frame_rate_hz,
            look_ahead=network.look_ahead_s,
        )


def stamp_ns(header: Any) -> int:
    """A header's stamp in nanoseconds."""
    return header.stamp.sec * NS_PER_S + header.stamp.nanosec


def xyz_from_msg(point: Any) -> np.ndarray:
    """(3,) float64 of a point or vector."""
    return np.array((point.x, point.y, point.z), np.float64)


def joints_from_msg(skeleton: Any) -> np.ndarray:
    """(17, 3) float32 root-relative joints of a Skeleton3D, metres; NaN where missing."""
    return np.array([(joint.x, joint.y, joint.z) for joint in skeleton.joints], np.float32)


def root_from_msg(skeleton: Any) -> np.ndarray:
    """(3,) float64 root of a Skeleton3D in the header's frame, metres; NaN where it is not valid."""
    return xyz_from_msg(skeleton.root)


def keypoints_from_msg(skeleton: Any) -> np.ndarray:
    """(17, 2) float32 pixels of a Skeleton2D; NaN where missing."""
    return np.column_stack((skeleton.x, skeleton.y)).astype(np.float32)


def tracked_from_msg(msg: Any) -> list[TrackedKeypoints]:
    """All people in a Skeleton2DArray who have a keypoint; the inverse of `MessageBuilder.skeletons_2d`."""
    people = [
        TrackedKeypoints(s.track_id, s.track_age, Keypoints(keypoints_from_msg(s), np.asarray(s.confidence)))
        for s in msg.skeletons
    ]
    return [person for person in people if person.keypoints.valid.any()]
