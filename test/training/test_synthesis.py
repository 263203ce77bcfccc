import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

from nanohtnet_ros.core.camera import FOCAL_NORM
from nanohtnet_ros.core.skeleton import H36M_17
from nanohtnet_ros.training.keypoint_noise import KeypointNoise, ar1_matrix, rate_matrices
from nanohtnet_ros.training.mocap import MotionCapture
from nanohtnet_ros.training.synthesis import Synthesis
from nanohtnet_ros.training.virtual_camera import (
    BodyVariation,
    JointDefinitions,
    RobotCameras,
    mirror,
    optical_from_world,
    project,
)


@pytest.fixture
def rng():
    return torch.Generator().manual_seed(0)


@pytest.fixture
def capture(mocap_file):
    return MotionCapture.load(mocap_file, "train")


def windows(capture, count: int = 64, length: int = 27) -> torch.Tensor:
    sequence = torch.arange(count) % len(capture.lengths)
    return capture.windows(sequence, capture.lengths[sequence] - 1, length)


def test_loading_takes_one_split_and_checks_the_file(mocap_file, tmp_path):
    train, val = MotionCapture.load(mocap_file, "train"), MotionCapture.load(mocap_file, "val")
    assert set(train.names).isdisjoint(val.names)
    assert train.joints_world_m.shape == (int(train.lengths.sum()), 17, 3)
    assert len(train.sha256) == 64
    with pytest.raises(ValueError, match="no sequence in split 'exam'"):
        MotionCapture.load(mocap_file, "exam")
    with pytest.raises(FileNotFoundError, match="--data"):
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
    assert torch.equal(out[1], capture.joints_world_m[start[1] + 12:start[1] + 21])


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


def test_bodies_change_lengths_alike_on_both_sides_and_keep_directions(capture, rng):
    joints = windows(capture)
    changed = BodyVariation().apply(joints, rng)
    for left, right in H36M_17.flip_pairs:
        ratios = []
        for child in (left, right):
            parent = H36M_17.parents[child]
            before, after = joints[:, :, child] - joints[:, :, parent], changed[:, :, child] - changed[:, :, parent]
            ratios.append(after.norm(dim=-1) / before.norm(dim=-1))
            np.testing.assert_allclose(torch.cosine_similarity(before, after, dim=-1), 1.0, atol=1e-5)
        np.testing.assert_allclose(ratios[0], ratios[1], rtol=1e-3)
        assert ratios[0].std() > 0.01  # bodies differ
        assert (ratios[0].std(dim=1) < 1e-3).all()  # but none changes within its window


def test_joint_definitions_move_only_the_undefined_joints(capture, rng):
    joints = windows(capture)
    moved = JointDefinitions().apply(joints, rng)
    difference = (moved - joints).norm(dim=-1).amax(dim=(0, 1))
    assert torch.nonzero(difference > 1e-6)[:, 0].tolist() == [7, 8, 9]
    assert difference[9] <= 0.12 + 1e-5


def test_cameras_stand_where_they_should(capture, rng):
    joints = windows(capture, 2000)
    cameras = RobotCameras()
    seen = cameras.view(joints, rng)
    pelvis = seen[:, -1, 0]
    distance = pelvis.norm(dim=-1)
    assert distance.min() >= 1.5 - 1e-3 and distance.max() <= 8.0 + 1e-3
    assert (pelvis[:, 2] > 0).all()
    np.testing.assert_allclose(  # a rigid motion
        torch.cdist(seen[:5, 0], seen[:5, 0]), torch.cdist(joints[:5, 0], joints[:5, 0]), atol=1e-4)
    tangent = pelvis[:, 0] / pelvis[:, 2]
    assert tangent.min() < -0.5 and tangent.max() > 0.5  # anywhere in the view, also at its edges


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
    assert torch.equal(mirror(mirror(joints)), joints)
    np.testing.assert_allclose(mirror(joints)[..., 1, :], joints[..., 4, :] * torch.tensor([1.0, -1.0, 1.0]))


def test_projection_is_a_pinhole():
    joints = torch.tensor([[0.5, -0.25, 2.0], [0.0, 0.0, -1.0]])
    out = project(joints, FOCAL_NORM)
    np.testing.assert_allclose(out[0], (FOCAL_NORM * 0.25, -FOCAL_NORM * 0.125))
    assert torch.isfinite(out).all()


@pytest.mark.parametrize("rate_hz", [50.0, 30.0, 25.0, 15.0, 60.0])
def test_camera_rates_keep_straight_motion_and_the_newest_frame(rate_hz):
    to_camera, to_model = rate_matrices(27, rate_hz)
    line = torch.linspace(-1, 1, 27)
    np.testing.assert_allclose((to_model @ (to_camera @ line))[3:], line[3:], atol=1e-5)
    np.testing.assert_allclose(to_camera[-1], np.eye(27)[-1], atol=1e-6)
    np.testing.assert_allclose(to_camera.sum(dim=1), 1.0, atol=1e-5)
    if rate_hz == 50.0:
        np.testing.assert_allclose(to_model @ to_camera, np.eye(27), atol=1e-6)


def test_drift_has_the_memory_it_claims(rng):
    steps = torch.randn(4000, 60, generator=rng) * (1 - 0.8**2) ** 0.5
    steps[:, 0] = torch.randn(4000, generator=rng)
    drift = steps @ ar1_matrix(60, 0.8).T
    assert drift.std(dim=0).numpy() == pytest.approx(1.0, abs=0.06)
    lagged = np.corrcoef(drift[:, 30], drift[:, 31])[0, 1]
    assert lagged == pytest.approx(0.8, abs=0.03)


def test_noise_scales_with_the_person_and_its_amount(capture, rng):
    keypoints = project(RobotCameras().view(windows(capture, 400), rng), FOCAL_NORM)
    assert torch.allclose(KeypointNoise(amount=0.0, camera_rates_hz=(50.0,), camera_rate_weights=(1.0,)).apply(
        keypoints, rng), keypoints, atol=1e-5)
    error = KeypointNoise().apply(keypoints, rng) - keypoints
    newest = keypoints[:, -1]
    size = (newest - newest.mean(dim=1, keepdim=True)).square().sum(-1).mean(-1).sqrt()
    spread = error.square().mean(dim=(1, 2, 3)).sqrt()
    assert np.corrcoef(size, spread)[0, 1] > 0.4
    assert 0.02 < (spread / size).mean() < 0.12


def test_a_batch_is_seen_and_answered_in_the_same_axes(capture, rng):
    quiet = Synthesis(noise=KeypointNoise(amount=0.0, camera_rates_hz=(50.0,), camera_rate_weights=(1.0,)))
    keypoints, targets = quiet.batch(capture, 16, 27, 9, rng)
    assert keypoints.shape == (16, 27, 17, 2) and targets.shape == (16, 9, 17, 3)
    assert (targets[:, :, 0] == 0).all() and torch.isfinite(keypoints).all()
    # Where a joint is to the right of and below the root it is so in the image too, but for perspective.
    offset = keypoints[:, -9:] - keypoints[:, -9:, :1]
    large = targets[..., :2].abs() > 0.35
    assert (torch.sign(offset) == torch.sign(targets[..., :2]))[large].float().mean() > 0.97


def test_the_same_seed_gives_the_same_batch(capture):
    batches = [Synthesis().batch(capture, 8, 27, 9, torch.Generator().manual_seed(3)) for _ in range(2)]
    assert torch.equal(batches[0][0], batches[1][0]) and torch.equal(batches[0][1], batches[1][1])
