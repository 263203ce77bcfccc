"""Human3.6M's cameras, calibrated from points and their images."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from scipy.optimize import least_squares

from nanohtnet_ros.errors import UserError

FIT_POINTS = 1500
"""Points that a camera is fitted to: a hundred times its 15 parameters."""

CONVERGED = 1e-8
"""Last step of an undistortion in normalised coordinates: a hundred-thousandth of a pixel."""


@dataclass(frozen=True)
class Human36mCamera:
    """Pose and lens of one camera, as the data set models them.

    With a point's normalised coordinates t = (x/z, y/z) and r2 = t.t, its pixel is
    f * (t * (1 + k1 r2 + k2 r2^2 + k3 r2^3 + p.t) + p * r2) + c. OpenCV's lens has 2 p.t instead (and p's components
    swapped): its closest fit to such a camera is rotated by 0.1 degrees, which moves people 5 m away by a centimetre.

    Attributes:
        rotation: (3, 3) optical_from_world.
        translation_m: (3,) the world's origin in optical axes.
        focal_px, centre_px: (2,) f and c.
        radial: (3,) k.
        tangential: (2,) p.
    """

    rotation: np.ndarray
    translation_m: np.ndarray
    focal_px: np.ndarray
    centre_px: np.ndarray
    radial: np.ndarray
    tangential: np.ndarray

    def view(self, joints_world_m: np.ndarray) -> np.ndarray:
        """(..., 3) points in the world to (..., 3) float64 in the camera's optical axes, metres."""
        return joints_world_m @ self.rotation.T + self.translation_m

    def distort(self, norm: np.ndarray) -> np.ndarray:
        """(..., 2) normalised coordinates with the lens' distortion."""
        r2 = (norm**2).sum(axis=-1, keepdims=True)
        k1, k2, k3 = self.radial
        along = norm @ self.tangential
        return norm * (1 + r2 * (k1 + r2 * (k2 + r2 * k3)) + along[..., None]) + self.tangential * r2

    def project(self, joints_cam_m: np.ndarray) -> np.ndarray:
        """(..., 3) points in optical axes to (..., 2) pixels."""
        return self.distort(joints_cam_m[..., :2] / joints_cam_m[..., 2:]) * self.focal_px + self.centre_px

    def normalise(self, xy_px: np.ndarray, iterations: int = 20) -> np.ndarray:
        """(..., 2) pixels to (..., 2) float64 undistorted normalised coordinates, by fixed-point iteration.

        Pixels far outside of the image, where the lens model has no inverse, are not undistorted.
        """
        distorted = (np.asarray(xy_px, np.float64) - self.centre_px) / self.focal_px
        norm, step = distorted, np.zeros_like(distorted)
        for _ in range(iterations):
            step = distorted - self.distort(norm)
            norm = norm + np.clip(step, -0.5, 0.5)
            if np.abs(step).max(initial=0.0) < CONVERGED:
                break
        return np.where(np.abs(step).max(axis=-1, keepdims=True) < 1e3 * CONVERGED, norm, distorted)

    @classmethod
    def fit(cls, points_world_m: np.ndarray, xy_px: np.ndarray, width_px: int) -> tuple[Human36mCamera, float]:
        """Calibrate a camera from points and their pixels.

        Args:
            points_world_m: (N, 3), not all in a plane.
            xy_px: (N, 2).
            width_px: of the image; the initial guess is a lens of 47 degrees.
        Returns:
            The camera, and the root mean square of its reprojection errors in pixels.
        Raises:
            UserError: OpenCV finds no initial camera.
        """
        every = max(1, len(points_world_m) // FIT_POINTS)
        points, pixels = (np.ascontiguousarray(x[::every], np.float32) for x in (points_world_m, xy_px))
        guess = np.array([[1.15 * width_px, 0, width_px / 2], [0, 1.15 * width_px, width_px / 2], [0, 0, 1]])
        flags = cv2.CALIB_USE_INTRINSIC_GUESS | cv2.CALIB_FIX_K3 | cv2.CALIB_ZERO_TANGENT_DIST
        try:
            _, matrix, lens, turns, shifts = cv2.calibrateCamera(
                [points], [pixels], (width_px, width_px), guess, None, flags=flags
            )
        except cv2.error as error:
            raise UserError(f"OpenCV finds no camera for {len(points)} points: {error}") from error
        lens = lens.ravel()
        start = np.concatenate(
            (turns[0].ravel(), shifts[0].ravel(), np.diag(matrix)[:2], matrix[:2, 2], lens[:2], np.zeros(3))
        )

        def residuals(parameters: np.ndarray) -> np.ndarray:
            camera = cls._from_parameters(parameters)
            return (camera.project(camera.view(points.astype(np.float64))) - pixels).ravel()

        found = least_squares(residuals, start, x_scale="jac", xtol=1e-14, ftol=1e-14, gtol=1e-14, max_nfev=100)
        errors = np.linalg.norm(found.fun.reshape(-1, 2), axis=1)
        return cls._from_parameters(found.x), float(np.sqrt((errors**2).mean()))

    @classmethod
    def _from_parameters(cls, p: np.ndarray) -> Human36mCamera:
        return cls(cv2.Rodrigues(p[:3])[0], p[3:6], p[6:8], p[8:10], p[10:13], p[13:15])
