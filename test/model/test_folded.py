import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

from nanohtnet_ros.model.folded import FoldedGraphConv, FoldedIPC, FoldedNanoHTNet, gelu
from nanohtnet_ros.model.nanohtnet import IPC, ModulatedGraphConv, NanoHTNet, NanoHTNetConfig, skeleton_adjacency
from nanohtnet_ros.model.unfolded import unfolded

SMALL = {"window_length": 27, "kept_frames": 5, "channels": 96, "layers": 2, "mlp_hidden": 40, "gcn_hidden": 24}


def shaken(module: torch.nn.Module) -> torch.nn.Module:
    """The module in evaluation mode, no parameter at the value that it starts with."""
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return module.eval()


@pytest.fixture(
    params=[
        {},
        {"swap_arm_tokens": True},
        {"person_view": True},
        {"zero_root": True},
        {"uncertainty": True},
        {"person_view": True, "zero_root": True, "uncertainty": True, "output_offsets": (-8, -6, -4, -2, 0)},
        {"confidence": True},
        {"person_view": True, "level": True},
        {"person_view": True, "uncertainty": True, "confidence": True, "level": True},
        {"channels": 48, "layers": 1, "joint_features": 3, "kept_frames": 2, "window_length": 9},
    ]
)
def model(request):
    return shaken(NanoHTNet(NanoHTNetConfig(**{**SMALL, **request.param})))


@pytest.fixture
def windows(model):
    """Three windows, of which two are levelled."""
    keypoints = 0.3 * torch.randn(3, model.config.window_length, 17, 2)
    confidence = torch.rand(3, 1, 17, 1).expand(-1, model.config.window_length, -1, -1)
    return torch.cat((keypoints, confidence), dim=-1), torch.tensor((1.0, 0.0, 1.0))


@torch.no_grad()
def test_folding_changes_nothing(model, windows):
    folded, expected = FoldedNanoHTNet(model), model(*windows)
    assert (folded(*windows) - expected).abs().max() < 1e-5 * max(1.0, expected.abs().max())
    assert (expected[0] - expected[1]).abs().max() > 1e-2, "the network does not look at its input"
    assert folded(*(each[:1] for each in windows)).shape == expected[:1].shape


@torch.no_grad()
def test_folding_is_undone(model, windows):
    again = NanoHTNet(model.config).eval()
    again.load_state_dict(unfolded(FoldedNanoHTNet(model).state_dict(), model.config))
    expected = model(*windows)
    assert (again(*windows) - expected).abs().max() < 1e-5 * max(1.0, expected.abs().max())


def test_graph_convolution_alone():
    conv = shaken(ModulatedGraphConv(6, 10, skeleton_adjacency()))
    x = torch.randn(2, 17, 6)
    torch.testing.assert_close(FoldedGraphConv(conv)(x.reshape(34, 6)).reshape(2, 17, 10), conv(x))


@pytest.mark.parametrize("swap", [False, True])
def test_part_level_alone(swap):
    ipc = shaken(IPC(12, 20, 0.1, 0.1, swap))
    x = torch.randn(2, 17, 12)
    torch.testing.assert_close(FoldedIPC(ipc)(x.reshape(34, 12)).reshape(2, 17, 12), ipc(x), atol=1e-5, rtol=1e-5)


def test_gelu_is_gelu():
    x = torch.linspace(-5, 5, 101)
    torch.testing.assert_close(gelu(x), torch.nn.functional.gelu(x))


def test_the_network_that_was_folded_is_left_alone():
    model = shaken(NanoHTNet(NanoHTNetConfig(**SMALL, zero_root=True)))
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    folded = FoldedNanoHTNet(model)
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert not folded.training
