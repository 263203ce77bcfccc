import sys

from nanohtnet_ros.cli import main
from nanohtnet_ros.runtime.engine_store import engine_dir
from nanohtnet_ros.runtime.model_store import DEFAULT_MODEL, find_model


def test_the_command_builds_once_and_shows_the_log(fake_trt, capsys):
    fake_trt()
    assert main(["engine", "build"]) == 0
    assert main(["engine", "build", f"--model={find_model(DEFAULT_MODEL)}"]) == 0
    out = capsys.readouterr().out
    assert out.count("there is none yet") == 1 and len(list(engine_dir().glob("*.engine"))) == 1
    assert out.count("TensorRT 10.3.0 fp32, Fake Orin takes 'keypoints' (-1, 81, 17, 3) (-1 is any)") == 2


def test_without_tensorrt_it_says_why_there_is_no_engine(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "tensorrt", None)
    assert main(["engine", "build"]) == 1
    assert "TensorRT's Python module cannot be imported" in capsys.readouterr().err
