import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.spatial import procrustes
from scipy.spatial.transform import Rotation

from nanohtnet_ros.core.metrics import (
    AUC_THRESHOLDS_MM,
    PCK_JOINTS,
    align_scale,
    align_similarity,
    auc,
    mpjpe_mm,
    mpjve_mm,
    n_mpjpe_mm,
    p_mpjpe_mm,
    pck,
    pck_curve,
    size_ratio,
)
from nanohtnet_ros.core.skeleton import H36M_17

from factories import STANDING_M

RNG = np.random.default_rng(0)
POSES = STANDING_M + RNG.normal(0, 0.1, (5, 17, 3))
OTHERS = STANDING_M + RNG.normal(0, 0.1, (5, 17, 3))


def distance_mm(a, b) -> float:
    return 1000.0 * sum((float(x) - float(y)) ** 2 for x, y in zip(a, b, strict=True)) ** 0.5


def moved_by(distances_m) -> np.ndarray:
    """The poses with each joint moved by its own distance in a random direction; (17,) metres."""
    directions = np.random.default_rng(5).normal(size=POSES.shape)
    directions /= np.linalg.norm(directions, axis=-1, keepdims=True)
    return POSES + directions * np.asarray(distances_m)[:, None]


def test_moving_every_joint_but_the_root_by_a_centimetre_is_ten_millimetres():
    moved = POSES.copy()
    moved[:, 1:] += (0.01, 0, 0)
    assert mpjpe_mm(moved, POSES) == pytest.approx(10.0 * 16 / 17)
    assert mpjpe_mm(POSES + (1.0, 2.0, 3.0), POSES) == pytest.approx(0.0, abs=1e-9)


def test_protocol_1_is_what_loops_over_joints_give():
    total = 0.0
    for pose, other in zip(POSES, OTHERS, strict=True):
        for joint in range(17):
            total += distance_mm(pose[joint] - pose[0], other[joint] - other[0])
    assert mpjpe_mm(POSES, OTHERS) == pytest.approx(total / (5 * 17))


def test_protocol_2_ignores_similarity_transforms():
    rotations = Rotation.random(5, random_state=1).as_matrix()
    moved = 1.7 * np.einsum("nij,nkj->nki", rotations, POSES) + np.random.default_rng(2).normal(size=(5, 1, 3))
    assert p_mpjpe_mm(moved, POSES) == pytest.approx(0.0, abs=1e-6)
    assert mpjpe_mm(moved, POSES) > 50


def test_protocol_2_is_scipys_procrustes():
    near = POSES + RNG.normal(0, 0.04, POSES.shape)  # near enough that no reflection, which SciPy allows, fits better
    for pose, other in zip(near @ Rotation.random(random_state=4).as_matrix(), POSES, strict=True):
        size = np.linalg.norm(other - other.mean(axis=0))  # SciPy gives both poses the size 1
        target, aligned, _ = procrustes(other, pose)
        expected = 1000.0 * size * np.linalg.norm(aligned - target, axis=1).mean()
        assert p_mpjpe_mm(pose[None], other[None]) == pytest.approx(expected)


def test_protocol_2_does_not_reflect():
    mirrored = POSES * (-1, 1, 1)
    assert p_mpjpe_mm(mirrored, POSES) > 10
    for pose, target, aligned in zip(mirrored, POSES, align_similarity(mirrored, POSES), strict=True):
        x, y = pose - pose.mean(axis=0), target - target.mean(axis=0)
        turned = Rotation.align_vectors(y, x)[0].apply(x)
        expected = (turned * y).sum() / (x * x).sum() * turned + target.mean(axis=0)
        np.testing.assert_allclose(aligned, expected, atol=1e-9)


def test_scale_alignment_by_hand():
    predicted, target = np.zeros((1, 17, 3)), np.zeros((1, 17, 3))
    predicted[0, 1], predicted[0, 2] = (1, 0, 0), (0, 2, 0)
    target[0, 1], target[0, 2] = (3, 0, 0), (0, 1, 0)
    # scale = (1*3 + 2*1) / (1 + 4) = 1: what is left is 2 m and 1 m.
    assert n_mpjpe_mm(predicted, target) == pytest.approx(3000.0 / 17)
    # scale = (1*6 + 2*2) / (1 + 4) = 2: what is left is 4 m and 2 m.
    assert n_mpjpe_mm(predicted, 2 * target) == pytest.approx(6000.0 / 17)


