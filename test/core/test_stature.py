import math

import numpy as np
import pytest

from nanohtnet_ros.core.body import ANKLE_HEIGHT_M, standing_height
from nanohtnet_ros.core.ground import Ground
from nanohtnet_ros.core.skeleton import Joint
from nanohtnet_ros.core.stature import TOLD_SPREAD, UNKNOWN_SPREAD, Height, Stature
from nanohtnet_ros.core.window import NS_PER_S

from factories import STANDING_M

AVERAGE_M = standing_height(STANDING_M)
SOLE_M = float(STANDING_M[:, 1].max()) + ANKLE_HEIGHT_M  # below the hip
SURE = np.ones(17)
RATE_HZ = 25


def sitting() -> np.ndarray:
    """With level thighs and hanging shins."""
    joints = STANDING_M.copy()
    for knee, ankle in ((Joint.R_KNEE, Joint.R_ANKLE), (Joint.L_KNEE, Joint.L_ANKLE)):
        joints[knee] = joints[knee - 1] + (0.0, 0.05, -0.43)
        joints[ankle] = joints[knee] + (0.0, 0.43, 0.0)
    return joints


class Watched:
    """Somebody who is seen by a level camera, as an average network sees them: half of the errors stay, half change."""

    def __init__(
        self, height_m: float, camera_m: float, ahead_m: float = 4.0, seed: int = 0, stature: Stature | None = None
    ):
        self.stature = stature or Stature()
        self._scale, self._camera_m, self._ahead_m = height_m / AVERAGE_M, camera_m, ahead_m
        self._rng, self._time_s = np.random.default_rng(seed), 1.0
        self._lasting = self._rng.normal(0.0, 0.01, 3)

    def watch(self, seconds: float, floor_m=0.0, pose=STANDING_M, walks=False, confidence=SURE, told_m=None) -> Height:
        """Their height after some seconds on something `floor_m` high, a number or a function of the time in it."""
        for i in range(round(seconds * RATE_HZ)):
            time_s = i / RATE_HZ
            joints = pose.copy()
            if walks:  # one foot is raised, the other one stands
                joints[(Joint.R_ANKLE, Joint.L_ANKLE)[int(2 * time_s) % 2]] -= (0.0, 0.15, 0.0)
            raised_m = floor_m(time_s) if callable(floor_m) else floor_m
            hip_m = (joints[:, 1].max() + ANKLE_HEIGHT_M) * self._scale + raised_m  # above the floor
            root = np.array((0.5, self._camera_m - hip_m, self._ahead_m)) / self._scale
            seen = joints + root + self._lasting + self._rng.normal(0.0, 0.01, 3)
            ground = Ground(np.array((0.0, 1.0, 0.0)), self._camera_m)
            self._time_s += 1 / RATE_HZ
            self.stature.see_feet(seen, confidence, AVERAGE_M, ground, round(self._time_s * NS_PER_S))
        return self.stature.height(AVERAGE_M, told_m)


@pytest.mark.parametrize("height_m", [1.2, 1.7, 2.0])
@pytest.mark.parametrize("camera_m", [0.6, 1.2, 2.4])
def test_two_seconds_of_walking_tell_the_height(height_m, camera_m):
    height = Watched(height_m, camera_m).watch(2.0, walks=True)
    assert height.median_m == pytest.approx(height_m, rel=0.08 if camera_m < 1.0 else 0.03)
    assert abs(height.median_m - height_m) < 2.0 * height.sigma_m


def test_the_estimate_is_the_surer_the_longer_and_the_higher_the_camera():
    sigmas = [[Watched(1.7, camera_m).watch(seconds).sigma_m for seconds in (0.2, 1.0, 2.0)] for camera_m in (0.3, 1.2)]
    assert (np.diff(sigmas, axis=1) < 0).all() and (np.diff(sigmas, axis=0) < 0).all()
    assert sigmas[0][2] > 0.1 and sigmas[1][2] < 0.06


def test_it_never_becomes_surer_than_its_errors_that_last():
    watched = Watched(1.7, 1.2)
    two, sixty = watched.watch(2.0), watched.watch(60.0)
    assert sixty.sigma_m == pytest.approx(two.sigma_m, rel=0.2)


def test_a_jump_changes_little():
    watched = Watched(1.7, 1.2)
    before = watched.watch(2.0)
    after = watched.watch(0.6, floor_m=lambda time_s: 3.0 * time_s - 4.9 * time_s**2)  # 0.46 m high
    assert after.median_m == pytest.approx(before.median_m, rel=0.01)


@pytest.mark.parametrize("camera_m", [0.6, 1.2, 2.0])
def test_feet_on_a_table_or_on_stairs_are_refused(camera_m):
    assert Watched(1.7, camera_m).watch(5.0, floor_m=0.75).median_m == pytest.approx(AVERAGE_M, rel=0.05)
    watched = Watched(2.0, camera_m)
    before = watched.watch(3.0)
    assert watched.watch(20.0, floor_m=0.75).median_m == pytest.approx(before.median_m, rel=0.02)
    watched = Watched(1.7, camera_m)
    watched.watch(2.0)
    upstairs = watched.watch(4.0, floor_m=lambda time_s: 0.17 * math.ceil(time_s / 0.5))
    assert upstairs.median_m == pytest.approx(1.7, rel=0.04)


