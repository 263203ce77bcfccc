"""Calibrations in YAML, as ROS's camera_calibration, OpenCV and Kalibr save them."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import yaml

from nanohtnet_ros.errors import UserError

EXPECTED = (
    "expected image_width, image_height, camera_matrix, distortion_coefficients and, but for OpenCV's own, "
    "distortion_model, as camera_calibration or OpenCV saves them, or Kalibr's camchain"
)

NAMES = {
    "camera_matrix": ("cameramatrix", "intrinsicmatrix", "k"),
    "distortion": ("distortioncoefficients", "distcoeffs", "d"),
}
"""What OpenCV's samples, and programs after them, call it; compared without case and underscores."""

_log = logging.getLogger(__name__)


class _Loader(yaml.SafeLoader):
    """YAML with OpenCV's own tag for matrices."""


def _mapping(loader: _Loader, node: yaml.MappingNode) -> dict:
    return loader.construct_mapping(node, deep=True)


_Loader.add_constructor("tag:yaml.org,2002:opencv-matrix", _mapping)


def read_calibration(path: Path | str) -> dict[str, Any]:
    """Read a calibration file.

    Returns:
        Arguments of `Camera.from_matrices`: width, height, k (9), distortion_model, d, p (12 or empty).
    Raises:
        UserError: the file is missing, is no YAML, or lacks a field; the message says which.
    """
    try:
        text = Path(path).expanduser().read_text()
        if text.startswith("%YAML:"):  # OpenCV's first line, which is none of YAML's own
            text = text.partition("\n")[2]
        content = yaml.load(text, _Loader)  # a SafeLoader
    except (OSError, UnicodeDecodeError, yaml.YAMLError, RecursionError) as error:
        raise UserError(f"calibration {path} cannot be read: {error}") from error
    try:
        if not isinstance(content, dict):
            raise TypeError("every field")
        if any(isinstance(camera, dict) and "intrinsics" in camera for camera in content.values()):
            return _from_kalibr(content, path)
        return _from_matrices(content)
    except UserError as error:
        raise UserError(f"calibration {path}: {error}") from error
    except KeyError as error:
        raise UserError(f"calibration {path} lacks {error}: {EXPECTED}") from error
    except (TypeError, ValueError, IndexError, AttributeError, OverflowError) as error:
        raise UserError(f"calibration {path} cannot be used, {error}: {EXPECTED}") from error


def _from_matrices(content: dict[str, Any]) -> dict[str, Any]:
    """camera_calibration's, or OpenCV's own with any of the names that its samples give."""
    plain = {str(key).lower().replace("_", ""): value for key, value in content.items()}

    def field(name: str) -> Any:
        for other in NAMES[name]:
            if other in plain:
                return plain[other]
        raise KeyError(name)

    size = plain.get("imagesize") or [plain.get("imagewidth"), plain.get("imageheight")]
    if None in size:
        raise KeyError("image_width, image_height")
    d = _numbers(field("distortion"))
    model = plain.get("distortionmodel")
    if model is None:  # OpenCV's
        model = "equidistant" if plain.get("fisheyemodel") else "plumb_bob" if len(d) <= 5 else "rational_polynomial"
    return {
        "width": int(size[0]),
        "height": int(size[1]),
        "k": _numbers(field("camera_matrix"), 9),
        "distortion_model": str(model),
        "d": d,
        "p": _numbers(plain["projectionmatrix"], 12) if "projectionmatrix" in plain else (),
    }


def _from_kalibr(content: dict[str, Any], path: Path | str) -> dict[str, Any]:
    """Kalibr's camchain; of several cameras the first."""
    cameras = {key: value for key, value in content.items() if isinstance(value, dict) and "intrinsics" in value}
    name, camera = next(iter(cameras.items()))
    if len(cameras) > 1:
        _log.warning("%s holds the cameras %s: %s is taken", path, ", ".join(map(str, cameras)), name)
    kind = camera.get("camera_model", "pinhole")
    if kind != "pinhole":
        raise UserError(
            f"{name} has Kalibr's camera model '{kind}', expected 'pinhole', also for a fisheye: calibrate it as "
            "pinhole-radtan or pinhole-equi"
        )
    fx, fy, cx, cy = _numbers(camera["intrinsics"], 4)
    width, height = _numbers(camera["resolution"], 2)
    return {
        "width": int(width),
        "height": int(height),
        "k": (fx, 0.0, cx, 0.0, fy, cy, 0.0, 0.0, 1.0),
        "distortion_model": str(camera.get("distortion_model") or "none"),
        "d": _numbers(camera.get("distortion_coeffs") or []),
        "p": (),
    }


def _numbers(value: Any, count: int | None = None) -> tuple[float, ...]:
    """The numbers of a list, a list of lists, or a mapping whose `data` is one."""
    if isinstance(value, dict):
        value = value["data"]
    flat: list[Any] = []
    for entry in value:
        flat += entry if isinstance(entry, list) else [entry]
    if count is not None and len(flat) != count:
        raise ValueError(f"{len(flat)} numbers where {count} are expected")
    return tuple(float(number) for number in flat)
