import json
from dataclasses import replace
from functools import cache
from pathlib import Path

import jsonargparse
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
pytest.importorskip("tensorboardX", reason="tensorboardX, which writes the events, is not installed")

from nanohtnet_ros.cli import main
from nanohtnet_ros.core.model_card import ModelCard
from nanohtnet_ros.model.checkpoints import checkpoint_of, load_network, load_weights
from nanohtnet_ros.model.nanohtnet import NanoHTNetConfig
from nanohtnet_ros.model.networks import build
from nanohtnet_ros.runtime.model_store import find_model
from nanohtnet_ros.training.data.mocap import MotionCapture
from nanohtnet_ros.training.export import check_parity
from nanohtnet_ros.training.loop.distributed import Process
from nanohtnet_ros.training.loop.provenance import provenance_of
from nanohtnet_ros.training.losses import Losses
from nanohtnet_ros.training.pretrain import PretrainRecipe
from nanohtnet_ros.training.recipe import fraction_of
from nanohtnet_ros.training.sources import open_training_data
from nanohtnet_ros.training.train import LiftingTask, Recipe

from bvh_files import write_bvh

ROOT = Path(__file__).parents[2]
RECIPE = """
model: {window_length: 9, kept_frames: 3, channels: 48, layers: 1, mlp_hidden: 8, gcn_hidden: 8, person_view: true,
        output_offsets: [-8, -4, 0]}
temporal_conv: {window_length: 9, kept_frames: 3, channels: 12, kernel_sizes: [3, 3], output_offsets: [-2, -1, 0]}
batch_size: 8
samples: 32
evaluate_every: 16
save_every: 8
warmup_steps: 2
"""
MODEL = NanoHTNetConfig(
    window_length=9, kept_frames=3, channels=48, layers=1, mlp_hidden=8, gcn_hidden=8, output_offsets=(-8, -4, 0)
)


@pytest.fixture
def command(mocap_file, tmp_path):
    """`nanohtnet train` with a recipe that takes a second; returns the exit status."""
    (tmp_path / "recipe.yaml").write_text(RECIPE)

    def train(out, *options):
        return main(
            [
                "train",
                str(mocap_file),
                str(tmp_path / out),
                "--recipe",
                str(tmp_path / "recipe.yaml"),
                "--threads",
                "1",
                "--device",
                "cpu",
                *options,
            ]
        )

    return train


@pytest.mark.parametrize(
    "options",
    [
        ["--recipe.precision", "float16"],
        ["--recipe.network", "temporal_conv", "--recipe.precision", "float32"],
        [
            "--recipe.model.uncertainty",
            "true",
            "--recipe.losses.likelihood",
            "0.1",
            "--recipe.losses.bone_length",
            "0.5",
            "--recipe.losses.velocity",
            "1",
            "--recipe.losses.newest_weight",
            "1",
        ],
        [
            "--recipe.optimizer",
            "adam",
            "--recipe.schedule",
            "halving",
            "--recipe.halving_samples",
            "16",
            "--recipe.batches_on",
            "device",
            "--workers",
            "1",
            "--recipe.model.output_offsets",
            "null",
        ],
    ],
    ids=["float16", "temporal_conv", "losses", "paper"],
)
def test_trainings_of_every_kind_come_to_their_end(command, tmp_path, options):
    assert command("run", *options) == 0
    log = [json.loads(line) for line in (tmp_path / "run/log.jsonl").read_text().splitlines()]
    assert [entry["samples"] for entry in log] == [16, 32]
    assert all(value == value and abs(value) < 1e6 for entry in log for value in entry.values())
    network = load_network(tmp_path / "run/checkpoint.pth")
    assert network.config.window_length == 9 and (tmp_path / "run/curves.png").stat().st_size > 10_000


def test_a_checkpoint_knows_its_recipe_its_data_and_its_versions(command, tmp_path, mocap_file):
    assert command("run") == 0
    record = provenance_of(tmp_path / "run/checkpoint.pth")
    assert record["data_sha256"] == MotionCapture.load(mocap_file, "train").sha256
    assert record["model"]["output_offsets"] == [-8, -4, 0] and record["synthesis"]["action_exponent"] == 0.5
    assert record["made_with"]["torch"] == torch.__version__ and record["shards"] == 1
    assert record["reached"]["samples"] == 32
    record.pop("reached")
    assert record == json.loads((tmp_path / "run/recipe.json").read_text())


