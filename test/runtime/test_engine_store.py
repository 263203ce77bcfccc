import errno
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from nanohtnet_ros.runtime.engine_build import PRECISIONS
from nanohtnet_ros.runtime.engine_store import (
    EngineFileError,
    engine_dir,
    engine_file,
    get_engine,
    locked,
    read_engine,
    write_engine,
)
from nanohtnet_ros.runtime.files import write_atomically
from nanohtnet_ros.runtime.tensorrt_api import Gpu
from nanohtnet_ros.runtime.tensorrt_session import TensorRTSession

GPU = Gpu("Orin", "8.7")
ROOT = Path(__file__).resolve().parents[2]
ANOTHER_PROCESS = """
import logging
import sys
from pathlib import Path
import fake_tensorrt
fake_tensorrt.install("10.3.0", lambda t, n, v: t.__setitem__(n, v) if isinstance(t, dict) else setattr(t, n, v))
from nanohtnet_ros.runtime.engine_store import get_engine
logging.basicConfig(level=logging.INFO, stream=sys.stdout)
engine = get_engine(Path(sys.argv[1]), "fp32", 32)
print("has", len(engine))
"""


@pytest.fixture
def log(caplog):
    """Lines that the package logs."""
    caplog.set_level(logging.INFO, "nanohtnet_ros")
    return caplog


@pytest.fixture
def get(fake_trt, small_onnx, log):
    """`get(version)`: the engine of a small network, as TensorRT of this version gives it."""

    def get(version="10.3.0", precision="fp32", max_batch=32):
        trt = fake_trt(version)
        return get_engine(small_onnx, precision, max_batch), trt

    return get


def engine_files() -> list[Path]:
    return sorted(engine_dir().glob("*.engine"))


def reasons(log) -> list[str]:
    return [line for line in log.messages if line.startswith("building the engine of net (")]


def test_everything_that_an_engine_depends_on_is_in_its_files_name(tmp_path):
    path = tmp_path / "net.onnx"
    path.write_bytes(b"network")
    usual = ("10.3.0", GPU, "fp32", 32)
    others = [("10.3.1", *usual[1:])] + [
        ("10.3.0", gpu, "fp32", 32) for gpu in (Gpu("Xavier", "8.7"), Gpu("Orin", "7.2"))
    ]
    others += [("10.3.0", GPU, "fp16", 32), ("10.3.0", GPU, "fp32", 31)]
    file = engine_file(path, *usual)
    assert file.name.endswith("_TensorRT_10.3.0_Orin_8.7_fp32_batch_1-4-32.engine")
    assert len({file, *(engine_file(path, *other) for other in others)}) == 6
    (tmp_path / "net.onnx.data").write_bytes(b"weights in a file of their own")
    assert engine_file(path, *usual) != file
    with pytest.raises(ValueError, match="expected one of fp32, fp16"):
        engine_file(path, "10.3.0", GPU, "int8")


def test_built_once_then_read(get, log):
    first, trt = get()
    assert len(trt.history.builds) == 1 and "there is none yet" in reasons(log)[0]
    assert log.messages[-1].startswith("built the")
    log.clear()
    again, trt = get()
    assert again == first and not trt.history.builds and not log.messages


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content[:-1],
        lambda content: content[:-1] + bytes([content[-1] ^ 1]),
        lambda content: b"",
        lambda content: b"ftrt" + content,
        lambda content: content[:20],
    ],
)
def test_a_damaged_or_foreign_engine_is_rebuilt_with_one_line(get, log, damage):
    first, _ = get()
    (file,) = engine_files()
    file.write_bytes(damage(file.read_bytes()))
    log.clear()
    again, trt = get()
    assert again == first and len(trt.history.builds) == 1
    assert len(reasons(log)) == 1 and "it is damaged" in reasons(log)[0]
    log.clear()
    assert get()[0] == first and not log.messages


def test_another_tensorrt_precision_or_batch_is_another_engine(get, log):
    get("10.3.0")
    get("10.13.3")
    assert "the cache has only net_" in reasons(log)[-1] and "_TensorRT_10.3.0_Fake_Orin_8.7_fp32" in reasons(log)[-1]
    get("10.13.3", "fp16")
    get("10.13.3", max_batch=1)
    assert "_fp32_batch_1-4-32.engine" in reasons(log)[-1]
    assert len(engine_files()) == 4
    log.clear()
    assert get("10.3.0")[0] and not log.messages


def test_a_changed_model_is_rebuilt(get, log, small_onnx):
    get()
    content = small_onnx.read_bytes()
    small_onnx.write_bytes(content + b"\x32\x00")  # an empty field more
    get()
    assert "the cache has only net_" in reasons(log)[-1] and len(engine_files()) == 2


def test_an_engine_that_tensorrt_cannot_load_is_rebuilt_once(fake_trt, small_onnx, log):
    fake_trt()
    TensorRTSession.from_onnx(small_onnx).close()
    trt = fake_trt()
    trt.history.refuse = 1
    log.clear()
    TensorRTSession.from_onnx(small_onnx).close()
    assert len(trt.history.builds) == 1 and "Serialization assertion failed" in reasons(log)[0]
    trt.history.refuse = 2
    with pytest.raises(EngineFileError, match="cannot load it"):
        TensorRTSession.from_onnx(small_onnx)


