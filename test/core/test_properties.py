"""Properties that hold for any camera, any stamps and any people, found by search."""

import numpy as np
import pytest

pytest.importorskip("hypothesis", reason="hypothesis is not installed")

from hypothesis import given
from hypothesis import strategies as st

from nanohtnet_ros.core.camera import FOCAL_NORM, Camera
from nanohtnet_ros.core.poses import Keypoints
from nanohtnet_ros.core.tracker import Tracker, TrackerConfig
from nanohtnet_ros.core.turned_view import AHEAD, rays_of
from nanohtnet_ros.core.window import NS_PER_S, WindowBuffer

from factories import STANDING_M

# Of real lenses, as camera_calibration finds them; the search scales and combines them.
PLUMB_BOB = np.array((-0.28, 0.07, 0.0005, -0.0003, 0.01))
EQUIDISTANT = np.array((-0.02, 0.01, -0.003, 0.0005))


@st.composite
def cameras(draw) -> Camera:
    """Cameras of 30 to 75 degrees, with and without distortion, off-centre and not quite square."""
    width, height = draw(st.sampled_from([(320, 240), (640, 480), (1280, 720), (1920, 1080)]))
    focal = 0.5 * width / np.tan(np.radians(draw(st.floats(30.0, 75.0)) / 2))
    shift = st.floats(-0.05, 0.05)
    model, coefficients = draw(
        st.sampled_from([("plumb_bob", ()), ("plumb_bob", PLUMB_BOB), ("equidistant", EQUIDISTANT)])
    )
    strength = draw(st.floats(-0.3, 1.0))
    return Camera(
        width,
        height,
        focal,
        focal * draw(st.floats(0.97, 1.03)),
        width * (0.5 + draw(shift)),
        height * (0.5 + draw(shift)),
        model,
        tuple(strength * c for c in coefficients),
    )


@given(cameras(), st.integers(0, 2**32 - 1))
def test_pixels_come_back_from_normalised_coordinates(camera, seed):
    pixels = np.random.default_rng(seed).uniform((0, 0), (camera.width - 1, camera.height - 1), (17, 2))
    np.testing.assert_allclose(camera.denormalise(camera.normalise(pixels)), pixels, atol=0.01)


@given(cameras(), st.integers(0, 2**32 - 1))
def test_a_projected_point_lies_on_its_ray(camera, seed):
    rng = np.random.default_rng(seed)
    half = 0.9 * np.array((camera.width / camera.fx, camera.height / camera.fy)) / 2
    depth_m = rng.uniform(1.0, 9.0, (17, 1))
    points_m = np.hstack((rng.uniform(-half, half, (17, 2)) * depth_m, depth_m))
    tangents = camera.tangents(camera.project(points_m))
    np.testing.assert_allclose(tangents, points_m[:, :2] / depth_m, atol=1e-4)
    np.testing.assert_allclose(camera.project(3.0 * points_m), camera.project(points_m), atol=1e-6)  # along the ray


@given(cameras(), st.floats(0.25, 4.0))
def test_scaling_the_image_changes_no_ray(camera, factor):
    width, height = round(camera.width * factor / 16) * 16, round(camera.height * factor / 9) * 9
    if abs(width * camera.height / (height * camera.width) - 1.0) > 0.01:
        return
    points_m = STANDING_M + (0.0, 0.0, 4.0)
    scaled = camera.scaled_to(width, height)
    np.testing.assert_allclose(
        scaled.normalise(scaled.project(points_m)), camera.normalise(camera.project(points_m)), atol=1e-4 * FOCAL_NORM
    )


STEPS_NS = st.lists(st.integers(-NS_PER_S, NS_PER_S), min_size=1, max_size=60)


