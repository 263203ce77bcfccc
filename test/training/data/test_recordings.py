import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

from nanohtnet_ros.core.skeleton import H36M_17
from nanohtnet_ros.model.flip import mirrored
from nanohtnet_ros.training.data.recordings import RecordedViews, View
from nanohtnet_ros.training.evaluate import score

T = 9
CENTRED, STREAMING = (-5, -4, -3), (-2, -1, 0)


def view(frames: int, number: int, valid=None) -> View:
    """A sequence of which every number tells its sequence, frame and joint."""
    frame, joint = np.arange(frames)[:, None], np.arange(17)[None, :]
    tag = 1000.0 * number + frame
    keypoints = np.stack((tag + joint / 100, -tag + 0 * joint), -1).astype(np.float32)
    joints = np.stack((tag + joint, 2.0 * tag + joint**2, 5.0 + 0 * tag + joint), -1).astype(np.float32)
    return View(keypoints, joints, f"S{number}", f"a{number % 2}", "c", "t", valid)


@pytest.fixture
def views():
    return RecordedViews.join([view(20, 1), view(5, 2), view(12, 3)], "gt", "0" * 64)


@pytest.fixture
def rng():
    return torch.Generator().manual_seed(0)


def test_joining_keeps_order_and_labels(views):
    assert views.starts.tolist() == [0, 20, 25] and views.lengths.tolist() == [20, 5, 12]
    assert views.names == ("S1 t c", "S2 t c", "S3 t c")
    assert views.keypoints_norm[25, 0].tolist() == [3000.0, -3000.0, 1.0] and bool(views.valid.all())


def windows(views: RecordedViews, offsets) -> tuple[torch.Tensor, torch.Tensor]:
    """Every frame's window and targets."""
    data = views.evaluation_set(T, offsets)
    return data.keypoints["gt"][:], data.targets_m


def test_a_centred_window_lies_around_its_frame_and_repeats_both_ends(views):
    keypoints, targets = windows(views, CENTRED)
    tags = keypoints[:, :, 0, 0]
    assert tags[10].tolist() == [1000 + f for f in range(6, 15)]
    assert tags[0].tolist() == [1000 + max(f, 0) for f in range(-4, 5)]
    assert tags[19].tolist() == [1000 + min(f, 19) for f in range(15, 24)]
    assert tags[22].tolist() == [2000, 2000, 2000, 2001, 2002, 2003, 2004, 2004, 2004]
    assert targets.shape == (37, 3, 17, 3) and (targets[:, :, 0] == 0).all()
    expected = views.joints_cam_m[[9, 10, 11]]
    assert torch.equal(targets[10], expected - expected[:, :1])
    assert torch.equal(targets[19, 2], targets[19, 1])


def test_a_streaming_window_ends_at_its_frame(views):
    keypoints, targets = windows(views, STREAMING)
    assert keypoints[10, :, 0, 0].tolist() == [1000 + f for f in range(2, 11)]
    assert keypoints[25, :, 0, 0].tolist() == [3000] * T
    expected = views.joints_cam_m[[8, 9, 10]]
    assert torch.equal(targets[10], expected - expected[:, :1])


def test_batches_draw_every_frame_alike_and_are_reproducible(views, rng):
    keypoints, level, targets = views.batch(8000, T, STREAMING, rng, flip=False)
    assert (
        keypoints.shape == (8000, T, 17, 3)
        and torch.equal(level, torch.zeros(8000))
        and targets.shape == (8000, 3, 17, 3)
    )
    newest, counts = np.unique(keypoints[:, -1, 0, 0].numpy(), return_counts=True)
    assert len(newest) == 37
    assert counts.min() > 0.7 * 8000 / 37 and counts.max() < 1.3 * 8000 / 37
    again = [views.batch(16, T, CENTRED, torch.Generator().manual_seed(5)) for _ in range(2)]
    assert torch.equal(again[0][0], again[1][0]) and torch.equal(again[0][2], again[1][2])


def test_half_of_the_windows_are_mirrored_2d_and_3d_alike(views, rng):
    keypoints, _, targets = views.batch(2000, T, STREAMING, rng)
    flipped = keypoints[:, -1, 0, 0] < 0
    assert 0.45 < flipped.float().mean() < 0.55
    assert torch.equal(mirrored(keypoints[flipped])[:, :, 0, 0].sign(), torch.ones(int(flipped.sum()), T))
    x, order = targets[..., 0], H36M_17.flip_order
    plain = torch.arange(17.0)
    assert torch.equal(x[~flipped], plain.expand_as(x[~flipped]))
    assert torch.equal(x[flipped], -plain[order].expand_as(x[flipped]))
    assert torch.equal(mirrored(mirrored(keypoints)), keypoints)


