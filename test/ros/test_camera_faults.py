"""Cameras that stall, cannot be heard, send garbage or start over."""

import array

import cv2
import numpy as np
import pytest

rclpy = pytest.importorskip("rclpy", reason="ROS 2 is not installed")

from rclpy.qos import QoSProfile, QoSReliabilityPolicy
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import Image

from nanohtnet_ros.core.camera import Camera
from nanohtnet_ros.core.messages import joints_from_msg, stamp_ns
from nanohtnet_ros.ros.messages import MESSAGES

from streams import frames_of, header, image, jpeg

BEST_EFFORT = QoSProfile(depth=1, reliability=QoSReliabilityPolicy.BEST_EFFORT)
RELIABLE = QoSProfile(depth=1, reliability=QoSReliabilityPolicy.RELIABLE)


def joints_of(array_3d) -> np.ndarray:
    """(P, 17, 3) of a message."""
    return np.array([joints_from_msg(s) for s in array_3d.skeletons])


def test_a_camera_that_stalls_and_returns(start_pose, peer):
    pose = start_pose(stale_after_s=0.5)
    frames = frames_of("rendered_walk", 6)
    before = [pose.send_and_wait(image(frame, 1000 + i / 25)) for i, frame in enumerate(frames)]
    sent = len(pose.skeletons)
    pose.says("input: nothing on /image for more than 0.5 s, 1 publishers: start the camera or remap 'image'")
    assert len(pose.skeletons) == sent
    again = [pose.send_and_wait(image(frame, 1005 + i / 25)) for i, frame in enumerate(frames)]
    assert {s.track_id for a in before for s in a.skeletons} == {1}
    assert {s.track_id for a in again for s in a.skeletons} == {2}
    # What was seen before the pause is no part of the window after it.
    np.testing.assert_allclose([joints_of(a) for a in again], [joints_of(a) for a in before], atol=1e-5)
    pose.send_empty_until(lambda: "input=comes on /image" in pose.diagnostics(), "the diagnostic")
    peer.stop_publishing("image")
    pose.says("input: nothing on /image for more than 0.5 s, 0 publishers")
    pose.connect()


def test_a_publisher_that_cannot_be_heard_is_named_with_the_remedy(start_pose, peer):
    pose = start_pose("-p", "qos_overrides./image.subscription.reliability:=reliable")
    for _ in range(2):
        publisher = peer.node.create_publisher(Image, "image", BEST_EFFORT)
        pose.says(
            "QoS of input: a publisher of /image cannot be heard, its RELIABILITY is less than asked for",
            "the parameter qos_overrides./image.subscription.reliability",
        )
        peer.node.destroy_publisher(publisher)
        pose.says("QoS of input=all publishers are heard")
    assert "cannot be heard" not in pose.diagnostics()


def test_best_effort_and_reliable_publishers_are_heard(pose, peer, picture, wait_for):
    for start, qos in ((1000.0, BEST_EFFORT), (2000.0, RELIABLE)):
        publisher, sent = peer.node.create_publisher(Image, "image", qos), 0

        def sent_and_heard(publisher=publisher, start=start) -> bool:
            nonlocal sent
            publisher.publish(image(picture, start + 0.05 * (sent := sent + 1)))
            return pose.skeletons[-1].header.stamp.sec >= start

        wait_for(sent_and_heard, f"{qos.reliability.name} images")
        peer.node.destroy_publisher(publisher)
    assert "cannot be heard" not in pose.diagnostics()


