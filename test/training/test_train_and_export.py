import json

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
pytest.importorskip("onnxscript", reason="onnxscript, which PyTorch exports ONNX with, is not installed")

from nanohtnet_ros.cli import main
from nanohtnet_ros.core.lifter import WindowLifter
from nanohtnet_ros.core.model_card import ModelCard
from nanohtnet_ros.core.window import Window
from nanohtnet_ros.model.checkpoints import checkpoint_of, load_checkpoint
from nanohtnet_ros.model.nanohtnet import NanoHTNet, NanoHTNetConfig
from nanohtnet_ros.runtime.model_store import DEFAULT_MODEL, find_model
from nanohtnet_ros.runtime.session import open_session

RECIPE = """
model: {window_length: 27, kept_frames: 5, channels: 48, layers: 1, mlp_hidden: 32, gcn_hidden: 32,
        output_offsets: [-4, -3, -2, -1, 0], person_view: true, zero_root: true,
        drop_path: [0.0, 0.0], dropout_spatial: 0.0, dropout_temporal: 0.0}
batch_size: 32
learning_rate: 0.01
warmup_steps: 5
precision: float32
samples: 3200
evaluate_every: 800
"""


@pytest.fixture(scope="module")
def trained(mocap_file, tmp_path_factory):
    """A tiny training, from the command line to its exported file."""
    folder = tmp_path_factory.mktemp("training")
    (folder / "recipe.yaml").write_text(RECIPE)
    run = folder / "run"
    assert main(["train", str(mocap_file), str(run), "--recipe", str(folder / "recipe.yaml"), "--threads", "1"]) == 0
    out = folder / "tiny.onnx"
    assert main(["export", str(run / "checkpoint.pth"), str(out), "--data", str(mocap_file)]) == 0
    return run, out


def test_training_learns_and_keeps_its_record(trained):
    run, _ = trained
    log = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    assert [entry["samples"] for entry in log] == [800, 1600, 2400, 3200]
    assert log[-1]["loss_mm"] < 0.7 * log[0]["loss_mm"]
    assert log[-1]["clean_mpjpe_mm"] < 0.95 * log[0]["clean_mpjpe_mm"]
    recipe = json.loads((run / "recipe.json").read_text())
    assert recipe["samples"] == 3200 and recipe["model"]["channels"] == 48 and len(recipe["data_sha256"]) == 64
    assert load_checkpoint(run / "checkpoint.pth").config.window_length == 27


def test_training_goes_on_from_a_checkpoint(trained, mocap_file, tmp_path, capsys):
    run, _ = trained
    earlier = json.loads((run / "log.jsonl").read_text().splitlines()[0])
    (tmp_path / "more.yaml").write_text(RECIPE.replace("samples: 3200", "samples: 800"))
    more = ["--recipe", str(tmp_path / "more.yaml"), "--threads", "1", "--from", str(run / "checkpoint.pth")]
    assert main(["train", str(mocap_file), str(tmp_path / "run"), *more]) == 0
    log = json.loads((tmp_path / "run/log.jsonl").read_text())
    assert log["loss_mm"] < 0.8 * earlier["loss_mm"], "no better start than from random weights"
    assert json.loads((tmp_path / "run/recipe.json").read_text())["start"]["reached"]["samples"] == 3200
    assert main(["train", str(mocap_file), str(tmp_path / "wide"), *more, "--recipe.model.channels", "96"]) == 1
    assert "'pos_embed' has shape (1, 17, 48), expected (1, 17, 96)" in capsys.readouterr().err


def test_the_sidecar_says_all_that_inference_needs(trained):
    _, out = trained
    card = ModelCard.load(out.with_suffix(".json"))
    assert (card.window_length, card.frame_rate_hz, card.look_ahead) == (27, 50.0, 0)
    assert card.output_offsets == (-4, -3, -2, -1, 0)
    assert card.metrics["val"]["clean_mpjpe_mm"] > 0 and card.training["data_sha256"]
    output = json.loads(out.with_suffix(".json").read_text())["output"]
    assert output.startswith("joints (B, len(output_offsets), 17, 3)")
    session = open_session(out)
    window = Window(np.random.default_rng(0).normal(0, 0.2, (27, 17, 2)).astype(np.float32), np.ones(17, bool), 0)
    (pose,) = WindowLifter(session, card).lift([window])
    assert pose.joints_rel_m.shape == (17, 3) and np.isfinite(pose.joints_rel_m).all()


def test_evaluate_repeats_the_sidecars_figures(trained, mocap_file, tmp_path):
    _, out = trained
    report = tmp_path / "report.json"
    assert main(["evaluate", str(out), str(mocap_file), "--json", str(report)]) == 0
    measured = json.loads(report.read_text())["metrics"]["clean"]["off"]["mpjpe_mm"]
    assert measured == ModelCard.load(out.with_suffix(".json")).metrics["val"]["clean_mpjpe_mm"]


def test_selftest_compares_pytorch(trained, capsys):
    run, out = trained
    main(["selftest", "--model", str(out), "--checkpoint", str(run / "checkpoint.pth"), "--seconds=0.01"])
    captured = capsys.readouterr()
    assert "| PyTorch, CPU | ok | 0.00" in captured.out and "PyTorch" not in captured.err


def test_exported_files_name_their_tensors_and_hold_no_paths(trained):
    import onnx

    _, out = trained
    graph = onnx.load(out).graph
    assert [i.name for i in graph.input] == ["keypoints"] and [o.name for o in graph.output] == ["joints"]
    for path in (out, find_model(DEFAULT_MODEL)):
        content = path.read_bytes()
        assert b"site-packages" not in content and b'.py", line' not in content


def test_mistakes_are_errors_with_a_remedy(tmp_path, mocap_file, capsys):
    network = NanoHTNet(NanoHTNetConfig(window_length=27, kept_frames=5, channels=48))
    torch.save(checkpoint_of(network), tmp_path / "c.pth")
    assert main(["export", str(tmp_path / "c.pth"), str(tmp_path / "model.bin")]) == 1
    assert "ends in .onnx" in capsys.readouterr().err
    assert main(["train", str(tmp_path / "none.npz"), str(tmp_path)]) == 1
    assert "no motion data" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["train", str(mocap_file), str(tmp_path), "--recipe.learning_rat", "1"])
