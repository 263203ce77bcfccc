"""Which way down is, by an inertial sensor."""

from __future__ import annotations

import math

import numpy as np

NS_PER_S = 1_000_000_000
MEMORY_S = 1.0  # of the accelerations' average
RESTART_S = 1.0  # after a gap of so long nothing before it counts
LEAST_M_S2 = 1.0  # an average below it is no accelerometer's, or one in free fall


class GravityFilter:
    """A complementary filter: the accelerations' average over a second, which the gyroscope turns along."""

    def __init__(self) -> None:
        """Start without a past."""
        self._up_m_s2: np.ndarray = np.zeros(3)
        self._last_ns = 0
        self._count = 0

    def update(self, stamp_ns: int, acceleration_m_s2: np.ndarray, turning_rad_s: np.ndarray) -> np.ndarray | None:
        """Take one measurement.

        Args:
            stamp_ns: of the measurement.
            acceleration_m_s2: (3,) as REP 145 has it: at rest it points up.
            turning_rad_s: (3,) angular velocity, zeros without a gyroscope.
        Returns:
            (3,) unit vector that points down, in the sensor's axes; None where the accelerations do not tell.
        """
        elapsed_s = (stamp_ns - self._last_ns) / NS_PER_S
        self._last_ns = stamp_ns
        self._count = self._count + 1 if 0.0 < elapsed_s <= RESTART_S else 1
        gain = max(1.0 - math.exp(-elapsed_s / MEMORY_S), 1.0 / self._count) if self._count > 1 else 1.0
        turned = self._up_m_s2 - elapsed_s * np.cross(turning_rad_s, self._up_m_s2) if self._count > 1 else 0.0
        self._up_m_s2 = (1.0 - gain) * turned + gain * acceleration_m_s2
        length = float(np.linalg.norm(self._up_m_s2))
        return -self._up_m_s2 / length if length >= LEAST_M_S2 else None
