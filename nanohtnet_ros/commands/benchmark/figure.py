"""How times grow: one picture of three panels."""

from __future__ import annotations

import re
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt

from nanohtnet_ros.commands.benchmark.timings import Timing

PANELS = {
    "people": r"(?P<what>.+), (?P<x>\d+) people",
    "frames of the window": r"(?P<what>window) of (?P<x>\d+) frames",
    "width of the image, pixels": r"step, 1 people, (?P<x>\d+)x\d+, (?P<what>.+)",
}
"""Axis of each panel, and the results that belong to it: the line's name and the place on the axis."""

LEFT_OUT = re.compile("step|detector|landmarks|reference|node|, 1 thread,")


def draw(timings: dict[str, Timing], path: Path) -> None:
    """Write a picture of results."""
    figure, panels = plt.subplots(1, len(PANELS), figsize=(15, 6), layout="constrained")
    for panel, (axis, pattern) in zip(panels, PANELS.items(), strict=True):
        lines: dict[str, list[tuple[int, float]]] = {}
        for name, timing in timings.items():
            match = re.fullmatch(pattern, name)
            if match and not (axis == "people" and LEFT_OUT.search(name)):
                lines.setdefault(match["what"], []).append((int(match["x"]), timing.median_ms))
        for what, points in lines.items():
            panel.plot(*zip(*sorted(points), strict=True), marker="o", label=what)
        panel.set(xlabel=axis, ylabel="median, ms", xscale="log", yscale="log")
        panel.grid(True, which="both", alpha=0.3)
        if lines:
            panel.legend(fontsize="small")
    figure.savefig(path, dpi=110)
    plt.close(figure)
