import json
import subprocess

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

from nanohtnet_ros.training.loop import provenance
from nanohtnet_ros.training.loop.curves import draw_curves


def git(folder, *words):
    identity = ["-c", "user.name=n", "-c", "user.email=e"]
    return subprocess.run(["git", "-C", str(folder), *identity, *words], check=True, capture_output=True, text=True)


def test_the_commit_of_a_source_tree_and_whether_files_differ_from_it(tmp_path):
    (tmp_path / "provenance.py").write_text("1")
    assert provenance.source_commit(tmp_path) is None
    git(tmp_path, "init")
    assert provenance.source_commit(tmp_path) is None, "a tree that does not hold the file"
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-m", "m")
    commit = git(tmp_path, "rev-parse", "HEAD").stdout.strip()
    assert provenance.source_commit(tmp_path) == commit
    (tmp_path / "provenance.py").write_text("2")
    assert provenance.source_commit(tmp_path) == f"{commit}-dirty"


def test_outside_of_a_source_tree_the_version_stands_for_the_code(monkeypatch):
    monkeypatch.setattr(provenance, "source_commit", lambda folder: None)
    made_with = provenance.made_with()
    assert made_with["nanohtnet_ros"] == provenance.installed_version() and made_with["torch"] == torch.__version__
    monkeypatch.setattr(provenance, "PACKAGE", "no_such_package")
    assert provenance.installed_version() == "unknown"


def test_the_difference_of_two_records_names_what_differs():
    before = {"a": {"b": 1, "c": [1, 2]}, "made_with": {"torch": "1"}}
    assert provenance.difference(before, {**before, "made_with": {"torch": "2"}}) == []
    now = {"a": {"b": 2, "c": [1, 2]}, "d": "x"}
    assert provenance.difference(before, now) == ["a.b was 1, is 2", 'd was null, is "x"']


def test_a_checkpoint_speaks_for_itself_and_an_older_one_through_the_files_beside_it(tmp_path):
    torch.save({"state_dict": {}, "training": {"samples": 5, "reached": {"samples": 3}}}, tmp_path / "checkpoint.pth")
    assert provenance.provenance_of(tmp_path / "checkpoint.pth") == {"samples": 5, "reached": {"samples": 3}}
    torch.save({"state_dict": {}}, tmp_path / "checkpoint.pth")
    assert provenance.provenance_of(tmp_path / "checkpoint.pth") == {}
    (tmp_path / "recipe.json").write_text('{"samples": 7}')
    (tmp_path / "log.jsonl").write_text('{"samples": 1}\n{"samples": 2}\n')
    assert provenance.provenance_of(tmp_path / "checkpoint.pth") == {"samples": 7, "reached": {"samples": 2}}


def test_curves_are_drawn_of_whatever_was_logged(tmp_path):
    from PIL import Image

    entries = [{"samples": n, "seconds": n, "loss": 1 / n, "loss_mm": 9, "top1": 0.5} for n in (1, 2, 3)]
    (tmp_path / "log.jsonl").write_text("".join(json.dumps(entry) + "\n" for entry in entries))
    draw_curves(tmp_path / "log.jsonl", tmp_path / "curves.png")
    with Image.open(tmp_path / "curves.png") as picture:
        assert picture.width > 600 and picture.height > 400
        assert picture.convert("L").getextrema()[0] < 128, "nothing is drawn"
