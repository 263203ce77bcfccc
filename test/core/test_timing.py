import sys
import threading

import pytest

from nanohtnet_ros.core.timing import StageTimes, percentiles
from nanohtnet_ros.ros.diagnostics import Rate


def test_percentiles():
    assert percentiles(range(101)) == {"p50": 50.0, "p99": 99.0}


def test_the_latest_durations_count_in_the_order_of_the_stages():
    times = StageTimes(kept=3)
    for seconds in (9.0, 1.0, 2.0, 3.0):
        times.add("second", seconds)
    times.add("first", 0.5)
    assert list(times.latency_ms()) == ["second", "first"]
    assert times.latency_ms()["second"]["p50"] == 2000.0


def test_a_block_that_raises_is_not_counted():
    times = StageTimes()
    with pytest.raises(KeyError), times.stage("fails"):
        raise KeyError
    with times.stage("works"):
        pass
    assert list(times.latency_ms()) == ["works"]


def test_a_rate_counts_the_last_seconds(monkeypatch):
    now = 100.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    rate = Rate(over_s=2.0)
    assert rate.hz() == 0.0
    for _ in range(10):
        rate.tick()
    assert rate.hz() == 5.0
    now = 101.0
    rate.tick()
    assert rate.hz() == 5.5
    now = 102.5
    assert rate.hz() == 0.5


def test_they_are_read_while_another_thread_adds():
    """Durations, and stages that were not there before."""
    times, rate, problems = StageTimes(kept=50), Rate(), []
    stop = threading.Event()

    def add() -> None:
        try:
            i = 0
            while not stop.is_set():
                times.add(f"stage {(i := i + 1) % 500}", 0.001)
                rate.tick()
        except Exception as error:
            problems.append(error)

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    thread = threading.Thread(target=add)
    thread.start()
    try:
        for _ in range(100):
            assert all(latency["p50"] == pytest.approx(1.0) for latency in times.latency_ms().values())
            assert rate.hz() >= 0
    finally:
        stop.set()
        thread.join()
        sys.setswitchinterval(before)
    assert not problems
