"""What the README says of parameters is what the code declares."""

from dataclasses import fields
from pathlib import Path

import pytest

pytest.importorskip("rclpy", reason="ROS 2 is not installed")

from nanohtnet_ros.core.settings import constraint_of, default_of
from nanohtnet_ros.ros import parameters

README = Path(__file__).resolve().parent.parent / "README.md"
START = "<!-- parameters: made by test/test_readme.py from nanohtnet_ros/ros/parameters.py -->\n"
END = "<!-- end of parameters -->"


def parameter_tables() -> str:
    """One row a parameter, with the nodes that have it."""
    nodes: dict[str, list[str]] = {}
    entries = {}
    for node, kind in parameters.NODES.items():
        for entry in fields(kind):
            nodes.setdefault(entry.name, []).append(node.removesuffix("_node"))
            entries[entry.name] = entry
    lines = ["| parameter | nodes | default | range | live | what |", "|---|---|---|---|---|---|"]
    for name, having in nodes.items():
        known, default = constraint_of(entries[name]), default_of(entries[name])
        shown = ", ".join(default) if isinstance(default, tuple) else str(default)
        shown = shown.lower() if isinstance(default, bool) else shown or "empty"
        span = f"{known.low:g} to {known.high:g}" if known.low is not None else ", ".join(known.choices)
        live = "yes" if known.live else ""
        lines.append(f"| `{name}` | {', '.join(having)} | {shown} | {span} | {live} | {known.description} |")
    return "\n".join(lines) + "\n"


def test_the_parameter_table_is_the_codes():
    text = README.read_text()
    before, rest = text.split(START)
    shown, after = rest.split(END)
    assert shown == parameter_tables(), "write it anew: python test/test_readme.py"
    assert before and after


def test_the_readme_names_both_commands_and_every_topic():
    text = README.read_text()
    commands = ("make demo", "make test", "rosdep install", "colcon build", "ros2 launch")
    for needed in (*commands, "~/skeletons", "~/skeletons_2d", "~/markers", "/diagnostics"):
        assert needed in text


if __name__ == "__main__":
    before, rest = README.read_text().split(START)
    README.write_text(before + START + parameter_tables() + END + rest.split(END)[1])
