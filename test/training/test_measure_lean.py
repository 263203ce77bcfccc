from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

from scipy.spatial.transform import Rotation

from nanohtnet_ros.training.data.mocap import MotionCapture


@pytest.fixture
def tool(monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "tools"))
    import measure_lean

    return measure_lean


@pytest.mark.parametrize("ground", ["withheld", "given"])
def test_a_lean_is_found_from_every_side(mocap_file, tool, ground):
    people = tool.standing_people(MotionCapture.load(mocap_file, "val"), 3)
    network = SimpleNamespace(window_length=9, offset=0, offsets=(0,))
    data = tool.seen_from(people, network, 1.8, ground)
    np.testing.assert_allclose(data.labels["camera_height_m"], 1.8, atol=1e-5)
    truth = data.targets_m.numpy()
    up = data.upright[:, 1]
    assert len(data) and ((truth[:, 0, 8] * up).sum(axis=1) > 0.95 * np.linalg.norm(truth[:, 0, 8], axis=1)).all()

    def leaning(degrees):
        axis = np.cross(up, data.upright[:, 0])  # up turns towards away
        turns = Rotation.from_rotvec(np.deg2rad(degrees) * axis).as_matrix()
        return lambda keypoints, level: np.einsum("nij,nfkj->nfki", turns, truth).astype(np.float32)

    for degrees in (-8.0, 5.0):
        network.lift = leaning(degrees)
        *sides, everybody = tool.leans(network, data, "clean")
        np.testing.assert_allclose(everybody, degrees, atol=0.3)
        assert sum(map(len, sides)) == len(everybody) == len(data)


def test_those_who_face_the_camera_show_it_their_nose(mocap_file, tool):
    people = tool.standing_people(MotionCapture.load(mocap_file, "val"), 3)
    network = SimpleNamespace(window_length=9, offset=0, offsets=(0,))
    data = tool.seen_from(people, network, 1.3, "given")
    truth = data.targets_m.numpy()
    nose = truth[:, 0, 9, 2] - truth[:, 0, 8, 2]  # depth beyond the neck's
    facing, _, away = tool.sides(truth[:, 0], data.upright)
    assert nose[facing].mean() < -0.05 and nose[away].mean() > 0.05
