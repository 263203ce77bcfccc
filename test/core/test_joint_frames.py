import numpy as np
import pytest

from nanohtnet_ros.core.joint_frames import REP_155_NAMES, body_id, frame_name, joint_frames
from nanohtnet_ros.core.skeleton import H36M_17, H36M_LIMBS

from factories import STANDING_M, xyzw_to_rotation

JOINT = {name: i for i, name in enumerate(H36M_17.joint_names)}
FACING_CAMERA = np.column_stack(((0, 0, -1), (1, 0, 0), (0, -1, 0)))  # x to the camera, y to its right, z up


def random_poses(count: int = 30) -> np.ndarray:
    return STANDING_M + np.random.default_rng(1).normal(0, 0.1, (count, 17, 3))


def degrees_apart(a: np.ndarray, b: np.ndarray) -> float:
    return np.degrees(np.arccos(np.clip((np.trace(a.T @ b) - 1) / 2, -1, 1)))


def with_joints(**joints) -> np.ndarray:
    pose = STANDING_M.astype(np.float64)
    for name, position in joints.items():
        pose[JOINT[name]] = position
    return pose


def test_every_joint_has_its_own_name():
    assert len(set(REP_155_NAMES)) == len(H36M_17) == len(REP_155_NAMES)
    for joint in (j for limb in H36M_LIMBS for j in limb):
        assert REP_155_NAMES[joint] == H36M_17.joint_names[joint]
    assert frame_name(JOINT["hip"], "p12") == "body_p12" and frame_name(JOINT["l_wrist"], "p12") == "l_wrist_p12"
    assert not body_id(3)[0].isdigit() and body_id(3, "left_") == "left_p3"


def test_who_stands_and_looks_at_the_camera_has_x_towards_it_and_z_up():
    frames = joint_frames(STANDING_M)
    assert frames.determined.all()
    np.testing.assert_allclose(xyzw_to_rotation(frames.body_xyzw), frames.rotations[0], atol=1e-9)
    for name, rotation in zip(H36M_17.joint_names, frames.rotations, strict=True):
        assert degrees_apart(rotation, FACING_CAMERA) < 25, name
    # In the body frame the left hand is on the left, the nose in front, the head above and the feet below.
    positions = frames.positions_m
    assert positions[JOINT["l_wrist"], 1] > 0.2 > -0.2 > positions[JOINT["r_wrist"], 1]
    assert positions[JOINT["neck"], 0] > 0.05
    assert positions[JOINT["head"], 2] > 0.7 and positions[JOINT["l_ankle"], 2] < -0.8


@pytest.mark.parametrize("pose", random_poses())
def test_frames_are_right_handed_and_lie_along_their_bones(pose):
    frames = joint_frames(pose)
    np.testing.assert_allclose(
        frames.rotations @ frames.rotations.transpose(0, 2, 1), np.broadcast_to(np.eye(3), (17, 3, 3)), atol=1e-9
    )
    np.testing.assert_allclose(np.linalg.det(frames.rotations), 1)
    np.testing.assert_allclose(np.linalg.norm(frames.orientations_xyzw, axis=1), 1)
    pose = pose - np.eye(17, 1) * pose[0]  # the hip is the origin
    bones = [
        (JOINT["hip"], JOINT["hip"], JOINT["thorax"], 1),
        (JOINT["spine"], JOINT["hip"], JOINT["spine"], 1),
        (JOINT["thorax"], JOINT["spine"], JOINT["thorax"], 1),
        (JOINT["head"], JOINT["thorax"], JOINT["head"], 1),
    ]
    for top, middle, end in H36M_LIMBS:
        bones += [(top, top, middle, -1), (middle, middle, end, -1), (end, middle, end, -1)]
    for joint, start, end, sign in bones:
        bone = pose[end] - pose[start]
        np.testing.assert_allclose(frames.rotations[joint][:, 2], sign * bone / np.linalg.norm(bone), atol=1e-9)


@pytest.mark.parametrize("pose", random_poses(5))
def test_body_and_joint_frame_chained_give_the_joints_place_and_orientation(pose):
    pose[0] = 0
    frames = joint_frames(pose)
    body = xyzw_to_rotation(frames.body_xyzw)
    np.testing.assert_allclose(frames.positions_m @ body.T, pose, atol=1e-9)
    for joint in range(17):
        in_body = xyzw_to_rotation(frames.orientations_xyzw[joint])
        np.testing.assert_allclose(body @ in_body, frames.rotations[joint], atol=1e-9)


