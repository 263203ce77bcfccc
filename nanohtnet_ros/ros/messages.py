"""Pure conversions between messages and the core's records."""

from __future__ import annotations

import math

import numpy as np
from builtin_interfaces.msg import Time
from geometry_msgs.msg import Point, Point32, Vector3
from sensor_msgs.msg import CameraInfo
from std_msgs.msg import Header

from nanohtnet_ros.core.camera import Camera
from nanohtnet_ros.core.model_card import ModelCard
from nanohtnet_ros.core.poses import Keypoints, Person, TrackedKeypoints
from nanohtnet_ros.core.skeleton import H36M_17
from nanohtnet_ros.core.window import NS_PER_S
from nanohtnet_ros.msg import Skeleton2D, Skeleton2DArray, Skeleton3D, Skeleton3DArray, SkeletonDescription


def header_before(header: Header, delay_ns: int) -> Header:
    """The same frame's header of an earlier moment; not before 0, which stamps cannot be."""
    seconds, nanoseconds = divmod(max(0, stamp_ns(header) - delay_ns), NS_PER_S)
    return Header(stamp=Time(sec=seconds, nanosec=nanoseconds), frame_id=header.frame_id)


def stamp_ns(header: Header) -> int:
    """A header's stamp in nanoseconds."""
    return header.stamp.sec * NS_PER_S + header.stamp.nanosec


def camera_to_msg(camera: Camera) -> CameraInfo:
    """CameraInfo of a camera; one that is not calibrated has a K of zeros, as the message's definition asks."""
    msg = CameraInfo(width=camera.width, height=camera.height, distortion_model=camera.distortion_model)
    if camera.calibrated:
        msg.k = camera.matrix.ravel().tolist()
        msg.d = list(camera.distortion) or [0.0] * (4 if camera.distortion_model == "equidistant" else 5)
        msg.r = np.eye(3).ravel().tolist()
        msg.p = np.column_stack((camera.matrix, np.zeros(3))).ravel().tolist()
    return msg


def skeletons_2d_to_msg(
    people: list[Person] | list[TrackedKeypoints], header: Header, width: int, height: int
) -> Skeleton2DArray:
    """2D keypoints of all people in an image of a size, under the image's own header."""
    array = Skeleton2DArray(header=header, image_width=width, image_height=height)
    for person in people:
        array.skeletons.append(
            Skeleton2D(
                track_id=person.track_id,
                track_age=person.age_s,
                x=person.keypoints.xy_px[:, 0],
                y=person.keypoints.xy_px[:, 1],
                confidence=person.keypoints.confidence,
            )
        )
    return array


def skeletons_to_msg(
    people: list[Person], header: Header, ground_frame: str = "", up: np.ndarray | None = None
) -> Skeleton3DArray:
    """3D skeletons of all people in an image, under the image's own header.

    Args:
        ground_frame: name of the ground frame.
        up: (3,) unit vector against gravity in the header's frame, or None where it is not told.
    """
    array = Skeleton3DArray(header=header, ground_frame=ground_frame, up=vector_to_msg(up))
    for person in people:
        skeleton = Skeleton3D(
            track_id=person.track_id,
            track_age=person.age_s,
            joints=[Point32(x=x, y=y, z=z) for x, y, z in person.joints_rel_m.astype(float).tolist()],
            confidence=person.confidence,
            root=point_to_msg(person.root_m),
            root_valid=person.root_m is not None,
            root_sigma_m=person.root_sigma_m,
            root_in_ground=point_to_msg(person.root_ground_m),
            height_m=person.height_m,
            height_sigma_m=person.height_sigma_m,
        )
        array.skeletons.append(skeleton)
    return array


def point_to_msg(point_m: np.ndarray | None) -> Point:
    """A (3,) point, or one of NaN for None."""
    x, y, z = (math.nan,) * 3 if point_m is None else point_m.tolist()
    return Point(x=x, y=y, z=z)


def vector_to_msg(vector: np.ndarray | None) -> Vector3:
    """A (3,) vector, or one of NaN for None."""
    x, y, z = (math.nan,) * 3 if vector is None else vector.tolist()
    return Vector3(x=x, y=y, z=z)


def joints_from_msg(skeleton: Skeleton3D) -> np.ndarray:
    """(17, 3) float32 root-relative joints, metres; NaN where missing."""
    return np.array([(joint.x, joint.y, joint.z) for joint in skeleton.joints], np.float32)


def root_from_msg(skeleton: Skeleton3D) -> np.ndarray:
    """(3,) float64 root in the header's frame, metres; NaN where it is not valid."""
    return np.array((skeleton.root.x, skeleton.root.y, skeleton.root.z))


def tracked_from_msg(msg: Skeleton2DArray) -> list[TrackedKeypoints]:
    """All people in a message who have a keypoint; the inverse of `skeletons_2d_to_msg`."""
    people = [
        TrackedKeypoints(s.track_id, s.track_age, Keypoints(keypoints_from_msg(s), np.asarray(s.confidence)))
        for s in msg.skeletons
    ]
    return [person for person in people if person.keypoints.valid.any()]


def description_to_msg(card: ModelCard, model: str, look_ahead_s: float = 0.0) -> SkeletonDescription:
    """What skeletons of a network are made of, and how far behind the newest image they lie."""
    return SkeletonDescription(
        skeleton=H36M_17.name,
        joint_names=list(H36M_17.joint_names),
        parents=list(H36M_17.parents),
        model=model,
        window_length=card.window_length,
        frame_rate=card.frame_rate_hz,
        look_ahead=look_ahead_s,
    )


def keypoints_from_msg(skeleton: Skeleton2D) -> np.ndarray:
    """(17, 2) float32 pixels; NaN where missing."""
    return np.column_stack((skeleton.x, skeleton.y)).astype(np.float32)
