"""Detectors by name."""

from __future__ import annotations

from nanohtnet_ros.detectors.base import Detector
from nanohtnet_ros.detectors.blazepose import BlazePoseConfig, BlazePoseDetector
from nanohtnet_ros.runtime.model_store import detector_dir


def open_detector(name: str, max_people: int = 6, detect_every: int = 1, threads: int = 2) -> Detector:
    """Open a detector whose files are in the user's cache.

    Raises:
        ValueError: the name is unknown.
        FileNotFoundError: its files are not there; the message names the command that gets them.
    """
    if name != "blazepose":
        raise ValueError(f"unknown detector '{name}', expected blazepose")
    config = BlazePoseConfig(max_people=max_people, detect_every=detect_every, threads=threads)
    return BlazePoseDetector(detector_dir(name), config)
