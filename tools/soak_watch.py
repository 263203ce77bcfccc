"""What is seen of nodes from outside: their messages, and their processes in /proc."""

from __future__ import annotations

import os
import time
from array import array
from collections import Counter, OrderedDict
from pathlib import Path

from diagnostic_msgs.msg import DiagnosticArray
from nanohtnet_ros.msg import Skeleton3DArray
from rclpy.node import Node
from rclpy.qos import QoSProfile
from soak_camera import SoakCamera
from visualization_msgs.msg import Marker, MarkerArray

from nanohtnet_ros.core.messages import stamp_ns
from nanohtnet_ros.core.window import NS_PER_S

UNHURRIED = QoSProfile(depth=200)
"""Reliable; this process may be held up for seconds without a message lost."""


class Gap:
    """The longest time between two messages."""

    def __init__(self) -> None:
        self.longest_s = 0.0
        self._last_s = time.monotonic()

    def close(self) -> None:
        """A message has come, or none will."""
        now_s = time.monotonic()
        self.longest_s, self._last_s = max(self.longest_s, now_s - self._last_s), now_s


class Listener:
    """Subscribes to skeletons, markers and diagnostics, and holds them against what the camera saw.

    Attributes:
        answers: time since the start, people in the image and milliseconds from image to skeletons, one after the
            other, of every message.
        counts: of messages and of what must not happen.
        longest_ghost_s: how long somebody was still reported after the room had become empty.
        figures: what the pose node's latest diagnostics say.
        shown: markers that a display would show now.
    """

    def __init__(self, node: Node, camera: SoakCamera, max_missed_s: float) -> None:
        """Subscribe.

        Args:
            max_missed_s: the pose node's parameter.
        """
        self._camera, self._max_missed_ns = camera, int(max_missed_s * NS_PER_S)
        self.answers = array("d")
        self.counts: Counter[str] = Counter()
        self.longest_ghost_s = 0.0
        self.figures: dict[str, str] = {}
        self.shown: set[tuple[str, int]] = set()
        self._last_stamp_ns = self._highest_id = 0
        self._seen_ns: dict[int, int] = {}
        self._placed: OrderedDict[int, set[int]] = OrderedDict()
        self._pose_status = node.get_namespace()[1:] + "/pose_node: status"
        self.restart_clock()
        node.create_subscription(Skeleton3DArray, "pose_node/skeletons", self.on_skeletons, UNHURRIED)
        node.create_subscription(MarkerArray, "marker_node/markers", self.on_markers, UNHURRIED)
        node.create_subscription(DiagnosticArray, "/diagnostics", self.on_diagnostics, UNHURRIED)

    def restart_clock(self) -> None:
        """Time counts from now."""
        self.started_s = time.monotonic()
        self.skeletons_gap, self.markers_gap, self.diagnostics_gap = Gap(), Gap(), Gap()

    def close_gaps(self) -> None:
        """What is silent now is silent to the end."""
        for gap in (self.skeletons_gap, self.markers_gap, self.diagnostics_gap):
            gap.close()

    def on_skeletons(self, msg: Skeleton3DArray) -> None:
        now_s = time.monotonic()
        self.counts["skeletons"] += 1
        self.skeletons_gap.close()
        sent = self._camera.answered(stamp_ns(msg.header))
        if sent is None:
            self.counts["answers to nothing"] += 1
            return
        self.answers.extend((now_s - self.started_s, sent.people, 1000.0 * (now_s - sent.at_s)))
        self.counts["people wrong"] += len(msg.skeletons) != sent.people
        if msg.skeletons and not sent.people:
            self.longest_ghost_s = max(self.longest_ghost_s, sent.empty_s)
        self._check_ids(stamp_ns(msg.header), [skeleton.track_id for skeleton in msg.skeletons])
        self._placed[stamp_ns(msg.header)] = {s.track_id for s in msg.skeletons if s.root_valid}
        while len(self._placed) > 100:
            self._placed.popitem(last=False)

    def _check_ids(self, now_ns: int, ids: list[int]) -> None:
        """An id is new, or of somebody who was seen a moment ago; after a step back in time all are new."""
        if now_ns < self._last_stamp_ns:
            self._seen_ns.clear()
        self._last_stamp_ns = now_ns
        self.counts["ids twice in a message"] += len(ids) - len(set(ids))
        for track_id in ids:
            if track_id in self._seen_ns:
                self.counts["ids given again"] += now_ns - self._seen_ns[track_id] > self._max_missed_ns
            else:
                self.counts["people followed"] += 1
                self.counts["ids given again"] += track_id <= self._highest_id
                self._highest_id = max(self._highest_id, track_id)
            self._seen_ns[track_id] = now_ns
        forgotten_ns = now_ns - 10 * self._max_missed_ns
        self._seen_ns = {i: seen_ns for i, seen_ns in self._seen_ns.items() if seen_ns > forgotten_ns}

    def on_markers(self, msg: MarkerArray) -> None:
        """Do what a display does, which shows a marker until it is deleted."""
        self.counts["markers"] += 1
        self.markers_gap.close()
        added = {(m.ns, m.id) for m in msg.markers if m.action == Marker.ADD}
        self.shown |= added
        self.shown -= {(m.ns, m.id) for m in msg.markers if m.action == Marker.DELETE}
        self.counts["markers left over"] += self.shown != added
        if added:
            placed = self._placed.get(stamp_ns(msg.markers[0].header))
            if placed is not None:  # the markers may come first
                self.counts["markers compared"] += 1
                self.counts["markers of others"] += {track_id for _, track_id in added} != placed

    def on_diagnostics(self, msg: DiagnosticArray) -> None:
        for status in msg.status:
            if status.name == self._pose_status:
                self.diagnostics_gap.close()
                self.figures = {pair.key: pair.value for pair in status.values}


def process_figures(pid: int) -> dict[str, float]:
    """Memory, threads, open files and processor time of a process; empty if it has ended.

    `rss_mb` is all of its memory, `anonymous_mb` what it does not share with files or other processes; `waited_s` is
    for how long its threads could have worked and no processor was free.
    """
    proc = Path(f"/proc/{pid}")
    try:
        lines = (line.split(":", 1) for line in (proc / "status").read_text().splitlines())
        status = {key: value.split() for key, value in lines}
        stat = (proc / "stat").read_text().rpartition(")")[2].split()
        return {
            "rss_mb": int(status["VmRSS"][0]) / 1024,
            "anonymous_mb": int(status["RssAnon"][0]) / 1024,
            "threads": int(status["Threads"][0]),
            "files": len(list((proc / "fd").iterdir())),
            "cpu_s": (int(stat[11]) + int(stat[12])) / os.sysconf("SC_CLK_TCK"),
            "waited_s": sum(int(f.read_text().split()[1]) for f in proc.glob("task/*/schedstat")) / NS_PER_S,
        }
    except (OSError, KeyError):  # a process that has ended, or whose parent has not looked yet, has no memory
        return {}
