import numpy as np
import pytest

from nanohtnet_ros.core.placement import place_root, place_roots, pose_spread

from factories import STANDING_M

ROOTS = [(0.0, 0.0, 2.0), (1.5, -0.3, 6.0), (-2.0, 0.4, 3.0)]


def rays(root) -> np.ndarray:
    joints = STANDING_M + np.asarray(root)
    return joints / np.linalg.norm(joints, axis=1, keepdims=True)


@pytest.mark.parametrize("root", ROOTS)
def test_exact_keypoints_give_the_exact_root(root):
    np.testing.assert_allclose(place_root(STANDING_M, rays(root), np.ones(17)), root, atol=1e-5)


@pytest.mark.parametrize("root", ROOTS)
def test_a_pose_twice_as_large_stands_twice_as_far(root):
    np.testing.assert_allclose(place_root(2 * STANDING_M, rays(root), np.ones(17)), 2 * np.array(root), atol=1e-4)


def test_a_joint_without_confidence_does_not_count():
    seen = rays(ROOTS[0])
    seen[13] += (0.5, 0.5, 0.0)
    weight = np.ones(17)
    weight[13] = 0.0
    np.testing.assert_allclose(place_root(STANDING_M, seen, weight), ROOTS[0], atol=1e-5)
    weight[13] = 1e-4
    assert np.linalg.norm(place_root(STANDING_M, seen, weight) - ROOTS[0]) < 0.01


def test_depth_is_not_invented():
    seen = rays(ROOTS[0])
    few = np.where(np.arange(17) < 4, 1.0, 0.0)
    assert place_root(STANDING_M, seen, few) is None
    assert place_root(STANDING_M, np.full((17, 3), np.nan), np.ones(17)) is None
    assert place_root(STANDING_M, np.tile((0.0, 0.0, 1.0), (17, 1)), np.ones(17)) is None  # any depth fits
    assert place_root(STANDING_M, -seen, np.ones(17)) is None  # behind the camera
    assert place_root(STANDING_M, rays((0, 0, 200.0)), np.ones(17)) is None


@pytest.mark.parametrize("root", ROOTS)
def test_a_measured_depth_gives_the_place_beside_it(root):
    np.testing.assert_allclose(place_root(STANDING_M, rays(root), np.ones(17), root[2]), root, atol=1e-5)


@pytest.mark.parametrize("root", ROOTS)
def test_a_measured_depth_replaces_the_solved_one(root):
    farther = place_root(1.1 * STANDING_M, rays(root), np.ones(17), 1.1 * root[2])
    np.testing.assert_allclose(farther, 1.1 * np.array(root), atol=1e-5)
    assert place_root(STANDING_M, rays(root), np.ones(17), 4.5)[2] == 4.5


def test_a_measured_depth_places_a_person_who_is_one_point():
    seen = np.tile((0.5, 0.5, 1.0), (17, 1))
    np.testing.assert_allclose(place_root(0 * STANDING_M, seen, np.ones(17), 4.0), (2.0, 2.0, 4.0))


@pytest.mark.parametrize("depth", [0.0, -2.0, 80.0, np.nan, np.inf])
def test_a_measured_depth_that_cannot_be_gives_no_place(depth):
    assert place_root(STANDING_M, rays(ROOTS[0]), np.ones(17), depth) is None


def test_a_measured_depth_needs_joints_too():
    few = np.where(np.arange(17) < 4, 1.0, 0.0)
    assert place_root(STANDING_M, rays(ROOTS[0]), few, 2.0) is None


@pytest.mark.parametrize("root", [(3.0, 0.1, 0.2), (-2.0, 0.3, -0.5), (0.5, 0.2, -3.0)])
def test_rays_of_a_fisheye_place_people_beside_and_behind(root):
    np.testing.assert_allclose(place_root(STANDING_M, rays(root), np.ones(17)), root, atol=1e-5)
    np.testing.assert_allclose(place_root(STANDING_M, rays(root), np.ones(17), root[2]), root, atol=1e-5)


def test_beside_a_fisheye_depth_is_not_invented_either():
    seen = rays((3.0, 0.1, 0.2))
    assert place_root(STANDING_M, np.tile((1.0, 0.0, 0.0), (17, 1)), np.ones(17)) is None  # any distance fits
    assert place_root(STANDING_M, -seen, np.ones(17)) is None
    assert place_root(STANDING_M, rays((200.0, 0.0, 0.0)), np.ones(17)) is None


@pytest.mark.parametrize("known", [range(17), (8, 9, 10, 11, 14)])
def test_the_spread_is_what_errors_of_the_pose_do_to_the_distance(known):
    weight = np.isin(np.arange(17), known) * 0.7
    error_m = np.linspace(0.03, 0.06, 17)
    noise = np.random.default_rng(0).normal(size=(400, 17, 3)) * error_m[:, None] / np.sqrt(3)
    places = [place_root(STANDING_M + sample, rays(ROOTS[1]), weight) for sample in noise]
    measured = np.std(np.log(np.linalg.norm(places, axis=1)))
    assert pose_spread(np.array(ROOTS[1]), STANDING_M, weight, error_m) == pytest.approx(measured, rel=0.15)


def test_people_are_placed_together_as_each_alone():
    """One ahead, one behind the camera's edge, one of too few joints, one whose keypoints are one point."""
    joints = np.stack([STANDING_M] * 4)
    seen = np.stack([rays(ROOTS[0]), rays((3.0, 0.0, -0.5)), rays(ROOTS[0]), np.tile((0.0, 0.0, 1.0), (17, 1))])
    weight = np.ones((4, 17))
    weight[2, 3:] = 0.0
    roots = place_roots(joints, seen, weight)
    np.testing.assert_allclose(roots[0], ROOTS[0], atol=1e-5)
    np.testing.assert_allclose(roots[1], (3.0, 0.0, -0.5), atol=1e-5)
    assert roots[2] is None and roots[3] is None
    spreads = pose_spread(np.array([ROOTS[0], roots[1]]), joints[:2], weight[:2], np.full((2, 17), 0.05))
    for i in range(2):
        assert spreads[i] == pytest.approx(pose_spread(roots[i], joints[i], weight[i], np.full(17, 0.05)), rel=1e-5)
