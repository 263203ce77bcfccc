from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

from nanohtnet_ros.core.skeleton import H36M_17, Joint
from nanohtnet_ros.training.synthesis.anthropometry import (
    CHILD_STATURE_M,
    CHILDREN_MM,
    LENGTHS,
    MEN_MM,
    UPRIGHT,
    WOMEN_MM,
    adult_lengths,
    child_lengths,
    length_statistics,
    survey_stature,
)
from nanohtnet_ros.training.synthesis.bodies import BodyVariation
from nanohtnet_ros.training.synthesis.body_axes import bones_of
from nanohtnet_ros.training.synthesis.definitions import as_detected, with_anatomical_head

EXACT = BodyVariation(spread=0.0, hips_spread=0.0)
AS_RECORDED = replace(EXACT, men=0.0, women=0.0, children=0.0)
ANKLES = [Joint.R_ANKLE, Joint.L_ANKLE]


def stature_m(lengths):
    return lengths[:, :UPRIGHT].sum(axis=1)


@pytest.mark.parametrize(("survey", "stature"), [(MEN_MM, (1.756, 0.0685)), (WOMEN_MM, (1.628, 0.0642))])
def test_lengths_add_up_to_the_survey(survey, stature):
    """Means and standard deviations of the statures that ANSUR II reports, from lengths measured one by one."""
    np.testing.assert_allclose(survey_stature(survey), stature, atol=1e-3)
    assert np.linalg.eigvalsh(length_statistics(survey)[1]).min() > 0


def test_adults_of_a_stature_have_it_and_differ_as_the_survey_does():
    rng = np.random.default_rng(0)
    mean, sigma = survey_stature(MEN_MM)
    stature = rng.normal(mean, sigma, 20000)
    lengths = adult_lengths(MEN_MM, stature, rng.normal(size=(20000, 10)))
    np.testing.assert_allclose(stature_m(lengths), stature, atol=1e-9)
    expected_mean, expected = length_statistics(MEN_MM)
    np.testing.assert_allclose(lengths.mean(axis=0), expected_mean, atol=1e-3)
    np.testing.assert_allclose(np.cov(lengths.T), expected, atol=2e-5)


@pytest.mark.parametrize(("stature", "children"), list(zip(CHILD_STATURE_M, CHILDREN_MM, strict=True)))
def test_children_of_a_stature_have_it_and_their_mean_lengths(stature, children):
    assert sum(children[:UPRIGHT]) == pytest.approx(1000 * stature)
    lengths = child_lengths(np.full(5000, stature), np.random.default_rng(0).normal(size=(5000, 10)))
    np.testing.assert_allclose(stature_m(lengths), stature, atol=1e-9)
    np.testing.assert_allclose(1000 * lengths.mean(axis=0), children, rtol=0.01)
    assert (lengths > 0.02).all()


def test_children_have_short_legs_and_arms_and_large_heads():
    rng = np.random.default_rng(0)
    stature = rng.uniform(1.0, 1.5, 5000)
    share = child_lengths(stature, rng.normal(size=(5000, 10))) / stature[:, None]
    small, tall = share[stature < 1.1].mean(axis=0), share[stature > 1.4].mean(axis=0)
    women = length_statistics(WOMEN_MM)[0] / survey_stature(WOMEN_MM)[0]
    for grows in ("shin", "thigh", "upper_arm", "forearm"):
        length = LENGTHS.index(grows)
        assert small[length] < tall[length] < 1.02 * women[length]
    head = LENGTHS.index("skull")
    assert small[head] > 1.2 * tall[head] > 1.2 * women[head]


def test_people_are_of_all_sizes(rng):
    lengths, drawn = BodyVariation().lengths_m(20000, rng)
    stature = stature_m(lengths)[drawn].numpy()
    assert 0.93 < drawn.float().mean() < 0.95
    assert stature.min() < 1.01 and 2.03 < stature.max() < 2.06 and (stature > 1.95).mean() > 0.02
    assert 0.12 < (stature < 1.42).mean() < 0.17 and 1.6 < np.median(stature) < 1.72


def test_bones_get_the_drawn_lengths_whoever_was_recorded(joints, rng):
    men = replace(EXACT, men=1.0, women=0.0, children=0.0)
    changed = men.apply(joints * torch.linspace(0.6, 1.2, 64)[:, None, None, None], torch.Generator().manual_seed(1))
    again = men.apply(joints, torch.Generator().manual_seed(1))
    lengths, others = (bones_of(x)[:, -1].norm(dim=-1) for x in (changed, again))
    np.testing.assert_allclose(lengths[:, 1:], others[:, 1:], rtol=1e-4)
    for left, right in H36M_17.flip_pairs:
        np.testing.assert_allclose(lengths[:, left], lengths[:, right], rtol=1e-4)
    for joint, length in ((Joint.R_KNEE, 0.425), (Joint.L_ANKLE, 0.419), (Joint.NECK, 0.22), (Joint.R_WRIST, 0.271)):
        assert lengths[:, joint].mean() == pytest.approx(length, rel=0.03) and lengths[:, joint].std() > 0.01


def test_directions_are_kept_and_bodies_do_not_change_in_a_window(joints, rng):
    changed, base = BodyVariation().apply(joints, rng), with_anatomical_head(joints)
    before, after = bones_of(base)[:, :, 1:], bones_of(changed)[:, :, 1:]
    np.testing.assert_allclose(torch.cosine_similarity(before, after, dim=-1), 1.0, atol=1e-4)
    ratio = after.norm(dim=-1) / before.norm(dim=-1)
    assert (ratio.std(dim=1) < 1e-3).all() and (ratio.std(dim=0) > 0.01).all()


def test_bodies_as_recorded_are(joints, rng):
    changed = AS_RECORDED.apply(joints, rng)
    np.testing.assert_allclose(changed, with_anatomical_head(joints), atol=1e-5)
    assert not torch.equal(as_detected(joints), changed)


def test_feet_stay_on_the_floor_and_steps_are_as_long_as_legs(joints, rng):
    joints[..., 2] -= joints[..., 2].amin(dim=2, keepdim=True) - 0.07  # whoever is lowest stands
    men = replace(EXACT, men=1.0, women=0.0, children=0.0)
    changed = men.apply(joints, rng)
    low = changed[..., 2].amin(dim=2)
    assert (low.std(dim=1) < 1e-4).all() and 0.06 < low.mean() < 0.085
    legs = [bones_of(x)[:, -1, 1:7].norm(dim=-1)[:, [1, 2, 4, 5]].sum(dim=1) for x in (joints, changed)]
    way = [(x[:, -1, 0, :2] - x[:, 0, 0, :2]).norm(dim=-1) for x in (joints, changed)]
    np.testing.assert_allclose(way[1] / way[0], legs[1] / legs[0], rtol=1e-3)
