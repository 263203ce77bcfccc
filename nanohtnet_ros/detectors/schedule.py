"""Which frames get a person detection, and how often landmarks: at rates of their own, lower where time is short."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from time import perf_counter

from nanohtnet_ros.core.window import NS_PER_S

LEAST_HZ, LEAST_LANDMARK_HZ = 1.0, 5.0  # the rates that a budget leaves, unless less was asked for
GAIN = 0.05  # relative change of the rates in a frame that takes none, or twice, of its budget
# Without a budget: where frames are dropped detections become this much rarer for each, down to this rate, and again so
# much more frequent with every frame.
DROPPED, DROPPED_LEAST_HZ, RECOVERED = 0.7, 10.0, 1.003


class Schedule:
    """Spreads person detections evenly over frames, by their stamps."""

    def __init__(self, rate_hz: float, budget_ms: float = 0.0, landmark_rate_hz: float = LEAST_LANDMARK_HZ) -> None:
        """Start with a frame that is due.

        Args:
            rate_hz: detections a second at most.
            budget_ms: mean time of a frame that the rates are lowered for; 0 for any.
            landmark_rate_hz: landmarks a second at most of a person who may wait.
        """
        self._most_hz, self._most_landmark_hz = rate_hz, landmark_rate_hz
        self._scale, self._least_scale = 1.0, min(LEAST_HZ / rate_hz, LEAST_LANDMARK_HZ / landmark_rate_hz, 1.0)
        self._budget_ms = budget_ms
        self._last_ns: int | None = None
        self._owed = 1.0
        self._owed_landmarks = 0.0

    @property
    def rate_hz(self) -> float:
        """Detections a second now; at a camera's rate and above, every frame has one."""
        return max(self._scale * self._most_hz, min(LEAST_HZ, self._most_hz))

    @property
    def landmark_rate_hz(self) -> float:
        """Landmarks a second now of a person who may wait."""
        return max(self._scale * self._most_landmark_hz, min(LEAST_LANDMARK_HZ, self._most_landmark_hz))

    def due(self, stamp_ns: int) -> bool:
        """Whether this frame is to have a detection; the frame nearest to the exact moment is."""
        earned = 0.0 if self._last_ns is None else (stamp_ns - self._last_ns) / NS_PER_S * self.rate_hz
        self._last_ns = stamp_ns
        self._owed = min(self._owed + earned, 1.0)  # none are made up for
        due = self._owed + earned / 2 >= 1.0
        self._owed -= due
        return due

    def waiting(self, looked_ns: Sequence[int], stamp_ns: int, elapsed_s: float) -> list[int]:
        """Which of the people who may wait have no landmarks computed in this frame.

        Landmarks are spread evenly over frames and people; nobody's are older than the period of their rate.

        Args:
            looked_ns: stamps of each one's latest landmarks.
            stamp_ns: of this frame.
            elapsed_s: since the frame before.
        Returns:
            Indices, those of the oldest landmarks first.
        """
        rate_hz, count = self.landmark_rate_hz, len(looked_ns)
        overdue = sum(stamp_ns - then_ns > NS_PER_S / rate_hz for then_ns in looked_ns)
        self._owed_landmarks += count * elapsed_s * rate_hz
        now = min(max(math.floor(self._owed_landmarks + 0.5), overdue), count)
        self._owed_landmarks = min(max(self._owed_landmarks - now, -0.5), 0.5)
        return sorted(range(count), key=lambda i: looked_ns[i])[now:]

    @contextmanager
    def frame(self) -> Iterator[None]:
        """Time a frame, for the budget."""
        started = perf_counter()
        yield
        self.spent(1e3 * (perf_counter() - started))

    def dropped(self, frames: int) -> None:
        """Lower the rates, in proportion: so many frames were not seen for want of time."""
        if frames and not self._budget_ms:
            least = max(min(DROPPED_LEAST_HZ / self._most_hz, 1.0), self._least_scale)
            self._scale = max(self._scale * DROPPED**frames, least)

    def spent(self, frame_ms: float) -> None:
        """Bring both rates, in proportion, nearer to those at which frames take their budget on average."""
        if not self._budget_ms:
            self._scale = min(self._scale * RECOVERED, 1.0)
        else:
            wanted = self._scale * math.exp(GAIN * max(1.0 - frame_ms / self._budget_ms, -1.0))
            self._scale = min(max(wanted, self._least_scale), 1.0)
