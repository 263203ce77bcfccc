import numpy as np
import pytest

from nanohtnet_ros.core.ground import Ground, level_from_camera
from nanohtnet_ros.core.turned_view import AHEAD, keypoints_in, rays_of
from nanohtnet_ros.core.window import NS_PER_S, ROOM, WindowBuffer

T, RATE = 21, 50.0
START = np.random.default_rng(0).uniform(-0.5, 0.5, (17, 2))
SPEED = np.random.default_rng(1).uniform(-0.5, 0.5, (17, 2))


def at(seconds: float) -> np.ndarray:
    """Keypoints that move in straight lines, which linear interpolation follows exactly."""
    return START + SPEED * seconds


def ns(seconds: float) -> int:
    return round(seconds * NS_PER_S)


def push(buffer: WindowBuffer, stamp_ns: int, keypoints_norm: np.ndarray, confidence: float = 1.0) -> None:
    seen = np.isfinite(keypoints_norm).all(axis=1)
    buffer.push(stamp_ns, rays_of(keypoints_norm, AHEAD), np.where(seen, confidence, 0.0))


def filled(seconds, **kwargs) -> WindowBuffer:
    buffer = WindowBuffer(T, RATE, **kwargs)
    for s in seconds:
        push(buffer, ns(s), at(s))
    return buffer


@pytest.mark.parametrize("camera_hz", [15, 25, 30, 50, 60])
def test_any_camera_rate_gives_the_models_grid(camera_hz):
    times = 1.0 + np.arange(2 * camera_hz) / camera_hz
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
    push(buffer, ns(1.05 + gap), at(7.0))
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
        push(buffer, ns(i / 50), keypoints)
    window = buffer.window()
    assert np.isfinite(window.keypoints_norm).all() and window.seen.all()
    np.testing.assert_allclose(window.keypoints_norm[-4:, 12], [at(i / 50)[12] for i in range(26, 30)], atol=1e-5)
    np.testing.assert_allclose(window.keypoints_norm[-5, 13], at(25 / 50)[13], atol=1e-5)
    np.testing.assert_allclose(window.keypoints_norm[-1, 13], at(27 / 50)[13], atol=1e-5)  # held since


def test_a_joint_never_seen_stands_where_its_ancestor_does():
    keypoints = at(0.0)
    keypoints[[2, 3]] = np.nan  # right knee and ankle
    buffer = WindowBuffer(T, RATE)
    push(buffer, 0, keypoints)
    window = buffer.window()
    assert not window.seen[[2, 3]].any() and window.seen.sum() == 15
    np.testing.assert_array_equal(window.keypoints_norm[:, 3], window.keypoints_norm[:, 1])
    keypoints[0] = np.nan  # the root has no ancestor
    push(buffer, ns(0.02), keypoints)
    assert np.isfinite(buffer.window().keypoints_norm).all()


def test_confidence_is_interpolated_and_nothing_while_a_joint_is_missing():
    buffer = WindowBuffer(T, RATE)
    for i in range(11):  # 25 Hz, so that every other frame of the grid lies between two
        keypoints = at(i / 25)
        if i in (3, 4):
            keypoints[13] = np.nan
        push(buffer, ns(i / 25), keypoints, 0.1 * i)
    window = buffer.window()
    assert window.confidence.dtype == np.float32 and not window.level
    np.testing.assert_allclose(window.confidence[:, 12], np.linspace(0.0, 1.0, T), atol=1e-6)
    np.testing.assert_allclose(window.confidence[5:12, 13], (0.1, 0.0, 0.0, 0.0, 0.25, 0.5, 0.55), atol=1e-6)


def turning(seconds: float) -> np.ndarray:
    """Down as a camera sees it that nods and rolls."""
    return Ground.of_angles(20 * np.sin(5 * seconds), 15 * np.sin(3 * seconds)).down_cam


def test_a_moving_cameras_window_is_that_of_a_level_camera():
    """Someone stands still before a camera that nods and rolls but keeps its heading."""
    still = rays_of(START, AHEAD)
    buffer = WindowBuffer(T, RATE)
    for i in range(30):
        level = level_from_camera(turning(i / RATE))
        buffer.push(ns(i / RATE), still @ level, np.ones(17), level)
    window = buffer.window()
    assert window.level
    assert buffer.window(np.eye(3)).level  # as of a track that was restored
    np.testing.assert_allclose(window.keypoints_norm, np.broadcast_to(START, (T, 17, 2)), atol=1e-5)
    np.testing.assert_allclose(window.view_from_camera[0], level_from_camera(turning(9 / RATE)), atol=1e-12)
    np.testing.assert_allclose(window.view_from_camera[-1], level_from_camera(turning(29 / RATE)), atol=1e-12)


