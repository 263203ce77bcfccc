"""sensor_msgs depth images to arrays, and the one that belongs to a colour image."""

from __future__ import annotations

import threading
from collections import deque

import numpy as np
from sensor_msgs.msg import Image

from nanohtnet_ros.core.messages import stamp_ns
from nanohtnet_ros.core.window import NS_PER_S
from nanohtnet_ros.errors import UserError
from nanohtnet_ros.samples.image_messages import ImageError, check_size, rows_of

# Encoding -> NumPy type without its byte order, and metres per unit, by REP 118; mono16 is what some drivers write for
# 16UC1.
ENCODINGS = {"16UC1": ("u2", 0.001), "mono16": ("u2", 0.001), "32FC1": ("f4", 1.0)}

KEPT_S = 2.0
"""Longer than a slow detector takes for an image: lifter_node gets keypoints so long after the depth image."""

KEPT_BYTES = 256_000_000
"""Of memory at most: 280 images of 640x480 in 16UC1, 4.6 s at 60 Hz; 72 of 1280x720 in 32FC1."""


def depth_from_msg(msg: Image) -> np.ndarray:
    """Convert a depth image: 16UC1 (or mono16) in millimetres or 32FC1 in metres, by its encoding.

    Rows may be padded (`step`), bytes may be big-endian.

    Returns:
        (H, W) float32 metres along the optical axis; NaN where it is zero, negative or not finite.
    Raises:
        ImageError: another encoding, or size, step and data do not fit together; the message says which.
    """
    if msg.encoding not in ENCODINGS:
        raise ImageError(
            f"a depth image's encoding is '{msg.encoding}', expected 16UC1 (millimetres) or 32FC1 (metres): "
            "subscribe to the camera's raw depth topic, not to a coloured or compressed one"
        )
    check_size(msg)
    number, unit_m = ENCODINGS[msg.encoding]
    kind = np.dtype(f"{'>' if msg.is_bigendian else '<'}{number}")
    raw = np.ascontiguousarray(rows_of(msg, msg.width * kind.itemsize, msg.height)).view(kind)
    depth_m = raw.astype(np.float32) * np.float32(unit_m)
    depth_m[~(np.isfinite(depth_m) & (depth_m > 0))] = np.nan
    return depth_m


class DepthBuffer:
    """The depth images of the last seconds, to find the one that was taken with a colour image.

    Messages are kept as they came and converted when used. They may be pushed in one thread and asked for in another.
    """

    def __init__(self, tolerance_s: float = 0.05, kept_s: float = KEPT_S, kept_bytes: int = KEPT_BYTES) -> None:
        """Start empty.

        Args:
            tolerance_s: most time between a colour image and its depth image.
            kept_s: how long messages are kept, by their stamps.
            kept_bytes: of messages at most; the newest is kept whatever its size.
        Raises:
            UserError: a number is negative.
        """
        if not tolerance_s >= 0 or not kept_s >= 0 or kept_bytes < 0:
            raise UserError(
                f"tolerance_s is {tolerance_s}, kept_s {kept_s}, kept_bytes {kept_bytes}, expected at least 0"
            )
        self._tolerance_ns, self._kept_ns, self._kept_bytes = (
            int(tolerance_s * NS_PER_S),
            int(kept_s * NS_PER_S),
            kept_bytes,
        )
        self._messages: deque[Image] = deque()
        self._bytes = 0
        self._lock = threading.Lock()

    def __len__(self) -> int:
        with self._lock:
            return len(self._messages)

    def push(self, msg: Image) -> None:
        """Add a message; one that is older than the last shows that time has jumped, and only it is kept."""
        stamp = stamp_ns(msg.header)
        with self._lock:
            if self._messages and stamp < stamp_ns(self._messages[-1].header):
                self._messages.clear()
                self._bytes = 0
            self._messages.append(msg)
            self._bytes += len(msg.data)
            while len(self._messages) > 1 and (
                self._bytes > self._kept_bytes or stamp_ns(self._messages[0].header) < stamp - self._kept_ns
            ):
                self._bytes -= len(self._messages.popleft().data)

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
                "(as with depth_image_proc, or the camera driver's align_depth)"
            )
        return depth_from_msg(msg)
