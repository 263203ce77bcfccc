"""Where models are: lifting networks and BlazePose in this package, other detectors in the user's cache."""

from __future__ import annotations

import os
from pathlib import Path

import nanohtnet_ros
from nanohtnet_ros.errors import UserError, command
from nanohtnet_ros.runtime.downloads import SOURCES, is_intact

DEFAULT_MODEL = "nano_81_streaming"
BLAZEPOSE = {
    "blazepose": "pose_landmark_full.onnx",
    "blazepose_lite": "pose_landmark_lite.onnx",
    "blazepose_heavy": "pose_landmark_heavy.onnx",
}
"""Detectors that this package has, and the landmark network of each."""


def cache_dir() -> Path:
    """The user's folder for downloaded models."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "nanohtnet_ros" / "models"


def package_model_dirs() -> list[Path]:
    """Folders with the networks of this package: beside its modules, or in a ROS prefix's share."""
    prefixes = filter(None, os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep))
    dirs = [Path(folder) / "models" for folder in nanohtnet_ros.__path__]
    dirs += [Path(prefix) / "share" / "nanohtnet_ros" / "models" for prefix in prefixes]
    return [folder for folder in dirs if folder.is_dir()]


def find_model(name: str) -> Path:
    """The ONNX file of a lifting network.

    Args:
        name: of a network in this package, or the path of an ONNX file.
    Raises:
        FileNotFoundError: there is none; the message lists those that there are.
    """
    given = Path(name).expanduser()
    if given.suffix == ".onnx":
        if not given.is_file():
            raise FileNotFoundError(f"no model at {given}")
        return given
    for folder in package_model_dirs():
        if (folder / f"{name}.onnx").is_file():
            return folder / f"{name}.onnx"
    known = sorted({path.stem for folder in package_model_dirs() for path in folder.glob("*.onnx")})
    raise FileNotFoundError(
        f"no model named '{name}': this package has {', '.join(known) or 'none'}, or give the path of an .onnx file"
    )


def find_blazepose(name: str) -> tuple[Path, Path]:
    """BlazePose's two networks in this package: the person detector's and the landmarks' file.

    Args:
        name: one of `BLAZEPOSE`.
    Raises:
        FileNotFoundError: this package was installed without them.
    """
    for folder in package_model_dirs():
        files = folder / "blazepose" / "pose_detection.onnx", folder / "blazepose" / BLAZEPOSE[name]
        if all(file.is_file() for file in files):
            return files
    raise FileNotFoundError(f"{BLAZEPOSE[name]} is not in this package's models: install the package again")


def detector_path(name: str) -> Path:
    """Where the cache has the file of a detector, one of `SOURCES`, once it is downloaded."""
    return cache_dir() / name / f"{name}.onnx"


def is_here(name: str) -> bool:
    """Whether a detector's file is in the cache and intact."""
    return is_intact(detector_path(name), SOURCES[name].sha256)


def find_detector(name: str) -> Path:
    """The file of a detector's network.

    Args:
        name: of one in the cache, or the path of a file.
    Raises:
        UserError: the name is unknown.
        FileNotFoundError: the file is missing or damaged; the message names the command that gets it.
    """
    given = Path(name).expanduser()
    if given.suffix or len(given.parts) > 1:
        if not given.is_file():
            raise FileNotFoundError(f"no detector at {given}")
        return given
    if name not in SOURCES:
        known = ", ".join((*BLAZEPOSE, *SOURCES))
        raise UserError(f"unknown detector '{name}', expected {known}, or the path of an .onnx file")
    if not is_here(name):
        raise FileNotFoundError(f"{detector_path(name)} is missing or damaged: run '{command(f'models get {name}')}'")
    return detector_path(name)
