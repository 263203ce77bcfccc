"""How long each stage of the pipeline takes."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np


def percentiles(values: Sequence[float]) -> dict[str, float]:
    """Median and 99th percentile: `{"p50": ..., "p99": ...}`."""
    p50, p99 = np.percentile(values, (50, 99))
    return {"p50": float(p50), "p99": float(p99)}


class StageTimes:
    """Keeps the latest durations of every named stage."""

    def __init__(self, kept: int = 1000) -> None:
        """Start empty; the last `kept` durations of each stage count."""
        self._kept = kept
        self._seconds: dict[str, deque[float]] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time the block under a stage's name; a block that raises is not counted."""
        started = time.perf_counter()
        yield
        self.add(name, time.perf_counter() - started)

    def add(self, name: str, seconds: float) -> None:
        """Count one duration."""
        self._seconds.setdefault(name, deque(maxlen=self._kept)).append(seconds)

    def latency_ms(self) -> dict[str, dict[str, float]]:
        """Percentiles of each stage in milliseconds, in the order in which the stages first ran."""
        # Copied first: another thread may be adding, and a new stage be empty for a moment. Copying names makes no
        # objects, of which the garbage collector could let another thread run in between.
        kept = [(name, list(self._seconds[name])) for name in list(self._seconds)]
        return {name: percentiles([1000.0 * s for s in seconds]) for name, seconds in kept if seconds}
