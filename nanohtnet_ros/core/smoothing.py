"""Steadier poses over time, one record per track: constant bone lengths and the One Euro filter."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nanohtnet_ros.core.body import standing_heights
from nanohtnet_ros.core.skeleton import H36M_17
from nanohtnet_ros.core.window import NS_PER_S
from nanohtnet_ros.errors import UserError

PARENTS = np.maximum(H36M_17.parents, 0)  # the root is its own
BONES_BEFORE = np.eye(
    len(H36M_17)
)  # (17, 17): does the bone of the column lie between the root and the joint of the row
for parent, child in H36M_17.bones:
    BONES_BEFORE[child] += BONES_BEFORE[parent]


@dataclass(frozen=True)
class SmoothingConfig:
    """What is smoothed, and how much; a higher cutoff follows faster and smooths less.

    Attributes:
        one_euro: filter joints and root by One Euro, which delays them a little.
        min_cutoff_hz: of a joint, or root, at rest.
        beta: cutoff gained per speed, Hz per (m/s).
        speed_cutoff_hz: of the speed itself.
        constant_bones: give bones the lengths that they have on average over the track.
        bones_memory_s: lengths of this long ago count a third of today's.
    """

    one_euro: bool = True
    min_cutoff_hz: float = 3.0
    beta: float = 4.0
    speed_cutoff_hz: float = 1.0
    constant_bones: bool = True
    bones_memory_s: float = 3.0

    def __post_init__(self) -> None:
        positive = ("min_cutoff_hz", "speed_cutoff_hz", "bones_memory_s")
        wrong = [name for name in positive if not 0 < getattr(self, name) < np.inf]
        wrong += [] if 0 <= self.beta < np.inf else ["beta"]
        if wrong:
            values = ", ".join(f"{name} {getattr(self, name):g}" for name in wrong)
            raise UserError(f"smoothing has {values}: expected positive finite numbers (beta may be 0)")


class OneEuro:
    """Smooths points the more, the slower they move, each by itself and by the frames' stamps.

    Casiez, Roussel and Vogel, "1 Euro Filter: A Simple Speed-based Low-pass Filter for Noisy Input in Interactive
    Systems", CHI 2012. Speeds are those of the unfiltered points, and a step's gain is the low-pass filter's exact
    answer over that time, so that the frame rate changes little.
    """

    def __init__(self, min_cutoff_hz: float, beta: float, speed_cutoff_hz: float) -> None:
        """Start without a past; see `SmoothingConfig`."""
        self._min_cutoff_hz, self._beta, self._speed_cutoff_hz = min_cutoff_hz, beta, speed_cutoff_hz
        self._last_ns = 0
        self._past: np.ndarray | None = None  # (3, N, 3) last points, filtered, and their speeds

    def __call__(self, points_m: np.ndarray, stamp_ns: int) -> np.ndarray:
        """Filter one frame.

        Args:
            points_m: (N, 3); points with a NaN become all NaN, and start again when they come back.
            stamp_ns: of the frame; one that is not after the last resets the filter.
        Returns:
            (N, 3), the input's dtype.
        """
        return self.together([self], points_m[None], stamp_ns)[0]

    @staticmethod
    def together(filters: Sequence[OneEuro], points_m: np.ndarray, stamp_ns: int) -> np.ndarray:
        """Filter one frame of several tracks, (P, N, 3), by filters that are set alike."""
        first, shape = filters[0], (3, *points_m.shape[1:])
        past = np.array([np.full(shape, np.nan) if one._past is None else one._past for one in filters])
        before, value, velocity = past[:, 0], past[:, 1], past[:, 2]
        elapsed_s = np.array([stamp_ns - one._last_ns for one in filters])[:, None, None] / NS_PER_S
        dt_s = np.where(elapsed_s > 0, elapsed_s, np.nan)  # with NaN all starts anew
        raw = points_m.astype(np.float64)
        raw[~np.isfinite(raw).all(axis=-1)] = np.nan
        velocity = velocity + low_pass_gain(first._speed_cutoff_hz, dt_s) * ((raw - before) / dt_s - velocity)
        velocity = np.where(np.isnan(velocity), 0.0, velocity)  # of points that are missing, now or before
        speed = np.sqrt((velocity**2).sum(axis=-1, keepdims=True))
        value = value + low_pass_gain(first._min_cutoff_hz + first._beta * speed, dt_s) * (raw - value)
        value = np.where(np.isnan(value), raw, value)
        for i, past in enumerate(np.array((raw, value, velocity)).swapaxes(0, 1)):
            filters[i]._past, filters[i]._last_ns = past, stamp_ns
        return value.astype(points_m.dtype)


def low_pass_gain(cutoff_hz: np.ndarray | float, dt_s: np.ndarray | float) -> np.ndarray | float:
    """Share of the way that a first-order low-pass filter goes towards a constant input in a time."""
    return -np.expm1(cutoff_hz * (-2.0 * np.pi * dt_s))


class RunningMean:
    """Mean over time in which the past fades."""

    def __init__(self, size: int, memory_s: float) -> None:
        """Start without a past; values of `memory_s` ago count a third of today's."""
        self._memory_s = memory_s
        self._mean, self._weight = np.zeros(size), np.zeros(size)
        self._last_ns: int | None = None

    @property
    def value(self) -> np.ndarray:
        """(size,) float64; NaN where nothing was ever known."""
        return np.where(self._weight > 0, self._mean, np.nan)

    def update(self, values: np.ndarray, weight: np.ndarray, stamp_ns: int) -> None:
        """Add values; those that are NaN, or weigh nothing, do not count. (size,) both."""
        self.together([self], values[None], weight[None], stamp_ns)

    @staticmethod
    def together(means: Sequence[RunningMean], values: np.ndarray, weight: np.ndarray, stamp_ns: int) -> np.ndarray:
        """Update several with (P, size) values of one moment and their weights; (P, size) what they are then."""
        counts = np.isfinite(values) & (weight > 0)
        elapsed_s = [0 if mean._last_ns is None else max(0, stamp_ns - mean._last_ns) / NS_PER_S for mean in means]
        kept = np.exp(np.array(elapsed_s) / -means[0]._memory_s)[:, None]
        mean, total = np.array([one._mean for one in means]), np.array([one._weight for one in means])
        counted = np.where(counts, weight, 0.0)
        # The total never fades to nothing: what was known of a bone stays known.
        total = np.maximum(total * kept, np.minimum(total, 1e-6)) + counted
        mean += counted / np.maximum(total, 1e-9) * np.where(counts, values - mean, 0.0)
        for one, one_mean, one_total in zip(means, mean, total, strict=True):
            one._mean, one._weight, one._last_ns = one_mean, one_total, stamp_ns
        return np.where(total > 0, mean, np.nan)


