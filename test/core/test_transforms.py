from dataclasses import replace

import numpy as np
import pytest

from nanohtnet_ros.core.poses import Person
from nanohtnet_ros.core.transforms import move_person, rotation_to_xyzw

from factories import STANDING_M, xyzw_to_rotation

QUATERNIONS = [
    (0, 0, 0, 1),
    (1, 0, 0, 0),
    (0, 1, 0, 0),
    (0, 0, 1, 0),
    (0.5, -0.5, 0.5, 0.5),
    (0.1, 0.7, -0.7, 0.01),
    *np.random.default_rng(0).normal(size=(20, 4)),
]


@pytest.mark.parametrize("xyzw", QUATERNIONS)
def test_the_quaternion_of_a_matrix_turns_as_it_does(xyzw):
    rotation = xyzw_to_rotation(xyzw)
    back = rotation_to_xyzw(rotation)
    assert back[3] >= 0 and np.linalg.norm(back) == pytest.approx(1)
    np.testing.assert_allclose(xyzw_to_rotation(back), rotation, atol=1e-12)


def test_many_matrices_at_once():
    rotations = np.stack([xyzw_to_rotation(q) for q in QUATERNIONS])
    np.testing.assert_allclose(rotation_to_xyzw(rotations), [rotation_to_xyzw(r) for r in rotations], atol=1e-12)


@pytest.mark.parametrize("xyzw", [(0, 0, 0, 0), (np.nan, 0, 0, 1)])
def test_no_rotation_is_refused(xyzw, make_keypoints):
    person = Person(4, 1.0, make_keypoints(), STANDING_M, np.ones(17, np.float32), None)
    with pytest.raises(ValueError, match="quaternion"):
        move_person(person, xyzw, np.zeros(3))


def test_a_person_moves_as_a_whole(make_keypoints):
    joints = STANDING_M.copy()
    joints[3] = np.nan
    person = Person(4, 1.0, make_keypoints(), joints, np.ones(17, np.float32), np.array((0.5, 0.2, 3.0)))
    xyzw, translation = (0.3, -0.2, 0.5, 0.8), np.array((1.0, -2.0, 0.5))
    moved = move_person(person, xyzw, translation)
    np.testing.assert_allclose(
        moved.joints_rel_m + moved.root_m, (joints + person.root_m) @ xyzw_to_rotation(xyzw).T + translation, atol=1e-5
    )
    assert moved.joints_rel_m.dtype == np.float32 and np.isnan(moved.joints_rel_m[3]).all()
    assert moved.track_id == 4 and moved.keypoints is person.keypoints
    assert move_person(replace(person, root_m=None), xyzw, translation).root_m is None
