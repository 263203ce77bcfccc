import re
import time

import cv2
import numpy as np
import pytest

rclpy = pytest.importorskip("rclpy", reason="ROS 2 is not installed")

from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import CameraInfo, Image

from nanohtnet_ros.core.camera_info import camera_from_msg
from nanohtnet_ros.core.messages import stamp_ns
from nanohtnet_ros.samples.clips import CLIPS_DIR
from nanohtnet_ros.samples.image_messages import image_from_msg

from video_files import greys, write_avi, write_matroska


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "frames"
    path.mkdir()
    for i in range(4):
        cv2.imwrite(str(path / f"{i}.png"), np.full((48, 64, 3), 10 * i, np.uint8))
    return path


def test_images_and_calibration_at_the_sources_rate(processes, peer, wait_for, tmp_path):
    """Stamps are the source's even when it is played slower, as any machine can, and every frame comes."""
    capture = cv2.VideoCapture(str(CLIPS_DIR / "rendered_two.mp4"))
    frames = [capture.read()[1] for _ in range(20)]
    images, infos = peer.listen("image", Image, 20), peer.listen("camera_info", CameraInfo, 20)  # none is overwritten
    heard = peer.diagnostics()
    started_ns = time.time_ns()
    node = processes.node(
        "video_node",
        source=f"'{write_avi(tmp_path / 'two.avi', frames)}'",
        camera_info_file=f"'{CLIPS_DIR / 'camera.yaml'}'",
        wait_for_subscribers=1,
        speed=0.1,
    )
    assert node.wait(timeout=60) == 0
    wait_for(lambda: len(images) == len(infos) == 20, lambda: f"20: {len(images)} images, {len(infos)} calibrations")
    wait_for(lambda: "published=20\nskipped=0" in heard("video_node"), "the last diagnostics")
    assert started_ns < stamp_ns(images[0].header) < time.time_ns()
    assert set(np.round(np.diff([stamp_ns(m.header) for m in images]) / 1e6).tolist()) == {40.0}
    assert [stamp_ns(m.header) for m in infos] == [stamp_ns(m.header) for m in images]
    assert {m.header.frame_id for m in images + infos} == {"camera_optical_frame"}
    assert camera_from_msg(infos[0]).fx == 600.0
    _, first = cv2.VideoCapture(str(tmp_path / "two.avi")).read()
    np.testing.assert_array_equal(image_from_msg(images[0]), first)


def test_a_folder_loops_with_time_going_on(processes, peer, wait_for, folder):
    images, infos = peer.listen("image", Image, qos_profile_sensor_data), peer.listen("camera_info", CameraInfo)
    processes.node("video_node", source=f"'{folder}'", loop="true", frame_rate=50.0, wait_for_subscribers=1)
    wait_for(lambda: len(images) >= 12, "three rounds")
    shades = [int(image_from_msg(m)[0, 0, 0]) for m in images[:12]]
    assert sorted(set(shades)) == [0, 10, 20, 30]
    assert (np.diff([stamp_ns(m.header) for m in images]) > 0).all()
    wait_for(lambda: infos, "camera_info")
    assert infos[0].k[0] == 0.0 and infos[0].width == 64  # not calibrated, as REP 104's message says it


def test_frames_come_at_their_own_times(processes, peer, tmp_path):
    times_ms = [0, 40, 80, 480, 520, 560, 1560]
    video = write_matroska(tmp_path / "Mum's: walk.webm", greys(7), times_ms)
    images = peer.listen("image", Image)
    node = processes.node("video_node", source=f'"{video}"', wait_for_subscribers=1)
    assert node.wait(timeout=60) == 0
    stamps_ns = np.array([stamp_ns(m.header) for m in images])
    assert np.round((stamps_ns - stamps_ns[0]) / 1e6).tolist() == times_ms


