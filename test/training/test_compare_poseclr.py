import json
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

from nanohtnet_ros.cli import main

TOOLS = Path(__file__).parents[2] / "tools"
MODEL = """
model: {window_length: 9, kept_frames: 3, output_offsets: [-2, -1, 0], channels: 48, layers: 1, mlp_hidden: 16,
        gcn_hidden: 16}
batch_size: 8
warmup_steps: 5
precision: float32
"""


@pytest.fixture
def tool(monkeypatch):
    monkeypatch.syspath_prepend(str(TOOLS))
    import compare_poseclr

    return compare_poseclr


def test_the_table_is_of_means_spreads_and_paired_gains(tool):
    entries = [
        {"fraction": fraction, "start": start, "seed": seed, "clean_mpjpe_mm": error, "noisy_mpjpe_mm": 100.0}
        for fraction, start, seed, error in (
            (1.0, "random", 1, 60.0),
            (1.0, "random", 2, 64.0),
            (1.0, "poseclr", 2, 61.0),
            (1.0, "poseclr", 1, 59.0),
            (0.1, "random", 1, 80.0),
        )
    ]
    rows = [line.split() for line in tool.table(entries).splitlines()]
    assert rows[1:] == [
        ["100%", "random", "2", "62.00", "+-", "2.83", "100.00", "+-", "0.00"],
        ["100%", "poseclr", "2", "60.00", "+-", "1.41", "100.00", "+-", "0.00"],
        ["100%", "gain", "2", "2.00", "+-", "1.41", "0.00", "+-", "0.00"],
        ["10%", "random", "1", "80.00", "+-", "0.00", "100.00", "+-", "0.00"],
    ]


@pytest.mark.slow
@pytest.mark.timeout(1200)  # on a loaded machine
def test_the_experiment_goes_on_where_it_stopped(tool, mocap_file, tmp_path, monkeypatch, capsys):
    (tmp_path / "tune.yaml").write_text(MODEL)
    (tmp_path / "pre.yaml").write_text(MODEL + "poseclr: {views: 2, bank_size: 64}\n")
    out, commands = tmp_path / "out", []

    def run(words, check, env):
        if len(commands) == 2:
            commands.append("cut off")
            raise KeyboardInterrupt
        commands.append(words[3])
        assert main([*words[3:], "--device", "cpu"]) == 0

    monkeypatch.setattr(sys.modules["training_runs"], "subprocess", SimpleNamespace(run=run))
    monkeypatch.setattr(
        sys,
        "argv",
        [
            "compare_poseclr.py",
            str(mocap_file),
            str(out),
            "--recipe",
            str(tmp_path / "tune.yaml"),
            "--pretrain-recipe",
            str(tmp_path / "pre.yaml"),
            "--pretrain-samples",
            "16",
            "--samples",
            "32",
            "--seeds",
            "3",
            "--fractions",
            "0.5",
            "--set",
            "learning_rate=0.002",
        ],
    )
    with pytest.raises(KeyboardInterrupt):
        tool.main()
    tool.main()
    assert commands == ["train", "pretrain", "cut off", "pretrain", "train"]
    entries = [json.loads(line) for line in (out / "results.jsonl").read_text().splitlines()]
    assert [(entry["start"], entry["samples"]) for entry in entries] == [("random", 32), ("poseclr", 32)]
    assert entries[0]["pretraining"] is None and entries[1]["pretraining"]["samples"] == 16
    recipes = {start: json.loads((out / f"{start}_0.5_3/recipe.json").read_text()) for start in ("random", "poseclr")}
    assert "start" not in recipes["random"] and recipes["poseclr"]["start"]["poseclr"]["views"] == 2
    for recipe in recipes.values():
        assert (recipe["seed"], recipe["data_fraction"], recipe["learning_rate"]) == (3, 0.5, 0.002)
    assert {entry["clean_mpjpe_mm"] > 0 for entry in entries} == {True}
    commands.clear()
    capsys.readouterr()
    tool.main()
    assert commands == [] and "gain" in capsys.readouterr().out
