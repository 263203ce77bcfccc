import hashlib
import io
import re
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from nanohtnet_ros.cli import main
from nanohtnet_ros.commands.models import get
from nanohtnet_ros.errors import UserError
from nanohtnet_ros.runtime.downloads import SOURCES, OnnxFile
from nanohtnet_ros.runtime.model_store import (
    BLAZEPOSE,
    cache_dir,
    detector_path,
    find_blazepose,
    find_detector,
    find_model,
)

CONTENT = b"network"
SHA256 = hashlib.sha256(CONTENT).hexdigest()


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


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("/net.onnx", CONTENT),
        ("/net.zip", archive("20230831/net/detail.json", "20230831/net/end2end.onnx")),
    ],
)
def test_networks_are_downloaded_by_themselves_or_in_an_archive(web, monkeypatch, capsys, path, content):
    monkeypatch.setitem(SOURCES, "net", OnnxFile(web.url + path, SHA256, "CC0, somebody"))
    with pytest.raises(FileNotFoundError, match=r"run '.*models get net'"):
        find_detector("net")
    with pytest.raises(UserError, match=r"404.*\n.*run it again, or put the file at .*net.onnx yourself"):
        get("net")
    assert f"licence CC0, somebody\ndownloading {web.url}" in capsys.readouterr().out
    web[path] = content
    get("net")
    assert find_detector("net").read_bytes() == CONTENT
    assert [path.name for path in detector_path("net").parent.iterdir()] == ["net.onnx"]
    web.clear()
    get("net")  # is there: nothing is downloaded
    detector_path("net").write_bytes(b"half a netw")
    with pytest.raises(FileNotFoundError, match=r"damaged: run '.*models get net'"):
        find_detector("net")
    web[path] = content
    get("net")
    assert find_detector("net")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (archive("net/other.onnx"), "files end2end.onnx, expected one"),
        (archive("a/end2end.onnx", "b/end2end.onnx"), "files end2end.onnx, expected one"),
        (b"<html>moved</html>", "not a zip file"),
    ],
)
def test_archives_of_another_kind_are_refused(web, monkeypatch, content, says):
    monkeypatch.setitem(SOURCES, "net", OnnxFile(web.url + "/net.zip", "0" * 64, "CC0"))
    web["/net.zip"] = content
    with pytest.raises(UserError, match=says):
        get("net")


def test_a_network_of_another_content_is_refused(web, monkeypatch):
    monkeypatch.setitem(SOURCES, "net", OnnxFile(web.url + "/net.onnx", "0" * 64, "CC0"))
    web["/net.onnx"] = CONTENT
    with pytest.raises(UserError, match="another content"):
        get("net")
    assert not list(cache_dir().rglob("*.onnx"))


def test_every_source_is_whole_and_open():
    assert len({source.sha256 for source in SOURCES.values()}) == len(SOURCES)
    for source in SOURCES.values():
        assert len(bytes.fromhex(source.sha256)) == 32 and source.licence.startswith("Apache-2.0")
        assert re.fullmatch(r"https://.*\.(onnx|zip)", source.url)


@pytest.mark.parametrize("name", BLAZEPOSE)
def test_blazepose_is_in_the_package(name, capsys):
    get(name)
    detector, landmark = find_blazepose(name)
    assert str(landmark) in capsys.readouterr().out
    assert detector.name == "pose_detection.onnx" and landmark.is_file()


def test_detectors_are_found_by_name_and_by_path(tmp_path):
    (tmp_path / "mine.onnx").write_bytes(CONTENT)
    assert find_detector(str(tmp_path / "mine.onnx")) == tmp_path / "mine.onnx"
    with pytest.raises(FileNotFoundError, match=r"no detector at .*yours\.onnx"):
        find_detector(str(tmp_path / "yours.onnx"))
    expected = r"'alphapose', expected blazepose, blazepose_lite, blazepose_heavy, rtmpose-t.* or the path"
    with pytest.raises(ValueError, match=expected):
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