def test_who_comes_down_from_a_step_was_higher_than_the_floor():
    watched = Watched(1.7, 1.2)
    above = watched.watch(2.0, floor_m=0.3)
    below = watched.watch(4.0)
    assert above.median_m > 1.8 and below.median_m == pytest.approx(1.7, rel=0.02)


def test_hanging_feet_of_one_who_sits_make_the_estimate_unsure():
    hangs, stands = (Watched(1.7, 1.2).watch(5.0, floor_m=0.3, pose=pose) for pose in (sitting(), STANDING_M))
    assert hangs.sigma_m > 0.2 and stands.median_m > 2.0  # the straight legs of one on a box do not tell
    assert Watched(1.2, 1.2).watch(5.0, pose=sitting()).median_m == pytest.approx(1.2, rel=0.03)


def test_hidden_feet_change_nothing():
    watched = Watched(1.9, 1.2)
    before = watched.watch(2.0)
    hidden = np.where(np.isin(np.arange(17), (Joint.R_ANKLE, Joint.L_ANKLE)), 0.1, 1.0)
    assert watched.watch(5.0, floor_m=0.5, confidence=hidden) == before
    assert (
        not (alone := Watched(1.9, 1.2)).watch(1.0, confidence=hidden).median_m > AVERAGE_M and not alone.stature.seen
    )
    one = np.where(np.arange(17) == Joint.L_ANKLE, 0.0, 1.0)
    assert Watched(1.9, 1.2).watch(2.0, confidence=one).median_m == pytest.approx(1.9, rel=0.02)


@pytest.mark.parametrize("ground", [Ground(), Ground(down_cam=np.array((0.0, 1.0, 0.0))), Ground(height_m=1.2)])
def test_without_down_or_the_cameras_height_it_is_what_is_told_or_the_poses(ground):
    stature = Stature()
    stature.see_feet(STANDING_M + np.array((0.0, 0.0, 4.0)), SURE, AVERAGE_M, ground, NS_PER_S)
    assert not stature.seen
    assert stature.height(AVERAGE_M) == Height(AVERAGE_M, UNKNOWN_SPREAD)
    assert stature.height(AVERAGE_M, 1.9) == Height(1.9, TOLD_SPREAD)


def test_the_first_sight_of_feet_far_off_the_floor_leaves_the_prior():
    height = Watched(1.7, 2.0).watch(1 / RATE_HZ, floor_m=1.5)
    assert height.median_m == pytest.approx(AVERAGE_M, rel=0.03) and height.spread == pytest.approx(
        UNKNOWN_SPREAD, rel=0.1
    )


def test_a_told_height_and_the_floor_count_by_their_uncertainties():
    high, low = (Watched(1.7, camera_m).watch(2.0, told_m=1.8) for camera_m in (2.4, 0.4))
    assert 1.7 < high.median_m < 1.75 < low.median_m < 1.8
    for camera_m in (2.4, 0.4):
        assert Watched(1.7, camera_m).watch(2.0, told_m=1.7).sigma_m < Watched(1.7, camera_m).watch(2.0).sigma_m


def test_depth_images_measure_the_height_too():
    watched = Watched(2.0, 0.3)  # so low that the floor says little
    before = watched.watch(0.5)
    for i in range(50):
        height = watched.stature.height(AVERAGE_M)
        placed_m = 4.0 * height.median_m / 2.0
        depth_m, sigma_m = watched.stature.see_depth(
            4.0, placed_m, placed_m * height.spread, height, (10 + i) * NS_PER_S
        )
    after = watched.stature.height(AVERAGE_M)
    assert after.median_m == pytest.approx(2.0, rel=0.02) and after.sigma_m < before.sigma_m / 2
    assert depth_m == pytest.approx(4.0, abs=0.03) and sigma_m < 0.05


def test_the_depth_of_what_stands_before_a_person_is_refused():
    watched = Watched(1.7, 1.2)
    before = watched.watch(2.0)
    sigma_m = before.distance_sigma_m(np.array((0.0, 0.0, 4.0)))
    assert watched.stature.see_depth(3.0, 4.0, sigma_m, before, 9 * NS_PER_S) == (4.0, sigma_m)
    joined_m, joined_sigma_m = watched.stature.see_depth(4.1, 4.0, sigma_m, before, 10 * NS_PER_S)
    assert 4.05 < joined_m < 4.1 and joined_sigma_m < min(sigma_m, 0.05)
    assert Stature().see_depth(3.0, 4.0, sigma_m, before, NS_PER_S) == (3.0, 0.05)  # nothing else is known


def test_a_foot_that_no_size_puts_on_the_floor_is_no_sight():
    stature = Stature()
    above = STANDING_M + np.array((0.0, -1.5, 4.0))
    stature.see_feet(above, SURE, AVERAGE_M, Ground(np.array((0.0, 1.0, 0.0)), 1.2), NS_PER_S)
    assert not stature.seen
