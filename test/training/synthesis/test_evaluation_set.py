import dataclasses

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

import torch.nn.functional as F

from nanohtnet_ros.core.camera import FOCAL_NORM
from nanohtnet_ros.training.data.mocap import MotionCapture
from nanohtnet_ros.training.data.windows import EvaluationSet, SlidingWindows
from nanohtnet_ros.training.synthesis import evaluation_set
from nanohtnet_ros.training.synthesis.definitions import as_detected
from nanohtnet_ros.training.synthesis.evaluation_set import build_evaluation_set, motion_set
from nanohtnet_ros.training.synthesis.virtual_camera import RobotCameras


@pytest.fixture(scope="module")
def capture(mocap_file):
    return MotionCapture.load(mocap_file, "val")


@pytest.fixture(scope="module")
def data(capture):
    return build_evaluation_set(capture, 27, offsets=(-13, -2, 0), cameras=2)


def test_sets_are_fixed_and_cover_every_sequence(capture):
    sets = [build_evaluation_set(capture, 27, stride=10, cameras=2) for _ in range(2)]
    for condition in ("clean", "noisy"):
        assert torch.equal(sets[0].keypoints[condition], sets[1].keypoints[condition])
    assert set(sets[0].labels["sequence"].tolist()) == set(range(len(capture.lengths)))
    assert not torch.equal(sets[0].keypoints["clean"], sets[0].keypoints["noisy"])
    other = build_evaluation_set(capture, 27, stride=10, cameras=2, seed=8)
    assert not torch.equal(other.keypoints["clean"], sets[0].keypoints["clean"])


def test_offsets_choose_targets_and_change_nothing_else(capture, data):
    newest = build_evaluation_set(capture, 27, cameras=2)
    assert data.targets_m.shape == (len(newest), 3, 17, 3) and newest.offsets == (0,)
    for condition, keypoints in newest.keypoints.items():
        assert torch.equal(keypoints, data.keypoints[condition])
    assert torch.equal(newest.targets_m[:, 0], data.targets_m[:, 2])
    assert (data.targets_m[:, :, 0] == 0).all()
    assert not torch.equal(data.targets_m[:, 0], data.targets_m[:, 2])


def test_targets_lie_on_the_rays_of_their_keypoints(data):
    """With the root's distance, a target and its keypoints are one projection, at each of the offsets."""
    for place, offset in enumerate(data.offsets):
        keypoints = data.keypoints["clean"][:, 26 + offset, :, :2].double() / FOCAL_NORM
        for norm, joints in zip(keypoints[:20], data.targets_m[:20, place].double(), strict=True):
            # x = u z and y = v z, with unknown root (x0, y0, z0): linear equations.
            rows, right = [], []
            for (u, v), (x, y, z) in zip(norm, joints, strict=True):
                rows += [(1.0, 0.0, -u), (0.0, 1.0, -v)]
                right += [u * z - x, v * z - y]
            _, residual, _, _ = np.linalg.lstsq(np.array(rows), np.array(right), rcond=None)
            assert residual < 1e-6


def test_labels_name_the_window(capture, data):
    label = data.labels
    assert set(label) == {
        *("action", "sequence", "frame", "distance_m", "camera_height_m", "elevation_deg", "roll_deg"),
        *("cut_off_percent", "body_height_m"),
    }
    for row in range(0, len(data), 7):
        sequence, frame = label["sequence"][row], label["frame"][row]
        assert label["action"][row] == capture.actions[sequence]
        true = as_detected(capture.joints_world_m[capture.starts[sequence] + frame][None, None])[0, 0]
        np.testing.assert_allclose(  # a camera keeps distances between joints
            torch.cdist(true, true), torch.cdist(data.targets_m[row, 2], data.targets_m[row, 2]), atol=1e-4
        )


def test_distances_are_those_of_the_root_that_the_keypoints_tell(data):
    keypoints, joints = data.keypoints["clean"][:, -1, :, :2].double() / FOCAL_NORM, data.targets_m[:, -1].double()
    for row in range(0, len(data), 5):
        u, v = keypoints[row].T.numpy()
        x, y, z = joints[row].T.numpy()
        one, zero = np.ones(17), np.zeros(17)
        rows = np.concatenate((np.stack((one, zero, -u), axis=1), np.stack((zero, one, -v), axis=1)))
        root = np.linalg.lstsq(rows, np.concatenate((u * z - x, v * z - y)), rcond=None)[0]
        assert data.labels["distance_m"][row] == pytest.approx(np.linalg.norm(root), rel=1e-3)
    assert data.labels["distance_m"].min() > 1.49 and data.labels["distance_m"].max() < 8.01


