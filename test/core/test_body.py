import numpy as np
import pytest

from nanohtnet_ros.core.body import ANKLE_HEIGHT_M, scale_to_height, standing_height
from nanohtnet_ros.samples.clips import packaged_clips

from factories import STANDING_M


def rotated(joints: np.ndarray, about: int, moved: list[int], degrees: float) -> np.ndarray:
    """Joints with some of them turned about another, in the plane of the view axis."""
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    turn = np.array([[1, 0, 0], [0, c, -s], [0, s, c]])
    out = joints.astype(np.float64)
    out[moved] = (out[moved] - out[about]) @ turn.T + out[about]
    return out


def test_whoever_stands_upright_is_as_tall_as_from_crown_to_ankle_and_a_little():
    upright = STANDING_M.copy()
    upright[[10, 7, 8]] *= (0, 1, 0)
    upright[[1, 4]] *= (1, 0, 0)
    upright[[2, 3, 5, 6]] *= (0, 1, 0)
    upright[[2, 3, 5, 6], 0] = upright[[1, 1, 4, 4], 0]
    assert standing_height(upright) == pytest.approx(0.76 + 0.88 + ANKLE_HEIGHT_M, abs=1e-6)


def test_bent_legs_and_arms_do_not_change_the_height():
    sitting = rotated(rotated(STANDING_M, 1, [2, 3], 80), 2, [3], -70)
    sitting = rotated(sitting, 11, [12, 13], 120)
    assert standing_height(sitting) == pytest.approx(standing_height(STANDING_M), abs=1e-6)
    leaning = rotated(STANDING_M, 0, [7, 8, 9, 10, 11, 12, 13, 14, 15, 16], 60)
    assert standing_height(leaning) == pytest.approx(standing_height(STANDING_M), abs=1e-6)


def test_one_leg_is_enough_and_nothing_is_invented():
    whole = standing_height(STANDING_M)
    joints = STANDING_M.copy()
    joints[[5, 13]] = np.nan
    assert standing_height(joints) == pytest.approx(whole, abs=0.01)
    joints[3] = np.nan
    assert standing_height(joints) is None
    for joint in (0, 7, 8, 10):
        joints = STANDING_M.copy()
        joints[joint] = np.nan
        assert standing_height(joints) is None


@pytest.mark.parametrize(("clip", "person", "height_m"), [(0, 0, 1.75), (1, 0, 1.75), (1, 1, 1.67)])
def test_rendered_people_have_the_height_that_their_crowns_show(clip, person, height_m):
    heights = [standing_height(joints) for joints in packaged_clips()[clip].truth.joints_cam_m[:, person]]
    np.testing.assert_allclose(heights, height_m, atol=0.015)


@pytest.mark.parametrize("size", [0.7, 1.0, 1.2])
def test_a_skeleton_of_any_size_comes_out_at_the_persons_size(size):
    height = standing_height(STANDING_M)
    scaled = scale_to_height(np.float32(size) * STANDING_M, 1.8, size * height)
    np.testing.assert_allclose(scaled, STANDING_M * (1.8 / height), rtol=1e-5)
    assert scaled.dtype == np.float32


def test_the_frames_own_height_counts_where_no_other_is_known():
    np.testing.assert_allclose(
        scale_to_height(STANDING_M, 1.9), STANDING_M * (1.9 / standing_height(STANDING_M)), rtol=1e-6
    )


def test_missing_joints_stay_missing_and_spread_to_no_other():
    joints = STANDING_M.copy()
    joints[10] = np.nan
    np.testing.assert_array_equal(scale_to_height(joints, 1.8), joints)  # nothing to scale by
    scaled = scale_to_height(joints, 1.8, 1.6)
    assert np.isnan(scaled[10]).all() and np.isfinite(np.delete(scaled, 10, axis=0)).all()


@pytest.mark.parametrize("height_m", [0.0, -1.0, 175.0, np.nan])
def test_a_height_that_nobody_has_is_refused(height_m):
    with pytest.raises(ValueError, match=r"person_height_m is .* expected 0.5 to 2.6 metres"):
        scale_to_height(STANDING_M, height_m)
