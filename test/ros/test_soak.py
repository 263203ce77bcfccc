"""The soak test in short, and that its watch sees what it looks for."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

rclpy = pytest.importorskip("rclpy", reason="ROS 2 is not installed")

from nanohtnet_ros.msg import Skeleton3D, Skeleton3DArray
from visualization_msgs.msg import Marker, MarkerArray

from nanohtnet_ros.runtime.model_store import detector_dir

try:
    detector_dir("blazepose")
except FileNotFoundError as error:
    pytest.skip(f"BlazePose's files: {error}", allow_module_level=True)

TOOLS = Path(__file__).parents[2] / "tools"
NO_MEASURE_OF_SPEED = [
    "--max-memory-growth", "200", "--max-thread-growth", "10", "--max-file-growth", "10", "--max-latency-growth", "1e4",
    "--max-silence", "60", "--max-diagnostics-gap", "60", "--max-ghost", "5", "--max-log-growth", "1e4"]


@pytest.fixture
def soak(tmp_path):
    """Starts the script: `soak("--minutes", "1")`, its report is `soak.report()`."""
    out, running = tmp_path / "soak.json", []

    def start(*args: str) -> subprocess.Popen:
        command = [sys.executable, str(TOOLS / "soak.py"), "--out", str(out), *NO_MEASURE_OF_SPEED, *args]
        running.append(subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True))
        return running[-1]

    start.report = lambda: json.loads(out.read_text())
    yield start
    for process in running:
        process.terminate()
        process.wait(timeout=30)


def value_of(report: dict, name: str):
    return next(check["value"] for check in report["checks"] if check["name"] == name)


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def test_half_a_minute_of_people_and_faults(soak):
    process = soak("--minutes", "0.4", "--fault-every", "2", "--sample-every", "1")
    printed, _ = process.communicate(timeout=200)
    assert process.returncode == 0, printed
    report = soak.report()
    for name in ("nodes that ended", "ids given again", "markers shown at the end", "images that failed",
                 "messages that leave markers over", "skeletons of no image"):
        assert value_of(report, name) == 0, name
    assert value_of(report, "people followed") >= 2
    assert len(report["faults"]) >= 4
    assert len(report["samples"]) >= 20 and len(report["minutes"]) == 10
    assert all(s["processes"][node]["rss_mb"] > 10 for s in report["samples"] for node in ("pose_node", "marker_node"))
    assert any(minute["p50_ms"] for minute in report["minutes"])
    assert re.search(r"pose_node: memory, growth \(MB\) .* limit 200\n", printed)
    assert printed.endswith("PASSED\n")


def test_ctrl_c_gives_the_report_of_what_there_is(soak, wait_for):
    process = soak("--minutes", "60")
    wait_for(lambda: len(children(process.pid)) == 2, "both nodes")
    nodes = children(process.pid)
    while "latency" not in process.stdout.readline():
        assert process.poll() is None
    time.sleep(5)
    process.send_signal(signal.SIGINT)
    printed, _ = process.communicate(timeout=60)
    assert 0 < soak.report()["seconds"] < 60
    assert "nodes that ended" in printed
    assert not any(Path(f"/proc/{pid}").exists() for pid in nodes)


def test_a_node_that_dies_fails_the_soak_at_once(soak, wait_for):
    process = soak("--minutes", "60", "--sample-every", "1")
    while "latency" not in process.stdout.readline():
        assert process.poll() is None
    time.sleep(3)
    os.kill(children(process.pid)[0], signal.SIGKILL)
    printed, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "pose_node ended with -9" in printed and printed.endswith("FAILED\n")
    assert value_of(soak.report(), "nodes that ended") == 1


class Watched:
    """A listener without a network: what it hears is handed to it."""

    def __init__(self) -> None:
        from soak_camera import Sent
        from soak_watch import Listener

        node = SimpleNamespace(get_namespace=lambda: "/soak", create_subscription=lambda *_: None)
        self.sent = {}
        self.listener = Listener(node, SimpleNamespace(answered=lambda stamp: self.sent.pop(stamp, None)), 1.0)
        self.counts = self.listener.counts
        self._make_sent = Sent

    def see(self, stamp_s: float, ids: list[int], people: int | None = None, empty_s: float = 0.0) -> None:
        """An image and its skeletons."""
        people = len(ids) if people is None else people
        self.sent[round(stamp_s * 1e9)] = self._make_sent(time.monotonic(), people, empty_s)
        self.answer(stamp_s, ids)

    def answer(self, stamp_s: float, ids: list[int]) -> None:
        msg = Skeleton3DArray(skeletons=[Skeleton3D(track_id=i, root_valid=True) for i in ids])
        self._stamp(msg.header, stamp_s)
        self.listener.on_skeletons(msg)

    def show(self, stamp_s: float, added: list[int], deleted: list[int] = ()) -> None:
        """Markers."""
        markers = [Marker(ns="joints", id=i, action=Marker.ADD) for i in added]
        markers += [Marker(ns="joints", id=i, action=Marker.DELETE) for i in deleted]
        for marker in markers:
            self._stamp(marker.header, stamp_s)
        self.listener.on_markers(MarkerArray(markers=markers))

    @staticmethod
    def _stamp(header, stamp_s: float) -> None:
        header.stamp.sec, header.stamp.nanosec = int(stamp_s), round(stamp_s % 1 * 1e9)


@pytest.fixture
def watched(monkeypatch):
    monkeypatch.syspath_prepend(str(TOOLS))
    return Watched()


def test_an_id_may_come_back_soon_but_not_later(watched):
    watched.see(10.0, [1, 2])
    watched.see(10.5, [1])
    watched.see(11.0, [1, 2])
    assert watched.counts["ids given again"] == 0 and watched.counts["people followed"] == 2
    watched.see(12.5, [2, 3])
    assert watched.counts["ids given again"] == 1
    watched.see(60.0, [1])  # long forgotten, but lower than the last new one
    assert watched.counts["ids given again"] == 2


def test_after_a_step_back_in_time_ids_are_new(watched):
    watched.see(10.0, [1])
    watched.see(5.0, [2])
    assert watched.counts["ids given again"] == 0
    watched.see(4.0, [2])
    assert watched.counts["ids given again"] == 1


def test_somebody_who_has_left_must_not_be_reported(watched):
    watched.see(10.0, [1])
    watched.see(10.1, [], empty_s=0.1)
    assert watched.listener.longest_ghost_s == 0.0
    watched.see(10.2, [1], people=0, empty_s=0.2)
    assert watched.listener.longest_ghost_s == 0.2
    assert watched.counts["people wrong"] == 1


def test_every_message_must_answer_an_image_and_only_once(watched):
    watched.see(10.0, [1])
    assert watched.counts["answers to nothing"] == 0
    watched.answer(10.0, [1])
    watched.answer(11.0, [1])
    assert watched.counts["answers to nothing"] == 2


def test_markers_must_be_deleted_and_be_the_skeletons(watched):
    watched.see(10.0, [1, 2])
    watched.show(10.0, [1, 2])
    watched.see(10.1, [2])
    watched.show(10.1, [2], deleted=[1])
    assert watched.counts["markers left over"] == watched.counts["markers of others"] == 0
    watched.see(10.2, [3])
    watched.show(10.2, [3])
    assert watched.counts["markers left over"] == 1
    watched.see(10.3, [2, 3])
    watched.show(10.3, [2, 4], deleted=[3])
    assert watched.counts["markers of others"] == 1


def test_limits_that_are_passed_fail(watched):
    from soak_report import Check

    assert Check("growth", 5.0, 5.0).passed and Check("growth", None, 5.0).passed and Check("figure", 9.0).passed
    assert not Check("growth", 5.1, 5.0).passed
    assert "EXCEEDED" in str(Check("growth", 5.1, 5.0))


def test_growth_and_latency_compare_the_last_quarter_with_the_second(watched):
    from soak_report import Limits, Run, verdict

    camera = SimpleNamespace(count=0, late=0, faults={"corrupt image": 0})
    run = Run(3600.0, camera, watched.listener)
    for i in range(101):
        figures = {"rss_mb": 100.0 + 0.5 * i, "threads": 20, "files": 10 + i // 80, "cpu_s": 0.0, "waited_s": 0.0}
        run.add({"pose_node": figures, "marker_node": figures | {"rss_mb": 50.0, "files": 9}}, 0)
        run.samples[-1]["time_s"] = 36.0 * i
        watched.listener.answers.extend((36.0 * i, 1, 20.0 if i < 70 else 30.0))
    by_name = {check.name: check for check in verdict(run, Limits())}
    memory = by_name["pose_node: memory, growth (MB)"]
    assert memory.value == pytest.approx(25.0, abs=0.5) and not memory.passed
    assert by_name["pose_node: memory, slope (MB/h)"].value == pytest.approx(50.0)
    assert by_name["pose_node: threads, growth"].passed and not by_name["pose_node: open files, growth"].passed
    assert by_name["marker_node: memory, growth (MB)"].passed
    latency = by_name["latency, one in the image: p50, growth (%)"]
    assert latency.value == pytest.approx(50.0) and not latency.passed
    assert by_name["latency, two in the image: p50, growth (%)"].value is None
