"""How tall a person is: by their feet on the floor, a depth image, what is told, and the network's poses.

A pose and its place scale together: all sizes of a person project alike, the larger farther away. Each size puts the
lower foot at another height, and a foot that stands is on the floor. A grid (histogram) filter over a person's height
holds what all sights say. They err alike from frame to frame (poses, and where down is), so that all of them together
count as a few.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from nanohtnet_ros.core.body import ANKLE_HEIGHT_M
from nanohtnet_ros.core.ground import Ground
from nanohtnet_ros.core.skeleton import LEFT_LEG, RIGHT_LEG, Joint
from nanohtnet_ros.core.window import NS_PER_S

LOG_HEIGHTS = np.linspace(math.log(0.9), math.log(2.15), 80)
"""Logarithms of the heights in question, metres. Feet that fit none of them stand on something, or hang in the air."""

POSE_SPREAD = 0.08
"""Standard deviation of the logarithm of adults' heights about that of their poses, which are of average size."""

OTHERS = 0.2
"""Share of people who may be of any height, as children."""

UNKNOWN_SPREAD = 0.16
"""Standard deviation of the logarithm of anybody's height about that of their poses, by these two."""

TOLD_SPREAD = 0.03
"""Of the logarithm of a height that is told, about the poses' own at the right size: proportions differ."""

PLACE_SPREAD = 0.025
"""Of the logarithm of a root's distance where the size is right: poses are a little too narrow or too wide."""

ANKLE_SIGMA_M, ALONG_SIGMA_M, DOWN_SIGMA_RAD = 0.03, 0.06, 0.0175
"""Standard deviations of an ankle's place across its ray, foot included, and along it, and of down's direction."""

STANDS, SITS = 0.8, 0.3
"""Probability that the lower foot is on the floor, of a person with upright and with level thighs."""

UPRIGHT_COS = 0.5
"""Of the angle between a thigh and down, between the two."""

RAISED_M = 1.0
"""Feet that are not on the floor, as in a jump or on stairs, are anywhere up to here."""

FEET_OUTLIERS_PER_M = 0.01
"""Density of feet that are anywhere, by a wrong pose or below the floor."""

DEPTH_SIGMA_M, DEPTH_OUTLIERS = 0.05, 0.05
"""Standard deviation of a root's depth by a depth image; density of other depths, over the height's logarithm."""

AGREE = 3.0
"""Standard deviations by which a depth may differ from the size's; else something is before the person."""

CORRELATED_S, INDEPENDENT, MEMORY_S = 0.5, 4.0, 30.0
"""Sights of so many seconds count as one, all together as so many; the mean of all goes back for so many seconds."""

LONGEST_STEP_S = 0.1
MIN_CONFIDENCE = 0.3

HEIGHTS_M = np.exp(LOG_HEIGHTS)
SQRT_2_PI = math.sqrt(2.0 * math.pi)


@dataclass(frozen=True)
class Height:
    """A person's height.

    Attributes:
        median_m: metres; as probably less as more.
        spread: standard deviation of its logarithm.
    """

    median_m: float
    spread: float

    @property
    def sigma_m(self) -> float:
        """Standard deviation, metres."""
        return self.median_m * self.spread

    def distance_sigma_m(self, root_m: np.ndarray, pose_spread: float = 0.0) -> float:
        """Standard deviation of the distance of a root that was placed by a pose of this height.

        Args:
            root_m: (3,).
            pose_spread: of the distance's logarithm by the pose's own errors, see `placement.pose_spread`.
        """
        return math.hypot(self.spread, PLACE_SPREAD, pose_spread) * math.sqrt(root_m @ root_m)


