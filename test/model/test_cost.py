import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

from torch import nn

from nanohtnet_ros.model.cost import multiply_adds
from nanohtnet_ros.model.nanohtnet import Attention, ModulatedGraphConv, NanoHTNet, NanoHTNetConfig, skeleton_adjacency
from nanohtnet_ros.model.temporal_conv import TemporalConv, TemporalConvConfig


@pytest.mark.parametrize(
    ("module", "shape", "expected"),
    [
        (nn.Linear(5, 7), (1, 5), 5 * 7),
        (nn.Linear(5, 7, bias=False), (4, 3, 5), 4 * 3 * 5 * 7),
        (nn.Conv1d(6, 8, 3, stride=3), (2, 6, 9), 2 * 3 * 3 * 6 * 8),
        (Attention(16, 4, 0.0), (2, 5, 16), 2 * (5 * 16 * 48 + 4 * 5 * 5 * 4 * 2 + 5 * 16 * 16)),
        (ModulatedGraphConv(3, 4, skeleton_adjacency()), (2, 17, 3), 2 * (2 * 17 * 3 * 4 + 17 * 17 * 4)),
    ],
)
def test_counts_by_hand(module, shape, expected):
    assert multiply_adds(module, torch.randn(shape)) == expected


def test_a_whole_temporal_convolution_by_hand():
    config = TemporalConvConfig(window_length=27, kernel_sizes=(3, 3, 3), channels=10, joint_features=4)
    levels = 9 * 3 * 34 * 10 + 3 * (3 + 1) * 10 * 10 + (3 + 1) * 10 * 10
    head = 10 * 17 * 4 + 17 * 4 * 3
    assert multiply_adds(TemporalConv(config), torch.randn(1, 27, 17, 2)) == levels + head
    assert multiply_adds(TemporalConv(config), torch.randn(3, 27, 17, 2)) == 3 * (levels + head)


def test_nanohtnet_takes_fewer_than_its_baseline():
    window = torch.randn(1, 81, 17, 2)
    ours = multiply_adds(NanoHTNet(NanoHTNetConfig(window_length=81)), window)
    assert 0 < ours < multiply_adds(TemporalConv(TemporalConvConfig()), window)


def test_counting_leaves_the_mode_alone():
    module = nn.Sequential(nn.Linear(3, 3), nn.Dropout(0.5))
    multiply_adds(module.train(), torch.randn(1, 3))
    assert module.training and module[1].training
    with pytest.raises(RuntimeError):
        multiply_adds(module, torch.randn(1, 4))
    assert module.training
