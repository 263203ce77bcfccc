import numpy as np
import pytest
from scipy.spatial.transform import Rotation

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

from nanohtnet_ros.core.camera import FOCAL_NORM
from nanohtnet_ros.model.nanohtnet import NanoHTNet, NanoHTNetConfig
from nanohtnet_ros.model.person_view import PERSON_SIZE, look_at_person, look_back, tilt_of

from factories import STANDING_M


def seen(root, scale: float = 1.0) -> torch.Tensor:
    joints = scale * STANDING_M[None] + np.asarray(root, np.float32) + np.linspace(-0.2, 0, 9)[:, None, None]
    return torch.tensor(FOCAL_NORM * joints[..., :2] / joints[..., 2:], dtype=torch.float32)[None]


def test_the_newest_person_is_centred_and_of_fixed_size():
    view, rotation = look_at_person(seen((1.2, -0.4, 3.0)))
    newest = view[0, -1]
    assert newest.mean(dim=0).abs().max() < 0.03  # the mean of coordinates is not quite the coordinate of the mean ray
    assert newest.square().sum(dim=-1).mean().sqrt() == pytest.approx(PERSON_SIZE, rel=1e-4)
    np.testing.assert_allclose(rotation[0] @ rotation[0].T, np.eye(3), atol=1e-6)
    assert torch.linalg.det(rotation[0]) == pytest.approx(1.0, abs=1e-5)


def test_turning_back_undoes_the_turn():
    _, rotation = look_at_person(seen((1.2, -0.4, 3.0)))
    joints = torch.randn(1, 5, 17, 3)
    turned = joints @ rotation.transpose(1, 2)[:, None]
    np.testing.assert_allclose(look_back(turned, rotation), joints, atol=1e-5)


def test_a_camera_that_pans_sees_the_same_person():
    """Panning the camera turns the joints by the same angle, and changes nothing else."""
    torch.manual_seed(0)
    model = NanoHTNet(NanoHTNetConfig(window_length=9, kept_frames=3, channels=48, person_view=True)).eval()
    joints = STANDING_M[None] + np.float32((0.3, 0.0, 3.0)) + np.linspace(-0.2, 0, 9)[:, None, None]
    outputs = []
    for pan in (0.0, 0.3, -0.5):
        turn = Rotation.from_euler("y", pan).as_matrix()
        turned = joints @ turn.T
        x = torch.tensor(FOCAL_NORM * turned[..., :2] / turned[..., 2:], dtype=torch.float32)[None]
        with torch.no_grad():
            outputs.append(model(x)[0].numpy() @ turn)
    for other in outputs[1:]:  # not exact: the centre of the keypoints shifts a little with perspective
        assert np.abs(other - outputs[0]).max() < 0.02 * np.abs(outputs[0]).max()


def test_size_is_taken_out():
    views = [look_at_person(seen((0, 0, 4.0), scale))[0] for scale in (0.1, 0.05)]
    np.testing.assert_allclose(views[0][0, -1], views[1][0, -1], atol=0.02)


def test_degenerate_windows_stay_finite():
    for x in (torch.zeros(1, 9, 17, 2), torch.full((1, 9, 17, 2), 50.0), torch.randn(1, 9, 17, 2) * 100):
        view, rotation = look_at_person(x)
        assert torch.isfinite(view).all() and torch.isfinite(rotation).all()


def test_missing_keypoints_do_not_turn_the_view():
    x, confidence = seen((1.2, -0.4, 3.0)), torch.ones(1, 9, 17)
    view, rotation = look_at_person(x, 0, confidence)
    for same, plain in zip((view, rotation), look_at_person(x), strict=True):
        torch.testing.assert_close(same, plain)
    hidden = torch.arange(17) < 7  # the legs: guessed far away
    guessed = torch.where(hidden[:, None], x + 3.0, x)
    confidence[:, -1, hidden] = 0.0
    missing = look_at_person(guessed, 0, confidence)[1]
    upper = look_at_person(x[:, :, ~hidden])[1]
    apart = (torch.linalg.matrix_norm(turned - upper) for turned in (missing, look_at_person(guessed)[1]))
    assert next(apart) < 0.05 < 0.3 < next(apart)
    nothing, _ = look_at_person(x, 0, torch.zeros(1, 9, 17))
    torch.testing.assert_close(nothing, view)


def test_a_level_camera_tells_the_tilt():
    _, rotation = look_at_person(seen((1.2, -0.4, 3.0)))
    ahead = rotation[0] @ torch.tensor((0.0, 1.0, 0.0))  # down, in the view's axes: turned by the tilt alone
    np.testing.assert_allclose(tilt_of(rotation, torch.ones(1))[0], (ahead[1] - 1.0, ahead[2], 1.0), atol=1e-6)
    assert (tilt_of(rotation, torch.zeros(1)) == 0).all() and ahead[2] < -0.05  # the person is above the axis


def test_the_view_is_turned_to_the_frame_asked_for():
    x = torch.randn(2, 9, 17, 2) * 0.2
    view, rotation = look_at_person(x, -4)
    alone, same = look_at_person(x[:, 4:5])
    torch.testing.assert_close(view[:, 4:5], alone)
    torch.testing.assert_close(rotation, same)
    assert (view - look_at_person(x)[0]).abs().max() > 0.01
