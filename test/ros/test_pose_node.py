"""pose_node as its users meet it: another process, real DDS."""

import array
import json
from pathlib import Path

import cv2
import numpy as np
import pytest

rclpy = pytest.importorskip("rclpy", reason="ROS 2 is not installed")

from lifecycle_msgs.msg import State
from lifecycle_msgs.srv import GetState
from nanohtnet_ros.msg import Skeleton3DArray
from sensor_msgs.msg import CameraInfo

from nanohtnet_ros.core.camera import Camera
from nanohtnet_ros.core.messages import stamp_ns
from nanohtnet_ros.ros.messages import MESSAGES
from nanohtnet_ros.ros.pose_node import PoseNode
from nanohtnet_ros.samples.clips import CLIPS_DIR, packaged_clips

from streams import GREY, image

CONFIG = Path(__file__).resolve().parents[2] / "config"


def test_an_independent_client_gets_the_images_own_stamps_and_frames(processes, wait_for):
    """Video, pose and client are three processes; the client knows our messages and nothing else."""
    client = processes.start(str(Path(__file__).with_name("client.py")))
    processes.node("pose_node")
    video = processes.node(
        "video_node",
        source=f"'{CLIPS_DIR / 'rendered_two.mp4'}'",
        camera_info_file=f"'{CLIPS_DIR / 'camera.yaml'}'",
        wait_for_subscribers=2,
        speed=0.25,
        frame_id="left_optical",
    )
    video.wait()

    def heard() -> dict[str, list[dict]]:
        lines = [json.loads(line) for line in processes.log_of(client).splitlines() if line.startswith("{")]
        return {kind: [line for line in lines if line["kind"] == kind] for kind in ("image", "3d", "2d")}

    # Of 85 images; a loaded machine drops some, and the client's too.
    wait_for(lambda: len(heard()["3d"]) >= 20 and len(heard()["2d"]) >= 20, "20 skeleton messages")
    images, skeletons, skeletons_2d = heard().values()
    stamps = {tuple(msg["stamp"]) for msg in images}
    for messages in (skeletons, skeletons_2d):
        assert sum(tuple(msg["stamp"]) in stamps for msg in messages) >= 0.9 * len(messages)
        assert {msg["frame"] for msg in messages} == {"left_optical"}
        assert [msg["stamp"] for msg in messages] == sorted(msg["stamp"] for msg in messages)
    people = [person for msg in skeletons[5:] for person in msg["people"]]
    assert len(people) >= len(skeletons[5:])
    assert all(person["hip"] == [0, 0, 0] and person["valid"] for person in people)
    assert np.mean([3.0 < person["root"][2] < 6.5 for person in people]) > 0.9
    assert np.mean([person["head"][0] < -0.5 for person in people]) > 0.9  # y points down, heads are up
    assert max(person["age"] for person in people) > 1.0
    ids = {person["id"] for person in people}
    assert 2 <= len(ids) <= 4


def test_a_person_is_followed_and_measured(pose, picture):
    walk = next(clip.truth for clip in packaged_clips() if clip.name == "rendered_walk")
    pose.send_info(MESSAGES.camera_info(walk.camera), "calibration=640x480, fx 600.0 px")
    arrays = [pose.send_and_wait(image(picture, 1000 + i / 25)) for i in range(5)]
    assert [stamp_ns(a.header) for a in arrays] == [round((1000 + i / 25) * 1e9) for i in range(5)]
    assert {a.header.frame_id for a in arrays} == {"head_camera_optical_frame"}
    assert {s.track_id for a in arrays for s in a.skeletons} == {1}
    assert arrays[-1].skeletons[0].track_age == pytest.approx(4 / 25, abs=1e-4)
    root = arrays[-1].skeletons[0].root
    assert np.linalg.norm(np.array((root.x, root.y, root.z)) - walk.joints_cam_m[0, 0, 0]) < 0.5
    pose.says("models=nano_81_streaming by ONNX Runtime")
    pose.says("blazepose by ONNX Runtime")
    pose.says("detect p99 ms=", "detect rate Hz=30.0", "landmark rate Hz=1000.0")


def test_nobody_in_view_is_an_empty_message(pose):
    empty = pose.send_and_wait(image(GREY, 1000.0))
    assert empty.skeletons == [] and empty.header.frame_id == "head_camera_optical_frame"


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"encoding": "thermal12"}, "'thermal12' is unknown"),
        ({"step": 7}, "step is 7 bytes, expected at least"),
        ({"step": 9_999}, "expected step * height"),
        ({"data": array.array("B", b"abc")}, "the image has 3 bytes"),
        ({"height": 0}, "640x0 pixels"),
    ],
)
def test_a_bad_image_is_a_diagnostic_and_the_node_lives_on(pose, picture, changes, says):
    assert len(pose.send_and_wait(image(picture, 1000.0)).skeletons) == 1
    pose.send(image(picture, 1000.04, **changes))
    pose.says(says)
    pose.says("refused=1")
    good = pose.send_and_wait(image(picture, 1000.08))
    assert [s.track_id for s in good.skeletons] == [1]
    assert pose.process.poll() is None
    pose.says("image=640x480 bgr8")


