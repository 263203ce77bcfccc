"""Writes docs/parameters.md and config/pose.yaml from the settings in the code, in ROS's environment.

python tools/parameters_table.py
"""

from __future__ import annotations

import sys
from dataclasses import fields
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import pose_yaml

from nanohtnet_ros.config import EstimatorSettings
from nanohtnet_ros.core.settings import constraint_of, default_of
from nanohtnet_ros.ros.parameters import NODES

PAGE = Path(__file__).resolve().parents[1] / "docs" / "parameters.md"
INTRODUCTION = """# Parameters

<!-- Made by tools/parameters_table.py; run it after a change of the settings. -->

Live parameters may change at any time, the others while the node is not configured. Values out of range are refused
with the reason. Those with "Python" are keywords of `PoseEstimator` too, with the same defaults.
"""


def page() -> str:
    """A row for each parameter, with the nodes that have it."""
    nodes: dict[str, list[str]] = {}
    entries = {}
    for node, kind in NODES.items():
        for entry in fields(kind):
            nodes.setdefault(entry.name, []).append(node.removesuffix("_node"))
            entries[entry.name] = entry
    for entry in fields(EstimatorSettings):
        nodes[entry.name].append("Python")
    rows = ["| parameter | of | default | range | live | what |", "|---|---|---|---|---|---|"]
    for name, having in nodes.items():
        known, default = constraint_of(entries[name]), default_of(entries[name])
        shown = ", ".join(default) if isinstance(default, tuple) else str(default)
        shown = shown.lower() if isinstance(default, bool) else shown or "empty"
        span = f"{known.low:g} to {known.high:g}" if known.low is not None else ", ".join(map(str, known.choices))
        live = "yes" if known.live else ""
        rows.append(f"| `{name}` | {', '.join(having)} | {shown} | {span} | {live} | {known.description} |")
    return INTRODUCTION + "\n" + "\n".join(rows) + "\n"


if __name__ == "__main__":
    for path, text in ((PAGE, page()), (pose_yaml.FILE, pose_yaml.content())):
        path.write_text(text)
        print(f"wrote {path}")
