"""Real publishers beside a real pose_node: latched, too many, of another user, of another time, and garbage."""

import os
import random
import re

import numpy as np
import pytest

rclpy = pytest.importorskip("rclpy", reason="ROS 2 is not installed")

from sensor_msgs.msg import CameraInfo, Image, RegionOfInterest

from nanohtnet_ros.core.camera import Camera
from nanohtnet_ros.ros.messages import MESSAGES
from nanohtnet_ros.ros.qos import LATCHED, NEWEST_IMAGE

from streams import GREY, image, random_image

CAMERA = Camera(640, 480, 600.0, 600.0, 319.5, 239.5)


def test_a_latched_calibration_is_heard_and_so_is_one_that_is_not(start_pose, peer):
    latched = peer.node.create_publisher(CameraInfo, "camera_info", LATCHED)
    latched.publish(MESSAGES.camera_info(CAMERA))  # once, before anybody listens
    pose = start_pose()
    pose.send_empty_until(lambda: "calibration=640x480, fx 600.0 px" in pose.diagnostics(), "the latched one")
    volatile = peer.node.create_publisher(CameraInfo, "camera_info", NEWEST_IMAGE)
    other = MESSAGES.camera_info(Camera(640, 480, 700.0, 700.0, 319.5, 239.5))

    def heard() -> bool:
        volatile.publish(other)
        return "calibration=640x480, fx 700.0 px" in pose.diagnostics()

    pose.send_empty_until(heard, "the other one")
    name = peer.node.get_fully_qualified_name()
    pose.says(f"publishers of calibration: 2 on /camera_info, {name} and {name}: stop all but one")
    peer.node.destroy_publisher(volatile)
    pose.says("publishers of calibration=one on /camera_info")
    assert "cannot be heard" not in pose.diagnostics()


def test_the_durability_can_be_overridden(start_pose, peer, picture):
    latched = peer.node.create_publisher(Image, "image", LATCHED)
    latched.publish(image(picture, 1000.0))
    overrides = [f"qos_overrides./image.subscription.{policy}" for policy in ("durability", "reliability")]
    pose = start_pose("-p", f"{overrides[0]}:=transient_local", "-p", f"{overrides[1]}:=reliable", connect=False)
    pose.says("image=640x480 bgr8", "outputs=1")


def test_a_bag_beside_a_live_camera_is_said(pose, peer, picture, wait_for):
    bag = rclpy.create_node("bag_player")
    publisher = bag.create_publisher(Image, "image", 10)
    step = 0

    def both_and_said() -> bool:
        nonlocal step
        step += 1
        pose.send(image(picture, 5000.0 + step / 20))
        publisher.publish(image(picture, 100.0 + step / 20))
        said = pose.diagnostics()
        return "publishers of input: 2 on /image, /bag_player and /peer_" in said and "time of input: stamps" in said

    wait_for(both_and_said, "both warnings")
    pose.says("went back", "a bag that loops does that, and so do two publishers", "jumps of time on /image=")
    bag.destroy_node()
    pose.says("publishers of input=one on /image")


AS_ANOTHER_USER = """
import os, sys, time
import rclpy, rclpy.executors
from sensor_msgs.msg import Image
os.setgroups([]); os.setgid(65534); os.setuid(65534)
os.environ["ROS_LOG_DIR"] = os.environ["HOME"] = "/tmp"
rclpy.init()
node = rclpy.create_node("camera")
publisher = node.create_publisher(Image, "image", 10)
message = Image(height=48, width=64, step=192, encoding="bgr8", data=bytes(48 * 192))
node.create_timer(0.05, lambda: publisher.publish(message))
try:
    while rclpy.ok():
        rclpy.spin_once(node, timeout_sec=1.0)
except (KeyboardInterrupt, rclpy.executors.ExternalShutdownException):
    pass
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can start a camera as another user")
@pytest.mark.skipif("FASTDDS_BUILTIN_TRANSPORTS" in os.environ, reason="Fast DDS may share no memory")
def test_a_camera_of_another_user_is_named(start_pose, processes):
    processes.start("-c", AS_ANOTHER_USER)
    pose = start_pose(connect=False, stale_after_s=0.5)
    pose.says("nothing on /image", "1 publishers: its node's data does not arrive", "as one user")


def test_a_crop_is_no_scaled_image(pose, picture, wait_for):
    pose.send_info(MESSAGES.camera_info(CAMERA), "calibration=640x480, fx 600.0 px")
    whole = pose.send_and_wait(image(picture, 1000.0)).skeletons[0]
    info = MESSAGES.camera_info(CAMERA)
    info.roi = RegionOfInterest(x_offset=80, y_offset=60, width=480, height=360)
    part = np.ascontiguousarray(picture[60:420, 80:560])
    pose.peer.keep_publishing("camera_info", info)
    seconds = 1000.0

    def answered() -> bool:
        nonlocal seconds
        seconds += 0.04
        pose.send_and_wait(image(part, seconds))
        return "calibration=480x360, fx 600.0 px" in pose.diagnostics()

    wait_for(answered, "the calibration of the crop")
    cropped = pose.send_and_wait(image(part, seconds + 0.04)).skeletons[0]
    assert cropped.root.z == pytest.approx(whole.root.z, rel=0.1)
    assert cropped.root.x == pytest.approx(whole.root.x, abs=0.15)
    pose.send_and_wait(image(picture, seconds + 0.08))
    pose.says("calibration: images are 640x480, but by its roi of 480x360 at (80, 60)", "is assumed")


def test_fuzzed_messages_stop_no_node(pose, peer, picture, wait_for):
    chance, sent = random.Random(1), 0

    def garbage_was_refused() -> bool:
        nonlocal sent
        sent += 1
        info = MESSAGES.camera_info(CAMERA)
        info.k[chance.randrange(9)] = chance.choice((0.0, np.nan, 1e300, -1.0))
        info.binning_x, info.roi.width = chance.choice((0, 2, 2**31)), chance.choice((0, 2**32 - 1))
        peer.publish("camera_info", info)
        msg = random_image(chance) if sent % 2 else image(GREY, 0.0)
        msg.header = image(GREY, 1000.0 + sent / 20).header
        pose.send(msg)
        refused = re.search(r"refused=(\d+)", pose.diagnostics())
        return refused is not None and int(refused[1]) >= 20

    wait_for(garbage_was_refused, "20 refused images")
    seconds = 2000.0

    def answered() -> bool:
        nonlocal seconds
        seconds += 0.05
        pose.send(image(picture, seconds))
        return bool(pose.skeletons[-1].skeletons)

    wait_for(answered, "skeletons")
    pose.says("failed=0", "processing=ok")
