import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from nanohtnet_ros.core.postures import (
    Posture,
    arm_stretched,
    facing,
    hand_raised,
    pointing_ray,
    posture_probabilities,
)
from nanohtnet_ros.core.skeleton import H36M_17, Joint

from factories import STANDING_M

UP = np.array((0.0, -1.0, 0.0))  # optical axes; the standing person looks at the camera, along -z
TRUNK = [Joint.SPINE, Joint.THORAX, Joint.NECK, Joint.HEAD, *range(11, 17)]


def with_legs(knee, ankle, lean_deg: float = 0.0) -> np.ndarray:
    """The standing person with other knees and ankles, relative to the hips, who leans forward."""
    pose = STANDING_M.astype(np.float64)
    for top, middle, end in ((1, 2, 3), (4, 5, 6)):
        pose[middle], pose[end] = pose[top] + knee, pose[top] + ankle
    pose[TRUNK] = pose[TRUNK] @ Rotation.from_euler("x", lean_deg, degrees=True).as_matrix().T
    return pose


def lying(axis) -> np.ndarray:
    return STANDING_M.astype(np.float64) @ Rotation.from_rotvec(np.pi / 2 * np.array(axis)).as_matrix().T


POSES = [
    (Posture.STANDING, STANDING_M.astype(np.float64)),
    (Posture.STANDING, with_legs((0, 0.4, -0.1), (0, 0.8, 0.0))),  # knees a little bent
    (Posture.SITTING, with_legs((0, 0.02, -0.43), (0, 0.45, -0.43))),  # on a chair
    (Posture.SITTING, with_legs((0, 0.02, -0.43), (0, 0.4, -0.25))),  # feet drawn back
    (Posture.SITTING, with_legs((0, 0.0, -0.43), (0, 0.0, -0.86))),  # on the floor
    (Posture.CROUCHING, with_legs((0, 0.05, -0.42), (0, 0.35, -0.1), 40)),
    (Posture.KNEELING, with_legs((0, 0.43, 0.0), (0, 0.43, 0.43))),
    (Posture.BENDING, with_legs((0, 0.43, 0.0), (0, 0.86, 0.0), 80)),
    (Posture.LYING, lying((1, 0, 0))),
    (Posture.LYING, lying((-1, 0, 0))),
    (Posture.LYING, lying((0, 0, 1))),
]


@pytest.mark.parametrize(("posture", "pose"), POSES)
def test_postures_are_told_in_any_frame(posture, pose):
    shares = posture_probabilities(pose, UP)
    assert shares.sum() == pytest.approx(1) and Posture(shares.argmax()) == posture and shares.max() > 0.8
    turn = Rotation.random(random_state=4).as_matrix()
    np.testing.assert_allclose(posture_probabilities(pose @ turn.T, turn @ UP), shares, atol=1e-9)
    np.testing.assert_allclose(posture_probabilities(1.3 * pose + 5, UP), shares, atol=1e-9)


def test_a_posture_needs_the_trunk_and_a_whole_leg():
    one_leg, no_leg, no_trunk = (STANDING_M.astype(np.float64) for _ in range(3))
    one_leg[Joint.L_KNEE] = no_leg[[Joint.L_KNEE, Joint.R_ANKLE]] = no_trunk[Joint.THORAX] = np.nan
    assert posture_probabilities(one_leg, UP).argmax() == Posture.STANDING
    assert posture_probabilities(no_leg, UP)[Posture.UNKNOWN] == 1 == posture_probabilities(no_trunk, UP)[0]


def test_between_two_postures_neither_is_sure():
    shares = max(
        (posture_probabilities(with_legs((0, 0.43, 0), (0, 0.86, 0), lean), UP) for lean in range(20, 80, 2)),
        key=lambda s: -s.max(),
    )
    assert shares.max() < 0.6 and shares[Posture.STANDING] + shares[Posture.BENDING] > 0.95


