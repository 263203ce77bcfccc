"""Keypoints of one frame after another to tracks with stable identities."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from scipy.optimize import linear_sum_assignment

from nanohtnet_ros.core.poses import Keypoints
from nanohtnet_ros.core.window import NS_PER_S

# COCO's per-keypoint constants (twice its sigmas), for Human3.6M's joints; joints that COCO lacks take their
# neighbours' value.
OKS_KAPPA = 2.0 * np.array(
    [.107, .107, .087, .089, .107, .087, .089, .107, .079, .035, .035, .079, .072, .062, .079, .072, .062])


@dataclass(frozen=True)
class TrackerConfig:
    """Limits of the association.

    Attributes:
        min_oks: least object keypoint similarity between a track's prediction and a detection to be one person.
        max_missed_s: a track that was not seen for this long is over; its id never comes back.
        velocity_memory_s: time constant over which a track's velocity is averaged.
    """

    min_oks: float = 0.2
    max_missed_s: float = 1.0
    velocity_memory_s: float = 0.15


@dataclass
class Track:
    """One person over time.

    Attributes:
        track_id: unique for the life of the process.
        first_ns, last_ns: stamps of the first and the latest sight.
        keypoints: of the latest sight.
        velocity_px_s: (17, 2) smoothed velocity, zero where unknown.
    """

    track_id: int
    first_ns: int
    last_ns: int
    keypoints: Keypoints
    velocity_px_s: np.ndarray = field(default_factory=lambda: np.zeros((17, 2), np.float32))

    @property
    def age_s(self) -> float:
        """Seconds from the first sight to the latest."""
        return (self.last_ns - self.first_ns) / NS_PER_S

    def predicted_px(self, stamp_ns: int) -> np.ndarray:
        """(17, 2) keypoints at a stamp, at constant velocity."""
        return self.keypoints.xy_px + self.velocity_px_s * ((stamp_ns - self.last_ns) / NS_PER_S)


def object_keypoint_similarity(a_px: np.ndarray, b_px: np.ndarray, weight: np.ndarray) -> float:
    """COCO's OKS between two sets of keypoints, with the first one's extent as the person's size.

    Args:
        a_px, b_px: (17, 2); NaN where missing.
        weight: (17,) importance of each keypoint.
    Returns:
        0 to 1; 0 where no keypoint is in both.
    """
    both = np.isfinite(a_px).all(axis=1) & np.isfinite(b_px).all(axis=1) & (weight > 0)
    if not both.any():
        return 0.0
    known = a_px[np.isfinite(a_px).all(axis=1)]
    area = max(float(np.prod(known.max(axis=0) - known.min(axis=0))), 1.0)
    distance2 = ((a_px[both] - b_px[both]) ** 2).sum(axis=1)
    similarity = np.exp(-distance2 / (2.0 * area * OKS_KAPPA[both] ** 2))
    return float(np.average(similarity, weights=weight[both]))


class Tracker:
    """Assigns each frame's detections to tracks: OKS as the cost, the Hungarian method, constant velocity."""

    def __init__(self, config: TrackerConfig | None = None, next_id: Callable[[], int] | None = None) -> None:
        """Start without tracks.

        Args:
            config: limits.
            next_id: gives a fresh id at each call, for trackers that share one numbering; counts from 1 if left out.
        """
        self.config = config or TrackerConfig()
        self._last_id = 0
        self._next_id = next_id or self._count
        self.tracks: list[Track] = []

    def _count(self) -> int:
        self._last_id += 1
        return self._last_id

    def reset(self) -> None:
        """End all tracks; ids go on from where they were."""
        self.tracks = []

    def update(self, detections: list[Keypoints], stamp_ns: int) -> list[Track]:
        """Assign one frame's detections.

        Args:
            detections: people in the frame; those without any keypoint are left out.
            stamp_ns: when the frame was taken, after the previous one.
        Returns:
            Tracks that were seen in this frame.
        """
        limit_ns = int(self.config.max_missed_s * NS_PER_S)
        self.tracks = [track for track in self.tracks if 0 <= stamp_ns - track.last_ns <= limit_ns]
        detections = [detection for detection in detections if detection.valid.any()]
        similarity = np.zeros((len(self.tracks), len(detections)))
        for i, track in enumerate(self.tracks):
            predicted = track.predicted_px(stamp_ns)
            for j, detection in enumerate(detections):
                weight = np.sqrt(track.keypoints.confidence * detection.confidence)
                similarity[i, j] = object_keypoint_similarity(predicted, detection.xy_px, weight)
        taken = set()
        for i, j in zip(*linear_sum_assignment(-similarity), strict=True):
            if similarity[i, j] >= self.config.min_oks:
                self._advance(self.tracks[i], detections[j], stamp_ns)
                taken.add(j)
        for j, detection in enumerate(detections):
            if j not in taken:
                self.tracks.append(Track(self._next_id(), stamp_ns, stamp_ns, detection))
        return [track for track in self.tracks if track.last_ns == stamp_ns]

    def _advance(self, track: Track, detection: Keypoints, stamp_ns: int) -> None:
        dt_s = (stamp_ns - track.last_ns) / NS_PER_S
        if dt_s > 0:
            measured = (detection.xy_px - track.keypoints.xy_px) / dt_s
            measured = np.where(np.isfinite(measured), measured, track.velocity_px_s)
            gain = 1.0 - np.exp(-dt_s / self.config.velocity_memory_s)
            track.velocity_px_s = (track.velocity_px_s + gain * (measured - track.velocity_px_s)).astype(np.float32)
        track.keypoints, track.last_ns = detection, stamp_ns