def test_compressed_images_and_corrupted_ones(start_pose, peer, wait_for, picture):
    pose = start_pose(connect=False, image_transport="compressed")
    sent = 0

    def sent_and_answered() -> bool:
        nonlocal sent
        peer.publish("image/compressed", jpeg(picture, 1000 + 0.04 * (sent := sent + 1)))
        return bool(pose.skeletons and pose.skeletons[-1].skeletons)

    wait_for(sent_and_answered, "skeletons")
    pose.says("image=640x480 bgr8; jpeg compressed bgr8")
    good = jpeg(picture, 1000 + 0.04 * (sent + 1))
    noise = np.random.default_rng(0).integers(0, 256, 5000, np.uint8).tobytes()
    for data, says in (
        (bytes(good.data)[:3000], "ends before its end marker"),
        (noise, "are no whole image"),
        (b"", "has 0 bytes"),
    ):
        bad = jpeg(picture, 1000 + 0.04 * (sent := sent + 1))
        bad.data = array.array("B", data)
        peer.publish("image/compressed", bad)
        pose.says(says)
    answered = len(pose.skeletons)
    wait_for(sent_and_answered, "skeletons")
    wait_for(lambda: len(pose.skeletons) > answered, "skeletons after the corrupted images")
    pose.says("image=640x480 bgr8; jpeg", "refused=3")


def test_the_resolution_changes_under_one_calibration(pose, picture):
    camera = Camera(640, 480, 600.0, 600.0, 319.5, 239.5)
    pose.send_info(MESSAGES.camera_info(camera), "calibration=640x480, fx 600.0 px")
    whole = pose.send_and_wait(image(picture, 1000.0)).skeletons[0]
    half = cv2.resize(picture, (320, 240), interpolation=cv2.INTER_AREA)
    halved = pose.send_and_wait(image(half, 1000.04)).skeletons[0]
    pose.says("calibration=320x240, fx 300.0 px")
    assert halved.root.z == pytest.approx(whole.root.z, rel=0.1)
    square = cv2.resize(picture, (480, 480))  # no size that this camera can have
    assert pose.send_and_wait(image(square, 1000.08)).skeletons
    pose.says("calibration: ", "a horizontal field of view of 60 degrees is assumed")
    assert pose.send_and_wait(image(picture, 1000.12)).skeletons
    pose.says("calibration=640x480, fx 600.0 px")


def test_a_bag_of_two_people_that_loops(pose):
    """Every round is as the first one, with people of its own."""
    frames = frames_of("rendered_two", 50)[::5]
    rounds = [[pose.send_and_wait(image(frame, 1000 + i / 5)) for i, frame in enumerate(frames)] for _ in range(3)]
    assert max(len(a.skeletons) for a in rounds[0]) == 2
    ids = [{s.track_id for a in arrays for s in a.skeletons} for arrays in rounds]
    assert not (ids[0] & ids[1] or ids[1] & ids[2] or ids[0] & ids[2])
    for arrays in rounds[1:]:
        assert [len(a.skeletons) for a in arrays] == [len(a.skeletons) for a in rounds[0]]
        for array_3d, first in zip(arrays, rounds[0], strict=True):
            np.testing.assert_allclose(joints_of(array_3d), joints_of(first), atol=1e-5)
            assert array_3d.header == first.header


def test_the_simulated_clock_jumps_and_stands_still(start_pose, peer, wait_for, picture):
    pose = start_pose(use_sim_time="true", connect=False)
    diagnostics = peer.heard["/diagnostics"]
    pose.connect()
    ids = []
    for now in (1000.0, 4600.0, 100.0):
        peer.keep_publishing("/clock", Clock(clock=header(now).stamp))
        wait_for(lambda now=now: diagnostics and stamp_ns(diagnostics[-1].header) == now * 1e9, "the clock's time")
        arrays = [pose.send_and_wait(image(picture, now + i / 25)) for i in range(3)]
        assert [stamp_ns(a.header) for a in arrays] == [round((now + i / 25) * 1e9) for i in range(3)]
        assert len({s.track_id for a in arrays for s in a.skeletons}) == 1
        ids.append(arrays[0].skeletons[0].track_id)
        heard = len(diagnostics)
        wait_for(lambda heard=heard: len(diagnostics) >= heard + 2, "diagnostics while the clock stands still")
    assert ids == sorted(set(ids))
    assert "failed=0" in pose.diagnostics()
