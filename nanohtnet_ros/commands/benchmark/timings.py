"""Times of one run, each beside a baseline that was measured right before and after it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from nanohtnet_ros.errors import UserError
from nanohtnet_ros.runtime.model_store import find_blazepose
from nanohtnet_ros.runtime.session import open_session

BASELINE = "BlazePose's person detector, 1 thread"
BASELINE_RUNS, FEWEST_RUNS = 5, 10
SLOWER = 1.2  # what a ratio must have grown by to be told


@dataclass(frozen=True)
class Timing:
    """How long something takes.

    Attributes:
        median_ms, p99_ms: of its runs.
        ratio: median CPU time in units of the baseline's right before and after, which the machine's other load changes
            little; None for what waits rather than computes.
        more: other figures, by names with their units.
    """

    median_ms: float
    p99_ms: float
    ratio: float | None
    more: dict[str, float] = field(default_factory=dict)


class Bench:
    """Measures one thing after another, prints and keeps what it finds.

    Attributes:
        timings: by name, as `tracker, 20 people`.
        skipped: why something could not be measured, by name.
    """

    def __init__(self, seconds: float) -> None:
        """Open the baseline.

        Args:
            seconds: to measure each thing.
        """
        self.seconds = seconds
        self.timings: dict[str, Timing] = {}
        self.skipped: dict[str, str] = {}
        self._session = open_session(find_blazepose("blazepose")[0], "cpu")
        self._x = np.zeros((1, *self._session.input_shape[1:]), np.float32)
        self._baseline_s(time.process_time)  # warm

    def time(
        self,
        name: str,
        run: Callable[[], object],
        more: Callable[[float, float], dict[str, float]] = lambda ms, ratio: {},
        clock: Callable[[], float] = time.process_time,
    ) -> None:
        """Measure a function.

        Args:
            name: of the result.
            run: what to measure.
            more: other figures, from the median in milliseconds and the ratio.
            clock: of the ratio to the baseline; for what a GPU computes, one that goes on while this process waits.
        """
        before = self._baseline_s(clock)
        for _ in range(3):
            run()
        taken_s: list[float] = []
        counted_s: list[float] = []
        end = time.perf_counter() + self.seconds
        while len(taken_s) < FEWEST_RUNS or time.perf_counter() < end:
            started, counted = time.perf_counter(), clock()
            run()
            counted_s.append(clock() - counted)
            taken_s.append(time.perf_counter() - started)
        ratio = float(np.median(counted_s) / np.median(before + self._baseline_s(clock)))
        median_ms, p99_ms = 1e3 * np.percentile(taken_s, (50, 99))
        self.add(name, Timing(float(median_ms), float(p99_ms), ratio, more(float(median_ms), ratio)))

    def add(self, name: str, timing: Timing) -> None:
        """Print and keep a result."""
        self.timings[name] = timing
        ratio = "-" if timing.ratio is None else f"{timing.ratio:.4f}"
        more = ", ".join(f"{key} {value:.4g}" for key, value in timing.more.items())
        print(f"| {name} | {timing.median_ms:.3f} | {timing.p99_ms:.3f} | {ratio} | {more} |", flush=True)

    def skip(self, name: str, reason: object) -> None:
        """Print and keep why something is not measured."""
        self.skipped[name] = str(reason)
        print(f"| {name} | skipped: {reason} | | | |", flush=True)

    def _baseline_s(self, clock: Callable[[], float]) -> list[float]:
        taken_s: list[float] = []
        for _ in range(BASELINE_RUNS):
            started = clock()
            self._session.run_named(self._x)
            taken_s.append(clock() - started)
        return taken_s


def write_json(path: Path, machine: list[str], bench: Bench) -> None:
    """Write a run's results."""
    timings = {name: asdict(timing) for name, timing in bench.timings.items()}
    content = {"machine": machine, "baseline": BASELINE, "timings": timings, "skipped": bench.skipped}
    path.write_text(json.dumps(content, indent=1) + "\n")


def compared(old: Path, timings: dict[str, Timing]) -> list[str]:
    """Lines on what got slower or faster than in an older run, by the ratios to the baseline.

    Raises:
        UserError: the file is no result of `nanohtnet bench`.
    """
    try:
        content = json.loads(old.read_text())
        ratios = {name: timing["ratio"] for name, timing in content["timings"].items()}
        if content["baseline"] != BASELINE:
            raise KeyError(content["baseline"])
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{old} is no result of this version's 'nanohtnet bench --json': {error!r}") from error
    changes = {
        name: timing.ratio / ratios[name] for name, timing in timings.items() if timing.ratio and ratios.get(name)
    }
    lines = [f"{name}: {change:.2f} times as long" for name, change in changes.items() if change > SLOWER]
    faster = [f"{name}: {change:.2f} times as long" for name, change in changes.items() if change < 1.0 / SLOWER]
    return [
        f"slower than in {old.name}: {len(lines)} of {len(changes)}",
        *lines,
        f"faster: {len(faster)}",
        *faster,
    ]
