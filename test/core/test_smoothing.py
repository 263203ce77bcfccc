import numpy as np
import pytest

from nanohtnet_ros.core.body import standing_height
from nanohtnet_ros.core.skeleton import H36M_17
from nanohtnet_ros.core.smoothing import (
    BoneLengths,
    OneEuro,
    RunningMean,
    SmoothingConfig,
    TrackSmoother,
    bone_lengths,
    low_pass_gain,
)
from nanohtnet_ros.core.window import NS_PER_S

from factories import STANDING_M

SURE = np.ones(17)


def ns(seconds: float) -> int:
    return round(seconds * NS_PER_S)


def wave(time_s: float) -> np.ndarray:
    """The standing person, who waves."""
    joints = STANDING_M.astype(np.float64)
    joints[[13, 16], 1] += 0.2 * np.sin(2 * np.pi * 0.8 * time_s)
    return joints


def noisy_poses(frames: int, noise_m: float = 0.02) -> np.ndarray:
    random = np.random.default_rng(0)
    poses = STANDING_M + random.normal(0, noise_m, (frames, 17, 3))
    return poses - poses[:, :1]


def filtered(rate_hz: float) -> np.ndarray:
    """The wave, filtered at a frame rate; every 20 ms over 2 s."""
    euro = OneEuro(1.5, 2.0, 1.0)
    out = [euro(wave(i / rate_hz), ns(1 + i / rate_hz)) for i in range(round(2 * rate_hz))]
    return np.array(out[:: round(rate_hz / 50)])


class TestOneEuro:
    @pytest.fixture
    def euro(self) -> OneEuro:
        return OneEuro(1.5, 2.0, 1.0)

    def test_what_rests_stays(self, euro):
        for i in range(10):
            np.testing.assert_array_equal(euro(STANDING_M, ns(1 + i / 25)), STANDING_M)

    def test_noise_gets_less(self, euro):
        poses = noisy_poses(200)
        out = np.array([euro(pose, ns(1 + i / 25)) for i, pose in enumerate(poses)])
        assert (out - STANDING_M)[20:].std() < 0.7 * (poses - STANDING_M)[20:].std()

    def test_it_catches_up_and_the_faster_the_higher_beta(self):
        lags = []
        for beta in (0.0, 5.0):
            euro = OneEuro(1.0, beta, 1.0)
            for i in range(100):
                out = euro(np.full((1, 3), 0.02 * i), ns(1 + i / 25))
            lags.append(0.02 * 99 - out[0, 0])
        assert 0 < lags[1] < 0.5 * lags[0]

    def test_time_counts_and_not_frames(self):
        slow, fast = filtered(50.0), filtered(200.0)
        delay = np.abs(slow - [wave(i / 50) for i in range(100)]).max()
        assert delay > 0.03
        assert np.abs(slow - fast).max() < 0.25 * delay

    def test_a_missing_point_stays_missing_and_starts_anew(self, euro):
        euro(STANDING_M, ns(1.0))
        gone = STANDING_M + np.float32(0.1)
        gone[5, 1] = np.nan
        out = euro(gone, ns(1.04))
        assert np.isnan(out[5]).all() and np.isfinite(np.delete(out, 5, axis=0)).all()
        back = euro(STANDING_M + np.float32(0.3), ns(1.08))
        np.testing.assert_allclose(back[5], STANDING_M[5] + 0.3, atol=1e-6)
        assert (back[4] < STANDING_M[4] + 0.29).all()

    @pytest.mark.parametrize("stamp_s", [0.5, 5.0])
    def test_a_stamp_that_is_not_after_the_last_starts_anew(self, euro, stamp_s):
        euro(STANDING_M, ns(5.0))
        np.testing.assert_array_equal(euro(STANDING_M + 1, ns(stamp_s)), STANDING_M + 1)

    def test_after_a_long_pause_the_past_is_forgotten(self, euro):
        euro(STANDING_M, ns(1.0))
        np.testing.assert_allclose(euro(STANDING_M + 1, ns(11.0)), STANDING_M + 1, atol=1e-6)


def test_two_steps_go_as_far_as_one_of_their_time():
    half, whole = low_pass_gain(2.0, 0.05), low_pass_gain(2.0, 0.1)
    assert 1 - (1 - half) ** 2 == pytest.approx(whole)
    assert low_pass_gain(2.0, 0.0) == 0.0 and low_pass_gain(2.0, 100.0) == pytest.approx(1.0)


