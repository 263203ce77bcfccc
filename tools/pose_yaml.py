"""The text of config/pose.yaml: every parameter at its default, with what it does; parameters_table.py writes it."""

from __future__ import annotations

import textwrap
from dataclasses import Field, fields
from pathlib import Path

import yaml

from nanohtnet_ros.core.settings import constraint_of, default_of
from nanohtnet_ros.ros.parameters import NODES, as_parameter

FILE = Path(__file__).resolve().parent.parent / "config" / "pose.yaml"
HEAD = """\
# Parameters of this package's nodes at their defaults; made by tools/parameters_table.py from the code.
# One section for all nodes and namespaces; each node takes the parameters that it has. A section of one camera's node
# (/left/pose_node) may follow: its values win. Do not give this file to other packages' nodes, whose `model` or
# `threads` mean something else.
# live: may change at any time (ros2 param set); the others while the node is unconfigured.
/**:
  ros__parameters:
"""
GROUPS = {
    "pose_node, detector_node and lifter_node": ("pose_node",),
    "lifter_node": ("lifter_node",),
    "marker_node": ("marker_node",),
    "viewer_node": ("viewer_node",),
}
WIDTH = 120


def setting_lines(entry: Field) -> list[str]:
    """A comment with what a setting does, and its default."""
    known = constraint_of(entry)
    span = f"{known.low:g} to {known.high:g}" if known.low is not None else ", ".join(map(str, known.choices))
    notes = "; ".join([*([span] if span else []), *(["live"] if known.live else [])])
    comment = known.description + (f" ({notes})" if notes else "")
    value = yaml.safe_dump(as_parameter(default_of(entry)), default_flow_style=True).removesuffix("...\n").strip()
    prefix = "    # "
    return [
        *textwrap.wrap(comment, WIDTH, initial_indent=prefix, subsequent_indent=prefix),
        f"    {entry.name}: {value}".replace("''", '""'),
    ]


def content() -> str:
    """The whole file. video_node's parameters are not in it: its source is given by hand or by a launch file."""
    lines, written = [], set()
    for title, nodes in GROUPS.items():
        new = [e for node in nodes for e in fields(NODES[node]) if e.name not in written]
        lines += [f"    # --- {title} ---", *(line for entry in new for line in setting_lines(entry)), ""]
        written |= {entry.name for entry in new}
    return HEAD + "\n".join(lines).rstrip() + "\n"
