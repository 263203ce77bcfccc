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
SECOND_QUARTER, LAST_QUARTER = (0.25, 0.5), (0.75, 1.0)


@dataclass(frozen=True)
class Limits:
    """Limits of the verdict, each with its unit."""

    memory_growth_mb: float = field(default=5.0, metadata={"unit": "MB, from the second quarter to the last"})
    latency_growth: float = field(default=25.0, metadata={"unit": "per cent, median, second quarter to last"})
    thread_growth: float = field(default=0.0, metadata={"unit": "threads, second quarter to last"})
    file_growth: float = field(default=0.0, metadata={"unit": "open files, second quarter to last"})
    ghost_s: float = field(default=0.5, metadata={"unit": "seconds for which somebody who has left is reported"})
    diagnostics_gap_s: float = field(default=3.0, metadata={"unit": "seconds between two messages of diagnostics"})

    @classmethod
    def options(cls) -> list[tuple[str, float, str]]:
        """Name, default and unit of each."""
        return [(f.name, f.default, f.metadata["unit"]) for f in fields(cls)]


@dataclass(frozen=True)
class Check:
    """One sentence of the verdict; `value` is None where the run was too short to say."""

    name: str
    value: float | None
    limit: float | None = None

    @property
    def passed(self) -> bool:
        return self.value is None or self.limit is None or self.value <= self.limit

    def __str__(self) -> str:
        value = "-" if self.value is None else f"{self.value:.4g}"
        limit = "" if self.limit is None else f"  limit {self.limit:g}" + ("" if self.passed else "  PASSED IT")
        return f"{self.name:62} {value:>8}{limit}"


class Run:
    """All that was seen, while it goes on and afterwards."""

    def __init__(self, planned_s: float, camera: SoakCamera, listener: Listener) -> None:
        self.planned_s = planned_s
        self._row_s = 60.0 if 600.0 <= planned_s <= 3600.0 else planned_s / 10.0
        self._camera, self._listener = camera, listener
        self.samples: list[dict] = []
        self.dead: list[str] = []
        self.disobedient: list[str] = []
        self._rows = 0

    def add(self, processes: dict[str, dict[str, float]]) -> None:
        """Take a sample."""
        figures = self._listener.figures
        self.samples.append({
            "time_s": time.monotonic() - self._listener.started_s, "load": os.getloadavg()[0],
            "sent": self._camera.count, "late": self._camera.late, **dict(self._listener.counts),
            **{f"node {name}": int(figures.get(name, 0)) for name in COUNTS}, "processes": processes})

    def end(self) -> None:
        """The camera has stopped and all messages have come."""
        self.shown_at_end = len(self._listener.shown)
        self.messages_after_end = sum(self._answers()[:, 0] > self._camera.last_s - self._listener.started_s + 1.0)
        self.counts = {name: int(self._listener.figures.get(name, 0)) for name in COUNTS}

    def _answers(self) -> np.ndarray:
        """(N, 3): time since the start, people in the image, milliseconds to the skeletons."""
        return np.array(self._listener.answers).reshape(-1, 3)

    def _span(self, since: float, until: float) -> tuple[list[dict], np.ndarray]:
        """Samples and answers of a part of the run, in seconds."""
        answers = self._answers()
        within = (answers[:, 0] >= since) & (answers[:, 0] < until)
        return [s for s in self.samples if since <= s["time_s"] < until], answers[within]

    def heading(self) -> str:
        return (
            "   min  sent/s  out/s  dropped |  latency ms: all  nobody     one     two     p99 |"
            "  pose MB  threads  files  CPU %  wait % | marker MB | load")

    def new_rows(self) -> list[str]:
        """Lines of the minutes that are over and were not shown yet."""
        lines = []
        while self.samples[-1]["time_s"] >= (self._rows + 1) * self._row_s:
            row = self.row(self._rows * self._row_s, (self._rows + 1) * self._row_s)
            self._rows += 1
            lines += [row] if row else []
        return lines

    def row(self, since: float, until: float) -> str:
        """One line of the table."""
        samples, answers = self._span(since, until)
        if len(samples) < 2 or not len(answers):
            return f"{until / 60:6.2f}  nothing came"
        first, last = samples[0], samples[-1]
        seconds = last["time_s"] - first["time_s"]
        inputs = max(last["node inputs"] - first["node inputs"], 1)
        dropped = (last["node dropped"] - first["node dropped"]) / inputs
        ms = "".join(_show(answers[answers[:, 1] == n, 2]) for n in range(3))
        keys = ("rss_mb", "threads", "files")
        pose, marker = (
            {key: float(np.median([s["processes"][name][key] for s in samples])) for key in keys}
            for name in ("pose_node", "marker_node"))
        before, after = first["processes"]["pose_node"], last["processes"]["pose_node"]
        cpu, waited = (100.0 * (after[key] - before[key]) / seconds for key in ("cpu_s", "waited_s"))
        return (
            f"{until / 60:6.2f}  {(last['sent'] - first['sent']) / seconds:6.1f}  {len(answers) / (until - since):5.1f}"
            f"  {dropped:6.1%} |          {_show(answers[:, 2])}{ms}{np.percentile(answers[:, 2], 99):8.1f} |"
            f"{pose['rss_mb']:9.1f}  {pose['threads']:7.0f}  {pose['files']:5.0f}  {cpu:5.0f}  {waited:6.0f} |"
            f"{marker['rss_mb']:10.1f} | {last['load']:4.1f}")

    def quarters(self) -> list[tuple[list[dict], np.ndarray]]:
        """Samples and answers of the second quarter and of the last."""
        length_s = self.samples[-1]["time_s"]
        return [self._span(since * length_s, until * length_s + (until == 1.0)) for since, until in (
            SECOND_QUARTER, LAST_QUARTER)]

    def growth(self, node: str, key: str) -> float | None:
        """Median of the last quarter less that of the second, of one figure of a process."""
        medians = [_median([s["processes"][node][key] for s in samples]) for samples, _ in self.quarters()]
        return None if None in medians else medians[1] - medians[0]

    def slope_mb_per_hour(self, node: str) -> float | None:
        """Theil-Sen slope of a process's memory after the first quarter."""
        later = [s for s in self.samples if s["time_s"] >= 0.25 * self.samples[-1]["time_s"]]
        if len(later) < 3:
            return None
        memory = [s["processes"][node]["rss_mb"] for s in later]
        return float(theilslopes(memory, [s["time_s"] / 3600.0 for s in later])[0])

    def latency(self) -> dict[str, dict[str, float | None]]:
        """Percentiles in the second quarter and the last, in all and by the number of people in the image."""
        parts = {}
        for name, people in (("all", None), ("nobody", 0), ("one", 1), ("two", 2)):
            both = [a[:, 2] if people is None else a[a[:, 1] == people, 2] for _, a in self.quarters()]
            parts[name] = {
                f"{percentile} {quarter}": float(np.percentile(ms, q)) if len(ms) else None
                for quarter, ms in zip(("second", "last"), both, strict=True)
                for percentile, q in PERCENTILES.items()}
        return parts

    def summary(self, checks: list[Check]) -> dict:
        """Everything for the JSON file."""
        return {
            "passed": all(check.passed for check in checks), "seconds": self.samples[-1]["time_s"],
            "checks": [asdict(check) | {"passed": check.passed} for check in checks], "latency_ms": self.latency(),
            "counts": dict(self._listener.counts), "node": self.counts, "faults": dict(self._camera.faults),
            "sent": self._camera.count, "samples": self.samples}


