import json

import numpy as np
import pytest

onnx = pytest.importorskip("onnx", reason="onnx is not installed")

from onnx import helper

from nanohtnet_ros.cli import main
from nanohtnet_ros.commands import models
from nanohtnet_ros.commands.models import COLUMNS, UNKNOWN

CARD = {
    "window_length": 9,
    "frame_rate_hz": 50.0,
    "output_offsets": [-4, -2, 0],
    "look_ahead": 0,
    "skeleton": "h36m_17",
    "focal_norm": 2.29,
    "training": {},
    "metrics": {"val": {"windows": 7, "clean_mpjpe_mm": 41.25, "noisy_mpjpe_mm": 52.75}},
    "parameters": 2_345_678,
    "multiply_adds": 27_100_000,
}


@pytest.fixture
def listed(write_onnx, monkeypatch, capsys):
    """`listed("--speed=false", metrics={})`: what the list says of a network with such a card, by column."""
    weights = {"w": np.zeros((2, 3), np.float32)}
    path = write_onnx(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        {"x": ("FLOAT", ["B", 9, 17, 2])},
        {"y": ("FLOAT", ["B", 9, 17, 3])},
        weights,
    )
    monkeypatch.setattr(models, "package_model_dirs", lambda: [path.parent])
    monkeypatch.setattr(models, "SPEED_S", 0.01)

    def run(*args: str, **changes) -> dict[str, str]:
        path.with_suffix(".json").write_text(json.dumps({**CARD, **changes}))
        assert main(["models", "list", *args]) == 0
        out = capsys.readouterr().out
        assert "detectors\n  blazepose" in out and str(path.parent) in out
        headings, cells = out.splitlines()[1:3]
        assert headings.split()[0] == "name" and len(headings) == len(cells)
        row = {}
        for name in COLUMNS[1:]:
            end = headings.index(name) + len(name)
            row[name] = cells[:end].rsplit("  ", 1)[1].strip()
        return row | {"name": cells.split()[0]}

    return run


def test_every_column(listed):
    row = listed()
    assert row["name"] and float(row["MB"]) < 0.1 and float(row["ms a window"]) > 0
    assert (row["parameters"], row["multiply-adds"]) == ("2.3 M", "27.1 M")
    assert row["window"] == "9 frames, 0.18 s" and row["look-ahead s"] == "0 to 0.08 (3)"
    assert (row["error mm: clean"], row["noisy"]) == ("41.2", "52.8")


def test_what_a_card_does_not_say_is_not_made_up(listed):
    row = listed(metrics={}, parameters=None, multiply_adds=None, output_offsets=[-5, -4, -3], look_ahead=4)
    assert {row[name] for name in ("parameters", "multiply-adds", "error mm: clean", "noisy")} == {UNKNOWN}
    assert row["look-ahead s"] == "0.08 to 0.1 (2)"


def test_speed_is_not_measured_unless_asked(listed, monkeypatch):
    monkeypatch.setattr(models, "open_session", lambda *args: pytest.fail("a network was opened"))
    assert listed("--speed", "false")["ms a window"] == ""


def test_the_packages_own_networks_are_listed(capsys):
    assert main(["models", "list", "--speed", "false"]) == 0
    assert "nano_81_streaming" in capsys.readouterr().out


def test_a_broken_card_does_not_hide_the_other_networks(tmp_path, write_onnx, monkeypatch, capsys):
    path = write_onnx(
        [helper.make_node("Identity", ["x"], ["y"])],
        {"x": ("FLOAT", ["B", 9, 17, 2])},
        {"y": ("FLOAT", ["B", 9, 17, 2])},
        {},
    )
    path.with_suffix(".json").write_text(json.dumps(CARD))
    (path.parent / "broken.onnx").write_bytes(path.read_bytes())
    (path.parent / "broken.json").write_text("{}")
    (path.parent / "bare.onnx").write_bytes(path.read_bytes())
    monkeypatch.setattr(models, "package_model_dirs", lambda: [path.parent])
    assert main(["models", "list", "--speed=false"]) == 0
    out = capsys.readouterr().out
    assert "broken cannot be used" in out and "has no field 'window_length'" in out
    assert "bare cannot be used: no model card" in out and "9 frames, 0.18 s" in out