def test_scale_alignment_is_the_best_scale_about_the_root():
    aligned = align_scale(POSES + 3.0, OTHERS - 2.0)
    for pose, other, scaled in zip(POSES, OTHERS, aligned, strict=True):
        x, y = pose - pose[0], other - other[0]
        best = minimize_scalar(lambda s, x=x, y=y: ((s * x - y) ** 2).sum()).x
        np.testing.assert_allclose(scaled, best * x, atol=1e-6)
    assert n_mpjpe_mm(0.3 * POSES + 1.0, POSES) == pytest.approx(0.0, abs=1e-9)
    assert np.isfinite(n_mpjpe_mm(np.zeros((1, 17, 3)), POSES[:1]))


def test_errors_get_smaller_the_more_is_aligned():
    assert p_mpjpe_mm(1.2 * OTHERS, POSES) < n_mpjpe_mm(1.2 * OTHERS, POSES) < mpjpe_mm(1.2 * OTHERS, POSES)


def test_velocity_error_by_loops_and_by_hand():
    expected = []
    for frame in range(4):
        for joint in range(17):
            step = (POSES[frame + 1, joint] - POSES[frame + 1, 0]) - (POSES[frame, joint] - POSES[frame, 0])
            true = (OTHERS[frame + 1, joint] - OTHERS[frame + 1, 0]) - (OTHERS[frame, joint] - OTHERS[frame, 0])
            expected.append(distance_mm(step, true))
    assert mpjve_mm(POSES, OTHERS) == pytest.approx(np.mean(expected))
    still = np.repeat(POSES[:1], 3, axis=0)
    gliding = still.copy()
    gliding[:, 13] += np.arange(3)[:, None] * (0.0, 0.017, 0.0)  # one joint of 17, 17 mm a frame
    assert mpjve_mm(gliding, still) == pytest.approx(1.0)
    assert mpjve_mm(np.stack((gliding, still)), np.stack((still, still))) == pytest.approx(0.5)


def test_velocity_error_ignores_constant_offsets_and_the_roots_way():
    assert mpjve_mm(POSES + RNG.normal(size=(17, 3)), POSES) == pytest.approx(0.0, abs=1e-9)
    assert mpjve_mm(POSES + RNG.normal(size=(5, 1, 3)), POSES) == pytest.approx(0.0, abs=1e-9)
    with pytest.raises(ValueError, match="two consecutive frames"):
        mpjve_mm(POSES[:1], POSES[:1])


def test_the_joints_of_pck_are_fourteen():
    names = [H36M_17.joint_names[i] for i in PCK_JOINTS]
    assert len(names) == 14 and {"head", "thorax", "r_wrist", "l_ankle"} <= set(names)
    assert not {"hip", "spine", "neck"} & set(names)


def test_pck_counts_joints_nearer_than_the_threshold():
    distances = np.zeros(17)
    distances[[1, 2, 3]] = 0.1, 0.16, 0.149  # one of 14 is too far
    distances[[7, 9]] = 1.0  # spine and neck do not count
    assert pck(moved_by(distances), POSES) == pytest.approx(100 * 13 / 14)
    assert pck(moved_by(distances), POSES, 99.0) == pytest.approx(100 * 11 / 14)
    assert pck(moved_by(distances), POSES, 150.0, joints=tuple(range(17))) == pytest.approx(100 * 14 / 17)
    assert pck(POSES + 5.0, POSES) == 100.0


def test_auc_is_the_mean_over_31_thresholds():
    assert len(AUC_THRESHOLDS_MM) == 31 and AUC_THRESHOLDS_MM[:2] == (0, 5) and AUC_THRESHOLDS_MM[-1] == 150
    assert auc(POSES, POSES) == pytest.approx(100 * 30 / 31)
    distances = np.zeros(17)
    distances[list(PCK_JOINTS)] = 0.0724  # correct from 75 mm on: 75, 80, ... 150 are 16 thresholds
    assert auc(moved_by(distances), POSES) == pytest.approx(100 * 16 / 31)
    correct = 0
    for threshold in range(0, 151, 5):
        for pose, other in zip(POSES, OTHERS, strict=True):
            correct += sum(distance_mm(pose[j] - pose[0], other[j] - other[0]) < threshold for j in PCK_JOINTS)
    assert auc(POSES, OTHERS) == pytest.approx(100 * correct / (31 * 5 * 14))
    assert np.all(np.diff(pck_curve(POSES, OTHERS)) >= 0)


def test_size_ratio_is_that_of_the_bones():
    assert size_ratio(0.9 * POSES + 4.0, POSES) == pytest.approx(0.9)
    turned = Rotation.random(random_state=3).apply(POSES.reshape(-1, 3)).reshape(POSES.shape)
    assert size_ratio(turned, POSES) == pytest.approx(1.0)
    assert size_ratio(np.stack((POSES[0], 2 * POSES[1])), POSES[:2]) == pytest.approx(1.5)
