"""Pinhole and fisheye intrinsics, and the image coordinates that the network sees."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from nanohtnet_ros.core.lens import Lens
from nanohtnet_ros.errors import UserError

FOCAL_NORM = 2.29
"""Human3.6M's mean focal length over half its image width: normalised coordinates are tangents times this."""

DEFAULT_HORIZONTAL_FOV_DEG = 60.0
"""Assumed without a calibration: between a webcam's 55 and a phone's 70 degrees."""

MAX_ASPECT_CHANGE = 0.01

WIDEST_DEG = 80.0
WIDEST_COS = math.cos(math.radians(WIDEST_DEG))
"""Image coordinates end here, seen from the optical axis: the tangent is 5.7 there and infinite at 90 degrees."""


@dataclass(frozen=True)
class Camera:
    """Intrinsics of one camera.

    Attributes:
        width, height: image size, pixels.
        fx, fy: focal lengths, pixels.
        cx, cy: principal point, pixels; (0, 0) is the centre of the top-left pixel.
        distortion_model: as in `sensor_msgs/CameraInfo`: plumb_bob, rational_polynomial or equidistant (fisheye);
            other usual names are taken for these, see `Lens`.
        distortion: its coefficients, empty where all are zero.
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
        lens = Lens(self.distortion_model, tuple(self.distortion))
        object.__setattr__(self, "distortion_model", lens.model)
        object.__setattr__(self, "distortion", lens.coefficients)

    @classmethod
    def from_matrices(
        cls,
        width: int,
        height: int,
        k: Sequence[float],
        distortion_model: str = "plumb_bob",
        d: Sequence[float] = (),
        p: Sequence[float] = (),
    ) -> Camera:
        """A camera by the fields of `sensor_msgs/CameraInfo`.

        Args:
            k: (9,) intrinsic matrix, row by row.
            d: coefficients of the distortion.
            p: (12,) projection matrix of the rectified image. It counts where k is all zeros: the image is then taken
                for a rectified one.
        Raises:
            UserError: it is not calibrated (zeros) or of an unknown model; the message says what to do.
        """
        if not any(k) and any(p):
            k, distortion_model, d = (p[0], 0.0, p[2], 0.0, p[5], p[6]), "plumb_bob", ()
        return cls(
            width,
            height,
            float(k[0]),
            float(k[4]),
            float(k[2]),
            float(k[5]),
            distortion_model,
            tuple(float(number) for number in d),
        )

    @classmethod
    def from_yaml(cls, path: Path | str) -> Camera:
        """Read a calibration file as camera_calibration, OpenCV or Kalibr saves it.

        Raises:
            UserError: the file is missing, is no YAML, lacks a field, or holds what cannot be; the message says which.
        """
        from nanohtnet_ros.core.calibration_file import read_calibration

        fields = read_calibration(path)
        try:
            return cls.from_matrices(**fields)
        except UserError as error:
            raise UserError(f"calibration {path}: {error}") from error

    @classmethod
    def from_field_of_view(
        cls, width: int, height: int, horizontal_fov_deg: float = DEFAULT_HORIZONTAL_FOV_DEG
    ) -> Camera:
        """An assumed camera: square pixels, centred principal point, no distortion, not calibrated.

        Args:
            horizontal_fov_deg: along the image's longer side: a phone held upright has the same lens.
        Raises:
            UserError: the angle is not between 1 and 179 degrees.
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
            UserError: the aspect ratio differs by more than 1 %, so the image is a crop and not a scaled one.
        """
        if (width, height) == (self.width, self.height):
            return self
        sx, sy = width / self.width, height / self.height
        if not abs(sx / sy - 1.0) <= MAX_ASPECT_CHANGE:
            raise UserError(
                f"images are {width}x{height} but the calibration is for {self.width}x{self.height}: "
                "calibrate at the resolution in use"
            )
        return replace(
            self,
            width=width,
            height=height,
            fx=self.fx * sx,
            fy=self.fy * sy,
            cx=(self.cx + 0.5) * sx - 0.5,
            cy=(self.cy + 0.5) * sy - 0.5,
        )

    def cropped(self, x_px: int, y_px: int, width: int, height: int) -> Camera:
        """The same camera where only a part of the image is sent.

        Args:
            x_px, y_px: top-left pixel of the part.
            width, height: of the part.
        Raises:
            UserError: the part does not lie within the image.
        """
        if min(x_px, y_px) < 0 or not (0 < width <= self.width - x_px and 0 < height <= self.height - y_px):
            raise UserError(
                f"the part of {width}x{height} pixels at ({x_px}, {y_px}) does not lie within the calibrated image of "
                f"{self.width}x{self.height}: the driver must give roi in pixels of the calibrated image"
            )
        return replace(self, width=width, height=height, cx=self.cx - x_px, cy=self.cy - y_px)

    def binned(self, x: int, y: int) -> Camera:
        """The same camera where x by y pixels are merged into one, each axis on its own.

        The principal point moves as in image_geometry: cx / x, without the half pixel of `scaled_to`.

        Raises:
            UserError: not a single pixel is left.
        """
        if not (0 < x <= self.width and 0 < y <= self.height):
            raise UserError(f"binning is {x}x{y}, expected 1 up to the image's {self.width}x{self.height} pixels")
        return replace(
            self,
            width=self.width // x,
            height=self.height // y,
            fx=self.fx / x,
            fy=self.fy / y,
            cx=self.cx / x,
            cy=self.cy / y,
        )

    def shift_px(self, other: Camera) -> float:
        """How far pixels move, at most over the image, when this camera is replaced by another one.

        Returns:
            Pixels; infinite where the images have different sizes.
        """
        if (self.width, self.height) != (other.width, other.height):
            return math.inf
        x, y = np.meshgrid(np.linspace(0, self.width - 1, 5), np.linspace(0, self.height - 1, 5))
        xy_px = np.stack((x, y), axis=-1)
        shift = np.linalg.norm(other.project(self.rays(xy_px)) - xy_px, axis=-1)
        return float(np.nanmax(shift)) if np.isfinite(shift).any() else math.inf

    def rays(self, xy_px: np.ndarray) -> np.ndarray:
        """Viewing rays of pixels, undistorted.

        Args:
            xy_px: (..., 2); NaN where missing.
        Returns:
            (..., 3) float64 unit vectors in optical axes; NaN where missing, and for pixels where no light comes
            through the lens as it is modelled: outside its circle, or where the polynomial has no inverse.
        """
        return self._lens.undistort((np.asarray(xy_px, np.float64) - (self.cx, self.cy)) / (self.fx, self.fy))

    def tangents(self, xy_px: np.ndarray) -> np.ndarray:
        """Undistort pixels to x/z and y/z in optical axes.

        Args:
            xy_px: (..., 2); NaN where missing.
        Returns:
            (..., 2) float64; NaN where `rays` are, and more than `WIDEST_DEG` off the optical axis.
        """
        return rays_to_tangents(self.rays(xy_px))

    def normalise(self, xy_px: np.ndarray) -> np.ndarray:
        """(..., 2) pixels to the network's coordinates: undistorted tangents times `FOCAL_NORM`, float32."""
        return (FOCAL_NORM * self.tangents(xy_px)).astype(np.float32)

    def project(self, joints_cam_m: np.ndarray) -> np.ndarray:
        """(..., 3) points in optical axes to (..., 2) float64 pixels; NaN where the lens does not see them."""
        return self._lens.distort(np.asarray(joints_cam_m, np.float64)) * (self.fx, self.fy) + (self.cx, self.cy)

    def denormalise(self, keypoints_norm: np.ndarray) -> np.ndarray:
        """(..., 2) the network's coordinates back to pixels; the inverse of `normalise`."""
        tangents = np.asarray(keypoints_norm, np.float64) / FOCAL_NORM
        return self.project(np.concatenate((tangents, np.ones_like(tangents[..., :1])), axis=-1))

    @cached_property
    def _lens(self) -> Lens:
        return Lens(self.distortion_model, self.distortion)


def rays_to_tangents(rays: np.ndarray) -> np.ndarray:
    """(..., 3) unit vectors to (..., 2) x/z and y/z; NaN more than `WIDEST_DEG` off the optical axis."""
    z = rays[..., 2:]
    return rays[..., :2] / np.where(z >= WIDEST_COS, z, np.nan)
