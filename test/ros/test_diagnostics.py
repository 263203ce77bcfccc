"""What diagnostics log; what they publish is tested with the nodes."""

from types import SimpleNamespace

import pytest

rclpy = pytest.importorskip("rclpy", reason="ROS 2 is not installed")

from builtin_interfaces.msg import Time

from nanohtnet_ros.ros import diagnostics
from nanohtnet_ros.ros.diagnostics import ERROR, LOG_LINES, LOG_SPAN_S, OK, WARN, Diagnostics


class SpeakingNode:
    """As much of a node as diagnostics need, and a clock that moves when told to."""

    def __init__(self) -> None:
        self.lines, self.messages, self.now_s = [], [], 0.0
        self._logger = SimpleNamespace(
            **{
                severity: lambda text, severity=severity: self.lines.append((severity, text))
                for severity in ("info", "warning", "error")
            }
        )

    def get_logger(self):
        return self._logger

    def create_publisher(self, *_):
        return SimpleNamespace(publish=self.messages.append)

    def create_timer(self, *_, **__):
        return None

    def get_fully_qualified_name(self):
        return "/node"

    def get_clock(self):
        return SimpleNamespace(now=lambda: SimpleNamespace(to_msg=Time))


@pytest.fixture
def node(monkeypatch):
    node = SpeakingNode()
    monkeypatch.setattr(diagnostics, "time", SimpleNamespace(monotonic=lambda: node.now_s))
    return node


def test_changes_are_logged_once_with_their_severity(node):
    said = Diagnostics(node)
    for level in (OK, OK, WARN, WARN, ERROR):
        said.set("image", level, f"level {ord(level)}")
    assert node.lines == [("info", "image: level 0"), ("warning", "image: level 1"), ("error", "image: level 2")]


def test_a_condition_that_is_cleared_is_logged_anew(node):
    said = Diagnostics(node)
    said.set("image", OK, "fine")
    said.clear("image")
    said.set("image", OK, "fine")
    assert len(node.lines) == 2


def test_a_condition_that_changes_all_the_time_does_not_flood_the_log(node):
    said = Diagnostics(node)
    for i in range(18000):  # ten minutes of a camera whose every other stamp steps back
        node.now_s = i / 30.0
        said.set("stamps", WARN if i % 2 else OK, f"{i % 7} ms early" if i % 2 else "advance")
        if i % 30 == 0:
            said.publish()
    assert LOG_LINES * 9 <= len(node.lines) <= LOG_LINES * 11
    assert len(node.messages) == 600


def test_what_a_restless_condition_has_come_to_is_logged_in_the_end(node):
    said = Diagnostics(node)
    for i in range(100):
        said.set("stamps", WARN, f"{i} ms early")
    said.set("stamps", OK, "advance")
    said.set("image", OK, "another condition speaks at once")
    assert len(node.lines) == LOG_LINES + 1
    node.now_s = LOG_SPAN_S + 1.0
    said.publish()
    assert node.lines[-1] == ("info", "stamps: advance")
    said.publish()
    assert len(node.lines) == LOG_LINES + 2
