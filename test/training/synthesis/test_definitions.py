import math

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

from nanohtnet_ros.core.skeleton import Joint
from nanohtnet_ros.model.flip import mirrored
from nanohtnet_ros.training.synthesis.body_axes import rotated
from nanohtnet_ros.training.synthesis.definitions import (
    BONE_LEAN_RAD,
    NECK_PER_LEG,
    SKULL_PER_LEG,
    JointDefinitions,
    as_detected,
    with_anatomical_head,
    with_nose_and_crown,
)

NOSE_AND_CROWN = [Joint.NECK, Joint.HEAD]


@pytest.fixture
def upright():
    """One who stands straight, faces x, and has a skull 0.15 m high whose bone leans as a level head's does."""
    joints = torch.zeros(1, 1, 17, 3)
    joints[..., Joint.THORAX, :] = torch.tensor((0.0, 0.0, 1.4))
    joints[..., Joint.L_SHOULDER, 1], joints[..., Joint.R_SHOULDER, 1] = 0.2, -0.2
    joints[..., Joint.NECK, 2] = 1.6
    bone = torch.tensor((math.sin(BONE_LEAN_RAD), 0.0, math.cos(BONE_LEAN_RAD)))
    joints[..., Joint.HEAD, :] = joints[..., Joint.NECK, :] + 0.15 * bone
    return joints


def nose_and_crown(joints):
    return joints[0, 0, NOSE_AND_CROWN].numpy()


def test_a_level_head_has_its_crown_on_top_and_its_nose_ahead(upright):
    nose, crown = nose_and_crown(with_nose_and_crown(upright))
    np.testing.assert_allclose(crown, (0.021, 0.0, 1.75), atol=1e-3)
    np.testing.assert_allclose(nose, (0.1365, 0.0, 1.6015), atol=1e-3)


def test_the_face_turns_left_and_nods_down(upright):
    def turn(value):
        return torch.full((1, 1, 1), value)

    left, _ = nose_and_crown(with_nose_and_crown(upright, yaw=turn(math.pi / 2)))
    np.testing.assert_allclose(left, (0.0, 0.1365, 1.6015), atol=1e-3)
    down, crown = nose_and_crown(with_nose_and_crown(upright, pitch=turn(math.pi / 2)))
    np.testing.assert_allclose(down, (0.0015, 0.0, 1.6 - 0.1365), atol=1e-3)
    np.testing.assert_allclose(crown, (0.15, 0.0, 1.579), atol=1e-3)


def test_nose_and_crown_are_fixed_to_the_head_and_turn_with_the_body(joints):
    detected = as_detected(joints)
    others = [joint for joint in Joint if joint not in NOSE_AND_CROWN]
    assert torch.equal(detected[:, :, others], joints[:, :, others])
    sides = torch.stack([(detected[:, :, j] - with_anatomical_head(joints)[:, :, Joint.NECK]) for j in NOSE_AND_CROWN])
    assert (sides.norm(dim=-1).std(dim=2) < 1e-3).all()
    turn = torch.tensor([0.4, -0.3, 2.0])
    np.testing.assert_allclose(as_detected(rotated(joints, turn)), rotated(detected, turn), atol=1e-4)
    np.testing.assert_allclose(as_detected(mirrored(joints, 1)), mirrored(detected, 1), atol=1e-5)


def test_heads_are_sized_by_the_legs(joints):
    changed = with_anatomical_head(joints)
    leg = joints[:, -1, 1:7].unflatten(1, (2, 3)).diff(dim=2).norm(dim=-1).sum(dim=(1, 2)) / 2
    for parent, child, share in ((8, 9, NECK_PER_LEG), (9, 10, SKULL_PER_LEG)):
        lengths = (changed[:, :, child] - changed[:, :, parent]).norm(dim=-1)
        np.testing.assert_allclose(lengths, (share * leg)[:, None].expand_as(lengths), rtol=1e-4)


def test_definitions_move_spine_thorax_nose_and_crown_alone(joints, rng):
    joints = with_anatomical_head(joints)
    fixed, moved = with_nose_and_crown(joints), JointDefinitions().apply(joints, rng)
    difference = (moved - fixed).norm(dim=-1).amax(dim=(0, 1))
    assert torch.nonzero(difference > 1e-6)[:, 0].tolist() == [7, 8, 9, 10]
    assert difference.max() < 0.3
    still = JointDefinitions(yaw_deg=0.0, pitch_deg=0.0, head_spread=0.0).apply(joints, rng)
    np.testing.assert_allclose(still[:, :, NOSE_AND_CROWN], fixed[:, :, NOSE_AND_CROWN], atol=1e-6)


def test_heads_turn_within_a_window_and_differ_between_windows(joints, rng):
    joints = with_anatomical_head(joints[:1, -1:].expand(2000, 51, -1, -1).contiguous())
    moved = JointDefinitions(pitch_deg=0.0, head_spread=0.0).apply(joints, rng)
    fixed = with_nose_and_crown(joints)
    base = joints[:, :, Joint.NECK]
    cosine = torch.cosine_similarity(moved[:, :, Joint.NECK] - base, fixed[:, :, Joint.NECK] - base, dim=-1)
    turn = torch.rad2deg(torch.acos(cosine.clamp(-1, 1)))
    assert 20.0 < turn.square().mean().sqrt() < 30.0 and turn.max() < 70.0
    assert (turn[:, 0] - turn[:, -1]).abs().median() > 2.0


def test_faces_that_look_up_or_down_or_back_are_finite(joints):
    for way in ((1.0, 0.0, 0.0), (-1.0, 0.0, 0.0), (0.0, 0.0, -1.0), (0.0, 0.0, 0.0)):
        joints[:, :, Joint.HEAD] = joints[:, :, Joint.NECK] + 0.1 * torch.tensor(way)
        assert torch.isfinite(as_detected(joints)).all()
