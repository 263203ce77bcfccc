import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

from nanohtnet_ros.training.synthesis.filling import bridge, fill_missing, hold


def test_holding_keeps_the_last_sight():
    line = torch.arange(6.0).reshape(1, 6, 1, 1)
    seen = torch.tensor([False, True, False, False, True, False]).reshape(1, 6, 1)
    np.testing.assert_allclose(hold(line, seen).flatten(), [1, 1, 1, 1, 4, 4])
    never = torch.zeros(1, 6, 1, dtype=torch.bool)
    assert torch.equal(hold(line, never), line)


def test_gaps_are_bridged_and_ends_held_joint_by_joint():
    line = torch.arange(10.0).reshape(1, 10, 1, 1).expand(-1, -1, 2, -1)
    known = torch.tensor([[0, 0, 1, 0, 0, 1, 1, 0, 0, 1], [1, 1, 0, 0, 0, 0, 0, 1, 0, 0]], dtype=torch.bool).T[None]
    bent = line.clone()
    bent[0, 5, 0] = 8.0
    bridged = bridge(bent, known)[0, :, :, 0].T
    np.testing.assert_allclose(bridged[0], [2, 2, 2, 4, 6, 8, 6, 7, 8, 9], atol=1e-6)
    np.testing.assert_allclose(bridged[1], [0, 1, 2, 3, 4, 5, 6, 7, 7, 7], atol=1e-6)
    np.testing.assert_allclose(bridge(line, known[..., :1])[0, :, 1, 0], bridge(line, known)[0, :, 0, 0])
    assert torch.equal(bridge(bent, torch.zeros(1, 10, 1, dtype=torch.bool)), bent)


def test_joints_never_seen_are_put_at_their_nearest_seen_ancestor():
    keypoints = torch.arange(17.0).reshape(1, 1, 17, 1).expand(2, 4, -1, -1).clone()
    known = torch.ones(2, 4, 17, dtype=torch.bool)
    known[0, :, [2, 3, 16]] = False  # right knee and ankle, right wrist
    known[0, 1, 10] = False
    known[1, :, [0, 1, 9]] = False  # the hip has no ancestor
    filled = fill_missing(keypoints, known)[:, 2, :, 0]
    assert filled[0].tolist() == [0, 1, 1, 1, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 15]
    assert filled[1].tolist() == [2, 2, 2, 3, 4, 5, 6, 7, 8, 8, 10, 11, 12, 13, 14, 15, 16]
