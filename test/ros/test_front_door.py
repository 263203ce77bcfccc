"""The same images give the same poses through the node and through Python."""

import numpy as np
import pytest

rclpy = pytest.importorskip("rclpy", reason="ROS 2 is not installed")

from nanohtnet_ros import PoseEstimator
from nanohtnet_ros.core.messages import joints_from_msg, root_from_msg, stamp_ns
from nanohtnet_ros.ros.messages import MESSAGES
from nanohtnet_ros.samples.clips import packaged_clips
from nanohtnet_ros.samples.video_source import VideoSource

from streams import image

FRAMES = 12


def test_node_and_python_give_the_same_poses(pose):
    clip = packaged_clips()[0]
    camera = clip.truth.camera
    pose.send_info(MESSAGES.camera_info(camera), "calibration=640x480, fx 600.0 px")
    video = VideoSource(str(clip.video))
    with PoseEstimator() as estimator:
        for i in range(FRAMES):
            picture, _ = video.read()
            sent = image(picture, 1000 + i / 25)
            (shown,) = pose.send_and_wait(sent).skeletons
            (person,) = estimator.step(picture, stamp_ns(sent.header), camera)
            assert shown.track_id == person.track_id
            np.testing.assert_allclose(joints_from_msg(shown), person.joints_rel_m, atol=1e-5)
            np.testing.assert_allclose(root_from_msg(shown), person.root_m, atol=1e-4)
            np.testing.assert_allclose(np.asarray(shown.confidence), person.confidence, atol=1e-5)
    video.close()
