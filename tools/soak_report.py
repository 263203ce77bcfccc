"""What a soak gave: a line for each minute, and a verdict."""

from __future__ import annotations

import os
import time
from dataclasses import asdict, dataclass, field, fields

import numpy as np
from scipy.stats import theilslopes
from soak_camera import SoakCamera
from soak_watch import Listener

COUNTS = ("inputs", "dropped", "refused", "stale", "failed", "outputs")
PERCENTILES = {"p10": 10, "p50": 50, "p99": 99}
PEOPLE = {"nobody": 0, "one": 1, "two": 2}
SECOND_QUARTER, LAST_QUARTER = (0.25, 0.5), (0.75, 1.0)
HEADING = (
    "   min  sent/s  out/s  dropped |  latency ms: all  nobody     one     two     p99 |"
    "  pose MB  threads  files  CPU %  wait % | marker MB | load"
)


@dataclass(frozen=True)
class Limits:
    """Limits of the verdict, each with its unit."""

    memory_growth: float = field(default=5.0, metadata={"unit": "MB, second quarter to last"})
    latency_growth: float = field(default=25.0, metadata={"unit": "% of the median, second quarter to last"})
    thread_growth: float = field(default=0.0, metadata={"unit": "threads, second quarter to last"})
    file_growth: float = field(default=0.0, metadata={"unit": "open files, second quarter to last"})
    log_growth: float = field(default=100.0, metadata={"unit": "MB a day of the nodes' logs"})
    silence: float = field(default=6.0, metadata={"unit": "seconds without skeletons or markers, stalls included"})
    diagnostics_gap: float = field(default=3.0, metadata={"unit": "seconds without diagnostics"})
    ghost: float = field(default=0.5, metadata={"unit": "seconds for which somebody who has left is reported"})

    @classmethod
    def options(cls) -> list[tuple[str, float, str]]:
        """Name, default and unit of each."""
        return [(f.name, f.default, f.metadata["unit"]) for f in fields(cls)]


@dataclass(frozen=True)
class Check:
    """One line of the verdict; `value` is None where the run was too short to say, `limit` where there is none."""

    name: str
    value: float | None
    limit: float | None = None

    @property
    def passed(self) -> bool:
        return self.value is None or self.limit is None or self.value <= self.limit

    def __str__(self) -> str:
        value = "-" if self.value is None else f"{self.value:.4g}"
        limit = "" if self.limit is None else f"  limit {self.limit:g}" + ("" if self.passed else "  EXCEEDED")
        return f"{self.name:62} {value:>8}{limit}"


