from dataclasses import replace

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

from nanohtnet_ros.model.checkpoints import checkpoint_of, load_checkpoint, load_network, load_weights, read_checkpoint
from nanohtnet_ros.model.nanohtnet import NanoHTNetConfig
from nanohtnet_ros.model.networks import build
from nanohtnet_ros.model.temporal_conv import TemporalConvConfig

NANO = NanoHTNetConfig(window_length=9, kept_frames=3, channels=48, layers=1, mlp_hidden=8, gcn_hidden=8)
CONV = TemporalConvConfig(window_length=9, kept_frames=3, channels=12, kernel_sizes=(3, 3), output_offsets=None)
CONFIGS = pytest.mark.parametrize("config", [NANO, CONV], ids=["nanohtnet", "temporal_conv"])


def pretrained(network):
    """The content of a pre-training's checkpoint: the encoder without its head."""
    content = checkpoint_of(network)
    encoder = {name: tensor for name, tensor in content["state_dict"].items() if not name.startswith("fc.")}
    return {**content, "state_dict": encoder, "pretrained": True}


@CONFIGS
def test_a_checkpoint_gives_the_network_back(config, tmp_path):
    network = build(config).eval()
    torch.save(checkpoint_of(network), tmp_path / "c.pth")
    again = load_network(tmp_path / "c.pth")
    keypoints = torch.randn(2, 9, 17, 2)
    assert again.config == config and not again.training
    assert torch.equal(again(keypoints), network(keypoints))


@CONFIGS
def test_a_pretrained_encoder_arrives_and_the_head_stays_new(config, tmp_path):
    encoder, network = build(config), build(replace(config, zero_root=True, uncertainty=True))
    torch.save(pretrained(encoder), tmp_path / "c.pth")
    head = network.fc.weight.clone()
    load_weights(network, tmp_path / "c.pth")
    keypoints = torch.randn(2, 9, 17, 2)
    assert torch.equal(network.eval().features(keypoints), encoder.eval().features(keypoints))
    assert torch.equal(network.fc.weight, head) and head.shape[0] == 4
    for load in (load_network, load_checkpoint) if config is NANO else (load_network,):
        with pytest.raises(ValueError, match="pre-trained and has no regression head yet: train with --from"):
            load(tmp_path / "c.pth")


@CONFIGS
def test_every_tensor_that_does_not_fit_is_named(config, tmp_path):
    content = pretrained(build(config))
    spoilt = dict(content["state_dict"])
    missing, wrong_shape = sorted(spoilt)[:2]
    del spoilt[missing]
    spoilt[wrong_shape] = torch.zeros(1, 2, 3)
    spoilt["fc.weight"] = torch.zeros(3, 16)
    torch.save({**content, "state_dict": spoilt}, tmp_path / "c.pth")
    with pytest.raises(ValueError) as error:
        load_weights(build(config), tmp_path / "c.pth")
    for problem in (f"missing '{missing}'", f"'{wrong_shape}' has shape (1, 2, 3), expected", "unexpected 'fc.weight'"):
        assert problem in str(error.value)


def test_tensors_of_another_meaning_are_an_error(tmp_path):
    torch.save(checkpoint_of(build(replace(NANO, person_view=True, heads=4))), tmp_path / "c.pth")
    with pytest.raises(ValueError, match="its heads is 4, the recipe's 8; its person_view is True, the recipe's False"):
        load_weights(build(NANO), tmp_path / "c.pth")
    load_weights(build(replace(NANO, person_view=True, heads=4, output_offsets=(-2, -1, 0))), tmp_path / "c.pth")
    torch.save(checkpoint_of(build(CONV)), tmp_path / "c.pth")
    with pytest.raises(ValueError, match="its output_offsets is None"):  # they decide which frames its residuals take
        load_weights(build(replace(CONV, output_offsets=(-2, -1, 0))), tmp_path / "c.pth")


def test_another_network_is_an_error(tmp_path):
    torch.save(checkpoint_of(build(CONV)), tmp_path / "c.pth")
    with pytest.raises(ValueError, match="holds a temporal_conv, the recipe trains a nanohtnet: set network to"):
        load_weights(build(NANO), tmp_path / "c.pth")
    with pytest.raises(ValueError, match="holds the network 'temporal_conv', expected a nanohtnet"):
        load_checkpoint(tmp_path / "c.pth")
    torch.save({**checkpoint_of(build(CONV)), "network": "transformer"}, tmp_path / "c.pth")
    with pytest.raises(ValueError, match="holds the network 'transformer', expected one of nanohtnet, temporal_conv"):
        load_network(tmp_path / "c.pth")


@CONFIGS
def test_a_configuration_of_another_version_is_an_error(config, tmp_path):
    content = checkpoint_of(build(config))
    torch.save({**content, "config": {**content["config"], "wings": 2}}, tmp_path / "c.pth")
    for use in (load_network, lambda path: load_weights(build(config), path)):
        with pytest.raises(ValueError, match=r"its configuration is not one of .*'wings'"):
            use(tmp_path / "c.pth")


def test_checkpoints_that_still_hold_the_number_of_joints_load(tmp_path):
    network = build(NANO).eval()
    content = checkpoint_of(network)
    torch.save({**content, "config": {**content["config"], "joints": 17}}, tmp_path / "c.pth")
    assert load_network(tmp_path / "c.pth").config == NANO
    load_weights(build(NANO), tmp_path / "c.pth")
    torch.save({**content, "config": {**content["config"], "joints": 16}}, tmp_path / "c.pth")
    with pytest.raises(ValueError, match="'joints'"):
        load_network(tmp_path / "c.pth")


def test_the_published_layout_is_a_start_too(tmp_path):
    config = NanoHTNetConfig(channels=48, layers=1, mlp_hidden=8, gcn_hidden=8)
    published, network = build(config), build(config)
    torch.save({f"module.{name}": tensor for name, tensor in published.state_dict().items()}, tmp_path / "c.pth")
    load_weights(network, tmp_path / "c.pth")
    torch.testing.assert_close(network.state_dict(), published.state_dict(), rtol=0, atol=0)


def test_files_that_are_no_checkpoints_are_errors(tmp_path):
    with pytest.raises(FileNotFoundError, match="no checkpoint at"):
        read_checkpoint(tmp_path / "none.pth")
    (tmp_path / "text.pth").write_text("weights")
    with pytest.raises(ValueError, match="not a checkpoint that can be read safely"):
        read_checkpoint(tmp_path / "text.pth")
    torch.save([1, 2], tmp_path / "list.pth")
    with pytest.raises(ValueError, match="holds a list, expected a dict"):
        read_checkpoint(tmp_path / "list.pth")


def test_joints_arrive_in_a_network_that_learns_expected_errors_besides(tmp_path):
    network, larger = build(NANO), build(replace(NANO, uncertainty=True))
    torch.save(checkpoint_of(network), tmp_path / "c.pth")
    load_weights(larger, tmp_path / "c.pth")
    keypoints = torch.randn(2, 9, 17, 2)
    torch.testing.assert_close(larger.eval()(keypoints)[..., :3], network.eval()(keypoints))
