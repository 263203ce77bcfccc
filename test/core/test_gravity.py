import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from nanohtnet_ros.core.gravity import GravityFilter
from nanohtnet_ros.core.window import NS_PER_S

UP = np.array((0.0, 0.0, 9.81))
NONE = np.zeros(3)


def ns(seconds: float) -> int:
    return round(seconds * NS_PER_S)


def off_deg(down, expected) -> float:
    return float(np.degrees(np.arccos(np.clip(down @ expected, -1.0, 1.0))))


def test_at_rest_down_is_against_the_acceleration():
    gravity = GravityFilter()
    np.testing.assert_allclose(gravity.update(ns(1), np.array((0.0, -9.81, 0.0)), NONE), (0, 1, 0))


def test_noise_and_steps_average_out():
    """A walking robot: 3 m/s^2 to and fro, and noise. The first second is an average of all that came."""
    rng, gravity = np.random.default_rng(0), GravityFilter()
    for i in range(400):
        shake = rng.normal(0, 1.0, 3) + 3.0 * np.sin(2 * np.pi * 2 * i / 200)
        down = gravity.update(ns(1 + i / 200), UP + shake, NONE)
        if i >= 300:
            assert off_deg(down, (0, 0, -1)) < 3.0


@pytest.mark.parametrize(("gyro", "most_deg"), [(True, 0.5), (False, 60.0)])
def test_the_gyroscope_carries_down_along(gyro, most_deg):
    """A robot pitches by 45 degrees in half a second; without a gyroscope the average comes after."""
    gravity, rate = GravityFilter(), np.array((0.0, np.pi / 2, 0.0))
    for i in range(400):
        turned = Rotation.from_rotvec(rate * min(i / 200, 0.5)).as_matrix()  # world from sensor
        turning = rate if gyro and 0 < i <= 100 else NONE
        down, truth = gravity.update(ns(1 + i / 200), turned.T @ UP, turning), turned.T @ (0, 0, -1)
        assert off_deg(down, truth) < most_deg
    assert off_deg(down, truth) < 12.0


def test_nothing_measured_is_not_known():
    assert GravityFilter().update(ns(1), NONE, NONE) is None


def test_a_push_weighs_little():
    gravity = GravityFilter()
    for i in range(100):
        gravity.update(ns(1 + i / 100), UP, NONE)
    assert off_deg(gravity.update(ns(2.0), UP + (30.0, 0.0, 0.0), NONE), (0, 0, -1)) < 2.0


@pytest.mark.parametrize("step_s", [-5.0, 0.0, 3.0])
def test_a_gap_or_a_jump_of_time_starts_anew(step_s):
    gravity = GravityFilter()
    for i in range(100):
        gravity.update(ns(10 + i / 100), UP, NONE)
    np.testing.assert_allclose(gravity.update(ns(10.99 + step_s), -UP, NONE), (0, 0, 1))
