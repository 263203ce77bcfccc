"""`nanohtnet view` in a browser: people are on the page."""

import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

rr = pytest.importorskip("rerun", reason="rerun is not installed (extra viz)")

from browser import CHROMIUM, Browser

from nanohtnet_ros.cli import main
from nanohtnet_ros.core.drawing import LEFT_RGB, RIGHT_RGB
from nanohtnet_ros.core.lifter import WindowLifter
from nanohtnet_ros.core.poses import Keypoints, Person, TrackedKeypoints
from nanohtnet_ros.recording.frames import FrameResult, RunInfo
from nanohtnet_ros.recording.rerun_bag import show_bag
from nanohtnet_ros.recording.writers import open_writers

from factories import STANDING_M, free_port

PATIENCE_S = 600.0  # software draws the page; never a measure of speed


def record(folder: Path, camera, *names: str) -> None:
    """A person who walks, as written by `nanohtnet run`."""
    writers = open_writers(names, folder, RunInfo("a clip", "optical", 25.0, WindowLifter.open("nano_s_81_streaming")))
    for i in range(20):
        root = np.array((0.02 * i - 0.2, 0.0, 3.5))
        keypoints = Keypoints(camera.project(STANDING_M + root).astype(np.float32), np.ones(17, np.float32))
        people = [Person(1, 0.04 * i, keypoints, STANDING_M, keypoints.confidence, root)]
        tracked = [TrackedKeypoints(1, 0.04 * i, keypoints)]
        image = np.full((480, 640, 3), 90, np.uint8)
        result = FrameResult(i, 0.04 * i, 10**10 + 40_000_000 * i, 0, camera, None, people, tracked, image)
        for writer in writers:
            writer.write(result)
    for writer in writers:
        writer.close()


def pixels_near(image_bgr: np.ndarray, rgb: tuple[float, ...]) -> int:
    """How many pixels have a colour's hue and are as strong."""
    wanted = 255 * np.array(rgb[::-1])
    return int((np.abs(image_bgr.astype(float) - wanted).max(axis=2) < 60).sum())


@pytest.mark.slow
@pytest.mark.timeout(2 * PATIENCE_S)
@pytest.mark.skipif(not CHROMIUM, reason="no Chromium is installed")
@pytest.mark.parametrize("source", ["recording", "people.rrd"])
def test_a_person_is_on_the_page(tmp_path, camera, source):
    record(tmp_path, camera, "mcap_images", "rrd")
    web, grpc = free_port(), free_port()
    command = ["-m", "nanohtnet_ros.cli", "view", str(tmp_path / source)]
    ports = ["--web_port", str(web), "--grpc_port", str(grpc)]
    viewer = subprocess.Popen([sys.executable, *command, *ports], stdout=subprocess.PIPE, text=True)
    browser = None
    try:
        assert viewer.stdout is not None
        page = viewer.stdout.readline().split()[-1]
        browser = Browser(900, 600)
        browser.open(page)
        give_up = time.monotonic() + PATIENCE_S
        seen = [0, 0]
        while min(seen) < 40:
            assert time.monotonic() < give_up, f"pixels of left and right: {seen}"
            time.sleep(2)
            scene = browser.screenshot()[60:, 400:]
            seen = [pixels_near(scene, rgb) for rgb in (LEFT_RGB, RIGHT_RGB)]
        local = [url for url in browser.requests if url.startswith("http://localhost:")]
        assert any(url.endswith(".wasm") for url in local) and any(f":{grpc}/" in url for url in local)
    finally:
        if browser is not None:
            browser.close()
        viewer.terminate()
        viewer.wait(timeout=60)


def test_a_bag_shows_what_the_run_showed(tmp_path, camera):
    record(tmp_path, camera, "mcap_images")
    shown: dict[str, int] = {}

    class Counter:
        def __getattr__(self, name):
            return lambda *args: shown.__setitem__(name, shown.get(name, 0) + 1)

    show_bag(tmp_path / "recording", Counter())
    assert shown["show_image"] == shown["show_people"] == shown["show_keypoints"] == 20
    assert shown["show_camera"] >= 1


@pytest.mark.parametrize(
    ("source", "says"),
    [("missing.rrd", "does not exist"), ("empty", "cannot be read"), ("people.rrd", "cannot be served")],
)
def test_what_cannot_be_shown_is_one_line(tmp_path, capsys, source, says):
    (tmp_path / "empty").mkdir()
    (tmp_path / "people.rrd").touch()
    with socket.socket() as taken:
        taken.bind(("", 0))
        taken.listen()
        port = taken.getsockname()[1] if "served" in says else free_port()
        ports = ["--web_port", str(port), "--grpc_port", str(free_port())]
        assert main(["view", str(tmp_path / source), *ports]) == 1
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith("nanohtnet view: ") and says in error
