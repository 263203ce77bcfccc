import copy

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

from nanohtnet_ros.core.camera import FOCAL_NORM
from nanohtnet_ros.training.data import mpi_inf_3dhp
from nanohtnet_ros.training.data.mpi_inf_3dhp import TEST_FILE, TRAIN_FILE

from recorded_archives import write_mpi_inf_3dhp


@pytest.fixture(scope="module")
def archives(tmp_path_factory):
    folder = tmp_path_factory.mktemp("3dhp")
    return folder, write_mpi_inf_3dhp(folder)


def test_training_sequences_come_in_our_order_and_units(archives):
    folder, made = archives
    views = mpi_inf_3dhp.load(folder, "train")
    assert views.names == ("S1 Seq1 0", "S1 Seq1 2", "S2 Seq1 0", "S2 Seq1 2")
    raw = made["train"]["S1 Seq1"][0]["2"]["data_3d"]
    joints = views.joints_cam_m[views.starts[1] : views.starts[1] + 40]
    # Archive: 14 pelvis, 8 right hip, 11 left hip, 15 spine, 1 neck, 16 head, 0 head top, 5 left, 2 right shoulder.
    for ours, theirs in {0: 14, 1: 8, 3: 10, 4: 11, 7: 15, 8: 1, 9: 16, 10: 0, 11: 5, 13: 7, 14: 2, 16: 4}.items():
        np.testing.assert_allclose(joints[:, ours], raw[:, theirs] / 1000, atol=1e-6)
    np.testing.assert_allclose(
        views.keypoints_norm[..., :2], FOCAL_NORM * views.joints_cam_m[..., :2] / views.joints_cam_m[..., 2:], atol=1e-5
    )


def test_only_valid_test_frames_are_evaluated(archives):
    folder, made = archives
    views = mpi_inf_3dhp.load(folder, "val")
    assert views.subjects == ("TS1", "TS5", "TS6")
    windows = views.evaluation_set(9, (-5, -4, -3))
    for name, sequence in made["test"].items():
        frames = windows.labels["frame"][windows.labels["subject"] == name] - 4  # the middle frame, of the newest
        np.testing.assert_array_equal(frames, np.flatnonzero(sequence["valid"]))
    root = windows.labels["subject"] == "TS5"
    raw = made["test"]["TS5"]["data_3d"][windows.labels["frame"][root] - 4] / 1000
    np.testing.assert_allclose(windows.targets_m[torch.from_numpy(root), 1, 16], raw[:, 4] - raw[:, 14], atol=1e-5)


def test_width_is_the_published_normalisation(archives):
    folder, made = archives
    views = mpi_inf_3dhp.load(folder, "val", "width")
    for number, (name, width, height) in enumerate((("TS1", 2048, 2048), ("TS5", 1920, 1080), ("TS6", 1920, 1080))):
        x, y = made["test"][name]["data_2d"][5, 14]
        np.testing.assert_allclose(
            views.keypoints_norm[views.starts[number] + 5, 0, :2],
            (x / width * 2 - 1, y / width * 2 - height / width),
            atol=1e-5,
        )


FAULTS = {
    "no data_2d": lambda s: s.pop("data_2d"),
    "no valid": lambda s: s.pop("valid"),
    r"shapes are \(40, 17, 2\) and \(40, 16, 3\)": lambda s: s.update(data_3d=s["data_3d"][:, :16]),
    "39 valid flags for 40 frames": lambda s: s.update(valid=s["valid"][1:]),
    "not finite": lambda s: s.update(data_3d=s["data_3d"] * np.nan),
    "no arrays of numbers": lambda s: s.update(data_3d="text"),
    "no pinhole camera sees": lambda s: s.update(data_2d=s["data_2d"][::-1]),
    "normalisation width, which needs no camera": lambda s: s.update(data_2d=-s["data_2d"]),
    "0 joints in front": lambda s: s.update(data_3d=-s["data_3d"]),
    "none of the": lambda s: s.update(valid=0 * s["valid"]),
}


@pytest.mark.parametrize("message", FAULTS)
def test_archives_that_are_not_as_described_are_errors(archives, tmp_path, message):
    test = {"TS1": copy.deepcopy(archives[1]["test"]["TS1"])}
    FAULTS[message](test["TS1"])
    np.savez(tmp_path / TEST_FILE, data=test)
    with pytest.raises(ValueError, match=message):
        mpi_inf_3dhp.load(tmp_path, "val", "width" if message == "none of the" else "focal")


def test_training_archives_that_are_not_as_described_are_errors(archives, tmp_path):
    for content, message in (
        ({"Seq1": [{}, 25]}, "'Seq1' is not as expected"),
        ({"S1 Seq1": []}, "not as expected"),
        ({}, "expected a dictionary of sequences"),
        ([1, 2], "expected a dictionary"),
        ({"S1 Seq1": [{"0": {}}, 25]}, "S1 Seq1, camera 0: no data_2d, data_3d"),
    ):
        whole = np.empty((), dtype=object)
        whole[()] = content
        np.savez(tmp_path / TRAIN_FILE, data=whole)
        with pytest.raises(ValueError, match=message):
            mpi_inf_3dhp.load(tmp_path, "train")
    with pytest.raises(ValueError, match="no split 'exam'"):
        mpi_inf_3dhp.load(archives[0], "exam")
    with pytest.raises(ValueError, match="no normalisation 'height'"):
        mpi_inf_3dhp.load(archives[0], "val", "height")
    with pytest.raises(FileNotFoundError, match="data_test_3dhp"):
        mpi_inf_3dhp.load(tmp_path, "val")
