"""Checks that a camera's topic carries images that the nodes can use."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
import rclpy
from rclpy.executors import SingleThreadedExecutor
from sensor_msgs.msg import Image

from nanohtnet_ros.core.messages import stamp_ns
from nanohtnet_ros.ros.inputs import OTHER_USER, is_other_user, publisher_names
from nanohtnet_ros.ros.qos import NEWEST_IMAGE
from nanohtnet_ros.samples.image_messages import ImageError, image_from_msg


@dataclass(frozen=True)
class Arrival:
    """When an image came and when it was taken, seconds since the epoch."""

    arrived_s: float
    stamp_s: float


def listen(topic: str, seconds: float = 5.0, patience_s: float = 10.0) -> tuple[bool, str]:
    """Listen to a topic of images.

    Args:
        topic: of sensor_msgs/Image.
        seconds: how long, from the first image on.
        patience_s: how long to wait for the first.
    Returns:
        Whether the images are usable, and a sentence.
    """
    arrivals: list[Arrival] = []
    first: list[Image] = []

    def on_image(msg: Image) -> None:
        arrivals.append(Arrival(time.time(), stamp_ns(msg.header) / 1e9))
        first.extend([msg][len(first) :])

    context = rclpy.Context()
    rclpy.init(context=context)
    try:
        node = rclpy.create_node("nanohtnet_selftest", context=context)
        node.create_subscription(Image, topic, on_image, NEWEST_IMAGE)
        executor = SingleThreadedExecutor(context=context)
        executor.add_node(node)
        end = time.monotonic() + patience_s
        while not first and time.monotonic() < end:
            executor.spin_once(timeout_sec=0.1)
        end = time.monotonic() + seconds
        while first and time.monotonic() < end:
            executor.spin_once(timeout_sec=0.1)
        publishers = publisher_names(node, topic)
        executor.shutdown()
        node.destroy_node()
    finally:
        rclpy.shutdown(context=context)
    if not first:
        why = f": {OTHER_USER}" if is_other_user(publishers) else ""
        return False, f"no image came on {topic}, which has {len(publishers)} publishers{why}"
    if len(publishers) > 1:
        return False, f"{len(publishers)} publishers on {topic}, {' and '.join(publishers)}: stop all but one, or remap"
    return verdict(topic, first[0], arrivals)


def verdict(topic: str, first: Image, arrivals: list[Arrival]) -> tuple[bool, str]:
    """Whether a camera's images are usable, and a sentence."""
    try:
        image_from_msg(first)
    except ImageError as error:
        return False, f"images on {topic} cannot be used: {error}"
    steps_s = np.diff([arrival.stamp_s for arrival in arrivals])
    what = f"{len(arrivals)} images of {first.width}x{first.height} {first.encoding} on {topic}"
    if not len(steps_s):
        return False, f"{what} only: the camera stands still"
    if (steps_s <= 0).any():
        return False, f"{what}, but their stamps do not advance: the driver must stamp each image when it is taken"
    late_ms = 1000 * float(np.median([arrival.arrived_s - arrival.stamp_s for arrival in arrivals]))
    return True, f"{what}, {1 / np.median(steps_s):.1f} Hz, {late_ms:.0f} ms after their stamps"
