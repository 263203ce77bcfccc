"""What the network sees, and what comes out, where down is known."""

from dataclasses import replace

import numpy as np
import pytest

from nanohtnet_ros.core.camera import Camera
from nanohtnet_ros.core.ground import Ground, level_from_camera
from nanohtnet_ros.core.lifter import WindowLifter
from nanohtnet_ros.core.model_card import ModelCard
from nanohtnet_ros.core.pose_estimation import Lifter, LiftingConfig
from nanohtnet_ros.core.poses import Keypoints, TrackedKeypoints
from nanohtnet_ros.core.smoothing import SmoothingConfig
from nanohtnet_ros.core.window import NS_PER_S

from factories import STANDING_M, FakeSession

T = 9
CAMERA = Camera(1280, 960, 600.0, 600.0, 639.5, 479.5)
FISHEYE = Camera(960, 960, 300.0, 300.0, 479.5, 479.5, "equidistant")
RAW = LiftingConfig(hips_ahead_m=0.0, smoothing=SmoothingConfig(one_euro=False, constant_bones=False))
ROOT = np.array((0.3, 0.2, 4.0))  # in a level camera's axes


def ns(seconds: float) -> int:
    return round(seconds * NS_PER_S)


class AnyInputs(FakeSession):
    """A network that takes whatever there is."""

    def run(self, x, *more):
        return super().run(x)


class Recorder(WindowLifter):
    """Keeps the windows that it lifts."""

    def __init__(self, offsets=(-2, -1, 0), look_ahead_s: float = 0.0, **inputs: bool) -> None:
        card = ModelCard(T, 50.0, offsets, 0, "h36m_17", 2.29)
        super().__init__(AnyInputs(T, len(offsets)), card, look_ahead_s)
        self.card = replace(card, **(inputs or {"level": True}))
        self.windows = []

    def lift(self, windows):
        self.windows += windows
        return super().lift(windows)


def seen(down_cam: np.ndarray, camera: Camera = CAMERA, root=ROOT) -> TrackedKeypoints:
    """Someone who stands before a camera, in which down is as given."""
    points = (STANDING_M + root) @ level_from_camera(down_cam)
    return TrackedKeypoints(1, 0.0, Keypoints(camera.project(points).astype(np.float32), np.ones(17)))


@pytest.mark.parametrize(("pitch", "roll"), [(0, 0), (25, 0), (-10, 30), (0, 90), (30, 180), (0, -120)])
def test_however_a_camera_is_mounted_the_network_sees_a_level_view(pitch, roll):
    """The network answers with somebody upright, and in the camera's axes they stand along gravity."""
    ground = Ground.of_angles(pitch, roll)
    lifter = Lifter(recorder := Recorder(), RAW)
    (person,) = lifter.step([seen(ground.down_cam)], ns(1), CAMERA, ground=ground)
    (window,) = recorder.windows
    level = CAMERA.normalise(CAMERA.project(STANDING_M + ROOT))
    assert window.level
    np.testing.assert_allclose(window.keypoints_norm, np.broadcast_to(level, (T, 17, 2)), atol=1e-4)
    np.testing.assert_allclose(person.joints_cam_m, (STANDING_M + ROOT) @ level_from_camera(ground.down_cam), atol=2e-3)


def test_while_the_camera_nods_the_window_stands_still():
    lifter = Lifter(recorder := Recorder(), RAW)
    for i in range(20):
        ground = Ground.of_angles(10 + 15 * np.sin(i / 3), 10 * np.sin(i / 5))
        (person,) = lifter.step([seen(ground.down_cam)], ns(1 + i / 30), CAMERA, ground=ground)
        assert np.ptp(recorder.windows[-1].keypoints_norm, axis=0).max() < 1e-4
        truth = (STANDING_M + ROOT) @ level_from_camera(ground.down_cam)
        np.testing.assert_allclose(person.joints_cam_m, truth, atol=2e-3)


def test_with_a_look_ahead_poses_are_turned_back_as_the_camera_was_then():
    lifter = Lifter(Recorder((-5, 0), 0.1), RAW)
    downs = [Ground.of_angles(3.0 * i, 2.0 * i).down_cam for i in range(12)]
    for i, down in enumerate(downs):
        people = lifter.step([seen(down)], ns(1 + i / 50), CAMERA, ground=Ground(down))
        if i >= 5:
            truth = (STANDING_M + ROOT) @ level_from_camera(downs[i - 5])
            np.testing.assert_allclose(people[0].joints_cam_m, truth, atol=2e-3)


