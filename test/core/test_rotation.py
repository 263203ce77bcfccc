import numpy as np
import pytest

from nanohtnet_ros.core.camera import Camera
from nanohtnet_ros.core.ground import Ground
from nanohtnet_ros.core.keypoint_tracking import KeypointTracker
from nanohtnet_ros.core.lifter import WindowLifter
from nanohtnet_ros.core.model_card import ModelCard
from nanohtnet_ros.core.pose_estimation import Lifter, LiftingConfig
from nanohtnet_ros.core.poses import Keypoints, TrackedKeypoints
from nanohtnet_ros.core.rotation import (
    ROTATIONS,
    RotatedDetector,
    SelfRightingDetector,
    upright_from_optical,
    upright_rotation,
)
from nanohtnet_ros.core.tracker import Tracker, TrackerConfig
from nanohtnet_ros.core.window import NS_PER_S

from factories import STANDING_M, FakeSession


class BrightSpot:
    """A detector whose person is wherever the image is brightest."""

    family = runtime = "fake"

    def detect(self, image_bgr: np.ndarray, stamp_ns: int) -> list[Keypoints]:
        self.shape = image_bgr.shape
        y, x = np.unravel_index(image_bgr[..., 0].argmax(), image_bgr.shape[:2])
        return [Keypoints(np.tile(np.float32((x, y)), (17, 1)), np.ones(17, np.float32))]

    resets = 0

    def reset(self) -> None:
        self.resets += 1


@pytest.mark.parametrize("degrees", ROTATIONS[1:])
def test_keypoints_are_in_the_image_as_it_came(degrees):
    image = np.zeros((48, 64, 3), np.uint8)
    image[7, 30] = 255
    inner = BrightSpot()
    (person,) = RotatedDetector(inner, degrees).detect(image, 1)
    np.testing.assert_array_equal(person.xy_px[0], (30, 7))
    assert inner.shape[:2] == ((48, 64) if degrees == 180 else (64, 48))


@pytest.mark.parametrize("degrees", ROTATIONS)
def test_a_camera_on_its_side_gives_the_same_person_in_its_own_axes(degrees):
    upright = upright_from_optical(degrees)
    standing = STANDING_M @ upright + (0.2, 0.1, 4.0)  # as the turned camera sees somebody who stands
    camera = Camera(640, 640, 600.0, 600.0, 319.5, 319.5)
    session = FakeSession()
    card = ModelCard(9, 50.0, (-2, -1, 0), 0, "h36m_17", 2.29)
    lifter = Lifter(WindowLifter(session, card), LiftingConfig(hips_ahead_m=0.0, image_rotation=degrees))
    keypoints = Keypoints(camera.project(standing).astype(np.float32), np.ones(17, np.float32))
    (person,) = lifter.step([TrackedKeypoints(1, 0.0, keypoints)], NS_PER_S, camera)
    np.testing.assert_allclose(person.joints_rel_m + person.root_m, standing, atol=1e-3)
    seen = session.batches[0][0, -1]  # what the network gets stands upright
    assert seen[10, 1] < seen[0, 1] < seen[3, 1] and seen[11, 0] > seen[14, 0]


def test_a_quarter_turn_brings_the_right_edge_down():
    np.testing.assert_array_equal(upright_from_optical(90) @ (1, 0, 0), (0, 1, 0))
    for degrees in ROTATIONS:
        assert np.linalg.det(upright_from_optical(degrees)) == pytest.approx(1.0)


@pytest.mark.parametrize("degrees", ROTATIONS)
def test_gravity_tells_how_an_image_is_to_be_turned(degrees):
    for tilt in (-30.0, 0.0, 30.0):
        down = Ground.of_angles(pitch_deg=30.0, roll_deg=degrees + tilt).down_cam
        assert upright_rotation(down) == degrees


def test_between_two_ways_or_straight_down_an_image_stays_as_it_is():
    for now in ROTATIONS:
        for off in (45.0, -45.0):
            assert upright_rotation(Ground.of_angles(roll_deg=now + off).down_cam, now) == now
        assert upright_rotation(np.array((0.0, 0.1, 0.995)), now) == now


def test_a_phone_that_is_turned_over_finds_people_all_the_while():
    """Its detector starts anew with the image's turn alone, and what comes out is in the image as it came."""
    inner = BrightSpot()
    tracker = KeypointTracker(SelfRightingDetector(inner), Tracker(TrackerConfig(confirm_s=0.0)))
    image = np.zeros((48, 64, 3), np.uint8)
    image[7, 30] = 255
    shapes = []
    for i, roll in enumerate((0.0, 20.0, 60.0, 90.0, 90.0, None, 180.0)):
        ground = None if roll is None else Ground.of_angles(roll_deg=roll)
        (person,) = tracker.step(image, NS_PER_S + i * 40_000_000, ground)
        np.testing.assert_array_equal(person.keypoints.xy_px[0], (30, 7))
        shapes.append(inner.shape[:2])
    assert shapes == [(48, 64)] * 2 + [(64, 48)] * 4 + [(48, 64)]
    assert inner.resets == 2


def test_dropped_frames_are_told_to_detectors_that_care():
    class Hurried(BrightSpot):
        frames = 0

        def dropped(self, frames: int) -> None:
            self.frames += frames

    for inner in (BrightSpot(), Hurried()):
        for detector in (inner, RotatedDetector(inner, 90)):
            KeypointTracker(detector, Tracker()).dropped(3)
    assert inner.frames == 6


def test_without_gravity_a_network_sees_people_as_it_was_turned_last():
    camera = Camera(640, 640, 600.0, 600.0, 319.5, 319.5)
    standing = STANDING_M @ upright_from_optical(90) + (0.2, 0.1, 4.0)
    keypoints = Keypoints(camera.project(standing).astype(np.float32), np.ones(17, np.float32))
    session = FakeSession()
    card = ModelCard(9, 50.0, (-2, -1, 0), 0, "h36m_17", 2.29)
    lifter = Lifter(WindowLifter(session, card), LiftingConfig(hips_ahead_m=0.0, image_rotation=None))
    for seconds, ground in ((1, None), (2, Ground((1.0, 0.0, 0.0))), (5, None)):
        lifter.step([TrackedKeypoints(1, 0.0, keypoints)], seconds * NS_PER_S, camera, ground=ground)
        head, foot = session.batches[-1][0, -1, 10], session.batches[-1][0, -1, 3]
        assert (head[1] < foot[1] - 0.2) == (seconds > 1)