def test_a_machine_that_is_too_slow_skips_frames_and_says_so(processes, peer, wait_for):
    heard = peer.diagnostics()
    processes.node(
        "video_node", "-r", "__ns:=/fast", source=f"'{CLIPS_DIR / 'rendered_walk.mp4'}'", loop="true", speed=100.0
    )
    wait_for(lambda: "frames skipped: this machine is too slow" in heard("fast/video_node"), "the diagnostic")
    wait_for(lambda: re.search(r"published=[1-9]\d*\nskipped=[1-9]", heard("fast/video_node")), "the figures")


def test_a_machine_that_is_too_slow_at_the_end_skips_the_last_frames(processes, peer, wait_for):
    heard, _ = peer.diagnostics(), peer.listen("image", Image)
    impatient = "from nanohtnet_ros.ros import video_node; video_node.MAX_BEHIND_S = 0.001; video_node.main()"
    parameters = (f"source:='{CLIPS_DIR / 'rendered_walk.mp4'}'", "speed:=100.0", "wait_for_subscribers:=1")
    node = processes.start("-c", impatient, "--ros-args", *(word for p in parameters for word in ("-p", p)))
    assert node.wait(timeout=60) == 0
    assert "cannot be decoded" not in processes.log_of(node)
    wait_for(lambda: "that was the last one" in heard("video_node"), "the last diagnostics")
    published, skipped = map(int, re.search(r"published=(\d+)\nskipped=(\d+)", heard("video_node")).groups())
    assert published > 0 and skipped > 0 and published + skipped == 150


def test_a_video_that_is_cut_short_is_played_and_ends_with_an_error(processes, peer, tmp_path):
    video = write_avi(tmp_path / "whole.avi", greys(20))
    video.write_bytes(video.read_bytes()[:-4000])
    images = peer.listen("image", Image)
    node = processes.node("video_node", source=f"'{video}'", wait_for_subscribers=1, speed=4.0)
    assert node.wait(timeout=60) == 1
    assert 0 < len(images) < 20
    assert f"{len(images)} frames published, then {video} is cut short" in processes.log_of(node)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda p: "''", "no source is given"),
        (lambda p: f"'{p}/none.mp4'", "no file or folder"),
        (lambda p: f"'{(p / 'broken.mp4').write_bytes(b'x') and p / 'broken.mp4'}'", "no video that OpenCV can read"),
        (lambda p: "'97'", "webcam 97 cannot be opened"),
        (lambda p: "97", "webcam 97 cannot be opened"),
    ],
)
def test_an_unreadable_source_is_a_diagnostic_and_the_node_lives_on(processes, peer, wait_for, tmp_path, make, says):
    heard = peer.diagnostics()
    node = processes.node("video_node", source=make(tmp_path))
    wait_for(lambda: says in heard("video_node"), says)
    assert node.poll() is None


def test_a_source_that_appears_later_is_played(processes, peer, wait_for, tmp_path):
    heard, images = peer.diagnostics(), peer.listen("image", Image)
    node = processes.node("video_node", source=f"'{tmp_path / 'later.mp4'}'", speed=4.0)
    wait_for(lambda: "no file or folder" in heard("video_node"), "the diagnostic")
    part = tmp_path / "part"
    part.write_bytes((CLIPS_DIR / "rendered_two.mp4").read_bytes())
    part.rename(tmp_path / "later.mp4")
    wait_for(lambda: len(images) > 10, "images")
    assert node.wait(timeout=60) == 0


def test_a_bad_calibration_file_is_a_diagnostic_and_images_still_come(processes, peer, wait_for, folder, tmp_path):
    (tmp_path / "bad.yaml").write_text("image_width: 64\n")
    heard, images = peer.diagnostics(), peer.listen("image", Image)
    processes.node("video_node", source=f"'{folder}'", loop="true", camera_info_file=f"'{tmp_path / 'bad.yaml'}'")
    wait_for(lambda: "bad.yaml lacks" in heard("video_node"), "the diagnostic")
    wait_for(lambda: images, "images")
