from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

from nanohtnet_ros.core.skeleton import H36M_17
from nanohtnet_ros.model.flip import FlipAveraged
from nanohtnet_ros.model.nanohtnet import NanoHTNet, NanoHTNetConfig

SMALL = NanoHTNetConfig(window_length=9, kept_frames=3, channels=48, layers=1, uncertainty=True, person_view=True)


def mirrored(points):
    out = points[..., H36M_17.flip_order.tolist(), :].clone()
    out[..., 0] *= -1
    return out


def test_the_mean_of_both_answers():
    torch.manual_seed(0)
    network = NanoHTNet(SMALL).eval()
    x = torch.randn(3, 9, 17, 2) * 0.3
    with torch.no_grad():
        expected = (network(x) + mirrored(network(mirrored(x)))) / 2
        out = FlipAveraged(network)(x)
        np.testing.assert_allclose(out, expected, atol=1e-5)
        np.testing.assert_allclose(FlipAveraged(network)(mirrored(x)), mirrored(out), atol=1e-5)  # now it is symmetric
        assert (network(mirrored(x)) - mirrored(network(x))).abs().max() > 1e-3  # which it was not


def test_both_answers_are_told_of_gravity():
    torch.manual_seed(0)
    network = NanoHTNet(replace(SMALL, confidence=True, level=True)).eval()
    x, level = (
        torch.cat((torch.randn(3, 9, 17, 2) * 0.3, torch.rand(3, 9, 17, 1)), dim=-1),
        torch.tensor((1.0, 0.0, 1.0)),
    )
    with torch.no_grad():
        network.spa_tilt.weight.normal_()
        expected = (network(x, level) + mirrored(network(mirrored(x), level))) / 2
        np.testing.assert_allclose(FlipAveraged(network)(x, level), expected, atol=1e-5)
        assert (FlipAveraged(network)(x) - expected)[[0, 2]].abs().amax(dim=(1, 2, 3)).min() > 1e-3
