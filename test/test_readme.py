"""What the README says of parameters is what the code declares."""

from pathlib import Path

import pytest

pytest.importorskip("rclpy", reason="ROS 2 is not installed")

from nanohtnet_ros.ros import parameters

README = Path(__file__).resolve().parent.parent / "README.md"
START = "<!-- parameters: made by test/test_readme.py from nanohtnet_ros/ros/parameters.py -->\n"
END = "<!-- end of parameters -->"


def parameter_tables() -> str:
    """One row a parameter, with the nodes that have it."""
    nodes: dict[str, list[str]] = {}
    by_name = {p.name: p for table in parameters.NODES.values() for p in table}
    for node, table in parameters.NODES.items():
        for p in table:
            assert p == by_name[p.name], f"{p.name} differs from node to node"
            nodes.setdefault(p.name, []).append(node.removesuffix("_node"))
    lines = ["| parameter | nodes | default | range | live | what |", "|---|---|---|---|---|---|"]
    for name, having in nodes.items():
        p = by_name[name]
        default = str(p.default).lower() if isinstance(p.default, bool) else str(p.default)
        span = f"{p.low:g} to {p.high:g}" if p.low is not None else ", ".join(p.choices)
        live = "yes" if p.dynamic else ""
        lines.append(f"| `{p.name}` | {', '.join(having)} | {default or 'empty'} | {span} | {live} | {p.description} |")
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
