import json
import sys
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

from nanohtnet_ros.model.checkpoints import checkpoint_of
from nanohtnet_ros.model.nanohtnet import NanoHTNetConfig
from nanohtnet_ros.model.networks import build


def test_rows_are_trained_with_their_options_and_all_rows_with_those_that_were_set(tmp_path, monkeypatch, capsys):
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "tools"))
    import ablate

    trained = []
    monkeypatch.setattr(ablate, "run_to_end", lambda *given: trained.append(given))
    monkeypatch.setattr(
        sys,
        "argv",
        [
            "ablate.py",
            "motion.npz",
            str(tmp_path),
            "--samples",
            "96",
            "no crossover",
            "recipe",
            "--set",
            "synthesis.augmentation.probability=0",
        ],
    )
    ablate.main()
    assert [given[2].name for given in trained] == ["no_crossover-1", "recipe-1"]
    common = {"samples": 96, "evaluate_every": 96, "seed": 1, "synthesis.augmentation.probability": "0"}
    assert trained[0][4] == {**common, "synthesis.crossover.probability": 0.0} and trained[1][4] == common
    for words, message in ((["no such row"], "unknown rows"), (["--set", "seed"], "no KEY=VALUE")):
        monkeypatch.setattr(sys, "argv", ["ablate.py", "motion.npz", str(tmp_path), *words])
        with pytest.raises(SystemExit):
            ablate.main()
        assert message in capsys.readouterr().err


def test_the_table_is_of_finished_rows_and_their_difference_from_the_recipe(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "tools"))
    import ablate

    network = build(NanoHTNetConfig(window_length=9, kept_frames=3, channels=48, layers=1, mlp_hidden=8, gcn_hidden=8))
    for row, seed, error, samples in (
        ("recipe", 1, 70.0, 128),
        ("recipe", 2, 72.0, 128),
        ("centred", 1, 65.0, 128),
        ("nano", 1, 60.0, 64),
    ):
        folder = ablate.folder_of(tmp_path, row, seed)
        folder.mkdir()
        (folder / "recipe.json").write_text(json.dumps({"samples": 100}))
        entry = {"samples": samples, "clean_mpjpe_mm": 50.0, "noisy_mpjpe_mm": error, "noisy_p_mpjpe_mm": 40.0}
        (folder / "log.jsonl").write_text(json.dumps({**entry, "samples": 8}) + "\n" + json.dumps(entry) + "\n")
        torch.save(checkpoint_of(network), folder / "checkpoint.pth")
    _, _, *rows = ablate.table(tmp_path, ["recipe", "no crossover", "centred", "nano"]).splitlines()  # nano: not done
    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]
    assert [row[:1] + row[2:] for row in cells] == [
        ["recipe", "2", "50.0", "71.0", "40.0", "+0.0"],
        ["centred", "1", "50.0", "65.0", "40.0", "-6.0"],
    ]
