import numpy as np
import pytest

from nanohtnet_ros.core.skeleton import (
    BLAZEPOSE_33,
    BLAZEPOSE_TO_H36M,
    COCO_17,
    COCO_TO_H36M,
    COCO_TO_H36M_NO_TRUNK,
    H36M_17,
    H36M_LIMBS,
    blazepose_to_h36m,
    coco_to_h36m,
)


@pytest.mark.parametrize("skeleton", [H36M_17, BLAZEPOSE_33, COCO_17])
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


@pytest.mark.parametrize("weights", [COCO_TO_H36M, COCO_TO_H36M_NO_TRUNK])
def test_coco_weights_keep_positions_absolute(weights):
    np.testing.assert_allclose(weights.sum(axis=1), 1.0, atol=1e-6)


def test_coco_and_blazepose_place_joints_alike():
    """Landmarks that both have, at the same places, give the same joints."""
    landmarks = np.random.default_rng(0).uniform(0, 500, (33, 2)).astype(np.float32)
    shared = [BLAZEPOSE_33.joint_names.index(name) for name in COCO_17.joint_names]
    confidence = np.linspace(0.1, 0.9, 33, dtype=np.float32)
    joints, sure = coco_to_h36m(landmarks[shared], confidence[shared])
    expected, expected_sure = blazepose_to_h36m(landmarks, confidence)
    np.testing.assert_allclose(joints, expected, atol=1e-3)
    np.testing.assert_allclose(sure, expected_sure)


def test_coco_people_convert_together_as_one_by_one_and_mirrored():
    rng = np.random.default_rng(1)
    xy, confidence = rng.uniform(0, 500, (4, 17, 2)), rng.uniform(0, 1, (4, 17))
    confidence[1, 11] = 0.0
    xy[2, 5] = np.nan
    joints, sure = coco_to_h36m(xy, confidence)
    assert joints.shape == (4, 17, 2) and joints.dtype == sure.dtype == np.float32
    for i in range(4):
        np.testing.assert_array_equal(coco_to_h36m(xy[i], confidence[i])[0], joints[i])
    flipped, flipped_sure = coco_to_h36m(
        ((640, 0) + xy * (-1, 1))[:, COCO_17.flip_order], confidence[:, COCO_17.flip_order]
    )
    np.testing.assert_allclose(flipped, ((640, 0) + joints * (-1, 1))[:, H36M_17.flip_order], atol=1e-3)
    np.testing.assert_allclose(flipped_sure, sure[:, H36M_17.flip_order])


def test_a_missing_coco_keypoint_takes_with_it_what_is_made_of_it_and_nothing_else():
    xy, confidence = np.random.default_rng(2).uniform(0, 500, (17, 2)), np.full(17, 0.7)
    confidence[COCO_17.joint_names.index("l_hip")] = 0.0
    xy[COCO_17.joint_names.index("l_hip")] = 1e9
    joints, sure = coco_to_h36m(xy, confidence)
    gone = {name for name, s in zip(H36M_17.joint_names, sure, strict=True) if s == 0}
    assert gone == {"l_hip", "hip", "spine"} and np.isnan(joints[sure == 0]).all()
    assert np.isfinite(joints[sure > 0]).all() and np.abs(joints[sure > 0]).max() < 2000
    # Without the whole trunk nobody knows along which line to move a shoulder: it stays where it was marked.
    np.testing.assert_allclose(
        joints[H36M_17.joint_names.index("r_shoulder")], xy[COCO_17.joint_names.index("r_shoulder")], rtol=1e-6
    )
    assert not coco_to_h36m(xy, np.zeros(17))[1].any()
