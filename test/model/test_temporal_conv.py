import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

from nanohtnet_ros.core.skeleton import H36M_17
from nanohtnet_ros.model.nanohtnet import NanoHTNet, NanoHTNetConfig
from nanohtnet_ros.model.person_view import look_at_person, look_back
from nanohtnet_ros.model.temporal_conv import TemporalConv, TemporalConvConfig

SMALL = {"window_length": 27, "kernel_sizes": (3, 3, 3), "channels": 24}


def network(**sizes) -> TemporalConv:
    torch.manual_seed(0)
    return TemporalConv(TemporalConvConfig(**{**SMALL, **sizes})).eval()


def windows(count: int = 2, length: int = 27) -> torch.Tensor:
    return 0.3 * torch.randn(count, length, 17, 2, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("frames", [{}, {"kept_frames": 9, "output_offsets": None}])
def test_shapes_are_those_of_nanohtnet(frames):
    ours = network(**frames, joint_features=4)
    theirs = NanoHTNet(NanoHTNetConfig(window_length=27, channels=48, joint_features=2, layers=1, kept_frames=9))
    x = windows()
    features = ours.features(x)
    assert features.shape == (2, ours.config.kept_frames, 17, ours.feature_width)
    assert ours(x).shape == (2, ours.config.kept_frames, 17, 3)
    if frames:
        assert features.shape == theirs.features(x).shape and ours(x).shape == theirs(x).shape
        assert ours.config.frame_offsets == theirs.config.frame_offsets
    assert network(**frames, uncertainty=True)(x).shape == (2, ours.config.kept_frames, 17, 4)


def test_a_plain_window_is_the_dilated_convolution_of_the_paper():
    """The published form slides dilated kernels; over exactly one window it has one position left, and that is ours."""
    model, x = network(output_offsets=(-13,)), windows()

    def block(sequential, y, dilation):
        conv, norm = sequential[0], sequential[1]
        return torch.relu(norm(torch.nn.functional.conv1d(y, conv.weight, dilation=dilation)))

    y = block(model.expand, x.reshape(2, 27, 34).transpose(1, 2), 1)
    for level, dilation in zip(model.levels, (3, 9), strict=True):
        y = y[:, :, dilation:-dilation] + block(level.mix, block(level.merge, y, dilation), 1)
    assert y.shape == (2, 24, 1)
    expected = model.fc(model.shrink(y[:, :, 0]).reshape(2, 1, 17, 16))
    torch.testing.assert_close(model(x), expected)


@pytest.mark.parametrize(("offset", "taps"), [(0, (2, 2)), (-13, (1, 1)), (-26, (0, 0)), (-5, (1, 2))])
def test_residual_connections_lead_to_the_output_frame(offset, taps):
    model = network(output_offsets=(offset,))
    assert model.config.residual_taps == taps
    with torch.no_grad():
        for level in model.levels:
            level.mix[1].weight.zero_()
    x = windows().requires_grad_()
    model(x).sum().backward()
    reached = set(torch.nonzero(x.grad.abs().sum(dim=(0, 2, 3)))[:, 0].tolist())
    group = (26 + offset) // 3 * 3  # the first convolution merges three frames
    assert reached == {group, group + 1, group + 2}


def test_every_frame_and_joint_counts():
    x = windows().requires_grad_()
    network()(x).square().sum().backward()
    assert (x.grad.abs().sum(dim=(0, 3)) > 0).all()


def test_confidence_and_level_are_taken():
    model, x = network(person_view=True, confidence=True, level=True), torch.rand(2, 27, 17, 3)
    assert torch.equal(model(x, torch.ones(2)), model(x))  # zero at first
    torch.nn.init.normal_(model.tilt.weight)
    known = model(x, torch.tensor((1.0, 0.0)))
    assert torch.equal(known[1], model(x)[1]) and (known[0] - model(x)[0]).abs().max() > 1e-4
    x.requires_grad_()
    model(x).square().sum().backward()
    assert (x.grad[..., 2].abs().sum(dim=0) > 0).all()


def test_person_view_and_zero_root_are_those_of_nanohtnet():
    model, x = network(person_view=True, zero_root=True), windows()
    out = model(x)
    assert (out[:, :, 0] == 0).all() and (out[:, :, 1:] != 0).all()
    view, rotation = look_at_person(x)
    inside = model.fc(model.features(view)) * (torch.arange(len(H36M_17)) > 0).float()[:, None]
    torch.testing.assert_close(out, look_back(inside, rotation))


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({"kernel_sizes": (3, 3)}, "product is 9, expected window_length = 27"),
        ({"kept_frames": 28}, "expected 1 to window_length = 27"),
        ({"kept_frames": 2}, "expected 2 ascending frames"),
        ({"kept_frames": 2, "output_offsets": (0, -1)}, "expected 2 ascending frames"),
        ({"output_offsets": (1,)}, "-26 to 0"),
        ({"output_offsets": (-27,)}, "-26 to 0"),
    ],
)
def test_impossible_sizes_are_refused(sizes, message):
    with pytest.raises(ValueError, match=message):
        TemporalConvConfig(**{**SMALL, **sizes})