def _median(values: list[float]) -> float | None:
    return float(np.median(values)) if values else None


def _show(ms: np.ndarray) -> str:
    return f"{np.median(ms):8.1f}" if len(ms) else "       -"


def verdict(run: Run, limits: Limits) -> list[Check]:
    """Numbers against limits."""
    checks = [
        Check("nodes that ended", len(run.dead), 0),
        Check("nodes that did not end well when told to", len(run.disobedient), 0)]
    for node in ("pose_node", "marker_node"):
        checks += [
            Check(f"{node}: memory, growth (MB)", run.growth(node, "rss_mb"), limits.memory_growth_mb),
            Check(f"{node}: memory, slope (MB/h)", run.slope_mb_per_hour(node)),
            Check(f"{node}: threads, growth", run.growth(node, "threads"), limits.thread_growth),
            Check(f"{node}: open files, growth", run.growth(node, "files"), limits.file_growth)]
    for people, ms in run.latency().items():
        for percentile in PERCENTILES:
            before, after = ms[f"{percentile} second"], ms[f"{percentile} last"]
            growth = 100.0 * (after / before - 1.0) if before and after else None
            # The mixture of images is random, so are the others' percentiles of it.
            limit = limits.latency_growth if percentile == "p50" and people != "all" else None
            checks.append(Check(f"latency, {people} in the image: {percentile}, growth (%)", growth, limit))
    counts, node = run._listener.counts, run.counts
    accounted = sum(node[name] for name in ("dropped", "refused", "stale", "failed", "outputs"))
    checks += [
        Check("people followed", counts["people followed"]),
        Check("ids given again", counts["ids given again"] + counts["ids twice in a message"], 0),
        Check("messages with another number of people than the image (%)",
              100.0 * counts["people wrong"] / max(counts["skeletons"], 1)),
        Check("longest report of somebody who has left (s)", run._listener.longest_ghost_s, limits.ghost_s),
        Check("skeletons of no image", counts["answers to nothing"], 0),
        Check("skeletons after the last image", int(run.messages_after_end), 0),
        Check("messages that leave markers over", counts["markers left over"], 0),
        Check("messages with markers of others than the skeletons", counts["markers of others"], 0),
        Check("markers shown at the end", run.shown_at_end, 0),
        Check("skeletons without markers", abs(counts["skeletons"] - counts["markers"]), 0),
        Check("longest time without diagnostics (s)", run._listener.longest_diagnostics_gap_s,
              limits.diagnostics_gap_s),
        Check("images sent", run._camera.count),
        Check("images that the schedule missed", run._camera.late),
        Check("images lost on the way to the node", run._camera.count - node["inputs"]),
        Check("images dropped for a newer one", node["dropped"]),
        Check("images refused as corrupt", node["refused"], run._camera.faults["corrupt image"]),
        Check("images refused as stale", node["stale"]),
        Check("images that failed", node["failed"], 0),
        Check("images unaccounted for by the node", abs(node["inputs"] - accounted), 0)]
    return checks
