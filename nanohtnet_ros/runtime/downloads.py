"""Where detectors' files come from, and their checksums.

Each file is checked by the SHA-256 of its content before it is kept. OpenMMLab and Megvii publish no hashes of their
ONNX files (the eight digits in the names of OpenMMLab's archives belong to the PyTorch checkpoints), so these are those
that other public projects wrote down for the same file, taken where at least two agree. They were not computed here and
are no statement of the publishers: the check makes sure that you get the file that those others got.
"""

from __future__ import annotations

import hashlib
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

from nanohtnet_ros.errors import UserError

RETRIES = 2
MEMBER = "end2end.onnx"


@dataclass(frozen=True)
class OnnxFile:
    """An ONNX file on the web, by itself or as `end2end.onnx` in an archive as OpenMMLab publishes them.

    Attributes:
        url: ends in .onnx or .zip.
        sha256: of the ONNX file, not of the archive.
        licence: of the file.
    """

    url: str
    sha256: str
    licence: str


def download(source: OnnxFile, target: Path) -> None:
    """Download a file; it is there with the expected content, or nothing is changed.

    Raises:
        UserError: the download failed, or the content is not the expected one.
        ImportError: pooch is not installed.
    """
    try:
        import pooch
    except ImportError as error:
        raise ImportError("downloads need the package pooch: pip install pooch") from error
    pooch.get_logger().setLevel("WARNING")
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        name = Path(source.url).name
        store = pooch.create(folder, "", registry={name: None}, urls={name: source.url}, retry_if_failed=RETRIES)
        archived = name.endswith(".zip")
        try:
            fetched = store.fetch(name, processor=pooch.Unzip() if archived else None)
        except (OSError, zipfile.BadZipFile) as error:
            raise UserError(f"{source.url} could not be downloaded: {error}") from error
        files = [Path(file) for file in fetched if Path(file).name == MEMBER] if archived else [Path(fetched)]
        if len(files) != 1:
            raise UserError(f"{source.url} has {len(files)} files {MEMBER}, expected one")
        if not is_intact(files[0], source.sha256):
            raise UserError(f"{source.url} has another content than expected: its SHA-256 is not {source.sha256}")
        files[0].replace(target)


def is_intact(path: Path, sha256: str) -> bool:
    """Whether a file exists and has the expected content."""
    return path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == sha256


OPENMMLAB = "https://download.openmmlab.com/mmpose/v1/projects"
MEGVII = "https://github.com/Megvii-BaseDetection/YOLOX/releases/download/0.1.1rc0"
MMPOSE_LICENCE = "Apache-2.0, OpenMMLab; trained on seven public data sets with terms of their own"
HUMANART_LICENCE = "Apache-2.0, OpenMMLab; trained on COCO and Human-Art, which have terms of their own"
RTMDET_LICENCE = "Apache-2.0, OpenMMLab; trained on COCO and Objects365, which have terms of their own"
YOLOX_LICENCE = "Apache-2.0, Megvii; trained on COCO, which has terms of its own"


def _openmmlab(archive: str, sha256: str, licence: str) -> OnnxFile:
    return OnnxFile(f"{OPENMMLAB}/{archive}.zip", sha256, licence)


SOURCES: dict[str, OnnxFile] = {
    "rtmpose-t": _openmmlab(
        "rtmposev1/onnx_sdk/rtmpose-t_simcc-body7_pt-body7_420e-256x192-026a1439_20230504",
        "a6c2f6a3896a4d51131d14d7a80a3d08b50f559af5a58a45d5b098aef510a70f",
        MMPOSE_LICENCE,
    ),
    "rtmpose-s": _openmmlab(
        "rtmposev1/onnx_sdk/rtmpose-s_simcc-body7_pt-body7_420e-256x192-acd4a1ef_20230504",
        "9aeb635b83f86aea45cf45d85798f7eba1a162de8e0d721c44e54fe5eebaf47d",
        MMPOSE_LICENCE,
    ),
    "rtmpose-m": _openmmlab(
        "rtmposev1/onnx_sdk/rtmpose-m_simcc-body7_pt-body7_420e-256x192-e48f03d0_20230504",
        "5c0a4bf67953e6d2ac43ce15e77dc9d5d354ae18430a47d2c5963a7bc5683e3c",
        MMPOSE_LICENCE,
    ),
    "rtmo-s": _openmmlab(
        "rtmo/onnx_sdk/rtmo-s_8xb32-600e_body7-640x640-dac2bf74_20231211",
        "d0703d40d19f3921da51ae725402d5fdae4d2478c7442072d3101bd396f370d8",
        MMPOSE_LICENCE,
    ),
    "rtmdet-nano": _openmmlab(
        "rtmposev1/onnx_sdk/rtmdet_nano_8xb32-100e_coco-obj365-person-05d8511e",
        "8297e829ccc5590c8e2d32d5a211f322a0585fb7467eec85eb12c9525b0b95d6",
        RTMDET_LICENCE,
    ),
    "yolox-tiny": OnnxFile(
        f"{MEGVII}/yolox_tiny.onnx", "427cc366d34e27ff7a03e2899b5e3671425c262ea2291f88bb942bc1cc70b0f7", YOLOX_LICENCE
    ),
    "yolox-s": OnnxFile(
        f"{MEGVII}/yolox_s.onnx", "c5c2d13e59ae883e6af3b45daea64af4833a4951c92d116ec270d9ddbe998063", YOLOX_LICENCE
    ),
    "yolox-nano-humanart": _openmmlab(
        "rtmposev1/onnx_sdk/yolox_nano_8xb8-300e_humanart-40f6f0d0",
        "1450966de24902b18aada1a78913d7efd8fc8dcd51bd4d0d5591476bd4a38821",
        HUMANART_LICENCE,
    ),
    "yolox-tiny-humanart": _openmmlab(
        "rtmposev1/onnx_sdk/yolox_tiny_8xb8-300e_humanart-6f3252f9",
        "ceb11c07298f95c50d7c5abeb906d03340c85f23aa79e3e66966e7fb6c307250",
        HUMANART_LICENCE,
    ),
    "yolox-m-humanart": _openmmlab(
        "rtmposev1/onnx_sdk/yolox_m_8xb8-300e_humanart-c2c7a14a",
        "3dea6513388889f0fff4b77bf7a26013600321b9eb9ceb0e9a400a82572f5f23",
        HUMANART_LICENCE,
    ),
}
