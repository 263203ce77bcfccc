"""The soak test in short, and that its watch sees what it looks for."""

import json
import os
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

TOOLS = Path(__file__).parents[2] / "tools"
RATES = ("memory-growth", "thread-growth", "file-growth", "latency-growth", "log-growth", "silence", "diagnostics-gap")
UNLIMITED = [f"--max-{rate}=inf" for rate in RATES]
"""A run of seconds on a loaded machine says nothing of these; counts and ids it does."""


@pytest.fixture
def soak(tmp_path):
    """Starts the script: `soak("--images", "100")`, its report is `soak.report()`."""
    out, running = tmp_path / "soak.json", []

    def start(*args: str) -> subprocess.Popen:
        command = [sys.executable, str(TOOLS / "soak.py"), "--out", str(out), *UNLIMITED, *args]
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


def started(process: subprocess.Popen) -> None:
    """Wait until images are sent."""
    while "latency" not in process.stdout.readline():
        assert process.poll() is None


@pytest.mark.slow
def test_a_few_hundred_images_of_people_and_faults(soak):
    process = soak("--images", "240", "--fault-every", "1", "--sample-every", "1", "--max-ghost", "inf")
    printed, _ = process.communicate()
    assert process.returncode == 0, printed
    report = soak.report()
    for name in (
        "nodes that ended",
        "ids given again",
        "markers shown at the end",
        "images that failed",
        "messages that leave markers over",
        "skeletons of no image",
    ):
        assert value_of(report, name) == 0, name
    assert value_of(report, "images sent") >= 240 and value_of(report, "people followed") >= 2
    assert len(report["faults"]) >= 4
    processes = [sample["processes"] for sample in report["samples"]]
    assert processes and all(p[node]["rss_mb"] > 10 for p in processes for node in ("pose_node", "marker_node"))
    assert "pose_node: memory, growth (MB)" in printed and printed.endswith("PASSED\n")


@pytest.mark.slow
def test_ctrl_c_gives_the_report_of_what_there_is(soak):
    process = soak("--minutes", "60")
    started(process)
    nodes = children(process.pid)
    process.send_signal(signal.SIGINT)
    printed, _ = process.communicate()
    report = soak.report()
    assert 1 <= len(report["samples"]) < 60 and report["minutes"] == []
    assert "nodes that ended" in printed and len(nodes) == 2
    assert not any(Path(f"/proc/{pid}").exists() for pid in nodes)


@pytest.mark.slow
def test_a_node_that_dies_fails_the_soak_at_once(soak):
    process = soak("--minutes", "60", "--sample-every", "0.2")
    started(process)
    os.kill(children(process.pid)[0], signal.SIGKILL)
    printed, _ = process.communicate()
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


def recorded(watched: Watched, seconds: float = 3600.0):
    """A run of 101 samples: memory grows by half a MB each, latency and open files step up late."""
    from soak_report import Run

    camera = SimpleNamespace(count=0, late=0, faults={"corrupt image": 0})
    run = Run(seconds, camera, watched.listener)
    for i in range(101):
        camera.count = 15 * i
        figures = {"rss_mb": 100.0 + 0.5 * i, "threads": 20, "files": 10 + i // 80, "cpu_s": 0.36 * i, "waited_s": 0.0}
        run.add({"pose_node": figures, "marker_node": figures | {"rss_mb": 50.0, "files": 9}}, log_bytes=1000 * i)
        run.samples[-1]["time_s"] = seconds * i / 100
        watched.listener.answers.extend((seconds * i / 100, 1, 20.0 if i < 70 else 30.0))
    return run


def test_growth_and_latency_compare_the_last_quarter_with_the_second(watched):
    from soak_report import Limits, verdict

    by_name = {check.name: check for check in verdict(recorded(watched), Limits())}
    memory = by_name["pose_node: memory, growth (MB)"]
    assert memory.value == pytest.approx(25.0, abs=0.5) and not memory.passed
    assert by_name["pose_node: memory, slope (MB/h)"].value == pytest.approx(50.0)
    assert by_name["pose_node: threads, growth"].passed and not by_name["pose_node: open files, growth"].passed
    assert by_name["marker_node: memory, growth (MB)"].passed
    assert by_name["logs (MB a day)"].value == pytest.approx(0.1 * 24)
    latency = by_name["latency, one in the image: p50, growth (%)"]
    assert latency.value == pytest.approx(50.0) and not latency.passed
    assert by_name["latency, two in the image: p50, growth (%)"].value is None


def test_minutes_give_rates_and_medians_of_their_samples(watched):
    run = recorded(watched)
    lines = run.new_minutes()
    assert len(lines) == len(run.minutes) == 60 and run.new_minutes() == []
    first, last = run.minutes[0], run.minutes[-1]
    assert first["until_s"] == 60.0 and last["until_s"] == 3600.0
    assert first["sent_hz"] == pytest.approx(15 / 36.0) and first["cpu"] == pytest.approx(0.01)
    assert (first["one_p50_ms"], last["one_p50_ms"], first["two_p50_ms"]) == (20.0, 30.0, None)
    assert first["rss_mb"] < last["rss_mb"] == pytest.approx(149.5, abs=0.5) and first["marker_rss_mb"] == 50.0


def test_a_run_of_one_sample_has_a_verdict(watched):
    from soak_report import Limits, verdict

    run = recorded(watched)
    del run.samples[1:], watched.listener.answers[:]
    by_name = {check.name: check for check in verdict(run, Limits())}
    assert by_name["pose_node: memory, slope (MB/h)"].value is None
    assert by_name["nodes that ended"].passed
