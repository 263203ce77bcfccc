from dataclasses import replace

import numpy as np
import pytest
from scipy.fft import dct

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

from nanohtnet_ros.core.skeleton import H36M_17
from nanohtnet_ros.model.checkpoints import checkpoint_of, load_checkpoint
from nanohtnet_ros.model.nanohtnet import (
    IPC,
    ModulatedGraphConv,
    NanoHTNet,
    NanoHTNetConfig,
    chain_adjacency,
    dct_rows,
    skeleton_adjacency,
)

SMALL = NanoHTNetConfig(
    window_length=27, kept_frames=5, channels=48, layers=2, mlp_hidden=20, gcn_hidden=24, joint_features=4
)


def scrambled(config: NanoHTNetConfig = SMALL, seed: int = 0) -> NanoHTNet:
    """A network whose every parameter matters."""
    torch.manual_seed(seed)
    model = NanoHTNet(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return model


def test_shapes_follow_the_configuration():
    assert NanoHTNet(NanoHTNetConfig())(torch.randn(2, 243, 17, 2)).shape == (2, 9, 17, 3)
    assert scrambled()(torch.randn(3, 27, 17, 2)).shape == (3, 5, 17, 3)


def test_dct_is_the_unnormalised_type_2():
    x = np.random.default_rng(0).normal(size=(27, 4))
    np.testing.assert_allclose(dct_rows(27, 5).numpy() @ x, dct(x, type=2, axis=0)[:5], atol=1e-4)


def test_adjacencies():
    skeleton = skeleton_adjacency()
    assert (skeleton.diagonal() == 1).all()
    off = skeleton - torch.eye(17)
    np.testing.assert_allclose(off.sum(dim=1), 1.0, atol=1e-6)  # rows were normalised before the diagonal was set
    assert off[0, 1] == off[0, 4] == off[0, 7] == pytest.approx(1 / 3) and off[3, 2] == 1.0
    assert chain_adjacency(4).tolist() == [[1, 1, 0, 0], [1, 1, 1, 0], [0, 1, 1, 1], [0, 0, 1, 1]]


def test_graph_convolution_against_its_formula_node_by_node():
    torch.manual_seed(0)
    conv = ModulatedGraphConv(3, 4, skeleton_adjacency())
    with torch.no_grad():
        conv.adj2.normal_(0, 0.3)
    x = torch.randn(17, 3)
    W, M, adj = conv.W.detach().numpy(), conv.M.detach().numpy(), (conv.adj + conv.adj2).detach().numpy()
    expected = np.zeros((17, 4))
    for i in range(17):
        for j in range(17):
            weight = W[0] if i == j else W[1]
            expected[i] += (adj[i, j] + adj[j, i]) / 2 * M[j] * (x[j].numpy() @ weight)
    np.testing.assert_allclose(conv(x[None])[0].detach().numpy(), expected + conv.bias.detach().numpy(), atol=1e-5)


def ipc(swap: bool) -> IPC:
    torch.manual_seed(0)
    return IPC(16, 20, 0.0, 0.0, swap).eval()


def test_part_tokens_reach_only_the_distal_joints_of_their_own_limb():
    module, x = ipc(False), torch.randn(1, 17, 16, requires_grad=True)
    out = module(x)
    limb_of = {joint: limb for limb in ((1, 2, 3), (4, 5, 6), (11, 12, 13), (14, 15, 16)) for joint in limb}
    for joint in range(17):
        (gradient,) = torch.autograd.grad(out[0, joint].sum(), x, retain_graph=True)
        sources = set(torch.nonzero(gradient[0].abs().sum(dim=-1) > 1e-9)[:, 0].tolist())
        distal = joint in limb_of and joint != limb_of[joint][0]
        assert sources == (set(limb_of[joint]) if distal else {joint}), joint


def test_swapping_arm_tokens_changes_the_arms_alone():
    x = torch.randn(2, 17, 16)
    difference = (ipc(True)(x) - ipc(False)(x)).abs().sum(dim=(0, 2))
    assert torch.nonzero(difference > 1e-6)[:, 0].tolist() == [12, 13, 15, 16]


def test_published_layout_loads_with_inferred_sizes(tmp_path):
    model = scrambled()
    published = {f"module.{name}": tensor for name, tensor in model.state_dict().items()}
    torch.save(published, tmp_path / "published.pth")
    assert not any("adj" in name and "adj2" not in name for name in published)
    loaded = load_checkpoint(tmp_path / "published.pth")
    assert not loaded.training
    for size in ("window_length", "kept_frames", "channels", "layers", "mlp_hidden", "gcn_hidden", "joint_features"):
        assert getattr(loaded.config, size) == getattr(SMALL, size)
    x = torch.randn(2, 27, 17, 2)
    assert torch.equal(loaded(x), model(x))
    swapped = load_checkpoint(tmp_path / "published.pth", swap_arm_tokens=True)
    assert swapped.config.swap_arm_tokens and not torch.allclose(swapped(x), model(x))


def test_our_checkpoints_keep_their_configuration(tmp_path):
    config = NanoHTNetConfig(window_length=27, kept_frames=5, channels=96, heads=4, person_view=True, zero_root=True)
    model = scrambled(config)
    torch.save(checkpoint_of(model), tmp_path / "ours.pth")
    loaded = load_checkpoint(tmp_path / "ours.pth")
    assert loaded.config == config
    x = 0.3 * torch.randn(2, 27, 17, 2)
    assert torch.equal(loaded(x), model(x))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda s: s.pop("fcn_spa.bias"), "missing 'fcn_spa.bias'"),
        (lambda s: s.update(extra=torch.zeros(1)), "unexpected 'extra'"),
        (lambda s: s.update({"fc.bias": torch.zeros(4)}), r"'fc.bias' has shape \(4,\), expected \(3,\)"),
        (lambda s: s.pop("patch_embed.weight"), "no tensor 'patch_embed.weight'"),
        (lambda s: s.update({"Transformer.blocks.1.lgc.gcn1.W": torch.zeros(2, 3, 3)}), "blocks.1.lgc.gcn1.W"),
        (lambda s: s.update(epoch=3), "epoch: not tensors"),
    ],
)
def test_loading_is_strict_and_names_the_tensor(tmp_path, spoil, message):
    state = dict(scrambled().state_dict())
    spoil(state)
    torch.save(state, tmp_path / "spoilt.pth")
    with pytest.raises(ValueError, match=message):
        load_checkpoint(tmp_path / "spoilt.pth")


