import numpy as np
import pytest

from nanohtnet_ros.core.joint_angles import joint_angles
from nanohtnet_ros.core.joint_frames import REP_155_NAMES, joint_frames

from factories import STANDING_M, xyzw_to_rotation

# Chains of human_description's model from the body frame: joint and axis, for the left side.
ARM = (("y_shoulder", (0, 0, -1)), ("p_shoulder", (1, 0, 0)), ("r_shoulder", (0, 0, 1)), ("elbow", (0, -1, 0)))
LEG = (("y_hip", (0, 0, -1)), ("p_hip", (1, 0, 0)), ("r_hip", (0, -1, 0)), ("knee", (0, -1, 0)))
HEAD = (("r_head", (1, 0, 0)), ("y_head", (0, 0, 1)), ("p_head", (0, -1, 0)))
RIGHT_ARM = tuple((joint, axis if joint == "elbow" else tuple(-a for a in axis)) for joint, axis in ARM)
RIGHT_LEG = tuple((joint, (-1, 0, 0) if joint == "p_hip" else axis) for joint, axis in LEG)
CHAINS = {
    "l_elbow": ("l_", ARM),
    "r_elbow": ("r_", RIGHT_ARM),
    "l_knee": ("l_", LEG),
    "r_knee": ("r_", RIGHT_LEG),
    "head": ("", HEAD),
}
NAMES = {prefix + joint for prefix, chain in CHAINS.values() for joint, _ in chain} | {"waist"}


def about(axis, angle: float) -> np.ndarray:
    return xyzw_to_rotation((*(np.sin(angle / 2) * np.array(axis)), np.cos(angle / 2)))


def model_rotation(angles: dict[str, float], link: str) -> np.ndarray:
    """(3, 3) orientation of a link in the body frame, by the model's joints."""
    prefix, chain = CHAINS[link]
    rotation = np.eye(3)
    for joint, axis in chain:
        rotation = rotation @ about(axis, angles[prefix + joint])
    return rotation


def bent_poses() -> np.ndarray:
    """Poses whose elbows and knees are bent enough to show their hinges."""
    poses = STANDING_M + np.random.default_rng(2).normal(0, 0.06, (20, 17, 3))
    poses[:, [13, 16]] = poses[:, [12, 15]] + (0, 0.05, -0.25)
    poses[:, [3, 6]] = poses[:, [2, 5]] + (0, 0.1, 0.4)
    return poses


@pytest.mark.parametrize("pose", bent_poses())
def test_the_model_at_these_angles_has_the_persons_limbs(pose):
    frames = joint_frames(pose)
    angles = joint_angles(frames)
    assert set(angles) == NAMES and np.isfinite(list(angles.values())).all()
    assert angles["l_elbow"] > 0.4 and angles["l_knee"] < -0.4 and angles["waist"] == 0
    for link in CHAINS:
        wanted = frames.rotations[0].T @ frames.rotations[REP_155_NAMES.index(link)]
        np.testing.assert_allclose(model_rotation(angles, link), wanted, atol=1e-6)


def test_hanging_arms_are_no_special_case():
    pose = STANDING_M.astype(np.float64)
    pose[7:9] = (0, -0.24, 0), (0, -0.48, 0)
    pose[11:14] = (0.2, -0.48, 0), (0.2, -0.2, 0), (0.2, -0.2, -0.25)  # the forearm forward
    pose[14:17] = (-0.2, -0.48, 0), (-0.2, -0.76, 0), (-0.2, -0.76, -0.25)  # the upper arm up
    frames = joint_frames(pose)
    angles = joint_angles(frames)
    assert angles["l_p_shoulder"] == pytest.approx(0, abs=1e-6) and angles["l_elbow"] == pytest.approx(np.pi / 2)
    assert angles["r_p_shoulder"] == pytest.approx(np.pi, abs=1e-6)
    for link in ("l_elbow", "r_elbow"):
        wanted = frames.rotations[0].T @ frames.rotations[REP_155_NAMES.index(link)]
        np.testing.assert_allclose(model_rotation(angles, link), wanted, atol=1e-6)


def test_joints_that_are_not_determined_are_left_out():
    pose = STANDING_M.copy()
    pose[REP_155_NAMES.index("l_wrist")] = np.nan
    pose[REP_155_NAMES.index("r_knee")] = np.nan
    pose[REP_155_NAMES.index("head_top")] = np.nan
    angles = joint_angles(joint_frames(pose))
    gone = {"l_elbow", "r_y_hip", "r_p_hip", "r_r_hip", "r_knee", "r_head", "y_head", "p_head"}
    assert set(angles) == NAMES - gone
    assert joint_angles(joint_frames(np.full((17, 3), np.nan))) == {}
