"""The demo as users run it: a command, and what it leaves behind."""

import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

rclpy = pytest.importorskip("rclpy", reason="ROS 2 is not installed")

from rosbags.rosbag2 import Reader

from nanohtnet_ros.demo.run import run
from nanohtnet_ros.errors import UserError
from nanohtnet_ros.recording.messages import typestore as bag_typestore
from nanohtnet_ros.samples.clips import CLIPS_DIR, packaged_clips

from video_files import write_avi

STAGES = {"convert", "detect", "track", "lift", "publish", "total", "image_to_skeletons"}
# MPJPE and P-MPJPE of BlazePose's own 3D output on the same frames, nearest person.
BLAZEPOSE_3D_MM = {"rendered_walk": (92.8, 72.4), "rendered_two": (84.4, 59.4)}


# On a machine of which a tenth is free the demo plays at its slowest, a frame in two seconds.
PATIENCE_S = 1500
pytestmark = pytest.mark.timeout(1.2 * PATIENCE_S)


def nanohtnet(*args: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "nanohtnet_ros.cli", *args]
    return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S)


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    out = tmp_path_factory.mktemp("demo") / "demo_output"
    result = nanohtnet("demo", "--out", str(out))
    assert result.returncode == 0, result.stdout + result.stderr
    return out, json.loads((out / "report.json").read_text())["clips"], result.stdout


def test_at_least_95_percent_of_the_frames_become_skeletons(demo):
    _, clips, _ = demo
    assert {name: entry["frames"] for name, entry in clips.items()} == {"rendered_walk": 150, "rendered_two": 85}
    for entry in clips.values():
        assert entry["skeletons"] >= 0.95 * entry["frames"]
        assert entry["drops"] <= 0.05 * entry["frames"]


@pytest.mark.parametrize("name", ["rendered_walk", "rendered_two"])
def test_errors_from_pixels_are_a_quarter_below_blazeposes_own(demo, name):
    _, clips, _ = demo
    mpjpe_mm, p_mpjpe_mm = BLAZEPOSE_3D_MM[name]
    assert clips[name]["mpjpe_mm"] < 0.75 * mpjpe_mm and clips[name]["p_mpjpe_mm"] < 0.75 * p_mpjpe_mm
    assert 1.0 < clips[name]["keypoint_error_px"] < 8.0 and clips[name]["root_error_m"] < 0.4


def test_nobody_shares_an_id(demo):
    _, clips, _ = demo
    first, second = (set(person["track_ids"]) for person in clips["rendered_two"]["people"])
    assert len(first) == 1 and not first & second
    assert clips["rendered_two"]["people"][1]["recall"] > 0.85


def test_every_stage_has_its_latencies(demo):
    _, clips, printed = demo
    for entry in clips.values():
        assert set(entry["latency_ms"]) == STAGES
        assert all(0 <= stage["p50"] <= stage["p99"] for stage in entry["latency_ms"].values())
    assert "MPJPE (mm)" in printed and "image_to_skeletons" in printed


def test_the_bag_holds_all_topics_readable_without_us(demo):
    out, clips, _ = demo
    assert len(list(out.glob("*.mcap"))) == 1 and (out / "metadata.yaml").is_file()
    with Reader(out) as reader:
        counts = {connection.topic: connection.msgcount for connection in reader.connections}
        definitions = {c.topic: c.msgdef.data for c in reader.connections}
    for name in clips:
        for topic in ("image", "camera_info", "pose_node/skeletons", "pose_node/skeletons_2d", "marker_node/markers"):
            assert counts[f"/{name}/{topic}"] >= 0.95 * clips[name]["frames"], topic
    assert counts["/diagnostics"] > 0
    # The definitions in the bag suffice to read our messages, as Foxglove does.
    assert "geometry_msgs/Point32[17] joints" in definitions["/rendered_walk/pose_node/skeletons"]
    typestore = bag_typestore()
    with Reader(out) as reader:
        for connection, _, data in reader.messages():
            if connection.topic == "/rendered_walk/pose_node/skeletons":
                message = typestore.deserialize_cdr(data, connection.msgtype)
                assert message.header.frame_id == "camera_optical_frame"
                assert len(message.skeletons[0].joints) == 17
                break


def test_the_picture_is_a_picture(demo):
    out, _, _ = demo
    picture = cv2.imread(str(out / "demo.png"))
    assert picture.shape[0] > 600 and picture.shape[1] > 900 and picture.std() > 20


@pytest.fixture(scope="module")
def frames():
    """The first frames of a packaged clip."""
    capture = cv2.VideoCapture(str(CLIPS_DIR / "rendered_walk.mp4"))
    return [capture.read()[1] for _ in range(40)]