def test_files_that_are_no_checkpoints(tmp_path):
    with pytest.raises(FileNotFoundError):
        load_checkpoint(tmp_path / "none.pth")
    (tmp_path / "text.pth").write_text("hello")
    with pytest.raises(ValueError, match="not a checkpoint"):
        load_checkpoint(tmp_path / "text.pth")

    class Evil:
        def __reduce__(self):
            return (open, (str(tmp_path / "touched"), "w"))

    torch.save({"x": Evil()}, tmp_path / "evil.pth")
    with pytest.raises(ValueError, match="read safely"):
        load_checkpoint(tmp_path / "evil.pth")
    assert not (tmp_path / "touched").exists()


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({"channels": 50}, "multiple of 48"),
        ({"kept_frames": 300}, "expected 1 to window_length"),
        ({"level": True}, "person_view is not, whose tilt is its input"),
    ],
)
def test_impossible_sizes_are_refused(sizes, message):
    with pytest.raises(ValueError, match=message):
        NanoHTNetConfig(**sizes)


def test_dropout_and_drop_path_are_off_in_evaluation_and_on_in_training():
    model, x = scrambled(), torch.randn(4, 27, 17, 2)
    assert torch.equal(model(x), model(x))
    model.train()
    assert not torch.equal(model(x), model(x))


def told(**changes) -> NanoHTNet:
    return scrambled(replace(SMALL, person_view=True, confidence=True, level=True, **changes))


def test_networks_without_confidence_leave_it_out():
    model, x = scrambled(replace(SMALL, person_view=True)), torch.randn(2, 27, 17, 3)
    assert torch.equal(model(x, torch.ones(2)), model(x[..., :2]))


def test_every_confidence_counts_and_all_ones_change_nothing():
    model, x = told(), torch.cat((0.3 * torch.randn(2, 27, 17, 2), torch.ones(2, 27, 17, 1)), dim=-1)
    plain = scrambled(replace(SMALL, person_view=True))
    state = {name: tensor for name, tensor in model.state_dict().items() if "_tilt" not in name}
    for name in ("patch_embed.weight", "tem_patch_embed.weight"):
        state[name] = state[name].unflatten(1, (-1, 3))[..., :2].flatten(1)
    plain.load_state_dict(state)
    torch.testing.assert_close(model(x), plain(x))
    x.requires_grad_()
    model(x).square().sum().backward()
    assert (x.grad[..., 2].abs().sum(dim=0) > 0).all()


def test_level_reaches_the_levelled_windows_alone():
    model, x = told(), torch.rand(2, 27, 17, 3)
    known, withheld = model(x, torch.tensor((1.0, 0.0))), model(x)
    assert torch.equal(known[1], withheld[1]) and (known[0] - withheld[0]).abs().max() > 1e-3
    assert torch.equal(model(x, torch.zeros(2)), withheld)
    torch.nn.init.zeros_(model.spa_tilt.weight)
    assert (model(x, torch.tensor((1.0, 0.0))) - withheld).abs().max() > 1e-3  # both streams are told
    torch.nn.init.zeros_(model.tem_tilt.weight)
    torch.testing.assert_close(model(x, torch.ones(2)), withheld)


def test_a_new_network_starts_as_if_nothing_was_known():
    model, x = NanoHTNet(told().config).eval(), torch.rand(2, 27, 17, 3)
    assert torch.equal(model(x, torch.ones(2)), model(x))


def test_zero_root_is_exactly_zero():
    model = scrambled(NanoHTNetConfig(window_length=27, kept_frames=5, channels=48, zero_root=True))
    out = model(torch.randn(2, 27, 17, 2))
    assert (out[:, :, 0] == 0).all() and (out[:, :, 1:] != 0).all()
    assert len(H36M_17) == out.shape[2]
