import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")


from nanohtnet_ros.core.camera import FOCAL_NORM
from nanohtnet_ros.core.skeleton import H36M_17
from nanohtnet_ros.model.flip import mirrored
from nanohtnet_ros.training.data.mocap import MotionCapture
from nanohtnet_ros.training.synthesis.crossover import RIGHT_LEG, Crossover, limb_length
from nanohtnet_ros.training.synthesis.gravity import Gravity
from nanohtnet_ros.training.synthesis.keypoint_noise import KeypointNoise
from nanohtnet_ros.training.synthesis.synthesis import Synthesis
from nanohtnet_ros.training.synthesis.virtual_camera import (
    CameraMotion,
    RobotCameras,
    optical_from_world,
    project,
)

FAR = RobotCameras(distance_m=(3.0, 8.0))


@pytest.fixture
def capture(mocap_file):
    return MotionCapture.load(mocap_file, "train")


def windows(capture, count: int = 64, length: int = 27) -> torch.Tensor:
    sequence = torch.arange(count) % len(capture.lengths)
    return capture.windows(sequence, capture.lengths[sequence] - 1, length)


def filmed(joints, rng, motion: CameraMotion, offset: int = 0) -> torch.Tensor:
    poses = RobotCameras().place(joints[:, offset - 1, 0], rng)
    return motion.drive(poses, joints.shape[1], rng, offset).view(joints)


def test_loading_takes_one_split_and_checks_the_file(mocap_file, tmp_path):
    train, val = MotionCapture.load(mocap_file, "train"), MotionCapture.load(mocap_file, "val")
    assert set(train.names).isdisjoint(val.names)
    assert train.joints_world_m.shape == (int(train.lengths.sum()), 17, 3)
    assert len(train.sha256) == 64
    with pytest.raises(ValueError, match="no sequence in split 'exam'"):
        MotionCapture.load(mocap_file, "exam")
    with pytest.raises(FileNotFoundError, match="no motion data at"):
        MotionCapture.load(tmp_path / "none.npz", "train")
    content = dict(np.load(mocap_file))
    np.savez(tmp_path / "slow.npz", **{**content, "fps": 25.0})
    with pytest.raises(ValueError, match="expected 50"):
        MotionCapture.load(tmp_path / "slow.npz", "train")


def test_windows_end_at_the_newest_frame_and_repeat_the_first(capture):
    sequence, newest = torch.tensor([0, 1]), torch.tensor([3, 20])
    out = capture.windows(sequence, newest, 9)
    start = capture.starts
    assert torch.equal(out[0, -1], capture.joints_world_m[start[0] + 3])
    assert torch.equal(out[0, 0], capture.joints_world_m[start[0]]) and torch.equal(out[0, 0], out[0, 5])
    assert torch.equal(out[1], capture.joints_world_m[start[1] + 12 : start[1] + 21])


def test_playing_faster_skips_and_slower_interpolates(capture):
    newest = torch.tensor([20])
    fast = capture.windows(torch.tensor([0]), newest, 5, 2.0)
    assert torch.equal(fast[0], capture.joints_world_m[12:21:2])
    slow = capture.windows(torch.tensor([0]), newest, 3, 0.5)
    expected = (capture.joints_world_m[19] + capture.joints_world_m[20]) / 2
    np.testing.assert_allclose(slow[0, 1], expected, atol=1e-6)


def test_sampling_weighs_actions(capture):
    even = capture.sequence_weights(0.0)
    total = dict.fromkeys(capture.actions, 0.0)
    for action, weight in zip(capture.actions, even.tolist(), strict=True):
        total[action] += weight
    assert np.ptp(list(total.values())) < 1e-9
    np.testing.assert_allclose(capture.sequence_weights(1.0), capture.lengths.double(), rtol=1e-9)


