import numpy as np
import pytest

from nanohtnet_ros.core.root_depth import SKIN, root_depth, weighted_median

from factories import STANDING_M

ROOT_M = (0.2, 0.0, 3.0)
USED = np.flatnonzero(np.isfinite(SKIN))
SURE = np.ones(17, np.float32)


@pytest.fixture
def scene(camera):
    """A person before a wall: `scene(root_m, shift_m)` gives depth and keypoints; each joint's skin is a square."""

    def make(root_m=ROOT_M, shift_m=0.0) -> tuple[np.ndarray, np.ndarray]:
        xy_px = camera.project(STANDING_M + np.asarray(root_m))
        skin = root_m[2] + STANDING_M[:, 2] - SKIN + np.broadcast_to(shift_m, 17)
        depth = np.full((camera.height, camera.width), 6.0, np.float32)
        half = int(0.04 * camera.fx / root_m[2])
        for joint in USED:
            x, y = np.rint(xy_px[joint]).astype(int)
            depth[max(0, y - half) : y + half + 1, max(0, x - half) : x + half + 1] = skin[joint]
        return depth, xy_px

    return make


@pytest.mark.parametrize("root_m", [(0.0, 0.0, 2.5), ROOT_M, (-0.5, 0.1, 5.0)])
def test_skin_in_its_place_gives_the_exact_depth(scene, root_m):
    depth, xy_px = scene(root_m)
    assert root_depth(depth, STANDING_M, xy_px, SURE) == pytest.approx(root_m[2], abs=1e-5)


def test_everything_farther_away_is_farther_away(scene):
    depth, xy_px = scene(shift_m=0.4)
    assert root_depth(depth, STANDING_M, xy_px, SURE) == pytest.approx(ROOT_M[2] + 0.4, abs=1e-5)


@pytest.mark.parametrize("invalid", [np.nan, 0.0, np.inf, -1.0])
def test_holes_and_noise_do_little(scene, invalid):
    depth, xy_px = scene()
    random = np.random.default_rng(0)
    depth += random.normal(0, 0.03, depth.shape).astype(np.float32)
    depth[random.random(depth.shape) < 0.4] = invalid
    assert root_depth(depth, STANDING_M, xy_px, SURE) == pytest.approx(ROOT_M[2], abs=0.02)


def test_neither_a_table_in_front_nor_keypoints_beside_the_body_count(scene):
    shift = np.zeros(17)
    shift[[2, 3, 5, 6]] = -0.8
    shift[[13, 16]] = 2.0
    depth, xy_px = scene(shift_m=shift)
    assert root_depth(depth, STANDING_M, xy_px, SURE) == pytest.approx(ROOT_M[2], abs=1e-5)


def test_joints_of_little_confidence_do_not_count(scene):
    shift = np.where(np.arange(17) < 7, -0.8, 0.0)
    depth, xy_px = scene(shift_m=shift)
    confidence = np.where(np.arange(17) < 7, 0.1, 1.0)
    assert root_depth(depth, STANDING_M, xy_px, confidence) == pytest.approx(ROOT_M[2], abs=1e-5)


def test_missing_joints_do_not_spread(scene):
    depth, xy_px = scene()
    joints = STANDING_M.copy()
    joints[3], xy_px[13], confidence = np.nan, np.nan, SURE.copy()
    confidence[5] = np.nan
    assert root_depth(depth, joints, xy_px, confidence) == pytest.approx(ROOT_M[2], abs=1e-5)


def test_depth_is_not_invented(scene):
    depth, xy_px = scene()
    assert root_depth(np.full_like(depth, np.nan), STANDING_M, xy_px, SURE) is None
    assert root_depth(depth, STANDING_M, xy_px + 1e4, SURE) is None  # beside the image
    assert root_depth(depth, STANDING_M, np.full_like(xy_px, np.nan), SURE) is None
    three = np.where(np.isin(np.arange(17), (0, 7, 8)), 1.0, 0.0)
    assert root_depth(depth, STANDING_M, xy_px, three) is None
    assert root_depth(depth, STANDING_M, xy_px, np.where(np.arange(17) == 11, 1.0, three)) is not None


def test_a_few_pixels_among_holes_are_no_depth(scene):
    depth, xy_px = scene()
    depth[np.random.default_rng(0).random(depth.shape) < 0.9] = np.nan
    assert root_depth(depth, STANDING_M, xy_px, SURE) is None


def test_joints_that_disagree_give_no_depth(scene):
    shift = np.zeros(17)
    shift[USED] = 0.4 * (np.arange(len(USED)) - len(USED) // 2)
    depth, xy_px = scene(root_m=(0.0, 0.0, 5.0), shift_m=shift)
    assert root_depth(depth, STANDING_M, xy_px, SURE) is None
    # Five that agree among fifteen are too few.
    shift[USED[np.argsort(np.abs(shift[USED]))[:5]]] = 0.0
    depth, xy_px = scene(root_m=(0.0, 0.0, 5.0), shift_m=shift)
    assert root_depth(depth, STANDING_M, xy_px, SURE) is None


def test_weighted_median():
    random = np.random.default_rng(0)
    values = random.normal(size=9)
    assert weighted_median(values, np.ones(9)) == pytest.approx(np.median(values))
    assert weighted_median(values, np.full(9, 0.1)) == pytest.approx(np.median(values))
    assert weighted_median(values[:8], np.ones(8)) == pytest.approx(np.median(values[:8]))
    assert weighted_median(np.array([1.0, 2.0, 9.0]), np.array([1.0, 1.0, 0.0])) == pytest.approx(1.5)
    assert weighted_median(np.array([9.0, 1.0]), np.array([100.0, 1.0])) == pytest.approx(9.0)
    assert weighted_median(np.array([4.0]), np.array([0.5])) == 4.0