class BoneLengths:
    """Gives a track's bones the lengths that they had on average.

    A person's bones do not change, the network's do from frame to frame. Directions stay, so joints move along the
    bones only. Left and right share a length.
    """

    def __init__(self, memory_s: float) -> None:
        """Start without a past; lengths of `memory_s` ago count a third of today's."""
        self._mean = RunningMean(len(H36M_17) + 1, memory_s)  # of bones and the height

    @property
    def mean_lengths_m(self) -> np.ndarray:
        """(17,) mean length of the bone that ends at each joint, left and right the same; NaN where unknown."""
        return _of_both_sides(self._mean.value)

    @property
    def mean_height_m(self) -> float | None:
        """Mean of `standing_height` over the poses that were whole; None where unknown."""
        height = float(self._mean.value[-1])
        return height if math.isfinite(height) else None

    def update(self, joints_rel_m: np.ndarray, confidence: np.ndarray, stamp_ns: int) -> None:
        """Learn from one frame.

        Args:
            joints_rel_m: (17, 3); NaN where missing.
            confidence: (17,) of the joints; a bone weighs what the less certain of its ends does.
            stamp_ns: of the frame.
        """
        self.together([self], joints_rel_m[None], confidence[None], stamp_ns)

    @staticmethod
    def together(
        tracks: Sequence[BoneLengths], joints_rel_m: np.ndarray, confidence: np.ndarray, stamp_ns: int
    ) -> np.ndarray:
        """Learn from one frame of several, (P, 17, 3) and (P, 17); their (P, 17) mean lengths."""
        values = np.empty((len(joints_rel_m), len(H36M_17) + 1))
        values[:, :-1], values[:, -1] = bone_lengths(joints_rel_m), standing_heights(joints_rel_m)
        weight = np.empty_like(values)
        weight[:, :-1] = np.minimum(confidence, confidence[:, PARENTS])
        weight[:, -1] = confidence.all(axis=1)  # legs that were made up say nothing about the height
        return _of_both_sides(RunningMean.together([track._mean for track in tracks], values, weight, stamp_ns))

    def apply(self, joints_rel_m: np.ndarray) -> np.ndarray:
        """Rebuild one pose from the root outwards.

        Args:
            joints_rel_m: (17, 3); where a joint is NaN it stays so, and those behind it move with those before it.
        Returns:
            (17, 3), the input's dtype.
        """
        return with_lengths(joints_rel_m, self.mean_lengths_m)


