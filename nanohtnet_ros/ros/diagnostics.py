"""A node's health on /diagnostics, once a second."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.clock import Clock, ClockType
from rclpy.node import Node

OK, WARN, ERROR = DiagnosticStatus.OK, DiagnosticStatus.WARN, DiagnosticStatus.ERROR


class Diagnostics:
    """Conditions that a node is in, each with a level and a sentence, and figures beside them.

    Any thread may set them.
    """

    def __init__(self, node: Node, refresh: Callable[[], None] = lambda: None) -> None:
        """Publish from now on.

        Args:
            node: the node that speaks.
            refresh: called before each message, to bring conditions and figures up to date.
        """
        self._node = node
        self._refresh = refresh
        self._lock = Lock()
        self._conditions: dict[str, tuple[bytes, str]] = {}
        self.figures: dict[str, object] = {}
        self._publisher = node.create_publisher(DiagnosticArray, "/diagnostics", 10)
        # On the steady clock: a simulated clock that stands still must not silence a node.
        self._timer = node.create_timer(1.0, self.publish, clock=Clock(clock_type=ClockType.STEADY_TIME))

    def set(self, condition: str, level: bytes, sentence: str) -> None:
        """Set a condition; a change is logged, once."""
        with self._lock:
            changed = self._conditions.get(condition) != (level, sentence)
            self._conditions[condition] = (level, sentence)
        if not changed:
            return
        # One call a line: rclpy ties a line to one severity.
        if level == OK:
            self._node.get_logger().info(f"{condition}: {sentence}")
        elif level == WARN:
            self._node.get_logger().warning(f"{condition}: {sentence}")
        else:
            self._node.get_logger().error(f"{condition}: {sentence}")

    def clear(self, condition: str) -> None:
        """Forget a condition that no longer says anything."""
        with self._lock:
            self._conditions.pop(condition, None)

    def publish(self) -> None:
        """Send one message: the worst condition leads."""
        self._refresh()
        with self._lock:
            conditions = dict(self._conditions)
        worst = max((level for level, _ in conditions.values()), default=OK)
        bad = [f"{name}: {sentence}" for name, (level, sentence) in conditions.items() if level == worst != OK]
        status = DiagnosticStatus(
            name=f"{self._node.get_fully_qualified_name()[1:]}: status", hardware_id="", level=worst,
            message="; ".join(bad) or "ok")
        status.values = [KeyValue(key=name, value=sentence) for name, (_, sentence) in conditions.items()]
        status.values += [KeyValue(key=key, value=str(value)) for key, value in list(self.figures.items())]
        message = DiagnosticArray(status=[status])
        message.header.stamp = self._node.get_clock().now().to_msg()
        self._publisher.publish(message)