def test_bvh_files_are_trained_on_with_a_mapping_of_ones_own(tmp_path):
    for name in ("01_01", "02_01"):
        write_bvh(tmp_path / f"bvh/{name}.bvh")
    (tmp_path / "map.yaml").write_text("spine: [Spine, Spine1]\n")
    (tmp_path / "recipe.yaml").write_text(RECIPE.replace("samples: 32", "samples: 8"))
    words = [
        "train",
        str(tmp_path / "bvh"),
        str(tmp_path / "run"),
        "--recipe",
        str(tmp_path / "recipe.yaml"),
        "--threads",
        "1",
        "--device",
        "cpu",
        "--recipe.source.bvh.mapping",
        str(tmp_path / "map.yaml"),
    ]
    assert main(words) == main(words) == 0  # the second finds it finished, of the same record
    record = provenance_of(tmp_path / "run/checkpoint.pth")
    assert record["source"]["bvh"]["mapping"] == str(tmp_path / "map.yaml")


@cache
def recipe_parser(kind):
    parser = jsonargparse.ArgumentParser()
    parser.add_argument("--recipe", type=kind)
    return parser


def read_recipe(kind, path, options):
    """A recipe as the command line reads it, whose network can be built and trained by its losses."""
    parser = recipe_parser(kind)
    recipe = parser.instantiate_classes(parser.parse_args(["--recipe", str(path), *options])).recipe
    config = build(recipe.network_config).config
    if kind is Recipe:
        recipe.losses.check(len(config.frame_offsets), config.uncertainty)
    return recipe, config


@pytest.mark.parametrize("path", sorted((ROOT / "config/train").glob("*.yaml")), ids=lambda path: path.stem)
def test_the_recipes_of_this_package_are_understood(path):
    _, config = read_recipe(PretrainRecipe if path.stem.startswith("poseclr") else Recipe, path, [])
    centred = replace(config, output_offsets=None).frame_offsets
    newest = path.stem.endswith("streaming") or path.stem.startswith("poseclr")
    assert config.frame_offsets[-1] == 0 if newest else config.frame_offsets == centred


def test_poseclrs_encoder_is_a_start_for_nano(tmp_path):
    recipes = [
        read_recipe(kind, ROOT / f"config/train/{name}.yaml", [])[0]
        for kind, name in ((PretrainRecipe, "poseclr_nano_81"), (Recipe, "nano_81_streaming"))
    ]
    encoder, network = (build(recipe.network_config) for recipe in recipes)
    content = checkpoint_of(encoder)
    tensors = {name: tensor for name, tensor in content["state_dict"].items() if not name.startswith("fc.")}
    torch.save({**content, "state_dict": tensors, "pretrained": True}, tmp_path / "c.pth")
    load_weights(network, tmp_path / "c.pth")
    assert torch.equal(network.patch_embed.weight, encoder.patch_embed.weight)


@pytest.mark.parametrize("name", ["nano_81_streaming", "nano_81_centred"])
def test_packaged_networks_can_be_trained_further(tmp_path, name):
    path = find_model(name)
    network, card = load_network(path), ModelCard.of(path)
    check_parity(network, card, path)
    recipe, _ = read_recipe(Recipe, ROOT / f"config/train/{name}.yaml", [])
    if card.level:  # the recipe of those without has changed since
        load_weights(build(recipe.network_config), path)
    assert provenance_of(path)["data_sha256"] == card.training["data_sha256"]


def test_packaged_networks_are_started_from_by_name(command, capsys):
    assert command("run", "--from=nano_81_streaming") == 1
    assert "nano_81_streaming.onnx does not fit the recipe's network" in capsys.readouterr().err
    assert command("run", "--from=nano_99") == 1
    assert "no model named 'nano_99'" in capsys.readouterr().err


def test_every_row_of_the_ablations_is_a_recipe(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "tools"))
    import ablate

    read = {}
    for row, options in ablate.ROWS.items():
        words = [word for name, value in options.items() for word in (f"--recipe.{name}", str(value))]
        read[row], _ = read_recipe(Recipe, ROOT / "config/train/nano_s_81_streaming.yaml", words)
    assert len({repr(recipe) for recipe in read.values()}) == len(read)  # no row repeats another


def test_a_recipe_with_an_unknown_key_is_refused(command, tmp_path, capsys):
    (tmp_path / "recipe.yaml").write_text(RECIPE + "learning_rat: 1\n")
    with pytest.raises(SystemExit):
        command("run")
    assert "learning_rat" in capsys.readouterr().err


