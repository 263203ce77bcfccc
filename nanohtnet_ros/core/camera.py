"""Pinhole and fisheye intrinsics, and the image coordinates that the network sees."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from nanohtnet_ros.errors import UserError

FOCAL_NORM = 2.29
"""Human3.6M's mean focal length over half its image width: normalised coordinates are tangents times this."""

DEFAULT_HORIZONTAL_FOV_DEG = 60.0
"""Assumed without a calibration: between a webcam's 55 and a phone's 70 degrees."""

# OpenCV's own limit, five iterations, leaves a tenth of a pixel and more at the edges of wide lenses.
UNDISTORT_UNTIL = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 50, 1e-9)

DISTORTION_MODELS = ("", "plumb_bob", "rational_polynomial", "equidistant")


@dataclass(frozen=True)
class Camera:
    """Intrinsics of one camera.

    Attributes:
        width, height: image size, pixels.
        fx, fy: focal lengths, pixels.
        cx, cy: principal point, pixels; (0, 0) is the centre of the top-left pixel.
        distortion_model: as in `sensor_msgs/CameraInfo`: plumb_bob, rational_polynomial or equidistant.
        distortion: its coefficients, empty for none.
        calibrated: false where the intrinsics are only an assumed field of view.
    """

    width: int
    height: int
    fx: float
    fy: float
    cx: float
    cy: float
    distortion_model: str = "plumb_bob"
    distortion: tuple[float, ...] = field(default=())
    calibrated: bool = True

    def __post_init__(self) -> None:
        if self.width <= 0 or self.height <= 0:
            raise UserError(f"image size is {self.width}x{self.height}, expected positive numbers")
        numbers = (self.fx, self.fy, self.cx, self.cy, *self.distortion)
        if not all(map(math.isfinite, numbers)) or self.fx <= 0 or self.fy <= 0:
            raise UserError(
                f"fx, fy, cx, cy are {self.fx}, {self.fy}, {self.cx}, {self.cy}, expected finite numbers and positive "
                "focal lengths: the camera is not calibrated, run camera_calibration or fill in its camera info file"
            )
        if self.distortion_model not in DISTORTION_MODELS:
            raise UserError(
                f"distortion model is '{self.distortion_model}', expected one of {', '.join(DISTORTION_MODELS[1:])}")
        if self.distortion_model == "equidistant" and len(self.distortion) not in (0, 4):
            raise UserError(f"the equidistant model has {len(self.distortion)} coefficients, expected 4")
        if self.distortion_model != "equidistant" and len(self.distortion) not in (0, 4, 5, 8, 12, 14):
            raise UserError(
                f"the {self.distortion_model or 'plumb_bob'} model has {len(self.distortion)} coefficients, "
                "expected 4, 5, 8, 12 or 14")

    @classmethod
    def from_yaml(cls, path: Path | str) -> Camera:
        """Read a calibration file as camera_calibration writes it.

        Raises:
            UserError: the file is missing, is no YAML, or lacks a field; the message says which.
        """
        import yaml

        try:
            content = yaml.safe_load(Path(path).expanduser().read_text())
            k = content["camera_matrix"]["data"]
            return cls(
                width=int(content["image_width"]), height=int(content["image_height"]),
                fx=float(k[0]), fy=float(k[4]), cx=float(k[2]), cy=float(k[5]),
                distortion_model=str(content["distortion_model"]),
                distortion=tuple(float(d) for d in content["distortion_coefficients"]["data"]))
        except (OSError, yaml.YAMLError) as error:
            raise UserError(f"calibration {path} cannot be read: {error}") from error
        except (KeyError, TypeError, IndexError) as error:
            raise UserError(
                f"calibration {path} lacks {error}: expected image_width, image_height, camera_matrix, "
                "distortion_model and distortion_coefficients, as camera_calibration saves them") from error

    @classmethod
    def from_field_of_view(
        cls, width: int, height: int, horizontal_fov_deg: float = DEFAULT_HORIZONTAL_FOV_DEG
    ) -> Camera:
        """An assumed camera: square pixels, centred principal point, no distortion, not calibrated.

        Args:
            horizontal_fov_deg: along the image's longer side: whoever holds a phone upright has the same lens.
        Raises:
            ValueError: the angle is not between 1 and 179 degrees.
        """
        if not 1.0 <= horizontal_fov_deg <= 179.0:
            raise UserError(f"horizontal field of view is {horizontal_fov_deg} degrees, expected 1 to 179")
        focal = 0.5 * max(width, height) / math.tan(math.radians(horizontal_fov_deg) / 2)
        return cls(width, height, focal, focal, (width - 1) / 2, (height - 1) / 2, calibrated=False)

    @property
    def matrix(self) -> np.ndarray:
        """(3, 3) float64 intrinsic matrix K."""
        return np.array([[self.fx, 0, self.cx], [0, self.fy, self.cy], [0, 0, 1]], np.float64)

    def scaled_to(self, width: int, height: int) -> Camera:
        """The same camera at another resolution, for drivers that publish one calibration for all of them.

        Raises:
            ValueError: the aspect ratio differs by more than 1 %, so the image is a crop and not a scaled one.
        """
        if (width, height) == (self.width, self.height):
            return self
        sx, sy = width / self.width, height / self.height
        if abs(sx / sy - 1.0) > 0.01:
            raise UserError(
                f"images are {width}x{height} but the calibration is for {self.width}x{self.height}: "
                "calibrate at the resolution in use"
            )
        return Camera(
            width, height, self.fx * sx, self.fy * sy, (self.cx + 0.5) * sx - 0.5, (self.cy + 0.5) * sy - 0.5,
            self.distortion_model, self.distortion, self.calibrated)

    def tangents(self, xy_px: np.ndarray) -> np.ndarray:
        """Undistort pixels to tangents of the viewing angles: x/z and y/z in optical axes.

        Args:
            xy_px: (..., 2); NaN stays NaN.
        Returns:
            (..., 2) float64.
        """
        xy_px = np.asarray(xy_px, np.float64)
        if not any(self.distortion) and self.distortion_model != "equidistant":
            return (xy_px - (self.cx, self.cy)) / (self.fx, self.fy)
        out = np.full(xy_px.shape, np.nan)
        seen = np.isfinite(xy_px).all(axis=-1)
        if seen.any():
            points, distortion = xy_px[seen].reshape(-1, 1, 2), np.array(self.distortion or (0.0,) * 4)
            if self.distortion_model == "equidistant":
                out[seen] = cv2.fisheye.undistortPoints(points, self.matrix, distortion)[:, 0]
            else:
                out[seen] = cv2.undistortPointsIter(
                    points, self.matrix, distortion, np.eye(3), np.eye(3), UNDISTORT_UNTIL)[:, 0]
        return out

    def normalise(self, xy_px: np.ndarray) -> np.ndarray:
        """(..., 2) pixels to the network's coordinates: undistorted tangents times `FOCAL_NORM`, float32."""
        return (FOCAL_NORM * self.tangents(xy_px)).astype(np.float32)

    def project(self, joints_cam_m: np.ndarray) -> np.ndarray:
        """(..., 3) points in optical axes, metres, to (..., 2) float64 pixels; NaN for points behind the camera."""
        joints = np.asarray(joints_cam_m, np.float64)
        out = np.full((*joints.shape[:-1], 2), np.nan)
        ahead = np.isfinite(joints).all(axis=-1) & (joints[..., 2] > 1e-6)
        if not ahead.any():
            return out
        points = joints[ahead].reshape(-1, 1, 3)
        zero, distortion = np.zeros(3), np.array(self.distortion or (0.0,) * 4)
        if self.distortion_model == "equidistant":
            out[ahead] = cv2.fisheye.projectPoints(points, zero, zero, self.matrix, distortion)[0][:, 0]
        else:
            out[ahead] = cv2.projectPoints(points, zero, zero, self.matrix, distortion)[0][:, 0]
        return out

    def denormalise(self, keypoints_norm: np.ndarray) -> np.ndarray:
        """(..., 2) the network's coordinates back to pixels; the inverse of `normalise`."""
        tangents = np.asarray(keypoints_norm, np.float64) / FOCAL_NORM
        return self.project(np.concatenate((tangents, np.ones_like(tangents[..., :1])), axis=-1))