def test_a_window_survives_that_down_gets_known_and_unknown():
    level = level_from_camera(Ground.of_angles(roll_deg=20).down_cam)
    rays = rays_of(START, AHEAD) @ level
    rolled = (rays / rays[:, 2:])[:, :2] * 2.29
    buffer = WindowBuffer(T, RATE)
    for i, known in enumerate([False] * 5 + [True] * 5 + [False] * 5 + [True]):
        buffer.push(ns(i / RATE), rays, np.ones(17), level if known else None)
        window = buffer.window()
        assert window.level == known and len(buffer) == i + 1
        expected = np.broadcast_to(START if known else rolled, (T, 17, 2))
        np.testing.assert_allclose(window.keypoints_norm, expected, atol=1e-5)


def plain_window(frames, turn, upright):
    """(T, 17, 2) keypoints and (T, 17) confidence of (stamp, rays, confidence, level), each joint by itself."""
    views, known = [], frames[-1][3]
    for *_, level in reversed(frames):
        known = level if level is not None and known is not None else known
        views.insert(0, turn @ (upright if known is None else known))
    time_s = np.array([(frame[0] - frames[-1][0]) / NS_PER_S for frame in frames])
    points = np.stack([keypoints_in(rays, view) for (_, rays, *_), view in zip(frames, views, strict=True)])
    grid_s = np.arange(1 - T, 1) / RATE
    seen = np.isfinite(points[..., 0])
    keypoints = np.empty((T, 17, 2))
    for joint in range(17):
        source = joint if seen[:, joint].any() else 15
        for axis in range(2):
            known = seen[:, source]
            keypoints[:, joint, axis] = np.interp(grid_s, time_s[known], points[known, source, axis])
    confidence = [np.interp(grid_s, time_s, [frame[2][joint] for frame in frames]) for joint in range(17)]
    return keypoints, np.stack(confidence, axis=1)


def test_windows_cut_one_after_the_other_are_those_of_the_plain_way():
    """Joints come and go, one never does; down is known at times, the view turns, sides are exchanged."""
    rng, order = np.random.default_rng(5), np.r_[0, 4:7, 1:4, 7:17]
    turns = [AHEAD, level_from_camera(Ground.of_angles(pitch_deg=10).down_cam)]
    buffer, frames, stamp_ns = WindowBuffer(T, RATE), [], 0
    for now in range(4 * ROOM):
        stamp_ns += int(rng.integers(3_000_000, 40_000_000))
        rays = rays_of(rng.uniform(-0.5, 0.5, (17, 2)), AHEAD)
        rays[(rng.random(17) < 0.3) | (np.arange(17) == 16)] = np.nan
        confidence = np.where(np.isfinite(rays[:, 0]), rng.random(17), 0.0)
        level = level_from_camera(turning(now / RATE)) if now % 50 < 30 and now % 7 else None
        frames.append((stamp_ns, rays, confidence, level))
        buffer.push(*frames[-1])
        if now == 100:
            buffer.reorder(order)
            frames = [(stamp, rays[order], confidence[order], level) for stamp, rays, confidence, level in frames]
        frames = frames[-len(buffer) :]
        if now < 20 or now % 3 == 0:  # not at every frame, as with a look-ahead
            continue
        turn, upright = turns[now // 40 % 2], turns[now // 60 % 2]
        window = buffer.window(turn, upright)
        keypoints, confidence = plain_window(frames, turn, upright)
        np.testing.assert_allclose(window.keypoints_norm, keypoints, atol=1e-6)
        np.testing.assert_allclose(window.confidence, confidence, atol=1e-6)
        assert window.level == (level is not None and turn is AHEAD)


def test_a_turned_view_is_not_a_level_one():
    turn = level_from_camera(Ground.of_angles(pitch_deg=30).down_cam)
    rays = rays_of(START, AHEAD)
    buffer = WindowBuffer(T, RATE)
    buffer.push(0, rays @ turn, np.ones(17), AHEAD)
    window = buffer.window(turn)
    assert not window.level
    np.testing.assert_allclose(window.keypoints_norm[-1], START, atol=1e-5)
    np.testing.assert_array_equal(window.view_from_camera[-1], turn)


def test_the_buffer_stays_bounded_over_weeks_of_frames():
    buffer = WindowBuffer(T, RATE)
    lengths = set()
    for i in range(5000):
        push(buffer, ns(i / 60), at(0.0))
        lengths.add(len(buffer))
    assert max(lengths) <= (T - 1) / RATE * 60 + 2


def test_guards():
    with pytest.raises(ValueError, match="empty"):
        WindowBuffer(T, RATE).window()
    blind = WindowBuffer(T, RATE)
    push(blind, 0, np.full((17, 2), np.nan))
    with pytest.raises(ValueError, match="no joint"):
        blind.window()
    with pytest.raises(ValueError, match="positive"):
        WindowBuffer(0, RATE)
