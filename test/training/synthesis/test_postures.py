import math
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

from nanohtnet_ros.core.skeleton import Joint
from nanohtnet_ros.training.synthesis import postures
from nanohtnet_ros.training.synthesis.bodies import BodyVariation
from nanohtnet_ros.training.synthesis.body_axes import SHOULDERS, body_axes, bones_of
from nanohtnet_ros.training.synthesis.postures import HOLDS, STANCES, Postures, leaning_axes, limb

POSED = Postures(probability=1.0, moves=0.0, arms_probability=0.0)
ARMED = Postures(probability=0.0, arms_probability=1.0, arms_move=0.0)
MEN = BodyVariation(men=1.0, women=0.0, children=0.0, even=0.0, spread=0.0, hips_spread=0.0)


@pytest.fixture
def people(recorded):
    """Men of the survey's sizes, whose bones do not change in a window."""
    still = recorded(200, 1).expand(-1, 81, -1, -1)
    return MEN.apply(still.contiguous(), torch.Generator().manual_seed(1))


def pelvis_m(joints):
    return joints[:, :, Joint.HIP, 2]


def lean_deg(joints):
    trunk = joints[:, :, Joint.THORAX] - joints[:, :, Joint.HIP]
    return torch.rad2deg(torch.acos(trunk[..., 2] / trunk.norm(dim=-1)))


@pytest.mark.parametrize("name", STANCES)
def test_bones_keep_their_lengths_and_nothing_is_below_the_floor(people, rng, name):
    posed = replace(POSED, moves=0.5).apply(people, rng, [name])
    lengths = [bones_of(x)[:, :, 1:].norm(dim=-1) for x in (people, posed)]
    np.testing.assert_allclose(lengths[1], lengths[0], atol=2e-3)
    assert posed[..., 2].min() > 0.0
    speed = (posed[:, 1:] - posed[:, :-1]).norm(dim=-1) * 50
    assert 0.0 < speed.max() < 8.0
    knees = [(posed[:, :, k] - posed[:, :, h], posed[:, :, a] - posed[:, :, k]) for h, k, a in postures.LEGS]
    for thigh, shin in knees:
        assert torch.cosine_similarity(thigh, shin, dim=-1).min() > math.cos(2.62)


@pytest.mark.parametrize(
    ("name", "pelvis", "lean"),
    [
        ("chair", (0.37, 0.65), (0, 40)),
        ("floor", (0.05, 0.15), (0, 40)),
        ("kneel", (0.15, 0.55), (0, 45)),
        ("squat", (0.28, 0.68), (0, 70)),
        ("bend", (0.6, 1.12), (15, 120)),
        ("lie", (0.05, 0.35), (50, 110)),
    ],
)
def test_pelvis_and_trunk_are_where_a_posture_has_them(people, rng, name, pelvis, lean):
    posed = POSED.apply(people, rng, [name])
    assert pelvis[0] < pelvis_m(posed).min() and pelvis_m(posed).max() < pelvis[1]
    assert lean[0] <= lean_deg(posed).min() and lean_deg(posed).max() < lean[1]


def test_people_on_chairs_have_their_feet_on_the_floor_and_their_knees_before_them(people, rng):
    posed = POSED.apply(people, rng, ["chair"])
    ankles = posed[:, :, [Joint.R_ANKLE, Joint.L_ANKLE], 2].amin(dim=2)
    assert (ankles < 0.1).float().mean() > 0.8 and (ankles.std(dim=1) < 0.01).float().mean() > 0.9
    forward = body_axes(posed, SHOULDERS)[..., 0, :2]
    knees = (posed[:, :, Joint.R_KNEE] + posed[:, :, Joint.L_KNEE]) / 2 - posed[:, :, Joint.HIP]
    assert ((knees[..., :2] * forward).sum(dim=-1) > 0.2).float().mean() > 0.95


