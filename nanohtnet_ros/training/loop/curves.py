"""Curves of a training as a picture."""

from __future__ import annotations

import json
from pathlib import Path

AXES = {"seconds", "samples"}
MILLIMETRES = "_mm"


def draw_curves(log: Path, picture: Path) -> None:
    """Draw a training's log: one panel for all millimetres, one for each other quantity, over the samples seen.

    Args:
        log: `log.jsonl` of a training; one entry an evaluation.
        picture: image file to write.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt
    from matplotlib.ticker import EngFormatter

    entries = [json.loads(line) for line in log.read_text().splitlines()]
    names = [name for name in entries[-1] if name not in AXES]
    panels = {"millimetres": [name for name in names if name.endswith(MILLIMETRES)]}
    panels |= {name.replace("_", " "): [name] for name in names if not name.endswith(MILLIMETRES)}
    panels = {title: shown for title, shown in panels.items() if shown}
    rows = -(-len(panels) // 2)
    figure, axes = plt.subplots(rows, 2, figsize=(11.0, 3.2 * rows), squeeze=False, layout="constrained")
    samples = [entry["samples"] for entry in entries]
    for axis, (title, shown) in zip(axes.flat, panels.items(), strict=False):
        for name in shown:
            label = name.removesuffix(MILLIMETRES).replace("_", " ")
            axis.plot(samples, [entry.get(name) for entry in entries], marker=".", label=label)
        axis.set(title=title, xlabel="samples seen")
        axis.xaxis.set_major_formatter(EngFormatter(sep=""))
        axis.grid(alpha=0.3)
        if len(shown) > 1:
            axis.legend(fontsize="small", loc="upper left", bbox_to_anchor=(1.0, 1.0))
    for axis in axes.flat[len(panels) :]:
        axis.set_axis_off()
    figure.savefig(picture, dpi=110)
    plt.close(figure)
