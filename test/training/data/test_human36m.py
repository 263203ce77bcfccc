import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

from nanohtnet_ros.core.camera import FOCAL_NORM
from nanohtnet_ros.training.data import human36m
from nanohtnet_ros.training.data.human36m import CAMERAS, FILE_3D, FILES_2D, KEPT_JOINTS
from nanohtnet_ros.training.data.human36m_camera import Human36mCamera

from recorded_archives import room_camera


@pytest.fixture
def archives(human36m_archives):
    return human36m_archives


def test_lenses_bend_and_straighten():
    rng = np.random.default_rng(3)
    camera = room_camera(rng, 1.0)
    joints = rng.uniform((-1.5, -1, 3), (1.5, 1, 7), (500, 3))
    np.testing.assert_allclose(camera.normalise(camera.project(joints)), joints[:, :2] / joints[:, 2:], atol=1e-7)
    far = camera.normalise(np.array([[1e5, -3e4], [500.0, 500.0]]))
    assert np.isfinite(far).all() and abs(far[0, 0] - (1e5 - camera.centre_px[0]) / camera.focal_px[0]) < 1e-9
    # One point by hand: t = (0.2, -0.1), r2 = 0.05.
    lens = Human36mCamera(
        np.eye(3),
        np.zeros(3),
        np.array([1000.0, 900.0]),
        np.array([500.0, 490.0]),
        np.array([-0.2, 0.3, 0.1]),
        np.array([0.01, 0.02]),
    )
    scale = 1 - 0.2 * 0.05 + 0.3 * 0.05**2 + 0.1 * 0.05**3 + (0.01 * 0.2 - 0.02 * 0.1)
    np.testing.assert_allclose(
        lens.project(np.array([0.4, -0.2, 2.0])),
        (1000 * (0.2 * scale + 0.01 * 0.05) + 500, 900 * (-0.1 * scale + 0.02 * 0.05) + 490),
    )


def test_cameras_are_found_from_points_and_pixels():
    rng = np.random.default_rng(4)
    for azimuth in (0.3, 2.0, 4.5):
        camera = room_camera(rng, azimuth)
        points = rng.uniform((-1.5, -1.5, 0), (1.5, 1.5, 1.8), (3000, 3)).astype(np.float32)
        pixels = camera.project(camera.view(points)).astype(np.float32)
        found, error_px = Human36mCamera.fit(points, pixels, 1000)
        assert error_px < 1e-3
        np.testing.assert_allclose(found.view(points), camera.view(points), atol=1e-4)
        np.testing.assert_allclose(found.focal_px, camera.focal_px, rtol=1e-4)
        np.testing.assert_allclose(found.tangential, camera.tangential, atol=1e-5)


@pytest.mark.parametrize("split", ["train", "val"])
def test_joints_come_into_the_cameras_axes(archives, split):
    folder, made = archives
    views = human36m.load(folder, split, "gt")
    subjects = {"train": {"S1", "S5", "S6", "S7", "S8"}, "val": {"S9", "S11"}}[split]
    assert set(views.subjects) == subjects and set(views.cameras) == set(CAMERAS)
    assert set(views.actions) == {"Walking", "SittingDown"}
    assert len(views.lengths) == len(subjects) * 3 * 4 and set(views.lengths.tolist()) == {60}
    sequence = 0
    for subject in human36m.SUBJECTS[split]:
        for camera in made["cameras"][subject]:
            for positions in made["positions_3d"][subject].values():
                start = int(views.starts[sequence])
                joints = camera.view(positions[:, KEPT_JOINTS])
                np.testing.assert_allclose(views.joints_cam_m[start : start + 60], joints, atol=1e-3)
                np.testing.assert_allclose(
                    views.keypoints_norm[start : start + 60, :, :2],
                    FOCAL_NORM * joints[..., :2] / joints[..., 2:],
                    atol=1e-5,
                )
                sequence += 1
    assert sequence == len(views.lengths)


def test_detected_keypoints_are_cut_to_the_joints_length(archives):
    folder, made = archives
    views, exact = human36m.load(folder, "val"), human36m.load(folder, "val", "gt")
    assert torch.equal(views.joints_cam_m, exact.joints_cam_m) and views.sha256 != exact.sha256
    error_px = (views.keypoints_norm - exact.keypoints_norm)[..., :2].numpy() * 1147 / FOCAL_NORM
    assert error_px.std() == pytest.approx(2.0, rel=0.15)
    assert len(made["detected_2d"]["S9"]["Walking"][3]) > 60


def test_width_is_the_papers_normalisation(archives):
    folder, made = archives
    views = human36m.load(folder, "val", "gt", "width")
    for camera, height in enumerate((1002, 1000, 1000, 1002)):
        start = int(views.starts[camera * 3])
        x, y = made["positions_2d"]["S9"]["Walking"][camera][7, 4]
        np.testing.assert_allclose(
            views.keypoints_norm[start + 7, 4, :2], (x / 1000 * 2 - 1, y / 1000 * 2 - height / 1000), atol=1e-6
        )


