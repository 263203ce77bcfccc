"""Frames that get a detection, over cameras' rates, stamps that tremble and budgets."""

from itertools import pairwise

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


def test_dropped_frames_lower_the_rate_for_a_while():
    schedule, rates_hz = Schedule(30.0), []
    for i in range(600):
        schedule.dropped(3 * (i == 0) + (i == 1))
        schedule.spent(40.0)
        rates_hz.append(schedule.rate_hz)
    assert rates_hz[1] == pytest.approx(10.0, rel=0.01)
    assert (np.diff(rates_hz[1:]) >= 0).all() and rates_hz[100] < 15.0 and rates_hz[-1] == 30.0


def test_dropped_frames_raise_no_rate_that_is_low():
    schedule = Schedule(5.0)
    schedule.dropped(10)
    assert schedule.rate_hz == 5.0


def test_without_a_budget_the_rate_stays():
    schedule = Schedule(10.0)
    schedule.spent(1e6)
    assert schedule.rate_hz == 10.0


@pytest.mark.parametrize(("people", "rate_hz"), [(1, 15.0), (1, 10.0), (2, 15.0), (3, 10.0), (5, 7.0), (4, 30.0)])
def test_landmarks_are_spread_over_frames_and_never_older_than_their_period(people, rate_hz):
    rng = np.random.default_rng(people)
    stamps_ns = np.rint((np.arange(600) / 30 + rng.uniform(-0.004, 0.004, 600)) * NS_PER_S).astype(int)
    schedule, looked_ns, looks = Schedule(30.0, landmark_rate_hz=rate_hz), [int(stamps_ns[0])] * people, []
    for before_ns, stamp_ns in pairwise(stamps_ns):
        waiting = schedule.waiting(looked_ns, stamp_ns, (stamp_ns - before_ns) / NS_PER_S)
        looked_ns = [then_ns if i in waiting else stamp_ns for i, then_ns in enumerate(looked_ns)]
        looks.append(people - len(waiting))
        assert max(stamp_ns - then_ns for then_ns in looked_ns) <= NS_PER_S / rate_hz
    assert np.mean(looks) == pytest.approx(people * rate_hz / 30, rel=0.15)
    assert max(looks) <= np.ceil(people * rate_hz / 30) + 1


def test_landmarks_at_the_cameras_rate_and_above_are_in_every_frame():
    for rate_hz in (30.0, 1000.0):
        schedule = Schedule(30.0, landmark_rate_hz=rate_hz)
        for i in range(1, 300):
            assert schedule.waiting([(i - 1) * NS_PER_S // 30] * 3, i * NS_PER_S // 30, 1 / 30) == []


def test_a_budget_lowers_both_rates_to_their_least_and_raises_them_again():
    schedule = Schedule(30.0, 10.0, 1000.0)
    seen = []
    for frame_ms in [30.0] * 200 + [1.0] * 200:
        schedule.spent(frame_ms)
        seen.append((schedule.rate_hz, schedule.landmark_rate_hz))
    assert seen[199] == (1.0, 5.0) and seen[-1] == (30.0, 1000.0)
    assert (
        next(landmarks for looks, landmarks in seen if looks == 1.0) > 25.0
    )  # looks for newcomers are the first to go