def test_the_same_command_again_says_that_it_is_finished_and_another_that_it_differs(command, capsys):
    assert command("run") == command("run") == 0
    assert "run: finished, 32 samples: the result is" in capsys.readouterr().out
    assert command("run", "--recipe.learning_rate", "0.1", "--recipe.synthesis.noise.amount", "1") == 1
    message = capsys.readouterr().err
    assert "holds another training: learning_rate was 0.004, is 0.1; synthesis.noise.amount was" in message
    assert "Give another folder, or resume with the recipe" in message


def test_other_data_are_another_training(command, mocap_file, tmp_path, capsys):
    assert command("run") == 0
    other = tmp_path / "other.npz"
    other.write_bytes(mocap_file.read_bytes() + b"\0")
    assert (
        main(["train", str(other), str(tmp_path / "run"), "--recipe", str(tmp_path / "recipe.yaml"), "--device", "cpu"])
        == 1
    )
    assert "another training: data_sha256 was" in capsys.readouterr().err


def test_training_starts_from_a_pretrained_encoder(command, tmp_path, capsys):
    encoder = checkpoint_of(build(replace(MODEL, person_view=True)))
    encoder["state_dict"] = {name: t for name, t in encoder["state_dict"].items() if not name.startswith("fc.")}
    torch.save({**encoder, "pretrained": True, "training": {"samples": 77}}, tmp_path / "encoder.pth")
    options = [f"--from={tmp_path / 'encoder.pth'}", "--recipe.learning_rate", "0", "--recipe.optimizer", "adam"]
    assert command("run", *options) == 0
    trained = load_network(tmp_path / "run/checkpoint.pth").state_dict()
    for name, tensor in encoder["state_dict"].items():
        torch.testing.assert_close(trained[name], tensor, rtol=0, atol=1e-6)  # an average of equal weights
    start = provenance_of(tmp_path / "run/checkpoint.pth")["start"]
    assert start["samples"] == 77 and len(start["sha256"]) == 64
    assert command("run") == 1
    assert "start.samples was 77, is null" in capsys.readouterr().err
    assert command("wide", *options, "--recipe.model.channels", "96") == 1
    assert "'pos_embed' has shape (1, 17, 48), expected (1, 17, 96)" in capsys.readouterr().err


def test_a_fraction_of_the_data_is_trained_on(mocap_file, command, monkeypatch):
    fractions = []
    subset = MotionCapture.subset
    monkeypatch.setattr(MotionCapture, "subset", lambda self, f: fractions.append(f) or subset(self, f))
    assert command("run", "--recipe.data_fraction", "0.5") == command("whole") == 0
    assert fractions == [0.5]
    assert command("none", "--recipe.data_fraction", "0") == 1
    with pytest.raises(ValueError, match=r"data_fraction is 0.5, which is for motion capture: set it to 1"):
        fraction_of(object(), 0.5)


def test_the_targets_are_the_frames_that_the_network_gives(mocap_file):
    data = open_training_data(mocap_file, "train", Recipe().synthesis)
    task = LiftingTask(build(MODEL), Recipe(model=MODEL), data, data, Process())
    keypoints, level, target_m = task.batch(4, torch.Generator().manual_seed(1))
    expected = Recipe().synthesis.batch(data.capture, 4, 9, (-8, -4, 0), torch.Generator().manual_seed(1))
    assert keypoints.shape == (4, 9, 17, 3) and level.shape == (4,) and target_m.shape == (4, 3, 17, 3)
    assert torch.equal(keypoints, expected[0]) and torch.equal(target_m, expected[2])


def test_networks_that_take_level_windows_are_measured_on_both_kinds(mocap_file):
    data = open_training_data(mocap_file, "val")
    for config, prefixes in (
        (MODEL, {""}),
        (replace(MODEL, person_view=True, confidence=True, level=True), {"", "level_"}),
    ):
        network = build(config)
        errors = LiftingTask(network, Recipe(model=config), data, data, Process()).evaluate(network)
        names = {f"{c}_{m}_mm" for c in ("clean", "noisy") for m in ("mpjpe", "p_mpjpe", "n_mpjpe")}
        assert set(errors) == {prefix + name for prefix in prefixes for name in names}
    assert errors["level_clean_mpjpe_mm"] != errors["clean_mpjpe_mm"]


def test_losses_that_the_network_cannot_serve_are_found_at_the_start(mocap_file, command, capsys):
    assert command("run", "--recipe.losses.likelihood", "1") == 1
    assert "set both or neither" in capsys.readouterr().err
    data = open_training_data(mocap_file, "train")
    one = replace(MODEL, kept_frames=1, output_offsets=(0,))
    with pytest.raises(ValueError, match="the network gives 1 frame"):
        LiftingTask(build(one), Recipe(model=one, losses=Losses(velocity=1.0)), data, data, Process())