class Stature:
    """What is known of one person's height.

    Attributes:
        last_ns: stamp of the last sight, 0 without any.
    """

    def __init__(self) -> None:
        """Start without sights."""
        self.last_ns = 0
        self._feet, self._depth = _Sights(), _Sights()
        self._probability = np.full(len(LOG_HEIGHTS), 1.0 / len(LOG_HEIGHTS))  # of each height, at the last frame

    @property
    def seen(self) -> bool:
        """Whether feet were ever seen."""
        return self.last_ns > 0

    def see_feet(
        self, joints_cam_m: np.ndarray, confidence: np.ndarray, pose_height_m: float, ground: Ground, stamp_ns: int
    ) -> None:
        """Learn from where a pose's lower foot is.

        Args:
            joints_cam_m: (17, 3) the pose as large as the network made it, placed accordingly, optical axes, metres.
            confidence: (17,) of the keypoints.
            pose_height_m: `standing_height` of the pose.
            ground: says nothing where down or the camera's height are not known.
            stamp_ns: of the frame.
        """
        legs = [leg for leg in (RIGHT_LEG, LEFT_LEG) if confidence[leg[-1]] >= MIN_CONFIDENCE]
        if ground.down_cam is None or ground.height_m is None or not legs:
            return
        below_m = joints_cam_m @ ground.down_cam  # (17,) below the camera
        hip, knee, ankle = max(legs, key=lambda leg: below_m[leg[-1]])
        sole_m = below_m[ankle] + ANKLE_HEIGHT_M  # of a foot of average size, as the pose is
        if sole_m <= ANKLE_HEIGHT_M / 2:  # no size puts it on the floor
            return
        scale = ground.height_m / sole_m  # puts it there
        thigh = joints_cam_m[knee] - joints_cam_m[hip]
        stands = STANDS if thigh @ ground.down_cam > UPRIGHT_COS * math.sqrt(thigh @ thigh) else SITS
        away_m = math.sqrt(joints_cam_m[ankle] @ joints_cam_m[ankle])
        ahead_m = math.sqrt(max(away_m**2 - below_m[ankle] ** 2, 0.0))
        sigma_m = math.hypot(
            ANKLE_SIGMA_M,
            ALONG_SIGMA_M * below_m[ankle] / away_m,
            DOWN_SIGMA_RAD * scale * ahead_m,
            PLACE_SPREAD * scale * below_m[Joint.HIP],
        )
        raised_m = ground.height_m - sole_m / pose_height_m * HEIGHTS_M
        on_floor = np.exp(-0.5 * (raised_m / sigma_m) ** 2)
        in_air = (1 - stands) / RAISED_M * np.where(raised_m > 0, raised_m < RAISED_M, on_floor)
        likelihood = stands / (sigma_m * SQRT_2_PI) * on_floor + in_air + FEET_OUTLIERS_PER_M
        # A foot that is off the floor by what was seen before says nothing, and what was seen does not fade by it.
        self._feet.add(likelihood, stamp_ns, 1.0 - float(self._probability @ (in_air / likelihood)))
        self.last_ns = stamp_ns

    def see_depth(
        self, depth_m: float, placed_m: float, sigma_m: float, height: Height, stamp_ns: int
    ) -> tuple[float, float]:
        """Learn from a root's depth in a depth image, and join it with that by the person's size.

        Where feet were never seen the depth image's is taken as it is.

        Args:
            depth_m: by the depth image.
            placed_m, sigma_m: by a pose of a height, and its standard deviation.
            height: of that pose.
            stamp_ns: of the frame.
        Returns:
            The depth, and its standard deviation, metres.
        """
        if not self.seen:
            return depth_m, DEPTH_SIGMA_M
        spread = math.hypot(PLACE_SPREAD, DEPTH_SIGMA_M / depth_m)
        off = math.log(height.median_m * depth_m / placed_m) - LOG_HEIGHTS
        self._depth.add(np.exp(-0.5 * (off / spread) ** 2) / (spread * SQRT_2_PI) + DEPTH_OUTLIERS, stamp_ns)
        if abs(depth_m - placed_m) > AGREE * math.hypot(sigma_m, DEPTH_SIGMA_M):
            return placed_m, sigma_m
        gain = sigma_m**2 / (sigma_m**2 + DEPTH_SIGMA_M**2)
        return placed_m + gain * (depth_m - placed_m), math.sqrt(gain) * DEPTH_SIGMA_M

    def height(self, pose_height_m: float, told_m: float | None = None) -> Height:
        """The height by all that is known.

        Where feet were never seen, it is what is told, else that of the network's poses.

        Args:
            pose_height_m: `standing_height` of the poses.
            told_m: as users know it.
        """
        if not self.seen:
            return Height(pose_height_m, UNKNOWN_SPREAD) if told_m is None else Height(told_m, TOLD_SPREAD)
        evidence = self._feet.evidence + self._depth.evidence
        if told_m is not None:
            evidence = evidence - 0.5 * ((LOG_HEIGHTS - math.log(told_m)) / TOLD_SPREAD) ** 2
        adults = np.exp(-0.5 * ((LOG_HEIGHTS - math.log(pose_height_m)) / POSE_SPREAD) ** 2)
        prior = (1 - OTHERS) / (POSE_SPREAD * SQRT_2_PI) * adults + OTHERS / (LOG_HEIGHTS[-1] - LOG_HEIGHTS[0])
        probability = prior * np.exp(evidence - evidence.max())
        self._probability = probability = probability / probability.sum()
        median = float(np.interp(0.5, np.cumsum(probability) - probability / 2, LOG_HEIGHTS))
        spread = math.sqrt(probability @ (LOG_HEIGHTS - median) ** 2)
        return Height(math.exp(median), spread)


class _Sights:
    """Sights of one kind: the mean of their log likelihoods over the grid of heights."""

    def __init__(self) -> None:
        self._mean, self._seen_s, self._last_ns = np.zeros(len(LOG_HEIGHTS)), 0.0, 0

    @property
    def evidence(self) -> np.ndarray:
        """(H,) log likelihood of each height."""
        return min(self._seen_s / CORRELATED_S, INDEPENDENT) * self._mean

    def add(self, likelihood: np.ndarray, stamp_ns: int, weight: float = 1.0) -> None:
        """Add a sight, (H,), of a weight; it counts for the time since the last one, fully as long as there are few."""
        step_s = min((stamp_ns - self._last_ns) / NS_PER_S, LONGEST_STEP_S)
        if self._seen_s >= CORRELATED_S * INDEPENDENT:
            step_s *= weight
        if step_s > 0:
            self._seen_s = min(self._seen_s + step_s, MEMORY_S)
            self._mean += step_s / self._seen_s * (np.log(likelihood) - self._mean)
            self._last_ns = stamp_ns