def test_heights_are_those_of_the_cameras(capture, data):
    heights = data.labels["camera_height_m"]
    assert heights.min() > 0.19 and heights.max() < 2.21 and np.ptp(heights) > 1.0
    placed = build_evaluation_set(capture, 27, cameras=2, placement=RobotCameras(height_m=(1.3, 1.3)))
    np.testing.assert_allclose(placed.labels["camera_height_m"], 1.3, atol=1e-3)


def test_levelled_sets_have_the_same_people_cameras_and_noise(capture, data):
    given = build_evaluation_set(capture, 27, offsets=(-13, -2, 0), cameras=2, ground="given")
    assert not data.level.any() and given.level.mean() > 0.9
    for name, values in data.labels.items():
        np.testing.assert_array_equal(values, given.labels[name])
    np.testing.assert_allclose(given.targets_m.norm(dim=-1), data.targets_m.norm(dim=-1), atol=1e-5)
    np.testing.assert_allclose(data.upright[given.level == 0], given.upright[given.level == 0])
    np.testing.assert_allclose(
        given.upright[given.level == 1][:, 1], np.tile((0.0, -1.0, 0.0), (int(given.level.sum()), 1)), atol=1e-6
    )
    for condition, widest_deg in (("clean", 0.01), ("noisy", 5.0)):
        # The directions from joint to joint turn as the targets do: by one rotation, known to a degree where noisy.
        assert torch.equal(data.keypoints[condition][..., 2], given.keypoints[condition][..., 2])
        for row in torch.nonzero(given.level)[::9, 0].tolist():
            rays = [
                torch.nn.functional.normalize(
                    F.pad(x.keypoints[condition][row, -1, :, :2] / FOCAL_NORM, (0, 1), value=1.0), dim=-1
                )
                for x in (data, given)
            ]
            turn, _ = Rotation.align_vectors(given.targets_m[row, -1].numpy(), data.targets_m[row, -1].numpy())
            seen, error = Rotation.align_vectors(rays[1].numpy(), rays[0].numpy())
            assert error < 1e-2 and np.rad2deg((turn.inv() * seen).magnitude()) < widest_deg


def test_upright_is_up_and_away(capture, data):
    """In the truth's own axes a trunk leans as it does in the world."""
    row = capture.starts.numpy()[data.labels["sequence"]] + data.labels["frame"]
    trunk = (capture.joints_world_m[:, 8] - capture.joints_world_m[:, 0]).numpy()[row]
    seen = data.targets_m[:, -1, 8].numpy()
    np.testing.assert_allclose((data.upright[:, 1] * seen).sum(axis=1), trunk[:, 2], atol=1e-4)
    np.testing.assert_allclose(np.linalg.norm(data.upright, axis=2), 1.0, atol=1e-5)
    np.testing.assert_allclose((data.upright[:, 0] * data.upright[:, 1]).sum(axis=1), 0.0, atol=1e-5)
    assert (data.upright[:, 0, 2] > 0.5).all()  # away from the camera


def test_what_is_cut_off_is_not_seen_where_it_is(capture):
    data = build_evaluation_set(capture, 27, cameras=20)
    cut = data.labels["cut_off_percent"]
    assert cut.min() >= 0.0 and 0 < (cut > 0).mean() < 0.3 and cut.max() <= 71.0
    error = (data.keypoints["noisy"] - data.keypoints["clean"])[:, -1, :, :2].norm(dim=-1).amax(dim=1).numpy()
    assert np.median(error[cut > 0]) > 2 * np.median(error[cut == 0])
    assert (data.labels["body_height_m"] > 1.0).all() and (data.labels["body_height_m"] < 2.1).all()


