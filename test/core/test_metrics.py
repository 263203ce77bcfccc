import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from nanohtnet_ros.core.metrics import align_similarity, mpjpe_mm, p_mpjpe_mm

from factories import STANDING_M

POSES = STANDING_M + np.random.default_rng(0).normal(0, 0.1, (5, 17, 3))


def test_moving_every_joint_but_the_root_by_a_centimetre_is_ten_millimetres():
    moved = POSES.copy()
    moved[:, 1:] += (0.01, 0, 0)
    assert mpjpe_mm(moved, POSES) == pytest.approx(10.0 * 16 / 17)
    assert mpjpe_mm(POSES + (1.0, 2.0, 3.0), POSES) == pytest.approx(0.0, abs=1e-9)


def test_protocol_2_ignores_similarity_transforms():
    rotations = Rotation.random(5, random_state=1).as_matrix()
    moved = 1.7 * np.einsum("nij,nkj->nki", rotations, POSES) + np.random.default_rng(2).normal(size=(5, 1, 3))
    assert p_mpjpe_mm(moved, POSES) == pytest.approx(0.0, abs=1e-6)
    assert mpjpe_mm(moved, POSES) > 50


def test_protocol_2_does_not_reflect():
    mirrored = POSES * (-1, 1, 1)
    assert p_mpjpe_mm(mirrored, POSES) > 10
    aligned = align_similarity(mirrored, POSES)
    np.testing.assert_allclose(aligned.mean(axis=1), POSES.mean(axis=1), atol=1e-9)


def test_alignment_is_the_best_one():
    rng = np.random.default_rng(3)
    noisy = POSES + rng.normal(0, 0.03, POSES.shape)
    best = ((align_similarity(noisy, POSES) - POSES) ** 2).sum()
    for _ in range(20):
        angle = rng.normal(0, 0.02, 3)
        other = align_similarity(noisy, POSES) @ Rotation.from_rotvec(angle).as_matrix().T * rng.normal(1, 0.01)
        assert ((other - POSES) ** 2).sum() >= best
