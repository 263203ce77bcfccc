import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from nanohtnet_ros.core.person_state import GestureKind, PersonStates, slope, waving
from nanohtnet_ros.core.poses import Keypoints, Person
from nanohtnet_ros.core.postures import Posture
from nanohtnet_ros.core.skeleton import Joint

from factories import STANDING_M

UP = np.array((0.0, -1.0, 0.0))
RATE_HZ = 25


def person(joints=STANDING_M, root=(0.0, 0.0, 4.0), track_id=1, confidence=1.0) -> Person:
    sure = np.where(np.isfinite(joints).all(axis=1), confidence, 0.0).astype(np.float32)
    keypoints = Keypoints(np.zeros((17, 2), np.float32), sure)
    return Person(track_id, 0.0, keypoints, joints.astype(np.float32), sure, None if root is None else np.array(root))


def play(poses, states=None, **options):
    """The state in the last of some frames, 25 a second."""
    states = states or PersonStates()
    return [states.step([person(pose, **options)], round(i * 1e9 / RATE_HZ), UP)[0] for i, pose in enumerate(poses)][-1]


def with_arm(elbow, wrist) -> np.ndarray:
    pose = STANDING_M.copy()
    pose[Joint.L_ELBOW] = pose[Joint.L_SHOULDER] + elbow
    pose[Joint.L_WRIST] = pose[Joint.L_ELBOW] + wrist
    return pose


def wave(frames: int, hz: float, degrees: float) -> list[np.ndarray]:
    angles = np.radians(degrees) * np.sin(2 * np.pi * hz * np.arange(frames) / RATE_HZ)
    return [with_arm((0.2, 0.05, -0.1), (0.25 * np.sin(a), -0.25 * np.cos(a), 0)) for a in angles]


STRETCHED = with_arm((0, 0, -0.28), (0, 0, -0.25))


def kinds(state) -> set:
    return {(gesture.kind, gesture.side) for gesture in state.gestures}


def test_velocities_are_those_of_root_joints_and_angles():
    states = PersonStates()
    for i in range(8):
        bent = np.radians(40 * i / RATE_HZ)  # the left elbow, 40 degrees a second
        pose = with_arm((0, 0.28, 0), (0, 0.25 * np.cos(bent), -0.25 * np.sin(bent)))
        root = np.array((0.02 * i, 0, 4 - 0.04 * i))
        (state,) = states.step([person(pose, root)], round(i * 1e9 / RATE_HZ), UP)
    np.testing.assert_allclose(state.velocity_m_s, (0.5, 0, -1.0), atol=1e-5)
    assert state.joint_velocities_rad_s["l_elbow"] == pytest.approx(np.radians(40), rel=0.01)
    assert abs(state.joint_velocities_rad_s["r_elbow"]) < 1e-6
    assert np.linalg.norm(state.joint_velocities_m_s[Joint.L_WRIST]) == pytest.approx(0.25 * np.radians(40), rel=0.02)
    assert np.abs(state.joint_velocities_m_s[Joint.R_WRIST]).max() < 1e-5


def test_the_first_frame_and_a_missing_root_have_no_velocity():
    states = PersonStates()
    (first,) = states.step([person()], 0, UP)
    assert np.isnan(first.velocity_m_s).all() and np.isnan(first.joint_velocities_m_s).all()
    assert first.posture == Posture.STANDING and first.posture_confidence > 0.9 and first.facing[2] < -0.99
    (second,) = states.step([person(root=None)], 40_000_000, UP)
    assert np.isnan(second.velocity_m_s).all() and np.isfinite(second.joint_velocities_m_s).all()


def test_an_angle_that_passes_pi_keeps_its_velocity():
    angles = np.unwrap([3.1, 3.13, -3.123, -3.093])
    assert slope(np.arange(4) / 100, angles) == pytest.approx(3.0, rel=0.02)


@pytest.mark.parametrize(
    ("hz", "degrees", "waves"), [(1.5, 30, True), (1, 25, True), (1.5, 5, False), (0.2, 30, False)]
)
def test_waving_is_swinging_to_and_fro(hz, degrees, waves):
    state = play(wave(50, hz, degrees))
    assert ((GestureKind.WAVING, "left") in kinds(state)) == waves
    assert (GestureKind.HAND_RAISED, "left") in kinds(state) and (GestureKind.WAVING, "right") not in kinds(state)


