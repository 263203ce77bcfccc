import numpy as np
import pytest

from nanohtnet_ros.core.skeleton import BLAZEPOSE_33, BLAZEPOSE_TO_H36M, H36M_17, H36M_LIMBS, blazepose_to_h36m


@pytest.mark.parametrize("skeleton", [H36M_17, BLAZEPOSE_33])
def test_flip_order_is_its_own_inverse_and_swaps_left_with_right(skeleton):
    order = skeleton.flip_order
    assert (order[order] == np.arange(len(skeleton))).all()
    for left, right in skeleton.flip_pairs:
        assert "l" in skeleton.joint_names[left] and order[left] == right
        names = skeleton.joint_names[left], skeleton.joint_names[right]
        assert sorted(names[0].replace("l_", "r_").replace("_l", "_r")) == sorted(names[1])


def test_h36m_tree_is_the_published_one():
    assert H36M_17.parents == (-1, 0, 1, 2, 0, 4, 5, 0, 7, 8, 9, 8, 11, 12, 8, 14, 15)
    assert H36M_17.bones[0] == (0, 1) and len(H36M_17.bones) == 16
    for limb in H36M_LIMBS:
        assert H36M_17.parents[limb[1]] == limb[0] and H36M_17.parents[limb[2]] == limb[1]


def test_blazepose_weights_keep_positions_absolute():
    np.testing.assert_allclose(BLAZEPOSE_TO_H36M.sum(axis=1), 1.0, atol=1e-6)


def test_blazepose_joints_come_from_their_landmarks():
    xy = np.random.default_rng(0).uniform(0, 500, (33, 2)).astype(np.float32)
    confidence = np.full(33, 0.9, np.float32)
    confidence[BLAZEPOSE_33.joint_names.index("r_hip")] = 0.2
    joints, sure = blazepose_to_h36m(xy, confidence)

    def landmark(name):
        return xy[BLAZEPOSE_33.joint_names.index(name)]

    def joint(name):
        return joints[H36M_17.joint_names.index(name)]

    for name in ("l_knee", "r_ankle", "l_wrist", "r_elbow"):
        np.testing.assert_allclose(joint(name), landmark(name))
    np.testing.assert_allclose(joint("neck"), landmark("nose"))
    np.testing.assert_allclose(joint("hip"), (joint("l_hip") + joint("r_hip")) / 2, atol=1e-3)
    trunk = (landmark("l_shoulder") + landmark("r_shoulder") - landmark("l_hip") - landmark("r_hip")) / 2
    np.testing.assert_allclose(joint("l_hip"), landmark("l_hip") + 0.03 * trunk, atol=1e-3)
    np.testing.assert_allclose(joint("r_shoulder"), landmark("r_shoulder") - 0.05 * trunk, atol=1e-3)
    np.testing.assert_allclose(joint("spine"), (joint("hip") + joint("thorax")) / 2, atol=1e-3)
    assert sure[H36M_17.joint_names.index("hip")] == pytest.approx(0.2)
    assert sure[H36M_17.joint_names.index("spine")] == pytest.approx(0.2)
    assert sure[H36M_17.joint_names.index("head")] == pytest.approx(0.9)