@given(STEPS_NS, st.integers(2, 100), st.floats(10.0, 100.0), st.floats(0.05, 1.0), st.data())
def test_any_stamps_give_a_window_within_what_was_seen(steps_ns, length, rate_hz, max_gap_s, data):
    """Whatever a camera stamps: finite, of the model's length, ending at the newest frame, and never extrapolated."""
    buffer, stamp_ns, since = WindowBuffer(length, rate_hz, max_gap_s), 10**18, []
    for step_ns in steps_ns:
        stamp_ns += step_ns
        value = data.draw(st.floats(-2.0, 2.0))
        restarted = not since or not 0 < step_ns <= int(max_gap_s * NS_PER_S)
        since = [value] if restarted else [*since, value]
        buffer.push(stamp_ns, rays_of(np.full((17, 2), value), AHEAD), np.ones(17))
    window = buffer.window()
    assert window.keypoints_norm.shape == (length, 17, 2) and window.stamp_ns == stamp_ns
    assert window.seen.all() and np.isfinite(window.keypoints_norm).all()
    np.testing.assert_allclose(window.keypoints_norm[-1], since[-1], atol=1e-6)
    assert min(since) - 1e-6 <= window.keypoints_norm.min() and window.keypoints_norm.max() <= max(since) + 1e-6


@given(st.lists(st.integers(5_000_000, 200_000_000), min_size=30, max_size=80), st.integers(-(10**18), 10**18))
def test_a_window_depends_on_time_differences_alone(steps_ns, shift_ns):
    stamps_ns = 2 * 10**18 + np.cumsum(steps_ns)
    rng = np.random.default_rng(len(steps_ns))
    frames = rng.uniform(-1.0, 1.0, (len(stamps_ns), 17, 2))
    windows = []
    for shift in (0, shift_ns):
        buffer = WindowBuffer(41, 50.0)
        for stamp, frame in zip(stamps_ns, frames, strict=True):
            buffer.push(int(stamp) + shift, rays_of(frame, AHEAD), np.ones(17))
        windows.append(buffer.window().keypoints_norm)
    np.testing.assert_array_equal(*windows)


@st.composite
def scenes(draw) -> list[tuple[int, list[Keypoints]]]:
    """Stamps that may jump, and people who come, go, walk and lose joints, in any order in each frame."""
    camera = Camera.from_field_of_view(640, 480)
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    stamp_ns, scene = 10**18, []
    for step_ms in draw(st.lists(st.sampled_from([33, 33, 33, 40, 400, 1500, -50, -5000]), min_size=5, max_size=25)):
        stamp_ns += step_ms * 1_000_000
        people = []
        for i in rng.permutation(4)[: rng.integers(0, 5)]:
            xy_px = camera.project(STANDING_M + (i - 1.5 + rng.normal(0, 0.2), 0.0, 4.0))
            people.append(Keypoints(xy_px.astype(np.float32), (rng.random(17) < 0.9).astype(np.float32)))
        scene.append((stamp_ns, people))
    return scene


@given(scenes(), st.floats(0.1, 2.0))
def test_track_ids_are_unique_and_never_given_again(scene, max_missed_s):
    tracker = Tracker(TrackerConfig(max_missed_s=max_missed_s, confirm_s=0.0))
    alive: dict[int, int] = {}  # id: stamp of its last detection
    highest = 0
    for stamp_ns, people in scene:
        alive = {i: seen_ns for i, seen_ns in alive.items() if seen_ns <= stamp_ns}  # time may have gone back
        tracks = tracker.update(people, stamp_ns)
        ids = [track.track_id for track in tracks]
        assert len(set(ids)) == len(ids) == sum(person.valid.any() for person in people)
        for track in tracks:
            assert any(track.keypoints is person for person in people)
            if track.track_id in alive:
                assert stamp_ns - alive[track.track_id] <= max_missed_s * NS_PER_S
            else:
                assert track.track_id > highest
                highest = track.track_id
            alive[track.track_id] = stamp_ns


@given(scenes())
def test_tracks_do_not_depend_on_the_detections_order(scene):
    forward, backward = Tracker(), Tracker()
    partners: dict[int, int] = {}
    for stamp_ns, people in scene:
        one = {id(t.keypoints): t.track_id for t in forward.update(people, stamp_ns)}
        other = {id(t.keypoints): t.track_id for t in backward.update(people[::-1], stamp_ns)}
        assert one.keys() == other.keys()
        for person, track_id in one.items():
            assert partners.setdefault(track_id, other[person]) == other[person]
