"""Bags with images, made by rosbags."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from rosbags.rosbag2 import StoragePlugin, Writer

from nanohtnet_ros.core.camera import Camera
from nanohtnet_ros.core.messages import stamp_ns
from nanohtnet_ros.core.window import NS_PER_S
from nanohtnet_ros.recording.messages import MESSAGES, message, typestore

START_NS = 1_700_000_000 * NS_PER_S


def raw(image_bgr: np.ndarray, stamp_ns: int, encoding: str = "bgr8"):
    """A `sensor_msgs/Image`."""
    height, width = image_bgr.shape[:2]
    return message(
        "sensor_msgs/msg/Image",
        header=MESSAGES.header(stamp_ns, "front_optical"),
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
    return message(
        "sensor_msgs/msg/CompressedImage",
        header=MESSAGES.header(stamp_ns, "front_optical"),
        format="bgr8; jpeg compressed bgr8",
        data=data.reshape(-1),
    )


def write_bag(folder: Path, topics: dict[str, list], camera: Camera | None = None, storage: str = "mcap") -> Path:
    """Write a bag.

    Args:
        topics: messages with a header, by topic.
        camera: published beside the images of `/front` at each of their stamps, a little later.
    """
    store = typestore()
    timed = [(stamp_of(sent), topic, sent) for topic, listed in topics.items() for sent in listed]
    if camera is not None:
        stamps = sorted({stamp for stamp, topic, _ in timed if topic.startswith("/front")})
        infos = [MESSAGES.camera_info(camera, MESSAGES.header(stamp, "front_optical")) for stamp in stamps]
        timed += [(stamp_of(info) + 1, "/front/camera_info", info) for info in infos]
    with Writer(folder, version=9, storage_plugin=StoragePlugin[storage.upper()]) as writer:
        connections = {}
        for stamp, topic, sent in sorted(timed, key=lambda item: item[0]):
            kind = sent.__msgtype__
            if topic not in connections:
                connections[topic] = writer.add_connection(topic, kind, typestore=store)
            writer.write(connections[topic], stamp, store.serialize_cdr(sent, kind))
    return folder


def stamp_of(sent) -> int:
    """A message's stamp in nanoseconds; of TF, its first transform's."""
    return stamp_ns(sent.transforms[0].header if hasattr(sent, "transforms") else sent.header)
