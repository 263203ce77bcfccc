import json
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

from nanohtnet_ros.model.config import NanoHTNetConfig
from nanohtnet_ros.model.networks import build, checkpoint_of


def test_the_table_is_of_finished_rows_and_their_difference_from_the_recipe(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "tools"))
    import ablate

    network = build(NanoHTNetConfig(window_length=9, kept_frames=3, channels=48, layers=1, mlp_hidden=8, gcn_hidden=8))
    for row, seed, error, samples in (
            ("recipe", 1, 70.0, 128), ("recipe", 2, 72.0, 128), ("centred", 1, 65.0, 128), ("nano", 1, 60.0, 64)):
        folder = ablate.folder_of(tmp_path, row, seed)
        folder.mkdir()
        (folder / "recipe.json").write_text(json.dumps({"samples": 100}))
        entry = {"samples": samples, "clean_mpjpe_mm": 50.0, "noisy_mpjpe_mm": error, "noisy_p_mpjpe_mm": 40.0}
        (folder / "log.jsonl").write_text(json.dumps({**entry, "samples": 8}) + "\n" + json.dumps(entry) + "\n")
        torch.save(checkpoint_of(network), folder / "checkpoint.pth")
    _, _, *rows = ablate.table(tmp_path, ["recipe", "no crossover", "centred", "nano"]).splitlines()  # nano: not done
    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]
    assert [row[:1] + row[2:] for row in cells] == [
        ["recipe", "2", "50.0", "71.0", "40.0", "+0.0"], ["centred", "1", "50.0", "65.0", "40.0", "-6.0"]]