def test_evaluation_asks_for_every_valid_frame_once_in_order():
    valid = np.arange(20) % 4 != 0
    views = RecordedViews.join([view(20, 1, valid), view(5, 2)], "cpn", "")
    data = views.evaluation_set(T, CENTRED)
    assert list(data.keypoints) == ["cpn"] and data.offsets == CENTRED and len(data) == 20
    assert (data.labels["frame"] - 4).tolist() == [*np.flatnonzero(valid), *range(5)]
    assert data.labels["sequence"].tolist() == data.labels["clip"].tolist() == [0] * 15 + [1] * 5
    assert data.labels["subject"].tolist() == ["S1"] * 15 + ["S2"] * 5
    assert data.labels["action"].tolist() == ["a1"] * 15 + ["a0"] * 5
    assert data.labels["camera"].tolist() == ["c"] * 20
    np.testing.assert_allclose(data.labels["distance_m"][15], np.linalg.norm((2000, 4000, 5)), rtol=1e-6)
    middle = data.keypoints["cpn"][:][:, T // 2, 0, 0].numpy() - 1000 * (data.labels["sequence"] + 1)
    np.testing.assert_array_equal(middle, data.labels["frame"] - 4)
    assert torch.equal(data.keypoints["cpn"][7:9], data.keypoints["cpn"][:][7:9])
    assert len(data.neighbours()) == 2 * 5 + 4  # five runs of three frames, and five frames
    some = views.evaluation_set(T, STREAMING, stride=3)
    assert some.labels["frame"].tolist() == [1, 5, 9, 13, 17, 0, 3]


def test_a_set_of_recordings_can_be_evaluated(views):
    def flat(keypoints, level):
        return np.zeros((len(keypoints), 3, 17, 3), np.float32)

    scores = score(flat, views.evaluation_set(T, CENTRED, stride=2))
    assert scores["gt_mpjpe_mm"] > 0


def test_views_show_one_moment_in_different_cameras(rng):
    def seen(camera, number, frames):
        one = view(frames, number)
        return View(one.keypoints_norm + 0.25 * camera, one.joints_cam_m, one.subject, "walk", str(camera), "t")

    views = RecordedViews.join(
        [seen(camera, number, frames) for number, frames in ((1, 20), (2, 6)) for camera in range(3 + number % 2)],
        "gt",
        "",
    )
    keypoints, level, recording, newest = views.views(64, 3, T, rng)
    assert keypoints.shape == (3, 64, T, 17, 3) and level.shape == (3, 64) and set(recording.tolist()) == {0, 1}
    tags = keypoints[:, :, :, 0, 0]
    expected = 1000.0 * (recording + 1)[:, None] + (newest[:, None] + torch.arange(1 - T, 1)).clamp_min(0)
    assert torch.equal(tags.floor(), expected.expand_as(tags))
    cameras = ((tags - tags.floor()) * 4)[:, :, 0].round().int()
    assert all(len(set(column)) == 3 for column in cameras.T.tolist())
    assert set(cameras.flatten().tolist()) == {0, 1, 2, 3}
    with pytest.raises(ValueError, match="4 views are wanted"):
        views.views(8, 4, T, rng)


def test_recordings_move_between_devices(views):
    moved = views.to("meta")
    assert {value.device.type for value in vars(moved).values() if isinstance(value, torch.Tensor)} == {"meta"}
    assert moved.names == views.names


def test_training_never_asks_for_an_invalid_frame(rng):
    valid = np.zeros(20, bool)
    valid[[3, 4, 11]] = True
    keypoints, _, _ = RecordedViews.join([view(20, 1, valid)], "gt", "").batch(100, T, STREAMING, rng, flip=False)
    assert set(keypoints[:, -1, 0, 0].tolist()) == {1003.0, 1004.0, 1011.0}


def test_what_does_not_fit_together_is_an_error(views):
    good = view(6, 1)
    with pytest.raises(ValueError, match=r"S1 t c: keypoints_norm has shape \(5, 17, 2\), expected \(6, 17, 2\)"):
        View(good.keypoints_norm[:5], good.joints_cam_m, "S1", "a1", "c", "t")
    with pytest.raises(ValueError, match="at least a frame"):
        View(good.keypoints_norm[:0], good.joints_cam_m[:0], "S1", "a1", "c", "t")
    with pytest.raises(ValueError, match="joints_cam_m is not finite in frame 2"):
        broken = np.where(np.arange(6)[:, None, None] == 2, np.inf, good.joints_cam_m)
        View(good.keypoints_norm, broken, "S", "a", "c", "t")
    with pytest.raises(ValueError, match="valid has shape"):
        View(good.keypoints_norm, good.joints_cam_m, "S1", "a1", "c", "t", np.ones(5, bool))
    with pytest.raises(ValueError, match="at least one sequence"):
        RecordedViews.join([], "gt", "")
    with pytest.raises(ValueError, match="none of the 6 frames is valid"):
        RecordedViews.join([view(6, 1, np.zeros(6, bool))], "gt", "")
    with pytest.raises(ValueError, match="stride is 0"):
        views.evaluation_set(T, CENTRED, stride=0)
    with pytest.raises(ValueError, match="ascending frames of the window"):
        views.evaluation_set(T, (0, -3))
    with pytest.raises(ValueError, match="recordings do not tell where down is"):
        views.evaluation_set(T, CENTRED, ground="given")