class TestRunningMean:
    def test_of_nothing_is_unknown(self):
        mean = RunningMean(2, 3.0)
        assert np.isnan(mean.value).all()
        mean.update(np.array([1.0, np.nan]), np.array([1.0, 1.0]), ns(1))
        mean.update(np.array([5.0, 5.0]), np.array([0.0, np.nan]), ns(2))
        np.testing.assert_array_equal(mean.value, [1.0, np.nan])

    def test_the_past_fades_with_time(self):
        mean = RunningMean(1, 3.0)
        mean.update(np.array([1.0]), np.ones(1), ns(1))
        mean.update(np.array([0.0]), np.ones(1), ns(4))
        assert mean.value[0] == pytest.approx(np.exp(-1) / (1 + np.exp(-1)))

    def test_what_was_known_stays_known(self):
        mean = RunningMean(1, 0.1)
        mean.update(np.array([1.0]), np.ones(1), ns(1))
        mean.update(np.array([np.nan]), np.ones(1), ns(1e6))
        assert mean.value[0] == 1.0
        mean.update(np.array([2.0]), np.ones(1), ns(1e6 + 1))
        assert mean.value[0] == pytest.approx(2.0, abs=1e-5)

    def test_stamps_that_step_back_fade_nothing(self):
        mean = RunningMean(1, 3.0)
        mean.update(np.array([1.0]), np.ones(1), ns(9))
        mean.update(np.array([2.0]), np.ones(1), ns(1))
        assert mean.value[0] == pytest.approx(1.5)


class TestBoneLengths:
    @pytest.fixture
    def bones(self) -> BoneLengths:
        return BoneLengths(3.0)

    def test_without_a_past_nothing_changes(self, bones):
        np.testing.assert_array_equal(bones.apply(STANDING_M), STANDING_M)
        assert np.isnan(bones.mean_lengths_m).all()

    def test_a_skeleton_of_constant_length_stays(self, bones):
        bones.update(STANDING_M, SURE, ns(1))
        np.testing.assert_allclose(bones.apply(STANDING_M), STANDING_M, atol=1e-6)
        np.testing.assert_allclose(bones.mean_lengths_m, bone_lengths(STANDING_M), atol=1e-6)

    def test_lengths_are_the_mean_and_directions_stay(self, bones):
        poses = noisy_poses(100)
        for i, pose in enumerate(poses):
            bones.update(pose, SURE, ns(1 + i / 25))
            out = bones.apply(pose)
            np.testing.assert_allclose(bone_lengths(out), bones.mean_lengths_m, atol=1e-6)
        for left, right in H36M_17.flip_pairs:
            assert bones.mean_lengths_m[left] == bones.mean_lengths_m[right]
        for parent, child in H36M_17.bones:
            before, after = pose[child] - pose[parent], out[child] - out[parent]
            cosine = before @ after / np.linalg.norm(before) / np.linalg.norm(after)
            assert cosine == pytest.approx(1.0)
        assert bones.mean_lengths_m[2] == pytest.approx(bone_lengths(STANDING_M)[2], abs=0.01)

    def test_bones_without_confidence_teach_nothing(self, bones):
        bones.update(STANDING_M, SURE, ns(1))
        confidence = SURE.copy()
        confidence[[2, 13, 16]] = 0.0  # a knee: thigh and shank; both wrists
        wrong = 2 * STANDING_M
        bones.update(wrong, confidence, ns(1.04))
        np.testing.assert_allclose(bones.mean_lengths_m[[13, 16]], bone_lengths(STANDING_M)[[13, 16]], atol=1e-6)
        assert bones.mean_lengths_m[2] > bone_lengths(STANDING_M)[2] + 0.05  # by the other leg

    def test_a_missing_joint_stays_missing_and_takes_no_other_along(self, bones):
        bones.update(1.1 * STANDING_M, SURE, ns(1))
        joints = STANDING_M.copy()
        joints[12] = np.nan
        bones.update(joints, SURE, ns(1.04))
        out = bones.apply(joints)
        assert np.isnan(out[12]).all() and np.isfinite(np.delete(out, 12, axis=0)).all()
        np.testing.assert_allclose(out[13] - joints[13], out[11] - joints[11], atol=1e-6)
        assert np.isfinite(bones.apply(STANDING_M)).all()

    def test_an_infinite_joint_poisons_nothing(self, bones):
        bones.update(STANDING_M, SURE, ns(1))
        joints = STANDING_M.copy()
        joints[12] = np.inf
        with np.errstate(invalid="ignore"):
            bones.update(joints, SURE, ns(1.04))
            assert np.isfinite(np.delete(bones.apply(joints), 12, axis=0)).all()
        np.testing.assert_allclose(bones.apply(STANDING_M), STANDING_M, atol=1e-6)

    def test_joints_in_one_place_stay_there(self, bones):
        bones.update(STANDING_M, SURE, ns(1))
        np.testing.assert_array_equal(bones.apply(0 * STANDING_M), 0 * STANDING_M)


