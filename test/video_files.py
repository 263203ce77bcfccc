"""Video files with frames at any times."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

UNKNOWN = b"\x01" + 7 * b"\xff"


def element(name: str, content: bytes | int | str, size: bytes | None = None) -> bytes:
    """An EBML element."""
    if isinstance(content, int):
        content = content.to_bytes(4, "big")
    if isinstance(content, str):
        content = content.encode()
    return bytes.fromhex(name) + (size or (len(content) | 1 << 56).to_bytes(8, "big")) + content


def write_matroska(path: Path, images: list[np.ndarray], times_ms: list[int], live: bool = False) -> Path:
    """Write images as Matroska that states neither a frame rate nor durations, as browsers' recorders do.

    Args:
        live: leave the length of the segment open, as a stream's.
    """
    height, width = images[0].shape[:2]
    header = element("1A45DFA3", element("4282", "matroska") + element("4287", 4) + element("4285", 2))
    content = element("1549A966", element("2AD7B1", 1_000_000) + element("4D80", "test") + element("5741", "test"))
    content += element(
        "1654AE6B",
        element(
            "AE",
            element("D7", 1)
            + element("73C5", 1)
            + element("83", 1)
            + element("86", "V_MJPEG")
            + element("E0", element("B0", width) + element("BA", height)),
        ),
    )
    for image, time_ms in zip(images, times_ms, strict=True):
        jpeg = cv2.imencode(".jpg", image)[1].tobytes()
        content += element("1F43B675", element("E7", time_ms) + element("A3", b"\x81\0\0\x80" + jpeg))
    path.write_bytes(header + element("18538067", content, UNKNOWN if live else None))
    return path


def write_avi(path: Path, images: list[np.ndarray], rate_hz: float = 25.0) -> Path:
    """Write images as Motion JPEG."""
    height, width = images[0].shape[:2]
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), rate_hz, (width, height))
    for image in images:
        writer.write(image)
    writer.release()
    return path


def greys(count: int) -> list[np.ndarray]:
    """Small images, each a little lighter than the one before."""
    return [np.full((48, 64, 3), 4 * i, np.uint8) for i in range(count)]
