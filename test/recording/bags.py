"""Bags with images, made by rosbags."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from rosbags.rosbag2 import StoragePlugin, Writer

from nanohtnet_ros.core.camera import Camera
from nanohtnet_ros.core.window import NS_PER_S
from nanohtnet_ros.recording import messages

START_NS = 1_700_000_000 * NS_PER_S


def raw(image_bgr: np.ndarray, stamp_ns: int, encoding: str = "bgr8"):
    """A `sensor_msgs/Image`."""
    height, width = image_bgr.shape[:2]
    return messages.message(
        "sensor_msgs/msg/Image",
        header=messages.header(stamp_ns, "front_optical"),
        height=height,
        width=width,
        encoding=encoding,
        is_bigendian=0,
        step=image_bgr[0].nbytes,
        data=image_bgr.view(np.uint8).reshape(-1),
    )


def jpeg(image_bgr: np.ndarray, stamp_ns: int):
    """A `sensor_msgs/CompressedImage`."""
    data = cv2.imencode(".jpg", image_bgr, [cv2.IMWRITE_JPEG_QUALITY, 95])[1]
    return messages.message(
        "sensor_msgs/msg/CompressedImage",
        header=messages.header(stamp_ns, "front_optical"),
        format="bgr8; jpeg compressed bgr8",
        data=data.reshape(-1),
    )


def write_bag(folder: Path, topics: dict[str, list], camera: Camera | None = None, storage: str = "mcap") -> Path:
    """Write a bag.

    Args:
        topics: messages with a header, by topic.
        camera: published beside the images of `/front` at each of their stamps, a little later.
    """
    store = messages.typestore()
    timed = [(stamp_of(message), topic, message) for topic, listed in topics.items() for message in listed]
    if camera is not None:
        stamps = sorted({stamp for stamp, topic, _ in timed if topic.startswith("/front")})
        timed += [(s + 1, "/front/camera_info", messages.camera_info(camera, s, "front_optical")) for s in stamps]
    with Writer(folder, version=9, storage_plugin=StoragePlugin[storage.upper()]) as writer:
        connections = {}
        for stamp, topic, message in sorted(timed, key=lambda item: item[0]):
            kind = message.__msgtype__
            if topic not in connections:
                connections[topic] = writer.add_connection(topic, kind, typestore=store)
            writer.write(connections[topic], stamp, store.serialize_cdr(message, kind))
    return folder


def stamp_of(message) -> int:
    """A message's stamp in nanoseconds; of TF, its first transform's."""
    header = message.transforms[0].header if hasattr(message, "transforms") else message.header
    return header.stamp.sec * NS_PER_S + header.stamp.nanosec
