import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

from nanohtnet_ros.core import ground
from nanohtnet_ros.core.camera import FOCAL_NORM
from nanohtnet_ros.training.synthesis.gravity import Gravity, level_from_camera, levelled
from nanohtnet_ros.training.synthesis.virtual_camera import CameraMotion, RobotCameras, optical_from_world, project

EXACT = Gravity(given=1.0, error_deg=0.0, tremor_deg=0.0)


@pytest.fixture
def scene(recorded, rng):
    """Poses of 300 moving cameras in 27 frames, and the joints that they see."""
    world = recorded(300)
    cameras = RobotCameras(distance_m=(2.5, 8.0), rolled_probability=0.5)
    poses = CameraMotion().drive(cameras.place(world[:, -1, 0], rng), 27, rng)
    return poses, poses.view(world), world


def test_down_is_what_points_to_the_floor(scene):
    poses, _, _ = scene
    rotation = optical_from_world(poses.yaw, poses.pitch, poses.roll)
    np.testing.assert_allclose(poses.down_cam, rotation @ torch.tensor([0.0, 0.0, -1.0]), atol=1e-6)


def test_a_level_view_is_that_of_a_camera_without_pitch_and_roll(scene):
    poses, joints, world = scene
    level = optical_from_world(poses.yaw, 0 * poses.pitch, 0 * poses.roll)
    expected = (world - poses.centre_m[:, :, None]) @ level.transpose(2, 3)
    turned = joints @ level_from_camera(poses.down_cam).transpose(2, 3)
    np.testing.assert_allclose(turned, expected, atol=1e-4)
    ahead = (expected[..., 2] > 0.5) & (joints[..., 2] > 0.5)
    seen = levelled(project(joints, FOCAL_NORM), level_from_camera(poses.down_cam))
    np.testing.assert_allclose(seen[ahead], project(expected, FOCAL_NORM)[ahead], atol=1e-3)


def test_level_views_are_those_of_nodes(scene):
    poses, _, _ = scene
    down = poses.down_cam[::20, ::9].flatten(0, 1)
    expected = [ground.level_from_camera(one) for one in down.double().numpy()]
    np.testing.assert_allclose(level_from_camera(down), expected, atol=1e-5)


def test_withheld_windows_stay_as_the_camera_sees_them(scene, rng):
    poses, joints, _ = scene
    level, true, known = Gravity(given=0.5).sense(joints, poses.down_cam, rng)
    assert 0.4 < level.mean() < 0.6
    for down in (true, known):
        own = level_from_camera(down[level == 0])
        assert torch.equal(own, torch.eye(3).expand_as(own))
    assert not torch.equal(known[level == 1], true[level == 1])


def test_down_is_known_to_a_degree(scene, rng):
    poses, joints, _ = scene
    _, true, known = Gravity(given=1.0, error_deg=1.0, tremor_deg=0.2).sense(joints, poses.down_cam, rng)
    angle = torch.rad2deg(torch.asin(torch.linalg.cross(true, known).norm(dim=-1)))  # (B, T)
    assert angle.square().mean().sqrt() == pytest.approx(2**0.5, abs=0.15)  # a degree about each of two axes
    assert angle.std(dim=1).mean() == pytest.approx(0.2, abs=0.05)
    _, true, known = EXACT.sense(joints, poses.down_cam, rng)
    np.testing.assert_allclose(true, known, atol=1e-6)


def test_people_right_below_a_camera_are_not_levelled(rng):
    pitch = torch.tensor(-50.0).deg2rad()
    down = torch.stack((torch.tensor(0.0), pitch.cos(), -pitch.sin()))
    ahead = torch.tensor((0.0, 0.0, 2.0))  # along the optical axis, 50 degrees below the horizon
    joints = torch.stack((ahead.expand(9, 17, 3), ahead.expand(9, 17, 3).clone()))
    joints[1, 4, 3] = 2.0 * down
    level, _, _ = EXACT.sense(joints, down.expand(2, 1, 3), rng)
    assert level.tolist() == [1.0, 0.0]
