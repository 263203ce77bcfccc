"""Whether Fast DDS has the shared memory that carries images between processes."""

from __future__ import annotations

import os
from pathlib import Path

SEGMENT_BYTES = 33_554_432
"""Of each process, as config/fastdds.xml sets it."""

PROCESSES = 4


def shared_memory_problem(folder: Path = Path("/dev/shm"), processes: int = PROCESSES) -> str:
    """What is wrong with the shared memory's size, and the remedy; empty if nothing is.

    Args:
        folder: the file system that it is taken from.
        processes: that take a segment each.
    """
    if os.environ.get("RMW_IMPLEMENTATION", "rmw_fastrtps_cpp") != "rmw_fastrtps_cpp" or not folder.is_dir():
        return ""
    state = os.statvfs(folder)
    needed, size = processes * SEGMENT_BYTES, state.f_blocks * state.f_frsize
    if size >= needed:
        return ""
    return (
        f"{folder} has {size / 1e6:.0f} MB, and {processes} processes that exchange images need {needed / 1e6:.0f} MB: "
        "images will be lost. In a container, start it with --shm-size=512m or --ipc=host; else: "
        f"sudo mount -o remount,size=512m {folder}"
    )
