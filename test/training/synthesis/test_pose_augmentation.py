import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

from dataclasses import replace

from nanohtnet_ros.core.skeleton import H36M_17
from nanohtnet_ros.training.synthesis.body_axes import HIPS, SHOULDERS, body_axes, bones_of, chain, rotated
from nanohtnet_ros.training.synthesis.crossover import Crossover
from nanohtnet_ros.training.synthesis.pose_augmentation import PoseAugmentation, bent

STILL = PoseAugmentation(
    probability=1.0,
    arms_deg=0.0,
    legs_deg=0.0,
    trunk_deg=0.0,
    head_deg=0.0,
    bend=0.0,
    tilt_deg=0.0,
    lying_probability=0.0,
)
PARENTS = list(H36M_17.parents[1:])


def bone_lengths(joints_m):
    return (joints_m[..., 1:, :] - joints_m[..., PARENTS, :]).norm(dim=-1)


def angle_between(one, other):
    return torch.atan2(torch.linalg.cross(one, other).norm(dim=-1), (one * other).sum(dim=-1))


def moved_joints(before, after):
    """Joints that moved relative to the root by more than a tenth of a millimetre."""
    way = ((after - after[:, :, :1]) - (before - before[:, :, :1])).norm(dim=-1).amax(dim=(0, 1))
    return torch.nonzero(way > 1e-4)[:, 0].tolist()


def test_rotation_vectors_turn_as_matrices_do(rng):
    vectors, rotation = torch.randn((5, 3), generator=rng), torch.randn((5, 3), generator=rng)
    x, y, z = rotation.unbind(-1)
    zero = torch.zeros_like(x)
    skew = torch.stack((zero, -z, y, z, zero, -x, -y, x, zero), dim=-1).reshape(-1, 3, 3)
    expected = (torch.linalg.matrix_exp(skew) @ vectors[..., None])[..., 0]
    np.testing.assert_allclose(rotated(vectors, rotation), expected, atol=1e-5)
    assert torch.equal(rotated(vectors, torch.zeros(5, 3)), vectors)


def test_body_axes_are_a_rotation_and_lean_with_the_body(joints, rng):
    for pair in (HIPS, SHOULDERS):
        axes = body_axes(joints, pair)
        np.testing.assert_allclose(axes @ axes.transpose(-1, -2), torch.eye(3).expand_as(axes), atol=1e-5)
        np.testing.assert_allclose(torch.linalg.det(axes), 1.0, atol=1e-5)
        across = joints[..., pair[1], :] - joints[..., pair[0], :]
        np.testing.assert_allclose((axes[..., 1, :] * across).sum(-1), across.norm(dim=-1), atol=1e-5)
        turn = torch.tensor([0.3, -0.8, 0.5])
        np.testing.assert_allclose(body_axes(rotated(joints, turn), pair), rotated(axes, turn), atol=1e-4)


def test_bones_are_ways_from_parents_and_chain_back(joints):
    bones = bones_of(joints)
    assert torch.equal(bones[..., 0, :], joints[..., 0, :])
    np.testing.assert_allclose(bones[..., 1:, :], joints[..., 1:, :] - joints[..., PARENTS, :], atol=1e-6)
    np.testing.assert_allclose(chain(bones), joints, atol=1e-5)


def test_bones_keep_their_lengths_and_the_lowest_joint_its_height(joints, rng):
    changed = PoseAugmentation(probability=1.0, lying_probability=0.5).apply(joints, rng)
    np.testing.assert_allclose(bone_lengths(changed), bone_lengths(joints), atol=1e-5)
    np.testing.assert_allclose(changed[..., 2].amin(dim=(1, 2)), joints[..., 2].amin(dim=(1, 2)), atol=1e-5)
    assert moved_joints(joints, changed) == list(range(1, 17))


