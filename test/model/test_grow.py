from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

from nanohtnet_ros.model.grow import grow
from nanohtnet_ros.model.nanohtnet import NanoHTNet, NanoHTNetConfig

SMALL = NanoHTNetConfig(
    window_length=9, kept_frames=3, channels=48, layers=2, mlp_hidden=32, gcn_hidden=32, output_offsets=(-2, -1, 0)
)
LARGE = replace(SMALL, window_length=27, kept_frames=9, output_offsets=tuple(range(-8, 1)), drop_path=(0.0, 0.2))


@pytest.fixture
def trained():
    torch.manual_seed(0)
    model = NanoHTNet(SMALL).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    return model


def test_the_spatial_stream_sees_and_gives_what_it_did(trained):
    large = grow(trained, LARGE).eval()
    with torch.no_grad():  # silence the temporal streams
        for model in (trained, large):
            model.fcn_tem.weight.zero_()
            model.fcn_tem.bias.zero_()
        x = torch.randn(2, 27, 17, 2) * 0.3
        small_out, large_out = trained(x[:, -9:]), large(x)
    np.testing.assert_allclose(large_out[:, -3:], small_out, atol=1e-5)
    np.testing.assert_allclose(large_out[:, 0], small_out[:, 0], atol=1e-5)  # the nearest it has


def test_a_motionless_person_s_lowest_token_is_the_same(trained):
    large = grow(trained, LARGE)
    still = torch.randn(1, 1, 17, 2).expand(1, 27, 17, 2) * 0.3

    def lowest(model, x):
        low = model.dct @ x.flatten(2)
        return (model.tem_patch_embed(low) + model.tem_pos_embed)[:, 0]

    np.testing.assert_allclose(
        lowest(large, still).detach(), lowest(trained, still[:, -9:]).detach(), rtol=1e-4, atol=1e-5
    )


def test_the_grown_network_can_be_trained(trained):
    large = grow(trained, LARGE)
    large(torch.randn(2, 27, 17, 2)).square().mean().backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in large.parameters())


def test_growing_into_something_else_is_refused(trained):
    with pytest.raises(ValueError, match="only the window and the outputs"):
        grow(trained, replace(LARGE, channels=96))
    with pytest.raises(ValueError, match="neither may shrink"):
        grow(trained, replace(SMALL, window_length=5))


def test_a_centred_network_starts_as_the_streaming_one_at_the_middle_frame(trained):
    centred = grow(trained, replace(SMALL, output_offsets=(-5, -4, -3))).eval()
    with torch.no_grad():
        for model in (trained, centred):
            model.fcn_tem.weight.zero_()
            model.fcn_tem.bias.zero_()
        x = torch.randn(2, 9, 17, 2) * 0.3
        # The window that ends at the middle frame, its first frame repeated. Its outputs are the three that end there.
        past = torch.cat((x[:, :1].expand(-1, 4, -1, -1), x[:, :5]), dim=1)
        np.testing.assert_allclose(centred(x)[:, 1], trained(past)[:, 2], atol=1e-5)