class TestTrackSmoother:
    def test_without_one_euro_bones_are_constant_and_nothing_is_delayed(self):
        smoother = TrackSmoother(SmoothingConfig(one_euro=False))
        for i, pose in enumerate(noisy_poses(50).astype(np.float32)):
            out = smoother.joints(pose, SURE, ns(1 + i / 25))
            assert out.dtype == np.float32
            np.testing.assert_allclose(bone_lengths(out), smoother.mean_lengths_m, atol=1e-6)
        root = np.array([0.0, 0.0, 3.0])
        assert smoother.root(root, ns(1)) is root and smoother.root(None, ns(2)) is None

    def test_all_off_changes_nothing(self):
        smoother = TrackSmoother(SmoothingConfig(one_euro=False, constant_bones=False))
        for i, pose in enumerate(noisy_poses(5)):
            np.testing.assert_array_equal(smoother.joints(pose, SURE, ns(1 + i / 25)), pose)
        assert np.isfinite(smoother.mean_lengths_m).all() and smoother.mean_height_m > 1

    def test_one_euro_leaves_bones_constant(self):
        smoother = TrackSmoother(SmoothingConfig())
        for i, pose in enumerate(noisy_poses(50)):
            out = smoother.joints(pose, SURE, ns(1 + i / 25))
            np.testing.assert_allclose(bone_lengths(out), smoother.mean_lengths_m, atol=1e-6)

    def test_one_euro_smooths_the_root_and_a_missing_root_stays_missing(self):
        smoother = TrackSmoother(SmoothingConfig())
        near, far = np.array([0.0, 0.0, 3.0]), np.array([0.0, 0.0, 3.2])
        np.testing.assert_array_equal(smoother.root(near, ns(1.0)), near)
        assert near[2] < smoother.root(far, ns(1.04))[2] < far[2]
        assert smoother.root(None, ns(1.08)) is None
        np.testing.assert_array_equal(smoother.root(near, ns(1.12)), near)

    def test_the_mean_height_is_steadier_than_the_frames(self):
        smoother, heights, means = TrackSmoother(), [], []
        assert smoother.mean_height_m is None
        for i, pose in enumerate(noisy_poses(100)):
            smoother.joints(pose, SURE, ns(1 + i / 25))
            heights.append(standing_height(pose))
            means.append(smoother.mean_height_m)
        assert np.std(means[25:]) < 0.3 * np.std(heights[25:])
        assert means[-1] == pytest.approx(np.mean(heights), abs=0.01)

    def test_a_frame_without_any_joint_is_survived(self):
        smoother = TrackSmoother(SmoothingConfig())
        smoother.joints(STANDING_M, SURE, ns(1.0))
        assert np.isnan(smoother.joints(np.full_like(STANDING_M, np.nan), 0 * SURE, ns(1.04))).all()
        np.testing.assert_allclose(smoother.joints(STANDING_M, SURE, ns(1.08)), STANDING_M, atol=1e-6)


@pytest.mark.parametrize("name", ["min_cutoff_hz", "speed_cutoff_hz", "bones_memory_s"])
@pytest.mark.parametrize("value", [0.0, -1.0, np.nan, np.inf])
def test_a_config_needs_positive_numbers(name, value):
    with pytest.raises(ValueError, match=f"{name}.*expected positive finite numbers"):
        SmoothingConfig(**{name: value})


def test_beta_may_be_zero_but_not_less():
    assert SmoothingConfig(beta=0.0).beta == 0.0
    with pytest.raises(ValueError, match="beta -1"):
        SmoothingConfig(beta=-1.0)


def test_tracks_smoothed_together_are_smoothed_as_each_alone():
    """Three tracks of different pasts, joints and roots that come and go."""
    rng, alone, together = np.random.default_rng(4), [], []
    for i in range(60):
        if i in (0, 7, 30):
            alone.append(TrackSmoother())
            together.append(TrackSmoother())
        poses = STANDING_M + rng.normal(0.0, 0.02, (len(alone), 17, 3))
        poses[rng.random(poses.shape[:2]) < 0.1] = np.nan
        confidence = np.where(np.isnan(poses[..., 0]), 0.0, rng.random(poses.shape[:2]))
        roots = [None if rng.random() < 0.1 else rng.normal((0.0, 0.0, 3.0), 0.02) for _ in poses]
        chosen = np.flatnonzero(rng.random(len(alone)) < 0.8)
        if not len(chosen):
            continue
        out = TrackSmoother.together([together[k] for k in chosen], poses[chosen], confidence[chosen], ns(i / 25))
        places = TrackSmoother.roots_together([together[k] for k in chosen], [roots[k] for k in chosen], ns(i / 25))
        for k, pose, place in zip(chosen, out, places, strict=True):
            np.testing.assert_array_equal(alone[k].joints(poses[k], confidence[k], ns(i / 25)), pose)
            expected = alone[k].root(roots[k], ns(i / 25))
            assert (place is None) == (expected is None)
            assert place is None or (place == expected).all()
            assert alone[k].mean_height_m == together[k].mean_height_m
