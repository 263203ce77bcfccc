import numpy as np
import pytest

from nanohtnet_ros.core.body import hips_to_centres

from factories import xyzw_to_rotation

HIPS, SPINE = [0, 1, 4], 7


@pytest.fixture
def standing():
    """Somebody who faces the camera: optical axes, so ahead is -z, their left at +x, up -y."""
    joints = np.zeros((17, 3), np.float32)
    joints[1], joints[4] = (-0.1, 0, 0), (0.1, 0, 0)
    joints[2:4] = joints[1] + np.array([(0, 0.45, 0), (0, 0.9, 0)], np.float32)
    joints[5:7] = joints[4] + np.array([(0, 0.45, 0), (0, 0.9, 0)], np.float32)
    joints[7:11] = [(0, -0.25, 0), (0, -0.5, 0), (0, -0.62, -0.1), (0, -0.75, 0)]
    joints[11:14] = [(0.2, -0.5, 0), (0.2, -0.25, 0), (0.2, 0, 0)]
    joints[14:] = joints[11:14] * (-1, 1, 1)
    return joints


def test_hips_move_back_and_the_rest_ahead_of_the_new_root(standing):
    moved = hips_to_centres(standing, 0.03)
    assert moved.dtype == np.float32
    way = moved - standing
    expected = np.tile(np.float32([0, 0, -0.03]), (17, 1))
    expected[HIPS], expected[SPINE] = 0.0, (0, 0, -0.015)
    np.testing.assert_allclose(way, expected, atol=1e-6)
    assert (moved[0] == 0).all() and (standing[0] == 0).all()


def test_it_turns_with_the_body_and_zero_changes_nothing(standing):
    rotation = xyzw_to_rotation(np.array([0.5, -0.1, 0.7, 0.5]) / 1.0).astype(np.float32)
    turned = hips_to_centres(standing @ rotation.T, 0.03)
    np.testing.assert_allclose(turned, hips_to_centres(standing, 0.03) @ rotation.T, atol=1e-6)
    assert np.array_equal(hips_to_centres(standing, 0.0), standing)


def test_nobody_knows_where_ahead_is_without_a_trunk_or_hips(standing):
    for joints in ((8, 0), (1, 4)):
        folded = standing.copy()
        folded[joints[0]] = folded[joints[1]]
        assert np.array_equal(hips_to_centres(folded, 0.03), folded)
    missing = standing.copy()
    missing[8] = np.nan
    assert np.array_equal(hips_to_centres(missing, 0.03), missing, equal_nan=True)
