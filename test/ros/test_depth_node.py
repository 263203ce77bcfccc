"""pose_node with a depth camera."""

import time

import numpy as np
import pytest

rclpy = pytest.importorskip("rclpy", reason="ROS 2 is not installed")

from nanohtnet_ros.core.camera import Camera
from nanohtnet_ros.ros.messages import MESSAGES

from streams import depth, image


@pytest.fixture
def deep(start_pose, peer, picture, wait_for):
    """A pose_node with depth: `roots_z(millimetres)` sends pairs of images, a yield of root z for each."""
    pose = start_pose(use_depth="true")
    camera = Camera(640, 480, 600.0, 600.0, 319.5, 239.5)
    pose.send_info(MESSAGES.camera_info(camera), "calibration=640x480, fx 600.0 px")
    pose.seconds = 1000.0

    def next_root_z(millimetres: np.ndarray) -> float:
        pose.seconds += 0.04
        peer.publish("depth", depth(millimetres, pose.seconds))
        time.sleep(0.02)  # two topics, in no order; a pair that is late is no fault
        return pose.send_and_wait(image(picture, pose.seconds)).skeletons[0].root.z

    pose.next_root_z = next_root_z
    return pose


@pytest.mark.parametrize("metres", [2.5, 6.0])
def test_the_root_is_where_the_depth_says(deep, wait_for, metres):
    distant = np.full((480, 640), 1000 * metres)
    wait_for(lambda: abs(deep.next_root_z(distant) - metres) < 0.3, f"a root at {metres} m")
    deep.says("depth image=used", "depth=comes on /depth")


def test_depth_that_is_not_registered_is_said_and_not_used(deep, picture, wait_for):
    estimated = deep.send_and_wait(image(picture, 900.0)).skeletons[0].root.z
    small = np.full((240, 320), 2000)

    def said() -> bool:
        assert deep.next_root_z(small) == pytest.approx(estimated, rel=0.1)
        return "depth image: the depth image is 320x240 pixels, the colour image 640x480" in deep.diagnostics()

    wait_for(said, "the diagnostic")
    assert "register the depth to the colour image" in deep.diagnostics()
    whole = np.full((480, 640), 2000)
    wait_for(lambda: abs(deep.next_root_z(whole) - 2.0) < 0.3, "a root at 2 m")
    deep.says("depth image=used")


def test_without_depth_of_that_moment_distances_are_estimated(deep, picture, wait_for):
    estimated = deep.send_and_wait(image(picture, 900.0)).skeletons[0].root.z
    deep.says("depth image: none within 0.05 s of the image: distances are estimated")
    near = np.full((480, 640), 2000)
    wait_for(lambda: abs(deep.next_root_z(near) - 2.0) < 0.3, "a root at 2 m")
    late = deep.send_and_wait(image(picture, deep.seconds + 5.0)).skeletons[0].root.z
    assert late == pytest.approx(estimated, rel=0.1)
    deep.says("none within 0.05 s of the image", "nothing on /depth for more than 2 s")
