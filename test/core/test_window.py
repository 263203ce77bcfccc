import numpy as np
import pytest

from nanohtnet_ros.core.window import NS_PER_S, WindowBuffer

T, RATE = 21, 50.0
START = np.random.default_rng(0).uniform(-0.5, 0.5, (17, 2))
SPEED = np.random.default_rng(1).uniform(-0.5, 0.5, (17, 2))


def at(seconds: float) -> np.ndarray:
    """Keypoints that move in straight lines, which linear interpolation follows exactly."""
    return START + SPEED * seconds


def ns(seconds: float) -> int:
    return round(seconds * NS_PER_S)


def filled(seconds, **kwargs) -> WindowBuffer:
    buffer = WindowBuffer(T, RATE, **kwargs)
    for s in seconds:
        buffer.push(ns(s), at(s))
    return buffer


@pytest.mark.parametrize("camera_hz", [15, 25, 30, 50, 60])
def test_any_camera_rate_gives_the_models_grid(camera_hz):
    times = 100.0 + np.arange(2 * camera_hz) / camera_hz
    window = filled(times).window()
    expected = np.stack([at(times[-1] - age / RATE) for age in range(T - 1, -1, -1)])
    np.testing.assert_allclose(window.keypoints_norm, expected, atol=1e-5)
    assert window.stamp_ns == ns(times[-1])


def test_uneven_stamps_and_dropped_frames_are_bridged():
    rng = np.random.default_rng(2)
    times = np.cumsum(rng.uniform(0.005, 0.1, 60)) + 5.0
    window = filled(times).window()
    expected = np.stack([at(times[-1] - age / RATE) for age in range(T - 1, -1, -1)])
    np.testing.assert_allclose(window.keypoints_norm, expected, atol=1e-5)


def test_start_up_repeats_the_first_frame():
    window = filled([1.0, 1.1]).window()
    np.testing.assert_allclose(window.keypoints_norm[0], at(1.0), atol=1e-6)
    np.testing.assert_allclose(window.keypoints_norm[-6], at(1.0), atol=1e-6)
    np.testing.assert_allclose(window.keypoints_norm[-1], at(1.1), atol=1e-6)
    single = filled([1.0]).window()
    assert (single.keypoints_norm == single.keypoints_norm[-1]).all()


@pytest.mark.parametrize(("gap", "bridged"), [(0.2, True), (0.3, False), (-0.001, False), (-9.0, False), (0, False)])
def test_long_gaps_and_backward_jumps_restart_the_window(gap, bridged):
    buffer = filled([1.0, 1.05], max_gap_s=0.25)
    buffer.push(ns(1.05 + gap), at(7.0))
    assert len(buffer) == (3 if bridged else 1)
    before_newest = buffer.window().keypoints_norm[0]
    np.testing.assert_allclose(before_newest, at(1.0) if bridged else at(7.0), atol=1e-5)


def test_a_joint_is_interpolated_over_frames_that_miss_it():
    buffer = WindowBuffer(T, RATE)
    for i in range(30):
        keypoints = at(i / 50)
        if i % 3:
            keypoints = keypoints.copy()
            keypoints[13] = np.nan
        buffer.push(ns(i / 50), keypoints)
    window = buffer.window()
    assert np.isfinite(window.keypoints_norm).all() and window.seen.all()
    np.testing.assert_allclose(window.keypoints_norm[-4:, 12], [at(i / 50)[12] for i in range(26, 30)], atol=1e-5)
    np.testing.assert_allclose(window.keypoints_norm[-5, 13], at(25 / 50)[13], atol=1e-5)
    np.testing.assert_allclose(window.keypoints_norm[-1, 13], at(27 / 50)[13], atol=1e-5)  # held since


def test_a_joint_never_seen_stands_where_its_ancestor_does():
    keypoints = at(0.0)
    keypoints[[2, 3]] = np.nan  # right knee and ankle
    buffer = WindowBuffer(T, RATE)
    buffer.push(0, keypoints)
    window = buffer.window()
    assert not window.seen[[2, 3]].any() and window.seen.sum() == 15
    np.testing.assert_array_equal(window.keypoints_norm[:, 3], window.keypoints_norm[:, 1])
    keypoints[0] = np.nan  # the root has no ancestor
    buffer.push(ns(0.02), keypoints)
    assert np.isfinite(buffer.window().keypoints_norm).all()


def test_the_buffer_stays_bounded_over_weeks_of_frames():
    buffer = WindowBuffer(T, RATE)
    lengths = set()
    for i in range(5000):
        buffer.push(ns(i / 60), at(0.0))
        lengths.add(len(buffer))
    assert max(lengths) <= (T - 1) / RATE * 60 + 2


def test_guards():
    with pytest.raises(ValueError, match="empty"):
        WindowBuffer(T, RATE).window()
    blind = WindowBuffer(T, RATE)
    blind.push(0, np.full((17, 2), np.nan))
    with pytest.raises(ValueError, match="no joint"):
        blind.window()
    with pytest.raises(ValueError, match="positive"):
        WindowBuffer(0, RATE)
