import sys
from dataclasses import replace

import numpy as np
import pytest

from nanohtnet_ros.cli import main
from nanohtnet_ros.commands import selftest as module
from nanohtnet_ros.commands.selftest import BACKENDS, PEOPLE, REFERENCE, Row, compare, table, try_backend
from nanohtnet_ros.core.model_card import ModelCard
from nanohtnet_ros.runtime.model_store import DEFAULT_MODEL, find_model
from nanohtnet_ros.samples.windows import clip_windows


@pytest.fixture
def cpu_only(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorrt", None)


def test_windows_are_the_clips_people():
    card = ModelCard.load(find_model(DEFAULT_MODEL).with_suffix(".json"))
    (windows,), truth_m = clip_windows(replace(card, confidence=False, level=False))
    assert windows.shape == (32, 81, 17, 2) and truth_m.shape == (32, 17, 3) and windows.dtype == np.float32
    assert np.isfinite(windows).all() and len(np.unique(windows[:, -1, 0, 0])) == 32
    inputs, _ = clip_windows(
        replace(card, window_length=27, focal_norm=2 * card.focal_norm, confidence=True, level=True)
    )
    assert [x.shape for x in inputs] == [(32, 27, 17, 3), (32,)]
    np.testing.assert_array_equal(inputs[0][:, -1, :, :2], 2 * windows[:, -1])
    assert (inputs[0][..., 2] == 1).all() and (inputs[1] == 0).all()


def test_it_passes_on_a_cpu_and_says_what_is_not_there(cpu_only, capsys):
    assert main(["selftest", "--seconds=0.01"]) == 0
    out = capsys.readouterr().out
    assert "selftest passed: networks run on the CPU; no GPU runtime works here" in out
    assert "| ONNX Runtime, CPU | ok | reference |" in out and "| TensorRT, fp16 | unavailable |" in out
    assert "TensorRT, fp32: TensorRT's Python module cannot be imported" in out and "32 windows" in out


def test_without_a_gpu_it_fails_if_one_is_required(cpu_only, capsys):
    assert main(["selftest", "--seconds=0.01", "--require_gpu=true"]) == 1
    assert "no GPU runtime works" in capsys.readouterr().err


def test_it_builds_compares_and_times_tensorrt(fake_trt, capsys):
    pytest.importorskip("onnx", reason="onnx is not installed")
    fake_trt()
    assert main(["selftest", "--seconds=0.01", "--require_gpu=true"]) == 0
    out = capsys.readouterr().out
    for title in ("TensorRT, fp32", "TensorRT, fp16", "TensorRT, fp32, CUDA graphs"):
        assert f"| {title} | ok | 0." in out
    assert out.count("built the engine of nano_81_streaming") == 2
    assert "selftest passed: networks run on the GPU by TensorRT, fp32, TensorRT, fp16" in out


def test_a_runtime_that_computes_something_else_fails(monkeypatch, capsys):
    class Wrong:
        def run(self, x, level):
            return np.full((len(x), 9, 17, 3), 0.25, np.float32)

        def close(self):
            pass

    real = module.open_session

    def open_session(path, device, **more):
        if device == "tensorrt":
            raise OSError("no TensorRT")
        return Wrong() if device == "cuda" else real(path, "cpu")

    monkeypatch.setattr(module, "open_session", open_session)
    assert main(["selftest", "--seconds=0.01"]) == 1
    captured = capsys.readouterr()
    assert "| ONNX Runtime, CUDA | FAILED |" in captured.out
    assert "ONNX Runtime, CUDA: joints differ from ONNX Runtime's by" in captured.err


def test_numbers_that_are_none_fail(monkeypatch):
    class Nan:
        def run(self, x):
            return np.full((len(x), 9, 17, 3), np.nan, np.float32)

        def close(self):
            pass

    monkeypatch.setattr(module, "open_session", lambda *args, **more: Nan())
    row, _ = try_backend(BACKENDS[1], find_model(DEFAULT_MODEL), (np.zeros((2, 81, 17, 2)),), 8, None, 0.0)
    assert row.failed == "joints are not finite"


def test_tolerances_bind():
    reference = np.zeros((1, 17, 3), np.float32)
    for backend in BACKENDS[1:]:
        for offset_mm, fails in ((backend.mean_mm * 0.9, False), (backend.mean_mm * 1.1, True)):
            row = Row(backend.title)
            compare(row, reference + np.float32([offset_mm / 1000, 0, 0]), reference, backend)
            assert bool(row.failed) == fails


def test_the_table_has_a_cell_for_every_column():
    times = tuple(float(n) for n in PEOPLE)
    rows = [Row("a", 0.1, 0.2, times, times), Row("b", absent="why"), Row("c", failed="x")]
    lines = [line for line in table(rows).splitlines() if line.startswith("|")]
    assert len({line.count("|") for line in lines}) == 1 and "1000 |" in lines[2]


def test_pytorch_is_compared_too(tmp_path, cpu_only, capsys):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    (tmp_path / "broken.pth").write_bytes(b"")
    assert torch and main(["selftest", "--seconds=0.01", f"--checkpoint={tmp_path / 'broken.pth'}"]) == 1
    assert "PyTorch, CPU | FAILED" in capsys.readouterr().out
    assert REFERENCE is BACKENDS[0]