def test_no_variation_changes_nothing_and_other_windows_stay(joints, rng):
    np.testing.assert_allclose(STILL.apply(joints, rng), joints, atol=1e-5)
    none = PoseAugmentation(probability=0.0, lying_probability=0.0).apply(joints, rng)
    np.testing.assert_allclose(none, joints, atol=1e-6)
    changed = PoseAugmentation(probability=0.5, lying_probability=0.0).apply(joints, rng)
    same = (changed == joints).all(dim=-1).all(dim=-1).all(dim=-1)
    assert 0.3 < same.float().mean() < 0.7


@pytest.mark.parametrize(
    ("part", "joints_of_it"),
    [
        ("arms_deg", [12, 13, 15, 16]),
        ("legs_deg", [2, 3, 5, 6]),
        ("trunk_deg", list(range(7, 17))),
        ("head_deg", [9, 10]),
    ],
)
def test_each_part_moves_its_own_joints_by_its_angle(joints, rng, part, joints_of_it):
    changed = replace(STILL, **{part: 10.0}).apply(joints, rng)
    assert moved_joints(joints, changed) == joints_of_it
    child = joints_of_it[0]
    before, after = (x[:, :, child] - x[:, :, H36M_17.parents[child]] for x in (joints, changed))
    # Three axes of 10 degrees each; a bone sees the two that it does not lie along.
    turn = torch.rad2deg(angle_between(before, after)).square().mean().sqrt()
    assert 8.0 < turn < 20.0


def test_elbows_and_knees_bend_more_or_less_but_never_backward():
    upper = torch.tensor([[0.0, 0.0, -1.0]]).expand(4, 3)
    angle = torch.tensor([0.0, 0.5, 2.5, 2.8])
    lower = torch.stack((angle.sin(), 0 * angle, -angle.cos()), dim=-1)
    for factor, expected in ((1.2, [0.0, 0.6, 2.6, 2.8]), (0.5, [0.0, 0.25, 1.25, 1.4])):
        out = bent(upper, lower, torch.full((4, 1), factor))
        np.testing.assert_allclose(angle_between(upper, out), expected, atol=1e-3)
        side_before, side = (torch.linalg.cross(upper, x)[1:] for x in (lower, out))
        assert ((side_before * side).sum(dim=-1) > 0).all()
        np.testing.assert_allclose(out.norm(dim=-1), 1.0, atol=1e-5)


def test_lying_people_lie_on_the_ground(joints, rng):
    changed = PoseAugmentation(probability=0.0, lying_probability=1.0).apply(joints, rng)
    up = torch.tensor([0.0, 0.0, 1.0])

    def lean(x):
        return torch.rad2deg(angle_between(x[:, -1, 8] - x[:, -1, 0], up.expand(len(x), 3)))

    assert lean(joints).median() < 30.0 and 60.0 < lean(changed).median() < 120.0
    assert changed[:, -1, 0, 2].median() < 0.5 * joints[:, -1, 0, 2].median()


def test_arms_move_as_anothers_about_the_chest(joints, rng):
    donors = joints.flip(0)
    changed = Crossover().exchange_arms(joints, donors, rng)
    left, right = (
        (changed[:, :, arm] != joints[:, :, arm]).any(dim=-1).any(dim=-1).any(dim=-1) for arm in ((12, 13), (15, 16))
    )
    assert (left | right).all() and (~left).any() and (~right).any() and (left & right).any()
    assert set(moved_joints(joints, changed)) <= {12, 13, 15, 16}
    shoulder_to_wrist = [
        (body_axes(x, SHOULDERS) @ (x[:, :, 13] - x[:, :, 11])[..., None])[..., 0] for x in (changed, donors)
    ]
    cosine = torch.cosine_similarity(*shoulder_to_wrist, dim=-1)
    np.testing.assert_allclose(cosine[left], 1.0, atol=1e-4)
    reach = [(x[:, -1, [12, 13]] - x[:, -1, [11, 12]]).norm(dim=-1).sum(-1) for x in (changed, joints)]
    np.testing.assert_allclose(*reach, rtol=1e-4)
    np.testing.assert_allclose(Crossover().exchange_arms(joints, joints, rng), joints, atol=1e-5)