def test_sliding_windows_are_cut_from_their_clip_alone():
    frames = torch.arange(10.0)[:, None, None].expand(10, 17, 3)
    windows = SlidingWindows(frames, torch.tensor([3, 5, 6]), torch.tensor([0, 5, 5]), 3)
    assert windows.shape == (3, 3, 17, 3) and len(windows) == 3
    assert windows[0:3][:, :, 0, 0].tolist() == [[1, 2, 3], [5, 5, 5], [5, 5, 6]]
    assert windows[2:9].shape == (1, 3, 17, 3)


def test_motion_sets_are_consecutive_frames_of_one_camera(capture):
    data = motion_set(capture, 27, frames=40)
    rows = data.neighbours()
    assert len(rows) == len(data) - len(set(data.labels["clip"]))
    for condition in ("clean", "noisy"):
        windows = data.keypoints[condition][0 : len(data)]
        assert torch.equal(windows[rows, 1:], windows[rows + 1, :-1])
    row = capture.starts.numpy()[data.labels["sequence"]] + data.labels["frame"]
    body = [joint for joint in range(17) if joint not in (9, 10)]  # nose and crown are sized by a clip's legs
    world, seen = capture.joints_world_m.numpy()[row][:, body], data.targets_m[:, 0, body].numpy()
    relative = world - world[:, :1]
    for clip in set(data.labels["clip"]):  # one rotation takes a whole clip from the world to its camera
        chosen = data.labels["clip"] == clip
        _, error = Rotation.align_vectors(seen[chosen].reshape(-1, 3), relative[chosen].reshape(-1, 3))
        assert error < 1e-2
    assert (data.targets_m[rows + 1] - data.targets_m[rows]).norm(dim=-1).mean() > 1e-3


def test_neighbours_are_next_to_each_other_in_one_clip(data):
    few = EvaluationSet(
        {"clean": data.keypoints["clean"][:7]},
        data.level[:7],
        data.targets_m[:7],
        data.offsets,
        {"clip": np.array([0, 0, 0, 1, 1, 1, 2]), "frame": np.array([4, 5, 6, 7, 8, 10, 11])},
    )
    assert few.neighbours().tolist() == [0, 1, 3]


def test_motion_sets_answer_for_the_frame_that_is_used(capture):
    newest, earlier = motion_set(capture, 27, 0, frames=40), motion_set(capture, 27, -5, frames=40)
    frames = {(c, f): i for i, (c, f) in enumerate(zip(newest.labels["clip"], newest.labels["frame"], strict=True))}
    compared = 0
    for i, (clip, frame) in enumerate(zip(earlier.labels["clip"], earlier.labels["frame"], strict=True)):
        if (clip, frame - 5) in frames:
            assert torch.equal(earlier.targets_m[i], newest.targets_m[frames[clip, frame - 5]])
            compared += 1
    assert compared > 20


def test_motion_sets_of_short_sequences_repeat_no_frame_of_the_truth(capture):
    short = dataclasses.replace(
        capture,
        starts=capture.starts[:1],
        lengths=torch.tensor([12]),
        actions=capture.actions[:1],
        names=capture.names[:1],
    )
    data = motion_set(short, 27, -3, frames=40)
    assert data.labels["frame"].tolist() == list(range(3, 12))
    assert motion_set(short, 27, -13, frames=40) is None


def test_clips_with_too_little_depth_are_left_out(capture, monkeypatch):
    monkeypatch.setattr(evaluation_set, "MIN_DEPTH_M", 100.0)
    assert motion_set(capture, 27) is None


def test_sets_that_contradict_themselves_are_refused(capture, data):
    with pytest.raises(ValueError, match=r"offsets are \[-27, 0\], expected ascending frames of the window, -26 to 0"):
        build_evaluation_set(capture, 27, offsets=(-27, 0))
    with pytest.raises(ValueError, match=r"offsets are \[1\]"):
        motion_set(capture, 27, 1)
    with pytest.raises(ValueError, match="targets are"):
        dataclasses.replace(data, offsets=(0,))
    with pytest.raises(ValueError, match=r"keypoints are .* for every condition"):
        dataclasses.replace(data, keypoints={"clean": data.keypoints["clean"], "noisy": data.keypoints["noisy"][1:]})
    with pytest.raises(ValueError, match="'action': 1"):
        dataclasses.replace(data, labels={"action": np.array(["walk"])})
    assert len(data.neighbours()) == 0
