"""Lens distortion: from viewing rays to the image plane and back, as OpenCV's models define it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np

from nanohtnet_ros.errors import UserError

EQUIDISTANT = "equidistant"
COEFFICIENTS = {"plumb_bob": (4, 5, 8, 12, 14), "rational_polynomial": (4, 5, 8, 12, 14), EQUIDISTANT: (4,)}
"""Distortion model, as `sensor_msgs/CameraInfo` names it, to the numbers of coefficients that it may have."""

ALIASES = {
    "": "plumb_bob",
    "radtan": "plumb_bob",
    "radial_tangential": "plumb_bob",
    "brown_conrady": "plumb_bob",
    "fisheye": EQUIDISTANT,
    "equi": EQUIDISTANT,
    "kannala_brandt": EQUIDISTANT,
    "kannala_brandt4": EQUIDISTANT,
}
"""Other names of the same models: Kalibr's, OpenCV's, and no name at all."""

UNDISTORTED = ("none", "pinhole", "perspective")
"""Names for a lens without distortion; drivers of simulators give them."""

WIDEST_PINHOLE_DEG = 85.0  # from the optical axis; polynomials of a pinhole's radius mean nothing beyond
SAMPLES = 2000  # of the radial curve; interpolation is within 1e-6, and Newton's steps do the rest
STEPS = 10
CLOSE, RETURNED = 1e-9, 1e-6  # in focal lengths: where Newton's method stops, and what counts as found
ON_AXIS = 1e-12


@dataclass(frozen=True)
class Lens:
    """A distortion model with its coefficients.

    Points of the image plane are pixels without the intrinsic matrix: `(x - cx) / fx` and `(y - cy) / fy`.

    Attributes:
        model: plumb_bob, rational_polynomial or equidistant; other usual names are taken for these.
        coefficients: in OpenCV's order; empty for none. All zeros are none.
    """

    model: str = "plumb_bob"
    coefficients: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        """Check and normalise.

        Raises:
            UserError: the model is unknown, or does not have so many coefficients.
        """
        model = ALIASES.get(self.model.lower(), self.model.lower())
        coefficients = self.coefficients if any(self.coefficients) else ()
        if model in UNDISTORTED and not coefficients:
            model = "plumb_bob"
        if model not in COEFFICIENTS:
            raise UserError(
                f"distortion model is '{self.model}' with {len(coefficients)} coefficients, "
                f"expected one of {', '.join(COEFFICIENTS)}: name the model that the camera was calibrated with"
            )
        numbers = COEFFICIENTS[model]
        if not any(coefficients[max(numbers) :]):
            coefficients = coefficients[: max(numbers)]
        if coefficients and len(coefficients) not in numbers:
            expected = ", ".join(map(str, numbers))
            raise UserError(f"the {model} model has {len(coefficients)} coefficients, expected {expected}")
        object.__setattr__(self, "model", model)
        object.__setattr__(self, "coefficients", coefficients)

    def distort(self, rays: np.ndarray) -> np.ndarray:
        """Rays to the image plane.

        Args:
            rays: (..., 3) directions in optical axes, of any length.
        Returns:
            (..., 2); NaN where the lens does not see: behind it, or where its polynomial has folded back.
        """
        xy, z = rays[..., :2], rays[..., 2:]
        radius = np.linalg.norm(xy, axis=-1, keepdims=True)
        with np.errstate(all="ignore"):
            if self.model == EQUIDISTANT:
                angle = np.arctan2(radius, z)
                plane = xy * np.where(radius > ON_AXIS * np.abs(z), self._curve_at(angle) / radius, 1.0 / z)
                seen = (angle <= self._curve[0][-1]) & ((radius > 0) | (z > 0))
                return np.where(seen, plane, np.nan)
            tangents = np.where(z > 1e-6, xy / z, np.nan)
            if not self.coefficients:
                return tangents
            seen = np.linalg.norm(tangents, axis=-1, keepdims=True) <= self._curve[0][-1]
            return np.where(seen, self._distort_tangents(np.where(seen, tangents, 0.0))[0], np.nan)

    def undistort(self, plane: np.ndarray) -> np.ndarray:
        """Points of the image plane to rays; the inverse of `distort`.

        Args:
            plane: (..., 2); NaN where missing.
        Returns:
            (..., 3) unit vectors in optical axes; NaN where missing, and where no ray comes from.
        """
        with np.errstate(all="ignore"):
            if self.model == EQUIDISTANT:
                radius = np.linalg.norm(plane, axis=-1, keepdims=True)
                angle = self._curve_inverse(radius)
                return np.concatenate(
                    (np.where(radius > ON_AXIS, plane / radius, 0.0) * np.sin(angle), np.cos(angle)), axis=-1
                )
            tangents = self._undistort_tangents(plane) if self.coefficients else plane
            rays = np.ones((*plane.shape[:-1], 3))
            rays[..., :2] = tangents
            return rays / np.sqrt((rays**2).sum(axis=-1, keepdims=True))

    @cached_property
    def _curve(self) -> tuple[np.ndarray, np.ndarray]:
        """Radii without distortion (of equidistant: angles), and with it, up to where the curve folds back."""
        with np.errstate(all="ignore"):
            if self.model == EQUIDISTANT:
                ideal = np.linspace(0.0, np.pi, SAMPLES)
            else:
                ideal = np.tan(np.linspace(0.0, np.radians(WIDEST_PINHOLE_DEG), SAMPLES))
            distorted = self._curve_at(ideal)
            falls = np.flatnonzero(~(np.diff(distorted) > 0))
        end = int(falls[0]) + 1 if len(falls) else SAMPLES
        return ideal[:end], distorted[:end]

    def _curve_at(self, ideal: np.ndarray) -> np.ndarray:
        """The radial part of the distortion."""
        k, square = self.coefficients or (0.0,) * 4, ideal**2
        if self.model == EQUIDISTANT:
            return ideal * (1 + square * (k[0] + square * (k[1] + square * (k[2] + square * k[3]))))
        k = (*k, *(0.0,) * 4)
        above = 1 + square * (k[0] + square * (k[1] + square * k[4]))
        return ideal * above / (1 + square * (k[5] + square * (k[6] + square * k[7])))

    def _curve_inverse(self, radius: np.ndarray) -> np.ndarray:
        """Angle of an equidistant lens's radius; NaN beyond the fold."""
        angles, radii = self._curve
        angle = np.interp(radius, radii, angles, right=np.nan)
        k, square = self.coefficients or (0.0,) * 4, angle**2
        slope = 1 + square * (3 * k[0] + square * (5 * k[1] + square * (7 * k[2] + square * 9 * k[3])))
        step = (self._curve_at(angle) - radius) / slope
        return angle - np.where(np.abs(step) < angles[1], step, 0.0)

    def _distort_tangents(self, tangents: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """A pinhole's distorted points, and how they change with the undistorted: (..., 2) and (..., 2, 2)."""
        points = np.concatenate((tangents, np.ones_like(tangents[..., :1])), axis=-1).reshape(-1, 1, 3)
        if not len(points):
            return tangents, np.empty((*tangents.shape, 2))
        plane, slopes = cv2.projectPoints(points, np.zeros(3), np.zeros(3), np.eye(3), np.array(self.coefficients))
        return plane.reshape(tangents.shape), slopes[:, 3:5].reshape(*tangents.shape, 2)  # by the translation's x, y

    def _undistort_tangents(self, plane: np.ndarray) -> np.ndarray:
        """Newton's method from the radial curve; NaN where it does not come back to the point it started from."""
        ideal, distorted = self._curve
        radius = np.linalg.norm(plane, axis=-1, keepdims=True)
        tangents = plane * np.where(radius > ON_AXIS, np.interp(radius, distorted, ideal) / radius, 1.0)
        known = np.isfinite(tangents).all(axis=-1)
        out, wanted, found = np.full(plane.shape, np.nan), plane[known], tangents[known]
        for step in range(STEPS + 1):
            there, slopes = self._distort_tangents(found)
            error = there - wanted
            if step == STEPS or not (np.abs(error) > CLOSE).any():
                break
            a, b, c, d = slopes[:, 0, 0], slopes[:, 0, 1], slopes[:, 1, 0], slopes[:, 1, 1]
            x, y = d * error[:, 0] - b * error[:, 1], a * error[:, 1] - c * error[:, 0]
            found = found - np.stack((x, y), axis=-1) / (a * d - b * c)[:, None]
        returns = (np.abs(error) < RETURNED).all(axis=-1) & (np.linalg.norm(found, axis=-1) <= ideal[-1])
        out[known] = np.where(returns[:, None], found, np.nan)
        return out
