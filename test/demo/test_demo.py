"""The demo as users run it: a command, and what it leaves behind."""

import json
import subprocess
import sys

import cv2
import numpy as np
import pytest

rclpy = pytest.importorskip("rclpy", reason="ROS 2 is not installed")

from rosbags.rosbag2 import Reader

from nanohtnet_ros.demo.recorder import bag_typestore
from nanohtnet_ros.demo.run import prepare_folder
from nanohtnet_ros.samples.clips import CLIPS_DIR, packaged_clips

STAGES = {"convert", "detect", "track", "lift", "publish", "total", "image_to_skeletons"}
# MPJPE and P-MPJPE of BlazePose's own 3D output on the same frames, nearest person.
BLAZEPOSE_3D_MM = {"rendered_walk": (92.8, 72.4), "rendered_two": (84.4, 59.4)}


def nanohtnet(*args: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "nanohtnet_ros.cli", *args]
    return subprocess.run(command, capture_output=True, text=True, timeout=280)


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


def test_a_users_video_without_ground_truth(tmp_path, demo):
    video = tmp_path / "short.mp4"
    capture = cv2.VideoCapture(str(CLIPS_DIR / "rendered_walk.mp4"))
    writer = cv2.VideoWriter(str(video), cv2.VideoWriter_fourcc(*"mp4v"), 25.0, (640, 480))
    for _ in range(30):
        writer.write(capture.read()[1])
    writer.release()
    result = nanohtnet("run", str(video), "--out", str(tmp_path / "out"))
    assert result.returncode == 0, result.stdout + result.stderr
    entry = json.loads((tmp_path / "out" / "report.json").read_text())["clips"]["video"]
    assert entry["frames"] == 30 and entry["skeletons"] >= 28
    assert entry["mpjpe_mm"] is None and entry["root_error_m"] is None
    assert (tmp_path / "out" / "demo.png").is_file() and list((tmp_path / "out").glob("*.mcap"))


def test_mistakes_are_said_before_anything_starts(tmp_path):
    missing = nanohtnet("run", str(tmp_path / "none.mp4"))
    assert missing.returncode == 1 and "no file or folder" in missing.stderr
    (tmp_path / "broken.mp4").write_bytes(b"x")
    broken = nanohtnet("run", str(tmp_path / "broken.mp4"))
    assert broken.returncode == 1 and "convert it to H.264" in broken.stderr
    assert "Traceback" not in missing.stderr + broken.stderr


def test_a_folder_with_the_users_own_files_is_left_alone(tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(ValueError, match="not a former run's"):
        prepare_folder(tmp_path)
    assert (tmp_path / "thesis.tex").is_file()
    (tmp_path / "report.json").write_text("{}")
    prepare_folder(tmp_path)
    assert not tmp_path.exists()


def test_clips_and_truth_belong_together():
    for clip in packaged_clips():
        truth = clip.truth
        projected = truth.camera.project(truth.joints_cam_m)
        assert np.abs(projected - truth.joints_px).max() < 0.1
        nearest = truth.joints_cam_m[:, :, 0, 2].mean(axis=0)
        assert nearest[0] == nearest.min()
