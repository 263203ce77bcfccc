import json

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

from nanohtnet_ros.cli import main
from nanohtnet_ros.model.checkpoints import load_network
from nanohtnet_ros.training.loop.loop import Training

NETWORKS = {
    "nanohtnet": "model: {window_length: 9, kept_frames: 3, output_offsets: [-2, -1, 0], channels: 48, layers: 1, "
    "mlp_hidden: 16, gcn_hidden: 16, person_view: true, zero_root: true}",
    "temporal_conv": "temporal_conv: {window_length: 9, kernel_sizes: [3, 3], channels: 24, person_view: true}",
}


def recipe(folder, network: str, samples: int, more: str = "") -> str:
    path = folder / f"{network}_{samples}.yaml"
    path.write_text(
        f"network: {network}\n{NETWORKS[network]}\nbatch_size: 8\nlearning_rate: 0.001\nwarmup_steps: 5\n"
        f"precision: float32\nsamples: {samples}\nevaluate_every: 80\nsave_every: 40\n{more}"
    )
    return str(path)


CLR = "poseclr: {views: 3, bank_size: 200}\n"


@pytest.mark.parametrize("network", ["nanohtnet", "temporal_conv"])
def test_a_pretrained_encoder_arrives_in_the_training(network, mocap_file, tmp_path, monkeypatch, capsys):
    options = ["--threads", "1", "--device", "cpu"]
    pretrained = tmp_path / "pretrained"
    made = recipe(tmp_path, network, 160, CLR)
    assert main(["pretrain", str(mocap_file), str(pretrained), "--recipe", made, *options]) == 0
    log = [json.loads(line) for line in (pretrained / "log.jsonl").read_text().splitlines()]
    assert [entry["samples"] for entry in log] == [80, 160] and log[0]["loss"] > 0.0
    assert 0.0 < log[-1]["view_top1"] <= 1.0 and log[-1]["probe_mpjpe_mm"] > 0.0
    content = torch.load(pretrained / "checkpoint.pth", weights_only=True)
    assert content["pretrained"] and content["training"]["poseclr"]["views"] == 3
    with pytest.raises(ValueError, match="no regression head yet"):
        load_network(pretrained / "checkpoint.pth")

    began = {}
    plain = Training.train

    def noted(self, shards, workers):
        began.update({name: tensor.clone() for name, tensor in self.task.module.state_dict().items()})
        plain(self, shards, workers)

    monkeypatch.setattr(Training, "train", noted)
    tuned = recipe(tmp_path, network, 80)
    start = ["--from", str(pretrained / "checkpoint.pth")]
    assert main(["train", str(mocap_file), str(tmp_path / "tuned"), "--recipe", tuned, *start, *options]) == 0
    assert began.keys() == content["state_dict"].keys() | {"fc.weight", "fc.bias"}
    for name, tensor in content["state_dict"].items():
        assert torch.equal(began[name], tensor), name
    ended = load_network(tmp_path / "tuned/checkpoint.pth").state_dict()
    still = [name for name, tensor in began.items() if tensor.is_floating_point() and torch.equal(ended[name], tensor)]
    assert not still, "everything is fine-tuned"
    assert json.loads((tmp_path / "tuned/recipe.json").read_text())["start"]["reached"]["samples"] == 160

    other = {"nanohtnet": "temporal_conv", "temporal_conv": "nanohtnet"}[network]
    wrong = recipe(tmp_path, other, 80)
    assert main(["train", str(mocap_file), str(tmp_path / "wrong"), "--recipe", wrong, *start, *options]) == 1
    assert f"holds a {network}" in capsys.readouterr().err


def test_a_pretraining_goes_on_where_it_stopped(mocap_file, tmp_path, monkeypatch):
    command = [
        "pretrain",
        str(mocap_file),
        "--recipe",
        recipe(tmp_path, "nanohtnet", 80, CLR),
        "--threads",
        "1",
        "--device",
        "cpu",
    ]
    assert main([*command, str(tmp_path / "whole")]) == 0
    plain, seen = Training._step, []

    def dies(self, module, batch):
        seen.append(self.step)
        if len(seen) == 8:
            raise RuntimeError("the power fails")
        plain(self, module, batch)

    monkeypatch.setattr(Training, "_step", dies)
    with pytest.raises(RuntimeError, match="the power fails"):
        main([*command, str(tmp_path / "cut")])
    assert main([*command, str(tmp_path / "cut")]) == 0
    assert seen == [0, 1, 2, 3, 4, 5, 6, 7, 5, 6, 7, 8, 9], "not from the state saved after five steps"
    whole, cut = (torch.load(tmp_path / run / "state.pth", weights_only=True) for run in ("whole", "cut"))
    for part in ("module", "average", "extra"):
        for name, tensor in whole[part].items():
            assert torch.equal(tensor, cut[part][name]), name


def test_a_fraction_of_the_data_half_precision_and_unknown_keys(mocap_file, tmp_path, capsys):
    made = recipe(tmp_path, "nanohtnet", 16, CLR + "data_fraction: 0.5\n")
    half = ["--recipe", made, "--device", "cpu", "--recipe.precision", "bfloat16"]
    assert main(["pretrain", str(mocap_file), str(tmp_path / "half"), *half]) == 0
    record = json.loads((tmp_path / "half/recipe.json").read_text())
    assert (record["data_fraction"], record["precision"]) == (0.5, "bfloat16")
    assert (
        main(
            [
                "pretrain",
                str(mocap_file),
                str(tmp_path / "conv"),
                *half,
                "--recipe.network",
                "temporal_conv",
                "--recipe.temporal_conv.kernel_sizes",
                "[3, 3]",
                "--recipe.temporal_conv.window_length",
                "9",
            ]
        )
        == 1
    )
    assert "set precision to float32" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["pretrain", str(mocap_file), str(tmp_path / "x"), "--recipe", made, "--recipe.poseclr.view", "2"])
    assert main(["pretrain", str(tmp_path / "none.npz"), str(tmp_path / "x"), "--recipe", made]) == 1
    assert "no motion data" in capsys.readouterr().err
