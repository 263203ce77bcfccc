import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from nanohtnet_ros.core.ground import Ground, level_from_camera, unrolled_from_camera
from nanohtnet_ros.errors import UserError

OPTICAL_FROM_BODY = np.array(((0, -1, 0), (0, 0, -1), (1, 0, 0)), float)  # REP 103's x ahead, y left, z up


def random_downs(n: int = 200) -> np.ndarray:
    downs = np.random.default_rng(0).normal(size=(n, 3))
    return downs / np.linalg.norm(downs, axis=1, keepdims=True)


def test_the_level_view_is_a_rotation_with_down_as_its_y():
    for down in [*random_downs(), np.array((0.0, 0.0, 1.0)), np.array((0.0, 0.0, -1.0))]:
        level = level_from_camera(down)
        np.testing.assert_allclose(level @ level.T, np.eye(3), atol=1e-12)
        assert np.linalg.det(level) > 0
        np.testing.assert_allclose(level @ down, (0, 1, 0), atol=1e-12)


def test_the_level_view_keeps_the_cameras_yaw():
    for down in random_downs():
        x, y, z = level_from_camera(down) @ (0.0, 0.0, 1.0)
        if abs(y) < 0.98:
            assert x == pytest.approx(0.0, abs=1e-12) and z > 0
    np.testing.assert_allclose(level_from_camera(np.array((0.0, 1.0, 0.0))), np.eye(3), atol=1e-12)


def test_straight_down_and_up_ahead_is_where_it_was_on_the_way_there():
    """A camera without roll that pitches through 80 degrees does not turn about the vertical."""
    for sign in (1.0, -1.0):
        views = [level_from_camera(Ground.of_angles(sign * pitch).down_cam) for pitch in (79.9, 80.1, 90.0)]
        np.testing.assert_allclose(views[1], views[0], atol=0.004)
        np.testing.assert_allclose(views[2], views[0], atol=0.18)


@pytest.mark.parametrize(("pitch", "roll"), [(0, 0), (20, 0), (0, 13), (-15, 160), (70, -90)])
def test_angles_are_those_of_rep_103(pitch, roll):
    world_from_body = Rotation.from_euler("ZYX", (30, pitch, roll), degrees=True).as_matrix()
    by_pose = Ground.of_camera_pose(world_from_body @ OPTICAL_FROM_BODY.T, (1.0, 2.0, 1.5))
    by_angles = Ground.of_angles(pitch, roll, 1.5)
    np.testing.assert_allclose(by_angles.down_cam, by_pose.down_cam, atol=1e-12)
    assert by_angles.height_m == by_pose.height_m == 1.5


def test_a_camera_that_looks_down_or_is_rolled_has_down_where_it_should():
    assert Ground.of_angles(pitch_deg=30).down_cam[2] == pytest.approx(0.5)  # down is ahead of it
    assert Ground.of_angles(roll_deg=30).down_cam[0] == pytest.approx(0.5)  # clockwise: its right side is lower


def test_places_in_the_ground_frame():
    world_from_body = Rotation.from_euler("ZYX", (90, 20, 5), degrees=True).as_matrix()
    ground = Ground.of_camera_pose(world_from_body @ OPTICAL_FROM_BODY.T, (1.0, 2.0, 1.5))
    point = np.array((0.3, -0.2, 4.0))
    np.testing.assert_allclose(ground.place(point), world_from_body @ OPTICAL_FROM_BODY.T @ point + (1.0, 2.0, 1.5))
    # Without a frame of the user's: below the camera, x where it looks. It looks along the world's y here.
    x, y, z = Ground(ground.down_cam, 1.5).place(point)
    np.testing.assert_allclose((1.0 - y, 2.0 + x, z), ground.place(point), atol=1e-12)
    assert Ground(ground.down_cam).place(point) is None and Ground(height_m=1.0).place(point) is None


def test_what_cannot_be_is_refused():
    for down in ((0, 0, 0), (0, np.nan, 1), (0, 1), np.eye(3)):
        with pytest.raises(UserError, match="three finite numbers"):
            Ground(down)
    for height in (0.0, -1.0, np.nan, np.inf):
        with pytest.raises(UserError, match="expected a positive number"):
            Ground((0, 1, 0), height)
    np.testing.assert_allclose(Ground((0, 2.0, 0)).down_cam, (0, 1, 0))


def test_a_roll_alone_is_taken_off():
    for pitch, roll in ((0, 20), (35, -50), (-60, 170)):
        unrolled = unrolled_from_camera(Ground.of_angles(pitch, roll).down_cam)
        np.testing.assert_allclose(unrolled @ unrolled.T, np.eye(3), atol=1e-12)
        np.testing.assert_allclose(
            unrolled @ Ground.of_angles(pitch, roll).down_cam, Ground.of_angles(pitch).down_cam, atol=1e-12
        )
        np.testing.assert_allclose(unrolled @ (0, 0, 1), (0, 0, 1), atol=1e-12)
    assert unrolled_from_camera(np.array((0.1, 0.0, 0.995))) is None