def test_without_camera_info_a_field_of_view_is_assumed_and_said(pose, picture):
    assert pose.send_and_wait(image(picture, 1000.0)).skeletons[0].root_valid
    pose.says("no CameraInfo on /camera_info: a horizontal field of view of 60 degrees is assumed")


def test_camera_info_of_zeros_says_what_to_do(pose, picture):
    pose.send_info(CameraInfo(width=640, height=480), "not calibrated, run camera_calibration")
    before = pose.send_and_wait(image(picture, 1000.0)).skeletons[0].root.z
    # A calibration that comes later is taken; a lens of twice the focal length puts the person twice as far.
    far = MESSAGES.camera_info(Camera(640, 480, 1200.0, 1200.0, 319.5, 239.5))
    pose.send_info(far, "calibration=640x480, fx 1200.0 px")
    assert pose.send_and_wait(image(picture, 2000.0)).skeletons[0].root.z > 1.5 * before


def test_a_bag_that_loops_and_stamps_that_repeat(pose, picture):
    assert [s.track_id for s in pose.send_and_wait(image(picture, 1000.0)).skeletons] == [1]
    pose.send(image(picture, 1000.0))
    pose.says("stamps=the image's stamp is")
    assert [s.track_id for s in pose.send_and_wait(image(picture, 500.0)).skeletons] == [2]
    assert [s.track_id for s in pose.send_and_wait(image(picture, 500.04)).skeletons] == [2]
    pose.says("stamps=monotonic")


def test_the_resolution_may_change_in_mid_stream(pose, picture, wait_for):
    first = pose.send_and_wait(image(picture, 1000.0))
    half = cv2.resize(picture, (320, 240), interpolation=cv2.INTER_AREA)
    second = pose.send_and_wait(image(half, 1000.04))
    assert len(first.skeletons) == len(second.skeletons) == 1
    wait_for(lambda: pose.skeletons_2d[-1].image_width == 320, "the second image's keypoints")  # another topic
    assert second.skeletons[0].root.z == pytest.approx(first.skeletons[0].root.z, rel=0.2)


def test_whatever_goes_wrong_inside_the_node_lives_on(peer, picture, wait_for):
    node = PoseNode()
    try:
        detector = node._processor._estimator.tracker._detector
        detect = detector.detect

        def fail(*arguments):
            raise FloatingPointError("a detector's bad day")

        detector.detect = fail
        node.put(image(picture, 1.0))
        wait_for(lambda: node.counts["failed"] == 1, "the failure")
        assert node.counts["outputs"] == 0
        assert node.diagnostics._conditions["processing"][1] == "FloatingPointError: a detector's bad day"
        detector.detect = detect
        node.put(image(picture, 1.04))
        wait_for(lambda: node.counts["outputs"] == 1, "skeletons")
        assert node.diagnostics._conditions["processing"][1] == "ok"
    finally:
        node.destroy_node()


def test_parameters_come_from_a_file_in_any_namespace(processes, peer, wait_for, picture, tmp_path):
    content = (CONFIG / "pose.yaml").read_text()
    (tmp_path / "mine.yaml").write_text(content.replace("horizontal_fov_deg: 60.0", "horizontal_fov_deg: 75.0"))
    says, skeletons = peer.diagnostics(), peer.listen("/left/pose_node/skeletons", Skeleton3DArray)
    processes.node("pose_node", "-r", "__ns:=/left", "--params-file", str(tmp_path / "mine.yaml"))
    sent = 0

    def sent_and_answered() -> bool:
        nonlocal sent
        sent += 1
        peer.publish("/left/image", image(picture, 1000 + 0.05 * sent))
        return bool(skeletons)

    wait_for(sent_and_answered, "skeletons")
    wait_for(lambda: "field of view of 75 degrees" in says("left/pose_node"), "the file's field of view")


def test_a_missing_model_leaves_a_living_node_that_says_why(processes, peer, wait_for):
    says = peer.diagnostics()
    node = processes.node("pose_node", model="nano_9000")
    wait_for(lambda: "no model named 'nano_9000'" in says("pose_node"), "the diagnostic")
    assert "this package has nano_81_centred, nano_81_streaming" in says("pose_node")
    state = peer.call("/pose_node/get_state", GetState, GetState.Request())
    assert state.current_state.id == State.PRIMARY_STATE_UNCONFIGURED
    assert node.poll() is None


def test_a_missing_detector_names_the_command(processes, peer, wait_for, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "empty"))
    says = peer.diagnostics()
    node = processes.node("pose_node", detector="rtmo-s")
    wait_for(lambda: "run 'nanohtnet models get rtmo-s'" in says("pose_node"), "the diagnostic")
    assert node.poll() is None
