"""Nodes that publish poses of a moment before the newest image."""

import pytest

rclpy = pytest.importorskip("rclpy", reason="ROS 2 is not installed")

from nanohtnet_ros.msg import Skeleton3DArray, SkeletonDescription

from nanohtnet_ros.core.body import HIPS_AHEAD_M
from nanohtnet_ros.core.camera import Camera
from nanohtnet_ros.core.lifter import WindowLifter
from nanohtnet_ros.core.messages import joints_from_msg, root_from_msg, stamp_ns
from nanohtnet_ros.core.model_card import ModelCard
from nanohtnet_ros.core.pose_estimation import ONLY_CAMERA, Frame, Lifter, LiftingConfig
from nanohtnet_ros.core.poses import TrackedKeypoints
from nanohtnet_ros.ros.messages import MESSAGES, header_before
from nanohtnet_ros.ros.qos import LATCHED
from nanohtnet_ros.runtime.model_store import DEFAULT_MODEL, find_model
from nanohtnet_ros.runtime.session import open_session

from streams import GREY, header, image

CAMERA = Camera(640, 480, 600.0, 600.0, 319.5, 239.5)


def test_headers_before_others():
    assert stamp_ns(header_before(header(10.25), 500_000_000)) == 9_750_000_000
    assert header_before(header(10.25), 0) == header(10.25)
    early = header_before(header(0.1), 500_000_000)
    assert stamp_ns(early) == 0 and early.frame_id == header(0.1).frame_id


def test_lifter_node_says_where_somebody_was(start_node, peer, wait_for, make_keypoints):
    """What comes is what the core makes of the same keypoints, under the earlier stamp."""
    node = start_node("lifter_node", look_ahead_s=0.155, device="cpu")
    node.says("models=nano_81_streaming by ONNX Runtime", "poses 0.16 s before the image")  # its nearest
    described = peer.listen("/lifter_node/skeleton_description", SkeletonDescription, LATCHED)
    wait_for(lambda: described, "the description")
    assert described[0].look_ahead == pytest.approx(0.16)
    skeletons = peer.listen("/lifter_node/skeletons", Skeleton3DArray)
    peer.keep_publishing("camera_info", MESSAGES.camera_info(CAMERA))
    sent = 0

    def send(people, seconds: float) -> None:
        peer.publish("skeletons_2d", MESSAGES.skeletons_2d(people, header(seconds), 640, 480))

    def connected() -> bool:
        nonlocal sent
        send([], 0.05 * (sent := sent + 1))
        return bool(skeletons) and "calibration=640x480, fx 600.0 px" in node.diagnostics()

    wait_for(connected, "the connection")
    model = find_model(DEFAULT_MODEL)
    lifter = WindowLifter(open_session(model, "cpu"), ModelCard.load(model.with_suffix(".json")), 0.155)
    core = Lifter(lifter, LiftingConfig(hips_ahead_m=HIPS_AHEAD_M))
    for i in range(8):
        seconds = 1000 + i / 25
        people = [TrackedKeypoints(7, i / 25, make_keypoints((0.04 * i, 0.0, 4.0)))]
        send(people, seconds)
        expected_ns = round((seconds - 0.16) * 1e9)
        wait_for(lambda ns=expected_ns: stamp_ns(skeletons[-1].header) == ns, "skeletons of 0.16 s ago")
        expected = core.step_cameras({ONLY_CAMERA: Frame(round(seconds * 1e9), CAMERA, people)})[ONLY_CAMERA]
        assert len(skeletons[-1].skeletons) == len(expected) == (i >= 4), "who was seen 0.16 s ago"
        for shown, person in zip(skeletons[-1].skeletons, expected, strict=True):
            assert joints_from_msg(shown) == pytest.approx(person.joints_rel_m, abs=1e-4)
            assert root_from_msg(shown) == pytest.approx(person.root_m, abs=1e-3)
            assert shown.track_age == pytest.approx(i / 25 - 0.16, abs=1e-5)


def test_pose_node_keeps_the_keypoints_with_their_image(start_pose, picture, wait_for):
    pose, sent = start_pose(connect=False, look_ahead_s=0.08, device="cpu"), 0

    def connected() -> bool:
        nonlocal sent
        pose.send(image(GREY, 0.05 * (sent := sent + 1)))
        return bool(pose.skeletons and pose.skeletons_2d)

    wait_for(connected, "the connection")
    for i in range(4):
        pose.send(image(picture, 1000 + i / 25))
        wait_for(lambda i=i: stamp_ns(pose.skeletons_2d[-1].header) == round((1000 + i / 25) * 1e9), "keypoints")
        wait_for(lambda i=i: stamp_ns(pose.skeletons[-1].header) == round((1000 + i / 25 - 0.08) * 1e9), "skeletons")
        assert len(pose.skeletons_2d[-1].skeletons) == 1
        assert len(pose.skeletons[-1].skeletons) == (i >= 2)


def test_a_look_ahead_below_zero_is_refused(processes):
    process = processes.node("lifter_node", look_ahead_s=-1.0)
    process.wait(timeout=60)
    assert process.returncode != 0 and "look_ahead_s" in processes.log_of(process)
