"""Frames that get a detection, over cameras' rates, stamps that tremble and budgets."""

import numpy as np
import pytest

from nanohtnet_ros.core.window import NS_PER_S
from nanohtnet_ros.detectors.schedule import Schedule


def due(schedule: Schedule, stamps_s: np.ndarray) -> np.ndarray:
    return np.array([schedule.due(round(stamp * NS_PER_S)) for stamp in stamps_s])


def test_stamps_that_tremble_change_nothing():
    exact = np.arange(300) / 30
    trembling = exact + np.random.default_rng(0).uniform(-0.003, 0.003, 300)
    for rate_hz, every in ((30.0, 1), (15.0, 2), (10.0, 3)):
        assert due(Schedule(rate_hz), trembling).sum() == pytest.approx(300 / every, abs=1)
        np.testing.assert_array_equal(np.flatnonzero(due(Schedule(rate_hz), exact)), np.arange(0, 300, every))


def test_a_rate_above_the_cameras_is_every_frame():
    assert due(Schedule(1000.0), np.arange(50) / 30).all()


def test_a_pause_is_not_made_up_for():
    looks = due(Schedule(10.0), np.concatenate((np.arange(30), 300 + np.arange(30))) / 30)
    assert looks.sum() == pytest.approx(20, abs=1) and np.diff(np.flatnonzero(looks)).min() >= 2


@pytest.mark.parametrize(
    ("budget_ms", "mean_ms", "rate_hz"), [(13.0, 13.0, None), (30.0, 15.0, 10.0), (5.0, 10.5, 1.0)]
)
def test_a_budget_sets_the_rate_at_which_frames_take_it(budget_ms, mean_ms, rate_hz):
    """A frame takes 10 ms, with a detection 25: 15 on average at 10 Hz, 10.5 at the least rate."""
    schedule, frames_ms = Schedule(10.0, budget_ms), []
    for i in range(3000):
        frames_ms.append(10.0 + 15.0 * schedule.due(round(i * NS_PER_S / 30)))
        schedule.spent(frames_ms[-1])
    assert np.mean(frames_ms[1000:]) == pytest.approx(mean_ms, rel=0.01)
    assert rate_hz in (None, pytest.approx(schedule.rate_hz))


def test_without_a_budget_the_rate_stays():
    schedule = Schedule(10.0)
    schedule.spent(1e6)
    assert schedule.rate_hz == 10.0
