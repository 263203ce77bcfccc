from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

from nanohtnet_ros.core.lifter import WindowLifter
from nanohtnet_ros.core.model_card import ModelCard
from nanohtnet_ros.core.pose_estimation import Lifter, LiftingConfig
from nanohtnet_ros.training.data.mocap import MotionCapture

from factories import FakeSession


@pytest.fixture
def measure_floor(monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "tools"))
    import measure_floor

    return measure_floor


@pytest.fixture
def clips(measure_floor, mocap_file):
    capture = MotionCapture.load(mocap_file, "train")
    return [clip for seed in range(2) for clip in measure_floor.clips_of(capture, 1.2, seed)]


def test_people_are_as_tall_as_asked_and_stand_on_the_floor(clips):
    assert len(clips) >= 3
    for clip in clips:
        ground = clip.ground["clean"]
        above_m = ground.height_m - clip.joints_cam_m @ ground.down_cam
        np.testing.assert_allclose(above_m[:, 10].mean(), 1.2, atol=0.15)  # crowns
        assert 0.0 < np.median(above_m[:, [3, 6]].min(axis=1)) < 0.15  # ankles
        tangents = clip.joints_cam_m[..., :2] / clip.joints_cam_m[..., 2:]
        np.testing.assert_allclose(clip.keypoints["clean"][..., :2], 2.29 * tangents, atol=1e-4)
        cosine = clip.ground["noisy"].down_cam @ ground.down_cam
        assert 0.995 < cosine < 1.0 and clip.ground["noisy"].height_m == ground.height_m


def test_the_floor_tells_a_small_persons_size(measure_floor, clips):
    card = ModelCard(9, 50.0, (-2, -1, 0), 0, "h36m_17", 2.29)
    lifter = Lifter(WindowLifter(FakeSession(), card), LiftingConfig(hips_ahead_m=0.0))
    withheld, given = (measure_floor.run(lifter, clips, "clean", known) for known in (False, True))
    assert len(given["time_s"]) == len(withheld["time_s"]) > 50
    assert np.isnan(withheld["height_cm"]).all() and np.isfinite(given["height_cm"]).all()
    settled = given["time_s"] > 1.0
    assert np.median(given["distance"][settled]) < 0.5 * np.median(withheld["distance"][settled])
    line = measure_floor.line("all", given, np.flatnonzero(settled))
    assert len(line) == len(measure_floor.HEADER) + 1 and line[1] == str(settled.sum())
