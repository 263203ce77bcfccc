"""One picture of an evaluation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.patches import Patch

# Of the conditions; Okabe and Ito's colours, which colour-blind people can distinguish.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7")
MEASURES = {"mpjpe_mm": "MPJPE", "p_mpjpe_mm": "P-MPJPE"}


def colour(i: int) -> str:
    """Colour of the i-th condition."""
    return COLOURS[i % len(COLOURS)]


def alpha(measure: str) -> float:
    """Opacity of a measure's colour."""
    return 0.45 if measure == "mpjpe_mm" else 1.0


def draw_report(report: dict[str, Any], path: Path) -> None:
    """Write a PNG with a panel for each part of a report, see `report.measure`."""
    conditions = list(report["metrics"])
    panels = [(draw_breakdown, name) for name in report["by"]]
    if len(report["look_ahead"]) > 1:
        panels.append((draw_look_ahead, "look_ahead"))
    panels.append((draw_pck, "pck_curve"))
    if "calibration" in report:
        panels.append((draw_calibration, "calibration"))
    columns = min(len(panels), 3 if len(panels) <= 6 else 4)
    rows = -(-len(panels) // columns)
    figure, axes = plt.subplots(rows, columns, figsize=(5.6 * columns, 5.0 * rows), layout="constrained", squeeze=False)
    for ax, (draw, name) in zip(axes.flat, panels, strict=False):
        draw(ax, report, name, conditions)
        ax.spines[["top", "right"]].set_visible(False)
    for ax in axes.flat[len(panels) :]:
        ax.axis("off")
    flip = "on" if report["flip"] == "on" else "off"
    scores = "; ".join(
        f"{c} {report['metrics'][c][flip]['mpjpe_mm']:.1f} mm MPJPE, {report['metrics'][c][flip]['p_mpjpe_mm']:.1f} mm "
        "P-MPJPE"
        for c in conditions
    )
    figure.suptitle(f"{report['network']}, {report['windows']} windows, flip averaging {flip}: {scores}")
    meanings = [
        Patch(color=colour(i), alpha=alpha(key), label=f"{condition} {title}")
        for i, condition in enumerate(conditions)
        for key, title in MEASURES.items()
    ]
    figure.legend(handles=meanings, loc="outside lower center", ncols=len(meanings))
    figure.savefig(path, dpi=100)
    plt.close(figure)


def draw_breakdown(ax: plt.Axes, report: dict[str, Any], name: str, conditions: list[str]) -> None:
    """Bars for each group: MPJPE, with P-MPJPE in front of it."""
    entries = report["by"][name]
    if name in ("action", "subject"):
        entries = dict(sorted(entries.items(), key=lambda item: item[1][conditions[0]]["mpjpe_mm"]))
    rows, height = np.arange(len(entries)), 0.8 / len(conditions)
    for i, condition in enumerate(conditions):
        at = rows + (i - (len(conditions) - 1) / 2) * height
        for key in MEASURES:
            errors = [entry[condition][key] for entry in entries.values()]
            ax.barh(at, errors, height, color=colour(i), alpha=alpha(key))
    ax.set_yticks(
        rows,
        [f"{group} ({entry['windows']})" if "windows" in entry else group for group, entry in entries.items()],
        fontsize=8,
    )
    ax.invert_yaxis()
    ax.set(
        xlabel="mm",
        title={"distance": "by distance of the camera", "height": "by height of the camera"}.get(name, f"by {name}"),
    )
    ax.grid(axis="x", alpha=0.3)


def draw_look_ahead(ax: plt.Axes, report: dict[str, Any], name: str, conditions: list[str]) -> None:
    """Error of each output against its look-ahead."""
    entries = report[name]
    for i, condition in enumerate(conditions):
        for key in MEASURES:
            errors = [entry[condition][key] for entry in entries]
            ax.plot([entry["ms"] for entry in entries], errors, "o-", color=colour(i), alpha=alpha(key))
    ax.set(xlabel="ms after the frame", ylabel="mm", ylim=(0, None), title="against look-ahead")
    ax.grid(alpha=0.3)


def draw_pck(ax: plt.Axes, report: dict[str, Any], name: str, conditions: list[str]) -> None:
    """Percentage of joints within a threshold."""
    for i, condition in enumerate(conditions):
        ax.plot(report[name]["threshold_mm"], report[name][condition], color=colour(i))
    ax.set(xlabel="threshold, mm", ylabel="% of 14 joints", xlim=(0, 150), ylim=(0, 100), title="PCK")
    ax.grid(alpha=0.3)


def draw_calibration(ax: plt.Axes, report: dict[str, Any], name: str, conditions: list[str]) -> None:
    """Actual against expected errors of joints, by decile of the expected error."""
    highest = 0.0
    for i, condition in enumerate(conditions):
        deciles = report[name][condition]["deciles"]
        ax.plot(deciles["expected_mm"], deciles["actual_mm"], "o-", color=colour(i))
        highest = max(highest, *deciles["expected_mm"], *deciles["actual_mm"])
    ax.plot((0, highest), (0, highest), color="grey", linestyle="--", linewidth=1)
    ax.set(xlabel="expected error, mm", ylabel="actual error, mm", title="calibration (dashed: ideal)")
    ax.grid(alpha=0.3)
