import numpy as np
import pytest

from nanohtnet_ros.core.camera import Camera
from nanohtnet_ros.core.lifter import WindowLifter
from nanohtnet_ros.core.model_card import ModelCard
from nanohtnet_ros.core.pose_estimation import Lifter, LiftingConfig
from nanohtnet_ros.core.poses import Keypoints, TrackedKeypoints
from nanohtnet_ros.core.rotation import ROTATIONS, RotatedDetector, upright_from_optical
from nanohtnet_ros.core.window import NS_PER_S

from factories import STANDING_M, FakeSession


class BrightSpot:
    """A detector whose person is wherever the image is brightest."""

    family = runtime = "fake"

    def detect(self, image_bgr: np.ndarray, stamp_ns: int) -> list[Keypoints]:
        self.shape = image_bgr.shape
        y, x = np.unravel_index(image_bgr[..., 0].argmax(), image_bgr.shape[:2])
        return [Keypoints(np.tile(np.float32((x, y)), (17, 1)), np.ones(17, np.float32))]

    def reset(self) -> None:
        pass


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
