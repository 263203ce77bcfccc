"""Which frames get a person detection: at a rate that does not depend on the camera's, fewer where time is short."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter

from nanohtnet_ros.core.window import NS_PER_S

LEAST_HZ = 1.0  # the rate that a budget leaves, unless less was asked for
GAIN = 0.05  # relative change of the rate in a frame that takes none, or twice, of its budget


class Schedule:
    """Spreads person detections evenly over frames, by their stamps.

    Attributes:
        rate_hz: detections a second now; at a camera's rate and above, every frame has one.
    """

    def __init__(self, rate_hz: float, budget_ms: float = 0.0) -> None:
        """Start with a frame that is due.

        Args:
            rate_hz: detections a second at most.
            budget_ms: mean time of a frame that the rate is lowered for; 0 for any.
        """
        self.rate_hz = self._most_hz = rate_hz
        self._budget_ms = budget_ms
        self._last_ns: int | None = None
        self._owed = 1.0

    def due(self, stamp_ns: int) -> bool:
        """Whether this frame is to have a detection; the frame nearest to the exact moment is."""
        earned = 0.0 if self._last_ns is None else (stamp_ns - self._last_ns) / NS_PER_S * self.rate_hz
        self._last_ns = stamp_ns
        self._owed = min(self._owed + earned, 1.0)  # none are made up for
        due = self._owed + earned / 2 >= 1.0
        self._owed -= due
        return due

    @contextmanager
    def frame(self) -> Iterator[None]:
        """Time a frame, for the budget."""
        started = perf_counter()
        yield
        self.spent(1e3 * (perf_counter() - started))

    def spent(self, frame_ms: float) -> None:
        """Bring the rate nearer to the one at which frames take their budget on average."""
        if self._budget_ms:
            wanted = self.rate_hz * math.exp(GAIN * max(1.0 - frame_ms / self._budget_ms, -1.0))
            self.rate_hz = min(max(wanted, LEAST_HZ), self._most_hz)