def test_a_users_video_that_is_cut_short(tmp_path, frames):
    """Without ground truth, under a name that YAML and URLs would take for something else."""
    video = write_avi(tmp_path / "Mum's walk 12:30:05.avi", frames)
    content = video.read_bytes()
    video.write_bytes(content[: int(0.7 * len(content))])
    result = nanohtnet("run", str(video), "--through_nodes", "--out", str(tmp_path / "out"), "--speed", "0.1")
    assert result.returncode == 1 and "Traceback" not in result.stderr
    entry = json.loads((tmp_path / "out" / "report.json").read_text())["clips"]["video"]
    assert 20 <= entry["frames"] < 40 and 0 < entry["skeletons"] <= entry["frames"]
    assert f"results are of {entry['frames']} of 40 frames" in result.stderr and "is cut short" in result.stderr
    assert entry["mpjpe_mm"] is None and entry["root_error_m"] is None
    assert (tmp_path / "out" / "demo.png").is_file() and list((tmp_path / "out").glob("*.mcap"))


def test_sigterm_ends_a_run_at_once_and_says_what_is_missing(tmp_path, frames):
    video, out = write_avi(tmp_path / "walk.avi", 5 * frames), tmp_path / "out"  # 800 s at the speed below
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "nanohtnet_ros.cli", "run", str(video), "--through_nodes"),
            *("--out", str(out), "--speed", "0.01"),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    log = out / "logs" / "video_video_node.log"
    while not (log.is_file() and "source:" in log.read_text()):
        assert process.poll() is None, process.communicate()
        time.sleep(0.1)
    second = nanohtnet("run", str(video), "--out", str(out), "--through_nodes")
    assert second.returncode == 1 and f"written by another run, process {process.pid} since" in second.stderr
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 1 and "Traceback" not in said
    assert re.search(r"ended by SIGTERM: \d+ of 200 frames of walk.avi were played; .* holds no report", said), said
    assert not (out / "report.json").exists()


def test_nodes_end_with_a_parent_that_is_killed(tmp_path):
    if sys.platform != "linux":
        pytest.skip("only Linux ends children with their parent")
    script = (
        "import sys, time; from pathlib import Path; from nanohtnet_ros.demo.processes import start;"
        "print(start('marker_node', 'x', Path(sys.argv[1])).pid, flush=True); time.sleep(600)"
    )
    parent = subprocess.Popen([sys.executable, "-c", script, str(tmp_path / "log")], stdout=subprocess.PIPE)
    child = Path("/proc") / parent.stdout.readline().decode().strip()
    assert child.is_dir()
    parent.kill()
    parent.wait()
    give_up = time.monotonic() + 60
    while child.is_dir() and "Z" not in (child / "stat").read_text().rpartition(")")[2][:3]:
        assert time.monotonic() < give_up, "the node lives on"
        time.sleep(0.1)


def test_mistakes_are_said_before_anything_starts(tmp_path, frames):
    write_avi(tmp_path / "walk.avi", frames[:2])
    (tmp_path / "broken.mp4").write_bytes(b"x")
    (tmp_path / "bad.yaml").write_text("image_width: 640\n")
    other = (CLIPS_DIR / "camera.yaml").read_text().replace("image_height: 480", "image_height: 700")
    (tmp_path / "other.yaml").write_text(other)
    for video_name, options, says in (
        ("none.mp4", {}, "no file or folder"),
        ("broken.mp4", {}, "convert it to H.264"),
        ("walk.avi", {"camera_info": tmp_path / "bad.yaml"}, "bad.yaml cannot be used"),
        ("walk.avi", {"camera_info": tmp_path / "other.yaml"}, "640x700"),
        ("walk.avi", {"camera_info": tmp_path / "none.yaml"}, "none.yaml cannot be used"),
        ("walk.avi", {"out": tmp_path}, "lies inside of the output folder"),
    ):
        with pytest.raises(UserError, match=re.escape(says)):
            run(tmp_path / video_name, **options)
    missing = nanohtnet("run", str(tmp_path / "none.mp4"), "--through_nodes")
    assert missing.returncode == 1 and "no file or folder" in missing.stderr and "Traceback" not in missing.stderr


def test_nothing_of_the_users_is_deleted(tmp_path, frames, monkeypatch):
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "mine.log").write_text("years of work")
    (tmp_path / "report.json").write_text("{}")
    video = write_avi(tmp_path / "walk.avi", frames[:2])
    before = {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
    monkeypatch.chdir(tmp_path)
    for source in (Path("walk.avi"), CLIPS_DIR / "rendered_walk.mp4"):
        with pytest.raises(UserError, match="choose another folder"):
            run(source, Path())
    assert {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()} == before and video in before


def test_clips_and_truth_belong_together():
    for clip in packaged_clips():
        truth = clip.truth
        projected = truth.camera.project(truth.joints_cam_m)
        assert np.abs(projected - truth.joints_px).max() < 0.1
        nearest = truth.joints_cam_m[:, :, 0, 2].mean(axis=0)
        assert nearest[0] == nearest.min()