def test_archives_of_17_joints_are_read_as_well(archives, tmp_path):
    folder, made = archives
    for name in FILES_2D.values():
        (tmp_path / name).symlink_to(folder / name)
    kept = {s: {a: p[:, KEPT_JOINTS] for a, p in actions.items()} for s, actions in made["positions_3d"].items()}
    np.savez(tmp_path / FILE_3D, positions_3d=kept)
    a, b = human36m.load(folder, "val", "gt"), human36m.load(tmp_path, "val", "gt")
    assert torch.equal(a.joints_cam_m, b.joints_cam_m)


def without(table, *keys):
    """A copy of nested dictionaries that lacks one entry."""
    key, *rest = keys
    return {k: without(v, *rest) if rest and k == key else v for k, v in table.items() if rest or k != key}


def changed(table, change, *keys):
    """A copy of nested dictionaries of which one entry is changed."""
    key, *rest = keys
    return {k: v if k != key else changed(v, change, *rest) if rest else change(v) for k, v in table.items()}


def with_nan(array):
    array = array.copy()
    array[11, KEPT_JOINTS[5]] = np.nan
    return array


FAULTS = {
    "no subject 'S11'": ("3d", lambda t: without(t, "S11")),
    r"shape \(60, 25, 3\), expected \(frames, 32 or 17": (
        "3d",
        lambda t: changed(t, lambda x: x[:, :25], "S9", "Walking"),
    ),
    "not finite in frame 11": ("3d", lambda t: changed(t, with_nan, "S9", "Walking")),
    "no array of numbers": ("3d", lambda t: changed(t, lambda x: "text", "S9", "Walking")),
    "no action of S9 'Walking 1'": ("gt", lambda t: without(t, "S9", "Walking 1")),
    "has 3 cameras, expected 4": ("gt", lambda t: changed(t, lambda x: x[:3], "S9", "Walking")),
    "camera 0: ground-truth keypoints are not finite": (
        "gt",
        lambda t: changed(t, lambda x: [np.full_like(x[0], np.nan), *x[1:]], "S9", "Walking"),
    ),
    "camera 2: no camera sees": ("gt", lambda t: changed(t, lambda x: [*x[:2], x[2][::-1], x[3]], "S9", "Walking")),
    "camera 1 has 59 frames, expected the 60": (
        "cpn",
        lambda t: changed(t, lambda x: [x[0], x[1][:59], *x[2:]], "S9", "Walking"),
    ),
    r"camera 3 has shape \(75, 16, 2\)": (
        "cpn",
        lambda t: changed(t, lambda x: [*x[:3], x[3][:, :16]], "S9", "Walking"),
    ),
    "no subject 'S9', but a ndarray": ("cpn", lambda t: ["S9"]),
    "keypoints_norm is not finite in frame 3": (
        "cpn",
        lambda t: changed(t, lambda x: [np.append(x[0][:3], np.nan * x[0][3:], 0), *x[1:]], "S9", "Walking"),
    ),
}


@pytest.mark.parametrize("message", FAULTS)
def test_archives_that_are_not_as_described_are_errors(archives, tmp_path, message):
    folder, made = archives
    which, change = FAULTS[message]
    files = {
        "3d": (FILE_3D, "positions_3d", "positions_3d"),
        "gt": (FILES_2D["gt"], "positions_2d", "positions_2d"),
        "cpn": (FILES_2D["cpn"], "positions_2d", "detected_2d"),
    }
    for key, (name, array, table) in files.items():
        if key == which:
            np.savez(tmp_path / name, **{array: np.array(change(made[table]), dtype=object)[()]})
        else:
            (tmp_path / name).symlink_to(folder / name)
    with pytest.raises(ValueError, match=message):
        human36m.load(tmp_path, "val")


def test_missing_files_and_unknown_words_are_errors(archives, tmp_path):
    folder, _ = archives
    with pytest.raises(FileNotFoundError, match="data_3d_h36m"):
        human36m.load(tmp_path, "val")
    with pytest.raises(ValueError, match="no split 'exam'"):
        human36m.load(folder, "exam")
    with pytest.raises(ValueError, match="no keypoints 'sh'"):
        human36m.load(folder, "val", "sh")
    with pytest.raises(ValueError, match="no normalisation 'height'"):
        human36m.load(folder, "val", "gt", "height")


def test_too_few_points_find_no_camera():
    with pytest.raises(ValueError, match="finds no camera"):
        Human36mCamera.fit(np.zeros((3, 3)), np.zeros((3, 2)), 1000)