def test_some_sit_down_and_some_stand_up(people, rng):
    pelvis = pelvis_m(replace(POSED, moves=1.0).apply(people, rng, ["chair"]))
    down, up = pelvis[:, 0] - pelvis[:, -1] > 0.25, pelvis[:, -1] - pelvis[:, 0] > 0.25
    assert 0.1 < down.float().mean() < 0.7 and 0.1 < up.float().mean() < 0.7
    assert (pelvis[down][:, 0] > 0.8).float().mean() > 0.5


def test_arms_do_what_they_are_said_to(people, rng, monkeypatch):
    others = [joint for joint in Joint if joint not in (12, 13, 15, 16)]
    for name in ("carry", "hips", "wave", "telephone"):
        monkeypatch.setattr(postures, "HOLDS", {name: HOLDS[name]})
        held = ARMED.apply(people, rng)
        np.testing.assert_allclose(held[:, :, others], people[:, :, others], atol=1e-5)
        np.testing.assert_allclose(
            bones_of(held)[..., 1:, :].norm(dim=-1), bones_of(people)[..., 1:, :].norm(dim=-1), atol=2e-3
        )
        moved = ((held - people)[:, :, [Joint.L_WRIST, Joint.R_WRIST]].norm(dim=-1) > 1e-4).any(dim=1)
        assert (moved.sum(dim=1) == (1 if name in ("wave", "telephone") else 2)).all()
    monkeypatch.setattr(postures, "HOLDS", {"carry": HOLDS["carry"]})
    held = ARMED.apply(people, rng)
    wrists = (held[:, :, Joint.L_WRIST] + held[:, :, Joint.R_WRIST]) / 2 - held[:, :, Joint.THORAX]
    ahead = (wrists * body_axes(held, SHOULDERS)[..., 0, :]).sum(dim=-1)
    assert ahead.min() > 0.1 and ahead.max() < 0.6


def test_arms_start_from_what_was_recorded(people, rng):
    held = replace(ARMED, arms_move=1.0).apply(people, rng)
    change = (held - people)[:, :, [Joint.L_WRIST, Joint.R_WRIST]].norm(dim=-1).amax(dim=2)  # (N, T)
    begins = (change[:, 0] < 0.01) & (change[:, -1] > 0.1)
    assert begins.float().mean() > 0.15
    speed = (held[:, 1:] - held[:, :-1]).norm(dim=-1).amax(dim=(1, 2)) * 50
    assert speed.quantile(0.9) < 6.0 and speed.max() < 15.0


def test_other_windows_are_as_they_were(people, rng):
    none = Postures(probability=0.0, arms_probability=0.0)
    assert torch.equal(none.apply(people, rng), people)
    changed = Postures(probability=0.25, arms_probability=0.0).apply(people, rng)
    assert 0.15 < (changed != people).any(dim=-1).any(dim=-1).any(dim=-1).float().mean() < 0.35


def test_limbs_reach_what_is_within_reach():
    start, pole = torch.zeros(3, 3), torch.tensor([[0.0, 0.0, 1.0]]).expand(3, 3)
    end = torch.tensor([[0.5, 0.0, 0.0], [2.0, 0.0, 0.0], [0.01, 0.0, 0.0]])
    upper, lower = torch.full((3,), 0.4), torch.full((3,), 0.3)
    middle, reached = limb(start, end, upper, lower, pole)
    np.testing.assert_allclose(reached[:, 0], (0.5, 0.6993, 0.2106), atol=1e-3)
    np.testing.assert_allclose(middle.norm(dim=-1), 0.4, atol=1e-4)
    np.testing.assert_allclose((reached - middle).norm(dim=-1), 0.3, atol=1e-4)
    assert (middle[:, 2] > 0).all()


def test_leaning_axes_lean_forward_and_raise_the_left_side():
    axes = leaning_axes(torch.tensor([0.3, 0.0]), torch.tensor([0.0, 0.2]))
    np.testing.assert_allclose(axes @ axes.transpose(1, 2), torch.eye(3).expand(2, 3, 3), atol=1e-6)
    np.testing.assert_allclose(torch.linalg.det(axes), 1.0, atol=1e-6)
    assert axes[0, 2, 0] == pytest.approx(math.sin(0.3)) and axes[1, 1, 2] == pytest.approx(math.sin(0.2))