def test_cameras_stand_where_they_should(capture, rng):
    joints = windows(capture, 2000)
    cameras = RobotCameras()
    poses = cameras.place(joints[:, -1, 0], rng)
    seen = poses.view(joints)
    pelvis = seen[:, -1, 0]
    distance = pelvis.norm(dim=-1)
    assert distance.min() >= 1.0 - 1e-3 and distance.max() <= 8.0 + 1e-3
    assert (pelvis[:, 2] > 0).all()
    np.testing.assert_allclose(  # a rigid motion
        torch.cdist(seen[:5, 0], seen[:5, 0]), torch.cdist(joints[:5, 0], joints[:5, 0]), atol=1e-4
    )
    tangent = pelvis[:, 0] / pelvis[:, 2]
    assert tangent.min() < -0.5 and tangent.max() > 0.5  # anywhere in the view, also at its edges
    roll, pitch = torch.rad2deg(poses.roll), torch.rad2deg(poses.pitch)
    assert roll.abs().median() < 5 and 25 < roll.abs().max() < 30 and pitch.min() > -50.1 and pitch.max() < 35.1


def test_moving_cameras_arrive_where_still_ones_stand(capture):
    joints = windows(capture, 200)
    still, moving = (
        filmed(joints, torch.Generator().manual_seed(4), CameraMotion(moving_probability=moving, shake_deg=0.0))
        for moving in (0.0, 1.0)
    )
    np.testing.assert_allclose(still[:, -1], moving[:, -1], atol=1e-5)
    assert (still[:, 0] - moving[:, 0]).norm(dim=-1).mean() > 0.05
    np.testing.assert_allclose(  # the body stays rigid in every frame
        torch.cdist(still[:9, 3], still[:9, 3]), torch.cdist(moving[:9, 3], moving[:9, 3]), atol=1e-4
    )


def test_a_camera_drives_along_its_heading_at_its_speed():
    motion = CameraMotion(moving_probability=1.0, speed_m_s=1.2, turn_deg_s=60.0, shake_deg=0.0)
    place = RobotCameras(roll_deg=0.0).place(torch.zeros(300, 3) + 1.0, torch.Generator().manual_seed(0))
    path = motion.drive(place, 101, torch.Generator().manual_seed(1))
    step = (path.centre_m[:, 1:] - path.centre_m[:, :-1]) * 50.0  # m/s
    speed = step.norm(dim=-1)
    assert speed.max() <= 1.2 + 1e-3 and speed.max() > 1.1 and (step[..., 2] == 0).all()
    np.testing.assert_allclose(speed, speed[:, :1].expand_as(speed), atol=2e-3)
    middle = (path.yaw[:, 1:] + path.yaw[:, :-1]) / 2
    along = step[..., 0] * middle.cos() + step[..., 1] * middle.sin()
    np.testing.assert_allclose(along.abs(), speed, atol=2e-3)  # an arc: no side slip
    turn = (path.yaw[:, -1] - path.yaw[:, 0]) / 2.0
    assert turn.abs().max() <= np.deg2rad(60.0) + 1e-4 and turn.std() > 0.2


def test_still_cameras_are_still_though_others_move(capture, rng):
    joints = windows(capture, 400)[:, -1:].expand(-1, 27, -1, -1)  # frozen people: all motion is the camera's
    seen = filmed(joints, rng, CameraMotion(moving_probability=0.5))
    change = (seen[:, 0] - seen[:, -1]).norm(dim=-1).mean(dim=-1)
    assert 0.4 < (change < 1e-4).float().mean() < 0.6


