"""People as this package's ROS messages, made by rosbags: no ROS is needed."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from rosbags.typesys import Stores, get_types_from_msg, get_typestore
from rosbags.typesys.store import Typestore

from nanohtnet_ros.core.camera import Camera
from nanohtnet_ros.core.lifter import WindowLifter
from nanohtnet_ros.core.poses import Person, TrackedKeypoints
from nanohtnet_ros.core.skeleton import H36M_17
from nanohtnet_ros.core.window import NS_PER_S
from nanohtnet_ros.errors import UserError

JPEG_QUALITY = 85
PACKAGE = Path(__file__).resolve().parents[1]


def definitions() -> Path:
    """The folder of this package's message definitions: in the wheel, in a checkout, or in a ROS workspace.

    Raises:
        UserError: it is missing.
    """
    prefixes = [Path(prefix) for prefix in os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep) if prefix]
    shares = [prefix / "share" / "nanohtnet_ros" / "msg" for prefix in prefixes]
    for folder in (PACKAGE / "definitions", PACKAGE.parent / "msg", *shares):
        if (folder / "Skeleton3D.msg").is_file():
            return folder
    raise UserError("this package's message definitions (*.msg) are missing: install it again")


@lru_cache(maxsize=1)
def typestore() -> Typestore:
    """The common message types of ROS 2 and ours."""
    store = get_typestore(Stores.ROS2_JAZZY)
    for file in sorted(definitions().glob("*.msg")):
        store.register(get_types_from_msg(file.read_text(), f"nanohtnet_ros/msg/{file.stem}"))
    return store


def message(kind: str, **fields: Any) -> Any:
    """A message of a type, as `std_msgs/msg/Header`; all its fields have to be given."""
    return typestore().types[kind](**fields)


def header(stamp_ns: int, frame_id: str) -> Any:
    """A header; its stamp is not before 0, which stamps cannot be."""
    seconds, nanoseconds = divmod(max(0, stamp_ns), NS_PER_S)
    stamp = message("builtin_interfaces/msg/Time", sec=seconds, nanosec=nanoseconds)
    return message("std_msgs/msg/Header", stamp=stamp, frame_id=frame_id)


def point(xyz_m: np.ndarray | None, kind: str = "geometry_msgs/msg/Point") -> Any:
    """A (3,) point, or one of NaN for None."""
    x, y, z = (math.nan,) * 3 if xyz_m is None else xyz_m.tolist()
    return message(kind, x=x, y=y, z=z)


def skeletons(
    people: Sequence[Person], stamp_ns: int, frame_id: str, down: np.ndarray | None = None, ground_frame: str = ""
) -> Any:
    """3D skeletons of everybody at a moment.

    Args:
        down: (3,) along gravity, or where that is not known down the upright image, in their axes.
        ground_frame: of their places on the floor.
    """
    return message(
        "nanohtnet_ros/msg/Skeleton3DArray",
        header=header(stamp_ns, frame_id),
        ground_frame=ground_frame,
        up=point(None if down is None else -down, "geometry_msgs/msg/Vector3"),
        skeletons=[
            message(
                "nanohtnet_ros/msg/Skeleton3D",
                track_id=person.track_id,
                track_age=person.age_s,
                joints=[point(joint, "geometry_msgs/msg/Point32") for joint in person.joints_rel_m],
                confidence=person.confidence.astype(np.float32),
                root=point(person.root_m),
                root_valid=person.root_m is not None,
                root_sigma_m=person.root_sigma_m,
                root_in_ground=point(person.root_ground_m),
                height_m=person.height_m,
                height_sigma_m=person.height_sigma_m,
            )
            for person in people
        ],
    )


def skeletons_2d(
    people: Sequence[Person] | Sequence[TrackedKeypoints], stamp_ns: int, frame_id: str, camera: Camera
) -> Any:
    """2D keypoints of everybody in a camera's image."""
    return message(
        "nanohtnet_ros/msg/Skeleton2DArray",
        header=header(stamp_ns, frame_id),
        image_width=camera.width,
        image_height=camera.height,
        skeletons=[
            message(
                "nanohtnet_ros/msg/Skeleton2D",
                track_id=person.track_id,
                track_age=person.age_s,
                x=np.ascontiguousarray(person.keypoints.xy_px[:, 0]),
                y=np.ascontiguousarray(person.keypoints.xy_px[:, 1]),
                confidence=person.keypoints.confidence,
            )
            for person in people
        ],
    )


def description(network: WindowLifter) -> Any:
    """What the skeletons of a network are made of."""
    return message(
        "nanohtnet_ros/msg/SkeletonDescription",
        skeleton=H36M_17.name,
        joint_names=list(H36M_17.joint_names),
        parents=np.array(H36M_17.parents, np.int8),
        model=network.name,
        window_length=network.card.window_length,
        frame_rate=network.card.frame_rate_hz,
        look_ahead=network.look_ahead_s,
    )


def jpeg(image_bgr: np.ndarray, stamp_ns: int, frame_id: str) -> Any:
    """An (H, W, 3) uint8 image, compressed."""
    data = cv2.imencode(".jpg", image_bgr, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])[1]
    return message(
        "sensor_msgs/msg/CompressedImage",
        header=header(stamp_ns, frame_id),
        format="bgr8; jpeg compressed bgr8",
        data=data.reshape(-1),
    )


def camera_info(camera: Camera, stamp_ns: int, frame_id: str) -> Any:
    """CameraInfo of a camera; one that is not calibrated has a K of zeros, as the message's definition asks."""
    known = camera.calibrated
    distortion = camera.distortion or (0.0,) * (4 if camera.distortion_model == "equidistant" else 5)
    matrix = camera.matrix * known
    return message(
        "sensor_msgs/msg/CameraInfo",
        header=header(stamp_ns, frame_id),
        width=camera.width,
        height=camera.height,
        distortion_model=camera.distortion_model,
        d=np.array(distortion if known else (), np.float64),
        k=matrix.ravel(),
        r=(np.eye(3) * known).ravel(),
        p=np.column_stack((matrix, np.zeros(3))).ravel(),
        binning_x=0,
        binning_y=0,
        roi=message("sensor_msgs/msg/RegionOfInterest", x_offset=0, y_offset=0, height=0, width=0, do_rectify=False),
    )
