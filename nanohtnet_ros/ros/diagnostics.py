"""A node's health on /diagnostics, once a second."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping
from threading import Lock

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.time import Duration

OK, WARN, ERROR = DiagnosticStatus.OK, DiagnosticStatus.WARN, DiagnosticStatus.ERROR

LOG_LINES, LOG_SPAN_S = 5, 60.0
"""A condition that changes all the time, as with a camera whose every other image is bad, logs so many lines in such a
time at most. A line for each change would be hundreds of megabytes a day."""


class Diagnostics:
    """Conditions that a node is in, each with a level and a sentence, and figures beside them.

    Any thread may set them.
    """

    def __init__(self, node: Node, refresh: Callable[[], None] = lambda: None) -> None:
        """Publish from now on.

        Args:
            node: whose health it is.
            refresh: called before each message, to bring conditions and figures up to date.
        """
        self._node = node
        self._refresh = refresh
        self._lock = Lock()
        self._conditions: dict[str, tuple[bytes, str]] = {}
        self._logged: dict[str, tuple[bytes, str]] = {}
        self._log_times: dict[str, deque[float]] = {}
        self.figures: dict[str, object] = {}
        self._publisher = node.create_publisher(DiagnosticArray, "/diagnostics", 10)
        # On the steady clock: a simulated clock that stands still must not silence a node.
        self._timer = node.create_timer(1.0, self.publish, clock=Clock(clock_type=ClockType.STEADY_TIME))

    def set(self, condition: str, level: bytes, sentence: str, log: bool = True) -> None:
        """Set a condition; a change is logged, once, unless too many were: then what it has come to, later.

        Args:
            log: false where the log has it already.
        """
        with self._lock:
            self._conditions[condition] = (level, sentence)
            if not log:
                self._logged[condition] = (level, sentence)
        self._log(condition)

    def _log(self, condition: str) -> None:
        """Log a condition unless its last line is the same."""
        now_s = time.monotonic()
        with self._lock:
            state = self._conditions.get(condition)
            times = self._log_times.setdefault(condition, deque(maxlen=LOG_LINES))
            too_many = len(times) == LOG_LINES and now_s - times[0] < LOG_SPAN_S
            if state is None or state == self._logged.get(condition) or too_many:
                return
            self._logged[condition] = state
            times.append(now_s)
        level, sentence = state
        # One call a line: rclpy ties a line to one severity.
        if level == OK:
            self._node.get_logger().info(f"{condition}: {sentence}")
        elif level == WARN:
            self._node.get_logger().warning(f"{condition}: {sentence}")
        else:
            self._node.get_logger().error(f"{condition}: {sentence}")

    def clear(self, condition: str) -> None:
        """Remove a condition that no longer applies."""
        with self._lock:
            self._conditions.pop(condition, None)
            self._logged.pop(condition, None)

    def set_rates(self, rates_hz: Mapping[str, float]) -> None:
        """Set figures of how often something happens, by name."""
        self.figures.update({f"{name} rate Hz": f"{rate_hz:.1f}" for name, rate_hz in rates_hz.items()})

    def publish(self) -> None:
        """Send one message: the worst condition leads."""
        self._refresh()
        with self._lock:
            conditions = dict(self._conditions)
        for condition in conditions:
            self._log(condition)
        worst = max((level for level, _ in conditions.values()), default=OK)
        bad = [f"{name}: {sentence}" for name, (level, sentence) in conditions.items() if level == worst != OK]
        status = DiagnosticStatus(
            name=f"{self._node.get_fully_qualified_name()[1:]}: status",
            hardware_id="",
            level=worst,
            message="; ".join(bad) or "ok",
        )
        status.values = [KeyValue(key=name, value=sentence) for name, (_, sentence) in conditions.items()]
        status.values += [KeyValue(key=key, value=str(value)) for key, value in dict(self.figures).items()]
        message = DiagnosticArray(status=[status])
        message.header.stamp = self._node.get_clock().now().to_msg()
        self._publisher.publish(message)

    def publish_last(self, timeout: Duration) -> None:
        """Send one message and wait until the subscribers have it: what a process sends as it ends may be lost."""
        self.publish()
        self._publisher.wait_for_all_acked(timeout)


class Rate:
    """Events per second, over the last seconds."""

    def __init__(self, over_s: float = 5.0) -> None:
        """Start at zero; events of the last `over_s` seconds count."""
        self._over_s = over_s
        self._times: deque[float] = deque(maxlen=10_000)

    def tick(self) -> None:
        """Count one event."""
        self._times.append(time.monotonic())

    def hz(self) -> float:
        """Events per second."""
        since = time.monotonic() - self._over_s
        return sum(t >= since for t in list(self._times)) / self._over_s
