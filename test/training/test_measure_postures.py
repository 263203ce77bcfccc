from pathlib import Path
from types import SimpleNamespace

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

from nanohtnet_ros.training.data.mocap import MotionCapture


def test_the_same_people_upright_lying_and_sitting(mocap_file, monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "tools"))
    import measure_postures

    capture, network = MotionCapture.load(mocap_file, "val"), SimpleNamespace(window_length=9, offset=-4)
    upright, lying, chair = (measure_postures.windows(capture, network, name) for name in ("recorded", "lie", "chair"))
    assert upright.offsets == (-4,) and upright.keypoints["clean"].shape == (len(upright), 9, 17, 3)
    level = measure_postures.windows(capture, network, "rotated", "given")
    assert level.level.float().mean() > 0.8 and not lying.level.any()
    # The cameras roll and nod but little, so trunks that stand are near vertical (y) in their axes and others are not.
    lean = [x.targets_m[:, 0, 8, 1].abs() / x.targets_m[:, 0, 8].norm(dim=-1) for x in (upright, lying)]
    assert lean[0].median() > 0.8 > 0.6 > lean[1].median()
    thighs = [x.targets_m[:, 0, 2, 1] - x.targets_m[:, 0, 1, 1] for x in (upright, chair)]
    assert thighs[0].median() > 0.3 > 0.15 > thighs[1].median()  # down, and forward
    for data in (upright, lying, chair):
        assert torch.isfinite(data.targets_m).all() and (data.keypoints["noisy"] != data.keypoints["clean"]).any()