def test_crossover_takes_legs_from_one_and_the_rest_from_another(capture):
    joints, donors = windows(capture, 4), windows(capture, 8)[4:]
    crossed = Crossover().apply(joints, donors)
    assert torch.equal(crossed[:, :, :7], joints[:, :, :7])
    ratio = limb_length(joints, RIGHT_LEG) / limb_length(donors, RIGHT_LEG)
    for child in range(8, 17):  # the donor's bones, scaled to the legs
        parent = H36M_17.parents[child]
        own = (crossed[:, :, child] - crossed[:, :, parent]).norm(dim=-1)
        given = (donors[:, :, child] - donors[:, :, parent]).norm(dim=-1) * ratio[:, None]
        np.testing.assert_allclose(own, given, rtol=1e-3)
    np.testing.assert_allclose(Crossover().apply(joints, joints), joints, atol=1e-5)
    # A donor who is turned about the vertical gives the same, since both pelvises are made to head one way.
    turned = donors @ torch.tensor([[0.0, 1.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    np.testing.assert_allclose(Crossover().apply(joints, turned), crossed, atol=1e-5)


def test_people_without_a_heading_keep_their_upper_body(capture):
    joints, donors = windows(capture, 4), windows(capture, 8)[4:]
    lying = joints.clone()
    # Turned so that the line between the hips of the newest frame is vertical.
    across = lying[1, -1, 4] - lying[1, -1, 1]
    side = torch.linalg.cross(across, torch.tensor([0.0, 0.0, 1.0]))
    axes = [torch.nn.functional.normalize(axis, dim=0) for axis in (side, torch.linalg.cross(across, side), across)]
    lying[1] = lying[1] @ torch.stack(axes).T
    crossed = Crossover().apply(lying, donors)
    assert torch.equal(crossed[1], lying[1]) and not torch.equal(crossed[0], lying[0])


def test_optical_axes_are_right_down_forward():
    zero = torch.zeros(1)
    rotation = optical_from_world(zero, zero, zero)[0]
    np.testing.assert_allclose(rotation @ torch.tensor([1.0, 0, 0]), (0, 0, 1), atol=1e-6)  # ahead
    np.testing.assert_allclose(rotation @ torch.tensor([0, 1.0, 0]), (-1, 0, 0), atol=1e-6)  # left
    np.testing.assert_allclose(rotation @ torch.tensor([0, 0, 1.0]), (0, -1, 0), atol=1e-6)  # up
    up = optical_from_world(zero, torch.tensor([0.3]), zero)[0] @ torch.tensor([1.0, 0, 0])
    assert up[1] > 0  # a camera that looks up sees what was ahead below its axis
    turned = optical_from_world(torch.rand(9), torch.rand(9), torch.rand(9))
    np.testing.assert_allclose(torch.linalg.det(turned), 1.0, atol=1e-5)


def test_mirroring_twice_changes_nothing_and_once_swaps_sides(capture):
    joints = windows(capture, 4)
    assert torch.equal(mirrored(mirrored(joints, 1), 1), joints)
    np.testing.assert_allclose(mirrored(joints, 1)[..., 1, :], joints[..., 4, :] * torch.tensor([1.0, -1.0, 1.0]))


def test_projection_is_a_pinhole():
    joints = torch.tensor([[0.5, -0.25, 2.0], [0.0, 0.0, -1.0]])
    out = project(joints, FOCAL_NORM)
    np.testing.assert_allclose(out[0], (FOCAL_NORM * 0.25, -FOCAL_NORM * 0.125))
    assert torch.isfinite(out).all()


@pytest.mark.parametrize("given", [0.0, 1.0])
def test_a_batch_is_seen_and_answered_in_the_same_axes(capture, rng, given):
    quiet = Synthesis(noise=KeypointNoise.none(), gravity=Gravity(given, 0.0, 0.0), cameras=FAR)
    keypoints, level, targets = quiet.batch(capture, 64, 27, range(-8, 1), rng)
    assert keypoints.shape == (64, 27, 17, 3) and targets.shape == (64, 9, 17, 3) and level.shape == (64,)
    assert (keypoints[..., 2] == 1).all() and level.mean() == pytest.approx(given, abs=0.2)
    assert (targets[:, :, 0] == 0).all() and torch.isfinite(keypoints).all()
    # x = u z and y = v z with an unknown root: linear equations, which all joints of a frame fulfil.
    u, v = (keypoints[:, -9:, :, :2].double() / FOCAL_NORM).unbind(-1)
    x, y, z = targets.double().unbind(-1)
    one, zero = torch.ones_like(u), torch.zeros_like(u)
    rows = torch.cat((torch.stack((one, zero, -u), dim=-1), torch.stack((zero, one, -v), dim=-1)), dim=-2)
    right = torch.cat((u * z - x, v * z - y), dim=-1)[..., None]
    root = torch.linalg.lstsq(rows, right).solution
    error = (rows @ root - right).abs().amax(dim=(1, 2, 3))
    assert error.max() < 1e-4


def test_levelled_people_stand_upright_whatever_the_camera(capture):
    standing = windows(capture)
    upright = (standing[:, -1, 8] - standing[:, -1, 0])[:, 2].mean()
    level, withheld = (
        Synthesis(gravity=Gravity(given), cameras=RobotCameras(rolled_probability=1.0)).batch(
            capture, 400, 9, (0,), torch.Generator().manual_seed(2)
        )
        for given in (1.0, 0.0)
    )
    chosen = level[1] == 1
    sideways = [targets[chosen, 0, 8, 0].std() for _, _, targets in (level, withheld)]
    assert upright > 0.3 and sideways[0] < 0.7 * sideways[1]


def test_the_same_seed_gives_the_same_batch(capture):
    batches = [Synthesis().batch(capture, 8, 27, (-3, 0), torch.Generator().manual_seed(3)) for _ in range(2)]
    assert all(torch.equal(*tensors) for tensors in zip(*batches, strict=True))


def test_targets_are_the_frames_asked_for(capture):
    synthesis = Synthesis(noise=KeypointNoise.none())
    all_frames, some = (
        synthesis.batch(capture, 8, 27, offsets, torch.Generator().manual_seed(3))[2]
        for offsets in (range(-26, 1), (-26, -13, 0))
    )
    assert torch.equal(some, all_frames[:, [0, 13, 26]])


def test_cameras_and_lenses_are_chosen_for_the_frame_that_is_used(capture):
    ahead = RobotCameras(pan_deg=0.0, roll_deg=0.0, rolled_probability=0.0)
    still = Synthesis(
        cameras=ahead,
        noise=KeypointNoise.none(),
        motion=CameraMotion(moving_probability=0.0),
        gravity=Gravity(given=0.0),
    )
    for offsets, used in (((-1, 0), 26), ((-14, -13, -12), 13)):
        keypoints, _, _ = still.batch(capture, 200, 27, offsets, torch.Generator().manual_seed(3))
        aside = keypoints[:, :, 0, 0].abs().amax(dim=0)  # the pelvis is straight ahead in that frame alone
        assert aside[used] < 1e-4 and (aside > 1e-4).sum() == 26


def test_moving_cameras_are_at_their_places_in_the_frame_that_is_used(capture):
    joints = windows(capture, 200)
    still, moving = (
        filmed(joints, torch.Generator().manual_seed(4), CameraMotion(moving_probability=moving, shake_deg=0.0), -13)
        for moving in (0.0, 1.0)
    )
    change = (still - moving).norm(dim=-1).mean(dim=(0, 2))
    assert change[13] < 1e-5 and change[0] > 0.05 and change[26] > 0.05


def test_views_show_one_moment_from_several_places(capture, rng):
    synthesis = Synthesis(noise=KeypointNoise.none(), motion=CameraMotion(moving_probability=0.0), cameras=FAR)
    keypoints, level, sequence, newest = synthesis.views(capture, 6, 3, 9, rng)
    assert keypoints.shape == (3, 6, 9, 17, 3) and level.shape == (3, 6)
    keypoints = keypoints[..., :2]
    assert (newest < capture.lengths[sequence]).all() and (newest >= 0).all()
    assert (keypoints[0] - keypoints[1]).abs().amax(dim=(1, 2, 3)).min() > 0.05  # no two cameras are the same

    # Two views of a moving body at one moment span few dimensions (two cameras see rank 3 about the mean), two
    # moments' views more: an affine camera's rank theorem, nearly true in perspective.
    def fourth_singular_value(one, other):
        rows = torch.cat((one[-1] - one[-1].mean(0), other[-1] - other[-1].mean(0)), dim=1)
        values = torch.linalg.svdvals(rows)
        return values[3] / values[0]

    same = torch.stack([fourth_singular_value(keypoints[0, i], keypoints[1, i]) for i in range(6)])
    other = torch.stack([fourth_singular_value(keypoints[0, i], keypoints[1, (i + 3) % 6]) for i in range(6)])
    assert same.mean() < other.mean()


def test_some_of_the_data_is_whole_sequences(capture):
    part = capture.subset(0.4, seed=2)
    assert set(part.names) < set(capture.names) and part.names == capture.subset(0.4, seed=2).names
    for i, name in enumerate(part.names):
        j = capture.names.index(name)
        n = int(capture.lengths[j])
        assert int(part.lengths[i]) == n and part.actions[i] == capture.actions[j]
        own, whole = int(part.starts[i]), int(capture.starts[j])
        assert torch.equal(part.joints_world_m[own : own + n], capture.joints_world_m[whole : whole + n])
    assert 0.4 <= int(part.lengths.sum()) / int(capture.lengths.sum()) < 0.9
    assert capture.subset(1.0).names == capture.names
    with pytest.raises(ValueError, match="fraction of the data is 0"):
        capture.subset(0.0)
