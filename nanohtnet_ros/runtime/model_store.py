"""Where models are: lifting networks in this package, detectors in the user's cache."""

from __future__ import annotations

import os
from pathlib import Path

import nanohtnet_ros
from nanohtnet_ros.errors import UserError
from nanohtnet_ros.runtime.downloads import SOURCES, is_intact

DEFAULT_MODEL = "nano_81_streaming"


def cache_dir() -> Path:
    """The user's folder for downloaded models."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "nanohtnet_ros" / "models"


def package_model_dirs() -> list[Path]:
    """Folders with the lifting networks of this package: beside its modules, or in a ROS prefix's share."""
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
        f"no model named '{name}': this package has {', '.join(known) or 'none'}, or give the path of an .onnx file")


def is_here(name: str) -> bool:
    """Whether a detector's files are in the cache and intact."""
    return all(is_intact(cache_dir() / name / file, sha256) for file, sha256 in SOURCES[name].hashes.items())


def detector_dir(name: str) -> Path:
    """The folder of a detector's files in the cache.

    Raises:
        FileNotFoundError: a file is missing or damaged; the message names the command that gets it.
    """
    folder = cache_dir() / name
    for file, sha256 in SOURCES[name].hashes.items():
        if not is_intact(folder / file, sha256):
            raise FileNotFoundError(f"{folder / file} is missing or damaged: run 'nanohtnet models get {name}'")
    return folder


def find_detector(name: str) -> Path:
    """The file of a detector's network.

    Args:
        name: of one in the cache, or the path of a file.
    Raises:
        ValueError: the name is unknown, or its files are no network of a kind with one file.
        FileNotFoundError: it is not there; the message names the command that gets it.
    """
    given = Path(name).expanduser()
    if given.suffix or len(given.parts) > 1:
        if not given.is_file():
            raise FileNotFoundError(f"no detector at {given}")
        return given
    known = [n for n, source in SOURCES.items() if len(source.hashes) == 1]
    if name not in known:
        raise UserError(
            f"unknown detector '{name}', expected {', '.join(SOURCES)}, or the path of an .onnx file")
    (file,) = SOURCES[name].hashes
    return detector_dir(name) / file