@pytest.mark.parametrize("degrees", [0, 50, -120, 180])
def test_facing_follows_the_body_not_the_head(degrees):
    turn = Rotation.from_rotvec(np.radians(degrees) * UP).as_matrix()
    pose = STANDING_M @ turn.T
    pose[[Joint.NECK, Joint.HEAD]] = STANDING_M[[Joint.NECK, Joint.HEAD]]
    ahead, sure = facing(pose, UP)
    np.testing.assert_allclose(ahead, turn @ (0, 0, -1), atol=1e-6)
    assert sure > 0.95


def test_facing_of_a_twisted_side_lying_or_unknown_body():
    pose = STANDING_M.astype(np.float64)
    quarter = Rotation.from_rotvec(np.pi / 2 * UP).as_matrix()
    pose[[11, 14]] = pose[[11, 14]] @ quarter.T
    ahead, sure = facing(pose, UP)
    assert ahead @ (0, 0, -1) == pytest.approx(np.sqrt(0.5), abs=0.02) and sure < 0.8  # between pelvis and shoulders
    assert facing(lying((0, 0, 1)), UP)[1] < 0.15
    pose[[1, 4]] = np.nan
    np.testing.assert_allclose(facing(pose, UP)[0], quarter @ (0, 0, -1), atol=1e-6)
    pose[11] = np.nan
    assert np.isnan(facing(pose, UP)[0]).all() and facing(pose, UP)[1] == 0


def arm(direction, bend_deg: float = 0.0) -> np.ndarray:
    """The standing person with a left arm in a direction, its forearm turned about the optical axis."""
    pose = STANDING_M.astype(np.float64)
    upper = 0.28 * np.array(direction) / np.linalg.norm(direction)
    pose[Joint.L_ELBOW] = pose[Joint.L_SHOULDER] + upper
    pose[Joint.L_WRIST] = pose[Joint.L_ELBOW] + Rotation.from_euler("z", bend_deg, degrees=True).apply(upper)
    return pose


@pytest.mark.parametrize(
    ("pose", "raised", "stretched"),
    [
        (arm((0, 1, 0)), False, False),  # hanging
        (arm((0, -1, -0.2)), True, False),  # overhead
        (arm((1, 0.2, 0), -90), True, False),  # upper arm aside, forearm up
        (arm((0, 0, -1)), False, True),  # ahead
        (arm((1, 0.5, 0)), False, True),  # aside and down
        (arm((1, -0.7, 0)), True, True),  # aside and up
        (arm((1, 0, 0), 70), False, False),
    ],
)
def test_arms(pose, raised, stretched):
    assert (hand_raised(pose, UP, "left") > 0.5) == raised and (arm_stretched(pose, UP, "left") > 0.5) == stretched
    assert hand_raised(pose, UP, "right") < 0.1 and arm_stretched(pose, UP, "right") < 0.1
    mirrored = (pose * (-1, 1, 1))[H36M_17.flip_order]
    assert (hand_raised(mirrored, UP, "right") > 0.5) == raised
    assert (arm_stretched(mirrored, UP, "right") > 0.5) == stretched


def test_arms_that_are_not_known_do_nothing():
    pose = np.full((17, 3), np.nan)
    assert hand_raised(pose, UP, "left") == 0 == arm_stretched(pose, UP, "left")


def test_nobody_who_lies_raises_a_hand():
    turn = Rotation.from_euler("x", 90, degrees=True).as_matrix()
    pose = arm((0, 0, 1)) @ turn.T  # the arm is up, the trunk is not
    assert (pose[Joint.L_WRIST] - pose[Joint.L_SHOULDER]) @ UP > 0.5
    assert hand_raised(pose, UP, "left") < 0.1


def test_the_ray_goes_from_the_nose_through_the_hand():
    pose = arm((0, 0, -1))
    origin, direction = pointing_ray(pose, "left")
    np.testing.assert_allclose(origin, pose[Joint.L_WRIST])
    np.testing.assert_allclose(np.cross(direction, origin - pose[Joint.NECK]), 0, atol=1e-9)
    assert np.linalg.norm(direction) == pytest.approx(1) and direction[2] < -0.8
    pose[Joint.NECK] = np.nan
    np.testing.assert_allclose(pointing_ray(pose, "left")[1], (0, 0, -1), atol=1e-6)
