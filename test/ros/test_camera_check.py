import threading
import time

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="ROS 2 is not installed")

from nanohtnet_ros.ros.camera_check import Arrival, listen, verdict
from nanohtnet_ros.ros.images import image_to_msg
from nanohtnet_ros.ros.qos import CAMERA

IMAGE = image_to_msg(np.zeros((48, 64, 3), np.uint8))


def test_a_camera_is_heard(peer):
    publisher = peer.node.create_publisher(type(IMAGE), "eye/image", CAMERA)
    end = threading.Event()

    def publish():
        while not end.wait(0.05):
            IMAGE.header.stamp = peer.node.get_clock().now().to_msg()
            publisher.publish(IMAGE)

    thread = threading.Thread(target=publish)
    thread.start()
    good, sentence = listen("eye/image", seconds=2.0, patience_s=30.0)
    end.set()
    thread.join()
    assert good and "64x48 bgr8 on eye/image" in sentence, sentence


def test_two_cameras_on_one_topic_are_named(peer):
    publishers = [peer.node.create_publisher(type(IMAGE), "eye/image", CAMERA) for _ in range(2)]
    timer = peer.node.create_timer(0.05, lambda: [publisher.publish(IMAGE) for publisher in publishers])
    good, sentence = listen("eye/image", seconds=2.0, patience_s=30.0)
    peer.node.destroy_timer(timer)
    name = peer.node.get_fully_qualified_name()
    assert not good and sentence.startswith(f"2 publishers on eye/image, {name} and {name}"), sentence


def test_silence_is_said():
    good, sentence = listen("nobody/image", patience_s=0.3)
    assert not good and "no image came on nobody/image, which has 0 publishers" in sentence


def test_what_is_wrong_with_images_is_said():
    now = time.time()
    steady = [Arrival(now + 0.1 * i + 0.02, now + 0.1 * i) for i in range(10)]
    assert verdict("t", IMAGE, steady) == (True, "10 images of 64x48 bgr8 on t, 10.0 Hz, 20 ms after their stamps")
    stuck = [Arrival(now + i, now) for i in range(3)]
    assert "stamps do not advance" in verdict("t", IMAGE, stuck)[1]
    assert "stands still" in verdict("t", IMAGE, steady[:1])[1]
    depth = image_to_msg(np.zeros((4, 4, 3), np.uint8))
    depth.encoding = "16UC1"
    good, sentence = verdict("t", depth, steady)
    assert not good and "cannot be used" in sentence