class Run:
    """All that was seen, while it goes on and afterwards.

    Attributes:
        dead: nodes that ended by themselves.
        disobedient: nodes that did not end, or not well, when they were told to.
    """

    def __init__(self, planned_s: float, camera: SoakCamera, listener: Listener) -> None:
        self.planned_s, self.camera, self.listener = planned_s, camera, listener
        self._minute_s = 60.0 if 600.0 <= planned_s <= 3600.0 else planned_s / 10.0
        self.samples: list[dict] = []
        self.minutes: list[dict] = []
        self.dead: list[str] = []
        self.disobedient: list[str] = []

    def add(self, processes: dict[str, dict[str, float]], log_bytes: int) -> None:
        """Take a sample."""
        self.samples.append(
            {
                "time_s": time.monotonic() - self.listener.started_s,
                "load": os.getloadavg()[0],
                "log_bytes": log_bytes,
                "sent": self.camera.count,
                "late": self.camera.late,
                "skeletons": self.listener.counts["skeletons"],
                "markers": self.listener.counts["markers"],
                "node": self.node_counts(),
                "processes": processes,
            }
        )

    def node_counts(self) -> dict[str, int]:
        """What the pose node's latest diagnostics count."""
        return {name: int(self.listener.figures.get(name, 0)) for name in COUNTS}

    def answers(self, since_s: float, until_s: float) -> np.ndarray:
        """(N, 2) of a part of the run: people in the image, milliseconds from the image to the skeletons."""
        answers = np.array(self.listener.answers).reshape(-1, 3)
        return answers[(answers[:, 0] >= since_s) & (answers[:, 0] < until_s), 1:]

    def new_minutes(self) -> list[str]:
        """Lines of the minutes that are over since the last call."""
        lines = []
        while self.samples[-1]["time_s"] >= (len(self.minutes) + 1) * self._minute_s:
            self.minutes.append(self._minute(len(self.minutes) * self._minute_s))
            lines.append(minute_line(self.minutes[-1]))
        return lines

    def _minute(self, since_s: float) -> dict:
        """Rates, medians and growths of a minute, or of a tenth of a short or very long run."""
        until_s = since_s + self._minute_s
        samples = [s for s in self.samples if since_s <= s["time_s"] < until_s + 1.0]
        first, last = samples[0], samples[-1]
        seconds = max(last["time_s"] - first["time_s"], 1e-3)
        pose = [s["processes"]["pose_node"] for s in samples]
        answers = self.answers(since_s, until_s)
        inputs, dropped = (last["node"][name] - first["node"][name] for name in ("inputs", "dropped"))
        return {
            "until_s": until_s,
            "sent_hz": (last["sent"] - first["sent"]) / seconds,
            "out_hz": len(answers) / self._minute_s,
            "dropped": dropped / max(inputs, 1),
            "p50_ms": percentile(answers[:, 1], 50),
            "p99_ms": percentile(answers[:, 1], 99),
            **{f"{name}_p50_ms": percentile(answers[answers[:, 0] == n, 1], 50) for name, n in PEOPLE.items()},
            **{key: float(np.median([p[key] for p in pose])) for key in ("rss_mb", "threads", "files")},
            **{key: (pose[-1][f"{key}_s"] - pose[0][f"{key}_s"]) / seconds for key in ("cpu", "waited")},
            "marker_rss_mb": float(np.median([s["processes"]["marker_node"]["rss_mb"] for s in samples])),
            "load": last["load"],
        }

    def quarters_s(self) -> list[tuple[float, float]]:
        """Begin and end of the second quarter and of the last."""
        length_s = self.samples[-1]["time_s"]
        return [(since * length_s, until * length_s + 0.001) for since, until in (SECOND_QUARTER, LAST_QUARTER)]

    def growth(self, node: str, key: str) -> float | None:
        """Median of the last quarter less that of the second, of one figure of a process."""
        before, after = (
            percentile([s["processes"][node][key] for s in self.samples if since <= s["time_s"] < until], 50)
            for since, until in self.quarters_s()
        )
        return None if before is None or after is None else after - before

    def slope_mb_per_hour(self, node: str) -> float | None:
        """Theil-Sen slope of a process's memory after the first quarter."""
        later = [s for s in self.samples if s["time_s"] >= 0.25 * self.samples[-1]["time_s"]]
        if len(later) < 3:
            return None
        step = -(-len(later) // 1000)  # of all pairs of a very long run there are too many
        memory = [s["processes"][node]["rss_mb"] for s in later[::step]]
        return float(theilslopes(memory, [s["time_s"] / 3600.0 for s in later[::step]])[0])

    def latency_ms(self) -> dict[str, dict[str, list[float | None]]]:
        """Percentiles in the second quarter and in the last, by the number of people in the image."""
        quarters = [self.answers(*quarter) for quarter in self.quarters_s()]
        return {
            name: {p: [percentile(a[a[:, 0] == people, 1], q) for a in quarters] for p, q in PERCENTILES.items()}
            for name, people in PEOPLE.items()
        }

    def log_mb_per_day(self) -> float:
        """How fast the nodes' logs grow."""
        first, last = self.samples[0], self.samples[-1]
        return (last["log_bytes"] - first["log_bytes"]) / 1e6 * 86400.0 / max(last["time_s"] - first["time_s"], 1.0)

    def summary(self, checks: list[Check]) -> dict:
        """Everything for the JSON file."""
        return {
            "passed": all(check.passed for check in checks),
            "seconds": self.samples[-1]["time_s"],
            "checks": [asdict(check) | {"passed": check.passed} for check in checks],
            "latency_ms_second_and_last_quarter": self.latency_ms(),
            "faults": dict(self.camera.faults),
            "minutes": self.minutes,
            "samples": self.samples,
        }


def percentile(values, q: float) -> float | None:
    """A percentile, or None of nothing."""
    return float(np.percentile(values, q)) if len(values) else None


def minute_line(m: dict) -> str:
    """One line under `HEADING`."""
    ms = "".join(
        "       -" if value is None else f"{value:8.1f}"
        for value in (m["p50_ms"], *(m[f"{name}_p50_ms"] for name in PEOPLE), m["p99_ms"])
    )
    return (
        f"{m['until_s'] / 60:6.2f}  {m['sent_hz']:6.1f}  {m['out_hz']:5.1f}  {m['dropped']:6.1%} |         {ms} |"
        f"{m['rss_mb']:9.1f}  {m['threads']:7.0f}  {m['files']:5.0f}  {100 * m['cpu']:5.0f}  {100 * m['waited']:6.0f} |"
        f"{m['marker_rss_mb']:10.1f} | {m['load']:4.1f}"
    )


def verdict(run: Run, limits: Limits) -> list[Check]:
    """All numbers, those that say something about the nodes' health with their limits."""
    counts, node, heard = run.listener.counts, run.node_counts(), run.listener
    checks = [
        Check("nodes that ended", len(run.dead), 0),
        Check("nodes that did not end well when told to", len(run.disobedient), 0),
    ]
    for name in ("pose_node", "marker_node"):
        checks += [
            Check(f"{name}: memory, growth (MB)", run.growth(name, "rss_mb"), limits.memory_growth),
            Check(f"{name}: memory, slope (MB/h)", run.slope_mb_per_hour(name)),
            Check(f"{name}: threads, growth", run.growth(name, "threads"), limits.thread_growth),
            Check(f"{name}: open files, growth", run.growth(name, "files"), limits.file_growth),
        ]
    checks.append(Check("logs (MB a day)", run.log_mb_per_day(), limits.log_growth))
    for people, percentiles in run.latency_ms().items():
        for name, (before, after) in percentiles.items():
            growth = None if before is None or after is None else 100.0 * (after / before - 1.0)
            limit = limits.latency_growth if name == "p50" else None
            checks.append(Check(f"latency, {people} in the image: {name}, growth (%)", growth, limit))
    accounted = sum(node[name] for name in ("dropped", "refused", "stale", "failed", "outputs"))
    checks += [
        Check("people followed", counts["people followed"]),
        Check("ids given again", counts["ids given again"] + counts["ids twice in a message"], 0),
        Check(
            "messages with another number of people than the image (%)",
            100.0 * counts["people wrong"] / max(counts["skeletons"], 1),
        ),
        Check("longest report of somebody who has left (s)", heard.longest_ghost_s, limits.ghost),
        Check("skeletons of no image", counts["answers to nothing"], 0),
        Check("longest time without skeletons (s)", heard.skeletons_gap.longest_s, limits.silence),
        Check("longest time without markers (s)", heard.markers_gap.longest_s, limits.silence),
        Check("longest time without diagnostics (s)", heard.diagnostics_gap.longest_s, limits.diagnostics_gap),
        Check("messages that leave markers over", counts["markers left over"], 0),
        Check("messages with markers of others than the skeletons", counts["markers of others"], 0),
        Check("markers shown at the end", len(heard.shown), 0),
        Check("skeletons without markers", counts["skeletons"] - counts["markers"]),
        Check("images sent", run.camera.count),
        Check("images that the schedule missed", run.camera.late),
        Check("images lost on the way to the node", run.camera.count - node["inputs"]),
        Check("images dropped for a newer one", node["dropped"]),
        Check("images refused as corrupt", node["refused"], run.camera.faults["corrupt image"]),
        Check("images refused as stale", node["stale"]),
        Check("images that failed", node["failed"], 0),
        Check("images unaccounted for by the node", abs(node["inputs"] - accounted), 0),
    ]
    return checks
