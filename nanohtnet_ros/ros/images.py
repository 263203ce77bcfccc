"""OpenCV arrays to sensor_msgs images; the other way is `samples/image_messages.py`."""

from __future__ import annotations

import array

import numpy as np
from sensor_msgs.msg import Image

from nanohtnet_ros.samples.image_messages import BIG_ENDIAN


def image_to_msg(image_bgr: np.ndarray) -> Image:
    """Make a bgr8 message of an (H, W, 3) uint8 array; the header is the caller's."""
    height, width = image_bgr.shape[:2]
    msg = Image(height=height, width=width, encoding="bgr8", is_bigendian=BIG_ENDIAN, step=image_bgr[0].nbytes)
    msg.data = array.array("B", image_bgr.tobytes())  # of bytes rclpy would check every single one
    return msg