def bone_lengths(joints_m: np.ndarray) -> np.ndarray:
    """(..., 17) length of the bone that ends at each joint, metres; 0 for the root, NaN where an end is missing."""
    return np.sqrt(((joints_m - joints_m[..., PARENTS, :]) ** 2).sum(axis=-1))


def with_lengths(joints_rel_m: np.ndarray, lengths_m: np.ndarray) -> np.ndarray:
    """Poses, (..., 17, 3), whose bones have the (..., 17) lengths, NaN for as they are; see `BoneLengths.apply`."""
    bones = joints_rel_m - joints_rel_m[..., PARENTS, :]
    steps = (lengths_m / np.maximum(bone_lengths(joints_rel_m), 1e-6) - 1.0)[..., None] * bones
    shift = BONES_BEFORE @ np.where(np.isfinite(steps), steps, 0.0)
    return (joints_rel_m + shift).astype(joints_rel_m.dtype)


def _of_both_sides(means_m: np.ndarray) -> np.ndarray:
    """(..., 17) mean of both sides' bones, or of the one that is known, of (..., 18) bones and height."""
    mean = means_m[..., :-1]
    other = mean[..., H36M_17.flip_order]
    return (np.fmin(mean, other) + np.fmax(mean, other)) / 2.0


class TrackSmoother:
    """What is remembered of one track to make its poses steady; a new track, or a jump in time, takes a new one."""

    def __init__(self, config: SmoothingConfig | None = None) -> None:
        """Start without a past."""
        self.config = config or SmoothingConfig()
        filters = self.config.min_cutoff_hz, self.config.beta, self.config.speed_cutoff_hz
        self._joints, self._root = OneEuro(*filters), OneEuro(*filters)
        self._bones = BoneLengths(self.config.bones_memory_s)

    @property
    def mean_lengths_m(self) -> np.ndarray:
        """(17,) mean length of the bone that ends at each joint; NaN where unknown."""
        return self._bones.mean_lengths_m

    @property
    def mean_height_m(self) -> float | None:
        """Mean of `standing_height` over the track's poses as they came, or None: for `scale_to_height`."""
        return self._bones.mean_height_m

    def joints(self, joints_rel_m: np.ndarray, confidence: np.ndarray, stamp_ns: int) -> np.ndarray:
        """Smooth one frame's pose.

        Args:
            joints_rel_m: (17, 3) root-relative, as the network gave them; NaN joints stay NaN.
            confidence: (17,) in [0, 1].
            stamp_ns: of the frame.
        Returns:
            (17, 3), the input's dtype.
        """
        return self.together([self], joints_rel_m[None], confidence[None], stamp_ns)[0]

    @staticmethod
    def together(
        tracks: Sequence[TrackSmoother], joints_rel_m: np.ndarray, confidence: np.ndarray, stamp_ns: int
    ) -> np.ndarray:
        """Smooth one frame's poses of several tracks that are set alike, (P, 17, 3) and (P, 17); see `joints`."""
        config = tracks[0].config
        lengths_m = BoneLengths.together([track._bones for track in tracks], joints_rel_m, confidence, stamp_ns)
        if config.one_euro:
            joints_rel_m = OneEuro.together([track._joints for track in tracks], joints_rel_m, stamp_ns)
        return with_lengths(joints_rel_m, lengths_m) if config.constant_bones else joints_rel_m

    def root(self, root_m: np.ndarray | None, stamp_ns: int) -> np.ndarray | None:
        """Smooth one frame's root.

        Args:
            root_m: (3,) metres, always in the same axes; None where it is not known.
            stamp_ns: of the frame.
        Returns:
            (3,) or None where it was.
        """
        return self.roots_together([self], [root_m], stamp_ns)[0]

    @staticmethod
    def roots_together(
        tracks: Sequence[TrackSmoother], roots_m: list[np.ndarray | None], stamp_ns: int
    ) -> list[np.ndarray | None]:
        """Smooth one frame's roots of several tracks that are set alike; see `root`."""
        if not tracks or not tracks[0].config.one_euro:
            return roots_m
        points = np.array([[np.full(3, np.nan) if root is None else root] for root in roots_m])  # (P, 1, 3)
        out = OneEuro.together([track._root for track in tracks], points, stamp_ns)[:, 0]
        return [None if root is None else smooth for root, smooth in zip(roots_m, out, strict=True)]