def test_a_short_lack_is_bridged_and_a_long_one_goes_on_without():
    ground = Ground.of_angles(20.0, 25.0, 1.3)
    lifter, levels = Lifter(recorder := Recorder(), RAW), []
    tilted = CAMERA.normalise(seen(ground.down_cam).keypoints.xy_px)
    for i in range(60):
        known = i < 5 or i > 50
        (person,) = lifter.step([seen(ground.down_cam)], ns(1 + i / 25), CAMERA, ground=ground if known else None)
        window = recorder.windows[-1]
        levels.append(window.level)
        expected = CAMERA.normalise(CAMERA.project(STANDING_M + ROOT)) if window.level else tilted
        np.testing.assert_allclose(window.keypoints_norm, np.broadcast_to(expected, (T, 17, 2)), atol=1e-4)
        assert (person.root_ground_m is not None) == window.level
        assert person.age_s == 0.0 and len(lifter._views["camera"].tracks) == 1
    assert levels == [i < 5 + 25 or i > 50 for i in range(60)]


@pytest.mark.parametrize("ground", [None, Ground(height_m=1.5)])
def test_without_gravity_all_is_as_ever(ground):
    lifter = Lifter(recorder := Recorder(), RAW)
    tilted = seen(Ground.of_angles(20.0).down_cam)
    lifter.step([tilted], ns(1), CAMERA, ground=ground)
    (window,) = recorder.windows
    assert not window.level
    np.testing.assert_array_equal(window.keypoints_norm[-1], CAMERA.normalise(tilted.keypoints.xy_px))


def test_someone_under_a_ceiling_camera_is_seen_by_a_turned_view():
    """And by the level one again once they have walked away; not to and fro at the border."""
    down = np.array((0.0, 0.0, 1.0))
    lifter, levels = Lifter(recorder := Recorder(), RAW), []
    for i in range(100):
        out_m = 0.04 * i
        person = seen(down, FISHEYE, (0.0, 1.6, out_m))
        (person,) = lifter.step([person], ns(1 + i / 25), FISHEYE, ground=Ground(down, 2.5))
        levels.append(recorder.windows[-1].level)
        assert np.isfinite(recorder.windows[-1].keypoints_norm).all() and np.isfinite(person.joints_rel_m).all()
    assert not levels[0] and levels[-1]
    assert levels == sorted(levels)


def test_a_network_with_confidence_gets_what_is_not_supported_as_missing():
    lifter = Lifter(recorder := Recorder(confidence=True), RAW)
    keypoints = seen(np.array((0.0, 1.0, 0.0))).keypoints
    confidence = np.full(17, 0.8)
    confidence[[2, 3, 5, 6]] = 0.01  # guesses at both legs
    guessed = Keypoints(keypoints.xy_px + np.where(confidence < 0.1, 300.0, 0.0)[:, None], confidence)
    (person,) = lifter.step([TrackedKeypoints(1, 0.0, guessed)], ns(1), CAMERA)
    (window,) = recorder.windows
    np.testing.assert_allclose(window.confidence[-1], np.where(confidence < 0.1, 0.0, 0.8), rtol=1e-6)
    np.testing.assert_array_equal(window.keypoints_norm[-1, 3], window.keypoints_norm[-1, 1])  # at the hip
    assert np.isnan(person.joints_rel_m[3]).all()
    nothing = Keypoints(keypoints.xy_px, np.full(17, 0.01))
    assert lifter.step([TrackedKeypoints(2, 0.0, nothing)], ns(1.04), CAMERA) == []


def test_for_a_network_without_level_views_a_roll_alone_is_taken_off():
    """Straight down, where there is no telling what roll is, it gets the image as it comes."""
    lifter = Lifter(recorder := Recorder(level=False), RAW)
    for pitch, root in ((25.0, (0.0, 1.0, 2.0)), (89.0, (0.0, 1.6, 0.6))):
        ground = Ground.of_angles(pitch, 20.0)
        rolled = seen(ground.down_cam, FISHEYE, root)
        lifter.reset()
        lifter.step([rolled], ns(1), FISHEYE, ground=ground)
        expected = rolled if pitch > 80.0 else seen(Ground.of_angles(pitch).down_cam, FISHEYE, root)
        expected = FISHEYE.normalise(expected.keypoints.xy_px)
        np.testing.assert_allclose(recorder.windows[-1].keypoints_norm[-1], expected, atol=1e-3)
