"""What flows through the pipeline, one frozen record per person and stage."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from nanohtnet_ros.core.skeleton import H36M_17


@dataclass(frozen=True, eq=False)
class Keypoints:
    """One person's 2D keypoints in one image, Human3.6M order.

    Attributes:
        xy_px: (17, 2) float32, pixels of the image as received; (0, 0) is the centre of the top-left pixel;
            NaN where a keypoint is missing.
        confidence: (17,) float32 in [0, 1], 0 where a keypoint is missing.
    """

    xy_px: np.ndarray
    confidence: np.ndarray

    def __post_init__(self) -> None:
        joints = len(H36M_17)
        if self.xy_px.shape != (joints, 2) or self.confidence.shape != (joints,):
            raise ValueError(
                f"keypoints have shapes {self.xy_px.shape} and {self.confidence.shape}, "
                f"expected ({joints}, 2) and ({joints},)"
            )
        missing = ~np.isfinite(self.xy_px).all(axis=1) | ~np.isfinite(self.confidence) | (self.confidence <= 0)
        object.__setattr__(self, "xy_px", np.where(missing[:, None], np.nan, self.xy_px).astype(np.float32))
        object.__setattr__(
            self, "confidence", np.where(missing, 0.0, np.minimum(self.confidence, 1.0)).astype(np.float32)
        )

    @property
    def valid(self) -> np.ndarray:
        """(17,) bool, true where a keypoint was found."""
        return self.confidence > 0

    def of(self, known: np.ndarray) -> Keypoints:
        """These keypoints without those that are not known, (17,) bool."""
        return self if known.all() else Keypoints(self.xy_px, np.where(known, self.confidence, 0.0))

    def ordered(self, order: np.ndarray) -> Keypoints:
        """These keypoints in another order of joints, (17,)."""
        return Keypoints(self.xy_px[order], self.confidence[order])


@dataclass(frozen=True, eq=False)
class TrackedKeypoints:
    """One person's keypoints in one image, with their identity.

    Attributes:
        track_id: the person's identity.
        age_s: seconds since they were first seen.
        keypoints: where they are.
    """

    track_id: int
    age_s: float
    keypoints: Keypoints


@dataclass(frozen=True, eq=False)
class Person:
    """One person in one frame.

    Attributes:
        track_id: the person's identity.
        age_s: seconds since they were first seen.
        keypoints: 2D, pixels of the image.
        joints_rel_m: (17, 3) float32, root-relative, metres, optical axes unless transformed to another frame's;
            NaN where the keypoint is missing.
        confidence: (17,) float32 in [0, 1], 0 where a joint is missing.
        root_m: (3,) float64 root in the same axes, seen from the camera or that frame, metres, or None.
        height_m, height_sigma_m: how tall the person is, measured, and its standard deviation; NaN where not known.
        root_sigma_m: standard deviation of the root's distance, metres; NaN where not known.
        root_ground_m: (3,) float64 root in the ground frame, see `Ground`, metres; None where that is not known.
    """

    track_id: int
    age_s: float
    keypoints: Keypoints
    joints_rel_m: np.ndarray
    confidence: np.ndarray
    root_m: np.ndarray | None
    height_m: float = math.nan
    height_sigma_m: float = math.nan
    root_sigma_m: float = math.nan
    root_ground_m: np.ndarray | None = None

    @property
    def joints_cam_m(self) -> np.ndarray:
        """(17, 3) float64 joints in the root's frame, metres; NaN where a joint is missing or the root not known."""
        root_m = np.full(3, np.nan) if self.root_m is None else self.root_m
        return self.joints_rel_m + root_m

    @property
    def keypoints_px(self) -> np.ndarray:
        """(17, 2) float32 2D keypoints, pixels; NaN where missing."""
        return self.keypoints.xy_px