@pytest.mark.parametrize("pose", random_poses(5))
def test_frames_turn_with_the_person(pose):
    rotation = xyzw_to_rotation((0.4, -0.3, 0.2, 0.6))
    still, turned = joint_frames(pose), joint_frames(pose @ rotation.T)
    np.testing.assert_allclose(turned.rotations, rotation @ still.rotations, atol=1e-6)
    np.testing.assert_allclose(turned.positions_m, still.positions_m, atol=1e-6)


def test_a_bent_elbow_and_a_bent_knee_turn_about_y():
    pose = with_joints(
        l_elbow=(0.18, -0.18, 0.02),
        l_wrist=(0.18, -0.18, -0.23),  # forearm towards the camera
        r_knee=(-0.11, 0.45, 0),
        r_ankle=(-0.11, 0.45, 0.4),
    )  # shank away from it
    frames = joint_frames(pose)
    left = (1, 0, 0)
    for name in ("l_shoulder", "l_elbow", "l_wrist", "r_hip", "r_knee", "r_ankle"):
        np.testing.assert_allclose(frames.rotations[JOINT[name]][:, 1], left, atol=1e-6)
    np.testing.assert_allclose(frames.rotations[JOINT["l_elbow"]][:, 2], (0, 0, 1), atol=1e-6)


def test_a_straight_arm_to_the_side_is_turned_from_the_torso_the_shortest_way():
    pose = with_joints(l_elbow=(0.46, -0.46, 0.02), l_wrist=(0.70, -0.46, 0.02))
    frames = joint_frames(pose)
    forward = frames.rotations[JOINT["l_shoulder"]][:, 0] @ frames.rotations[JOINT["thorax"]][:, 0]
    assert forward > 0.99


def test_an_arm_straight_up_is_still_a_rotation():
    pose = with_joints(
        spine=(0, -0.25, 0),
        thorax=(0, -0.5, 0),
        l_shoulder=(0.2, -0.5, 0),
        r_shoulder=(-0.2, -0.5, 0),
        l_elbow=(0.2, -0.8, 0),
        l_wrist=(0.2, -1.0, 0),
    )
    rotation = joint_frames(pose).rotations[JOINT["l_shoulder"]]
    np.testing.assert_allclose(rotation[:, 2], (0, 1, 0), atol=1e-6)
    assert np.linalg.det(rotation) == pytest.approx(1)


@pytest.mark.parametrize("missing", range(17))
def test_a_missing_joint_has_no_place_and_spoils_no_orientation(missing):
    pose = STANDING_M.copy()
    pose[missing] = np.nan
    frames = joint_frames(pose)
    assert np.isfinite(frames.rotations).all() and np.isfinite(frames.orientations_xyzw).all()
    assert np.isfinite(frames.body_xyzw).all()
    placed = np.isfinite(frames.positions_m).all(axis=1)
    assert placed.tolist() == [joint != missing or missing == 0 for joint in range(17)]  # the root is the origin
    assert degrees_apart(frames.rotations[0], FACING_CAMERA) < 10


def test_a_missing_bone_leaves_its_parents_orientation():
    frames = joint_frames(with_joints(l_elbow=np.nan, r_knee=np.nan, head=np.nan))
    for name, parent in (("l_shoulder", "thorax"), ("l_wrist", "thorax"), ("r_hip", "hip"), ("neck", "thorax")):
        np.testing.assert_array_equal(frames.rotations[JOINT[name]], frames.rotations[JOINT[parent]])
        assert not frames.determined[JOINT[name]]


@pytest.mark.parametrize(
    "pose",
    [
        np.zeros((17, 3)),
        np.full((17, 3), np.nan),
        np.full((17, 3), np.inf),
        np.linspace(0, 1, 17)[:, None] * (0, 0, 1.0),
    ],
)
def test_what_is_no_person_gives_no_nan(pose):
    frames = joint_frames(pose)
    assert not frames.determined[0]
    np.testing.assert_array_equal(frames.body_xyzw, (0, 0, 0, 1))
    assert np.isfinite(frames.orientations_xyzw).all()
    assert not np.isinf(frames.positions_m).any()