@pytest.mark.parametrize("seed", range(4))
def test_noise_does_not_wave(seed):
    noise = np.random.default_rng(seed).normal(0, 0.012, (50, 17, 3))
    still = with_arm((0.2, 0.05, -0.1), (0, -0.25, 0))
    assert (GestureKind.WAVING, "left") not in kinds(play(still + noise))


def arm_that_swings(hz: float, degrees: float, upper_arm_degrees: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Times and an arm's directions over two seconds: both its parts point up and swing sideways."""
    times_s = np.arange(50) / RATE_HZ
    swing = np.sin(2 * np.pi * hz * times_s)
    angles = np.radians(np.outer(swing, (upper_arm_degrees, degrees)))
    return times_s, np.stack((np.sin(angles), np.cos(angles), np.zeros_like(angles)), axis=-1)


def test_swinging_arms_that_hang_do_not_wave():
    times_s, arm = arm_that_swings(1.5, 35)
    assert waving(times_s, arm * (1, -1, 1)) < 0.05 < 0.9 < waving(times_s, arm)


@pytest.mark.parametrize(
    ("hz", "upper_arm_degrees", "waves"),
    [(0.9, 0, True), (0.9, 70, False), (1.8, 70, True)],
)
def test_the_more_the_upper_arm_moves_the_quicker_a_wave_is(hz, upper_arm_degrees, waves):
    assert (waving(*arm_that_swings(hz, 35, upper_arm_degrees)) > 0.5) == waves


def test_hands_that_strike_ahead_do_not_wave():
    angles = np.radians(30) * np.sin(2 * np.pi * 1.5 * np.arange(50) / RATE_HZ)
    poses = [with_arm((0.1, 0.2, -0.1), (0, -0.25 * np.cos(a), 0.25 * np.sin(a))) for a in angles]
    assert (GestureKind.WAVING, "left") not in kinds(play(poses))


def test_pointing_is_held_and_has_a_ray():
    state = play([STANDING_M] * 3 + [STRETCHED] * 12)
    (gesture,) = state.gestures
    assert (gesture.kind, gesture.side) == (GestureKind.POINTING, "left") and gesture.confidence > 0.8
    np.testing.assert_allclose(gesture.origin_m, STRETCHED[Joint.L_WRIST], atol=1e-6)
    assert gesture.direction[2] < -0.8
    assert play([STANDING_M] * 10 + [STRETCHED] * 2).gestures == ()  # just now
    turns = [STRETCHED @ Rotation.from_rotvec(2 * np.pi * i / RATE_HZ * UP).as_matrix().T for i in range(20)]
    assert play(turns).gestures == ()  # sweeps


def test_unsure_joints_make_no_gesture_and_an_unsure_posture():
    assert play([STRETCHED] * 12, confidence=0.4).gestures == ()
    state = play([STRETCHED] * 12, confidence=0.4)
    assert state.posture == Posture.STANDING and state.posture_confidence < 0.41 > state.facing_confidence
    unknown = play([np.full((17, 3), np.nan)] * 3)
    assert unknown.posture == Posture.UNKNOWN and unknown.posture_confidence == 0 and unknown.gestures == ()


def test_a_single_wrong_frame_changes_no_posture():
    sitting = STANDING_M.copy()
    sitting[[2, 5]] = sitting[[1, 4]] + (0, 0, -0.43)
    sitting[[3, 6]] = sitting[[2, 5]] + (0, 0.43, 0)
    assert play([STANDING_M] * 10 + [sitting]).posture == Posture.STANDING
    assert play([STANDING_M] * 10 + [sitting] * 8).posture == Posture.SITTING


def test_histories_are_each_persons_own_and_end():
    states = PersonStates()
    for i in range(12):
        people = [person(STRETCHED, track_id=1), person(track_id=2)]
        one, two = states.step(people, round(i * 1e9 / RATE_HZ), UP)
    assert kinds(one) == {(GestureKind.POINTING, "left")} and kinds(two) == set()
    later = states.step([person(STRETCHED)], 10_000_000_000, UP)[0]
    assert later.gestures == () and np.isnan(later.velocity_m_s).all()
    back = states.step([person(STRETCHED)], 9_900_000_000, UP)[0]  # a bag that starts again
    assert back.gestures == () and np.isnan(back.velocity_m_s).all()
