"""sensor_msgs depth images to arrays, and the one that belongs to a colour image."""

from __future__ import annotations

import threading
from collections import deque

import numpy as np
from sensor_msgs.msg import Image

from nanohtnet_ros.core.window import NS_PER_S
from nanohtnet_ros.errors import UserError
from nanohtnet_ros.ros.images import ImageError, check_size, rows_of
from nanohtnet_ros.ros.messages import stamp_ns

# Encoding -> NumPy type without its byte order, and metres per unit, by REP 118.
ENCODINGS = {"16UC1": ("u2", 0.001), "32FC1": ("f4", 1.0)}


def depth_from_msg(msg: Image) -> np.ndarray:
    """Convert a depth image: 16UC1 in millimetres or 32FC1 in metres, by its encoding.

    Rows may be padded (`step`), bytes may be big-endian.

    Returns:
        (H, W) float32 metres along the optical axis; NaN where it is zero, negative or not finite.
    Raises:
        ImageError: another encoding, or size, step and data do not fit together; the message says which.
    """
    if msg.encoding not in ENCODINGS:
        raise ImageError(
            f"a depth image's encoding is '{msg.encoding}', expected 16UC1 (millimetres) or 32FC1 (metres): "
            "subscribe to the camera's raw depth topic, not to a coloured or compressed one")
    check_size(msg)
    kind, unit_m = ENCODINGS[msg.encoding]
    kind = np.dtype(f"{'>' if msg.is_bigendian else '<'}{kind}")
    raw = np.ascontiguousarray(rows_of(msg, msg.width * kind.itemsize, msg.height)).view(kind)
    depth_m = raw.astype(np.float32) * np.float32(unit_m)
    depth_m[~(np.isfinite(depth_m) & (depth_m > 0))] = np.nan
    return depth_m


class DepthBuffer:
    """The last depth images, to find the one that was taken with a colour image.

    Messages are kept as they came and converted when used. They may be pushed in one thread and asked for in another.
    """

    def __init__(self, tolerance_s: float = 0.05, kept: int = 8) -> None:
        """Start empty.

        Args:
            tolerance_s: most time between a colour image and its depth image.
            kept: messages at most.
        Raises:
            ValueError: the tolerance is negative, or nothing would be kept.
        """
        if not tolerance_s >= 0 or kept < 1:
            raise UserError(f"tolerance_s is {tolerance_s} and kept {kept}, expected at least 0 and at least 1")
        self._tolerance_ns = int(tolerance_s * NS_PER_S)
        self._messages: deque[Image] = deque(maxlen=kept)
        self._lock = threading.Lock()

    def __len__(self) -> int:
        with self._lock:
            return len(self._messages)

    def push(self, msg: Image) -> None:
        """Add a message; one that is older than the last shows that time has jumped, and only it is kept."""
        with self._lock:
            if self._messages and stamp_ns(msg.header) < stamp_ns(self._messages[-1].header):
                self._messages.clear()
            self._messages.append(msg)

    def nearest(self, image_stamp_ns: int, image_size: tuple[int, int] | None = None) -> np.ndarray | None:
        """The depth image whose stamp is nearest to a colour image's.

        Args:
            image_stamp_ns: of the colour image.
            image_size: its (width, height), to check that both have the same pixels.
        Returns:
            (H, W) float32 metres, NaN where unknown; None where none is near enough in time.
        Raises:
            ImageError: it cannot be converted, or its size is not the colour image's.
        """
        with self._lock:
            messages = list(self._messages)
        if not messages:
            return None
        msg = min(messages, key=lambda message: abs(stamp_ns(message.header) - image_stamp_ns))
        if abs(stamp_ns(msg.header) - image_stamp_ns) > self._tolerance_ns:
            return None
        if image_size is not None and (msg.width, msg.height) != tuple(image_size):
            raise ImageError(
                f"the depth image is {msg.width}x{msg.height} pixels, the colour image "
                f"{image_size[0]}x{image_size[1]}: register the depth to the colour image "
                "(as with depth_image_proc, or the camera driver's align_depth)")
        return depth_from_msg(msg)
