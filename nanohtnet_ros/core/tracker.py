"""Keypoints of one frame after another to tracks with stable identities."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from scipy.optimize import linear_sum_assignment

from nanohtnet_ros.core.poses import Keypoints
from nanohtnet_ros.core.skeleton import H36M_17
from nanohtnet_ros.core.window import NS_PER_S

# COCO's per-keypoint constants (twice its sigmas), for Human3.6M's joints; joints that COCO lacks take their
# neighbours' value.
# fmt: off
OKS_KAPPA = 2.0 * np.array(
    [.107, .107, .087, .089, .107, .087, .089, .107, .079, .035, .035, .079, .072, .062, .079, .072, .062])
# fmt: on

BONES = np.array(H36M_17.bones).T
"""(2, 16) both ends of each bone."""

# Gate of re-association: distance from the prediction in units of the person's size, at once and more a second.
GATE, GATE_PER_S = 0.4, 0.5
SIZE_RATIO = 0.5, 2.0
UPRIGHT = 7.0  # diagonal of the box around a standing person, in mean bone lengths
COASTING_S = 0.5  # a missed track is predicted at constant velocity for so long


@dataclass(frozen=True)
class TrackerConfig:
    """Limits of the association.

    Attributes:
        min_oks: least object keypoint similarity between a track's prediction and a detection to be one person.
        max_missed_s: a track without a detection for this long ends; its id never comes back.
        confirm_s: a new track is confirmed after this long; at once where there is no other track.
        velocity_memory_s: time constant over which a track's velocity is averaged.
    """

    min_oks: float = 0.2
    max_missed_s: float = 2.0
    confirm_s: float = 0.1
    velocity_memory_s: float = 0.15


@dataclass
class Track:
    """One person over time.

    Attributes:
        track_id: unique for the life of the process; None while they are unconfirmed.
        first_ns, last_ns: stamps of the first and the latest detection.
        keypoints: of the latest detection.
        velocity_px_s: (17, 2) smoothed velocity, zero where unknown.
    """

    track_id: int | None
    first_ns: int
    last_ns: int
    keypoints: Keypoints
    velocity_px_s: np.ndarray = field(default_factory=lambda: np.zeros((17, 2), np.float32))

    @property
    def age_s(self) -> float:
        """Seconds from the first detection to the latest."""
        return (self.last_ns - self.first_ns) / NS_PER_S

    def predicted_px(self, stamp_ns: int) -> np.ndarray:
        """(17, 2) keypoints at a stamp, at constant velocity."""
        return self.keypoints.xy_px + self.velocity_px_s * ((stamp_ns - self.last_ns) / NS_PER_S)

    def gated_distance(self, detection: Keypoints, stamp_ns: int) -> float:
        """Distance of a detection from the prediction, in units of the gate; inf outside of it.

        It compares positions of the whole body: the pose after a gap cannot be predicted.
        """
        gap_s = (stamp_ns - self.last_ns) / NS_PER_S
        both = self.keypoints.valid & detection.valid
        size, other = sizes_px(np.array((self.keypoints.xy_px, detection.xy_px)), both)
        if not both.any() or not SIZE_RATIO[0] <= other / size <= SIZE_RATIO[1]:
            return np.inf
        moved = self.velocity_px_s[both].mean(axis=0) * min(gap_s, COASTING_S)
        apart = (detection.xy_px[both] - self.keypoints.xy_px[both]).mean(axis=0) - moved
        distance = float(np.linalg.norm(apart)) / (max(size, other) * (GATE + GATE_PER_S * gap_s))
        return distance if distance <= 1.0 else np.inf


def sizes_px(xy_px: np.ndarray, joints: np.ndarray) -> np.ndarray:
    """Sizes of people in the image, which hardly depend on their poses.

    Args:
        xy_px: (..., 17, 2) keypoints.
        joints: (..., 17) bool, those whose bones are measured.
    Returns:
        (...,) about the diagonal of the box around each when they stand upright, at least a pixel.
    """
    start, end = BONES
    measured = joints[..., start] & joints[..., end]
    bones_px = xy_px[..., start, :] - xy_px[..., end, :]
    lengths = np.hypot(bones_px[..., 0], bones_px[..., 1])
    total = np.where(measured, lengths, 0.0).sum(axis=-1)
    return np.maximum(UPRIGHT * total / np.maximum(measured.sum(axis=-1), 1), 1.0)


def object_keypoint_similarity(a_px: np.ndarray, b_px: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """COCO's OKS between each of A people and each of B, with the first one's extent as the person's size.

    Args:
        a_px: (A, 17, 2); NaN where missing, though not all of it.
        b_px: (B, 17, 2), likewise.
        weight: (A, B, 17) importance of each keypoint.
    Returns:
        (A, B), 0 to 1; 0 where no keypoint is in both.
    """
    distance2 = ((a_px[:, None] - b_px) ** 2).sum(axis=-1)  # (A, B, 17)
    weight = np.where(np.isfinite(distance2), weight, 0.0)
    extent = np.nanmax(a_px, axis=1) - np.nanmin(a_px, axis=1)
    area = np.maximum(extent.prod(axis=1), 1.0)[:, None, None]
    similarity = np.exp(-np.nan_to_num(distance2) / (2.0 * area * OKS_KAPPA**2))
    return (weight * similarity).sum(axis=-1) / np.maximum(weight.sum(axis=-1), 1e-9)


def assigned(score: np.ndarray, least: float) -> list[tuple[int, int]]:
    """Pairs of rows and columns with the greatest sum of scores, without those that score less than `least`."""
    pairs = zip(*linear_sum_assignment(-score), strict=True)
    return [(int(i), int(j)) for i, j in pairs if score[i, j] >= least]


class Tracker:
    """Assigns each frame's detections to tracks: OKS as the cost, the Hungarian method, constant velocity.

    A detection that fits no prediction is re-associated with a missed track near by.
    """

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
            Confirmed tracks with a detection in this frame.
        """
        self.tracks = [track for track in self.tracks if 0 <= stamp_ns - track.last_ns <= self._limit_ns(track)]
        detections = [detection for detection in detections if detection.valid.any()]
        confirm_ns = int(self.config.confirm_s * NS_PER_S)
        alone = not any(track.track_id and stamp_ns - track.last_ns <= confirm_ns for track in self.tracks)
        pairs = assigned(self._similarity(detections, stamp_ns), self.config.min_oks)
        pairs += self._found_again(pairs, detections, stamp_ns)
        for i, j in pairs:
            self._advance(self.tracks[i], detections[j], stamp_ns)
        taken = {j for _, j in pairs}
        self.tracks += [
            Track(None, stamp_ns, stamp_ns, detection) for j, detection in enumerate(detections) if j not in taken
        ]
        seen = [track for track in self.tracks if track.last_ns == stamp_ns]
        for track in seen:
            if track.track_id is None and (alone or track.age_s >= self.config.confirm_s):
                track.track_id = self._next_id()
        return [track for track in seen if track.track_id is not None]

    def _similarity(self, detections: list[Keypoints], stamp_ns: int) -> np.ndarray:
        """(tracks, detections) OKS of the predictions."""
        if not self.tracks or not detections:
            return np.zeros((len(self.tracks), len(detections)))
        sure = np.array([track.keypoints.confidence for track in self.tracks])
        weight = np.sqrt(sure[:, None] * [detection.confidence for detection in detections])
        predicted = np.array([track.predicted_px(stamp_ns) for track in self.tracks])
        return object_keypoint_similarity(predicted, np.array([d.xy_px for d in detections]), weight)

    def _limit_ns(self, track: Track) -> int:
        """How long a track may be without a detection."""
        limit_s = self.config.confirm_s if track.track_id is None else self.config.max_missed_s
        return int(limit_s * NS_PER_S)

    def _found_again(
        self, pairs: list[tuple[int, int]], detections: list[Keypoints], stamp_ns: int
    ) -> list[tuple[int, int]]:
        """Re-associated pairs of the tracks and detections that are left, by place, size and motion."""
        missed = [i for i, track in enumerate(self.tracks) if track.track_id is not None and i not in dict(pairs)]
        free = [j for j in range(len(detections)) if j not in {taken for _, taken in pairs}]
        nearness = np.array(
            [[1.0 - min(self.tracks[i].gated_distance(detections[j], stamp_ns), 2.0) for j in free] for i in missed]
        ).reshape(len(missed), len(free))
        return [(missed[i], free[j]) for i, j in assigned(nearness, 0.0)]

    def _advance(self, track: Track, detection: Keypoints, stamp_ns: int) -> None:
        dt_s = (stamp_ns - track.last_ns) / NS_PER_S
        if dt_s > 0:
            measured = (detection.xy_px - track.keypoints.xy_px) / dt_s
            measured = np.where(np.isfinite(measured), measured, track.velocity_px_s)
            gain = 1.0 - np.exp(-dt_s / self.config.velocity_memory_s)
            track.velocity_px_s = (track.velocity_px_s + gain * (measured - track.velocity_px_s)).astype(np.float32)
        track.keypoints, track.last_ns = detection, stamp_ns