def test_two_processes_build_once(small_onnx, tmp_path, monkeypatch):
    environment = {
        **os.environ,
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
        "FAKE_TENSORRT_LOG": str(tmp_path / "builds"),
        "PYTHONPATH": os.pathsep.join((str(ROOT), str(ROOT / "test"), os.environ.get("PYTHONPATH", ""))),
    }
    command = [sys.executable, "-c", ANOTHER_PROCESS, str(small_onnx)]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) for _ in range(2)]
    said = [process.communicate(timeout=120)[0] for process in both]
    assert all("has" in text for text in said)
    assert (tmp_path / "builds").read_text() == "build\n"
    assert sum("another process builds" in text for text in said) <= 1


def test_a_killed_builder_leaves_neither_lock_nor_half_a_file(small_onnx, tmp_path, fake_trt, log):
    environment = {
        **os.environ,
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
        "FAKE_TENSORRT_LOG": str(tmp_path / "builds"),
        "PYTHONPATH": os.pathsep.join((str(ROOT), str(ROOT / "test"), os.environ.get("PYTHONPATH", ""))),
    }
    fake_trt()
    process = subprocess.Popen([sys.executable, "-c", ANOTHER_PROCESS, str(small_onnx)], env=environment)
    while not (tmp_path / "builds").exists():
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not engine_files()
    assert get_engine(small_onnx, "fp32", 32) and "waiting" not in log.text


def test_who_waits_for_the_lock_says_so(tmp_path, log):
    order = []

    def second():
        with locked(tmp_path / "a.engine"):
            order.append("second")

    with locked(tmp_path / "a.engine"):
        thread = threading.Thread(target=second)
        thread.start()
        while not log.messages:
            time.sleep(0.01)
        order.append("first")
    thread.join(timeout=10)
    assert order == ["first", "second"] and "another process builds a.engine" in log.messages[0]


def test_readers_see_whole_files_only(tmp_path):
    file, engines = tmp_path / "net.engine", [bytes([i]) * 3_000_000 for i in range(2)]
    write_engine(file, engines[0])
    done = threading.Event()

    def write():
        for i in range(20):
            write_engine(file, engines[i % 2])
        done.set()

    thread = threading.Thread(target=write)
    thread.start()
    seen = 0
    while not done.is_set():
        assert read_engine(file) in engines
        seen += 1
    thread.join()
    assert seen and [path.name for path in tmp_path.iterdir() if "engine" in path.name] == ["net.engine"]


def test_a_write_that_fails_leaves_the_old_file(tmp_path, monkeypatch):
    write_atomically(tmp_path / "a", b"old")

    def fail(*args):
        raise OSError(errno.ENOSPC, "disk full")

    monkeypatch.setattr("os.replace", fail)
    with pytest.raises(OSError, match=r"disk full.*/a'"):
        write_atomically(tmp_path / "a", b"new")
    assert [path.name for path in tmp_path.iterdir()] == ["a"] and (tmp_path / "a").read_bytes() == b"old"


def test_the_timing_cache_is_kept_and_a_bad_one_dropped(get):
    get()
    _, trt = get(precision="fp16")
    assert trt.history.builds == [b"timing\x01"]
    (timing,) = engine_dir().glob("timing-10.3.0-Fake_Orin.cache")
    timing.write_bytes(b"of another GPU")
    _, trt = get(max_batch=1)
    assert trt.history.builds == [b""]


@pytest.mark.parametrize(
    ("version", "precision", "network", "flags"),
    [
        ("8.6.1", "fp32", 1, []),
        ("8.6.1", "fp16", 1, ["FP16"]),
        ("10.3.0", "fp32", 0, []),
        ("10.3.0", "fp16", 2, []),
        ("11.4.0", "fp32", 0, []),
        ("11.4.0", "fp16", 0, []),
    ],
)
def test_each_version_is_told_its_precision_in_its_own_way(get, version, precision, network, flags):
    _, trt = get(version, precision)
    assert trt.history.network_flags == [network] and trt.history.flags == flags
    assert trt.history.cleared == (["TF32"] if precision == "fp32" else [])
    assert precision in PRECISIONS


@pytest.mark.parametrize("version", ["8.6.1", "10.3.0"])
def test_progress_is_said_where_tensorrt_reports_it(get, log, monkeypatch, version):
    monkeypatch.setattr("nanohtnet_ros.runtime.engine_build.PROGRESS_S", 0.0)
    get(version)
    assert ("building the engine of net: Building, 1 of 2" in log.messages) == (version != "8.6.1")


def test_what_tensorrt_cannot_build_is_said_with_its_reasons(fake_trt, small_onnx, write_onnx, tmp_path):
    from onnx import helper

    trt = fake_trt()
    trt.history.broken = True
    with pytest.raises(ValueError, match=r"cannot build .*no tactic for node 7"):
        get_engine(small_onnx, "fp32", 32)
    (tmp_path / "broken.onnx").write_bytes(b"not a network")
    with pytest.raises(ValueError, match=r"cannot read .*no importer for this"):
        get_engine(tmp_path / "broken.onnx", "fp32", 32)
    wide = write_onnx(
        [helper.make_node("Neg", ["a"], ["c"])],
        {"a": ("FLOAT", ["B", 3, "H", "W"])},
        {"c": ("FLOAT", ["B", 3, "H", "W"])},
        name="wide",
    )
    with pytest.raises(ValueError, match=r"\(-1, 3, -1, -1\).*fixed but for the batch"):
        get_engine(wide, "fp32", 32)
    assert not engine_files()


def test_without_onnx_fp16_says_what_to_do(get, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ImportError, match="pip install onnx, or use fp32"):
        get(precision="fp16")
