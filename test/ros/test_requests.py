"""Services and topics beside the stream: enable, reset, description, debug image."""

import pytest

rclpy = pytest.importorskip("rclpy", reason="ROS 2 is not installed")

from lifecycle_msgs.msg import Transition
from nanohtnet_ros.msg import Skeleton3DArray, SkeletonDescription
from rclpy.qos import QoSProfile, QoSReliabilityPolicy
from sensor_msgs.msg import Image
from std_srvs.srv import SetBool, Trigger

from nanohtnet_ros.core.skeleton import H36M_17
from nanohtnet_ros.ros.qos import LATCHED

from streams import image


def test_enable_stops_and_goes_on_with_people_of_its_own(pose, peer, picture, wait_for):
    def enable(data: bool):
        return pose.call("enable", SetBool, SetBool.Request(data=data))

    assert [s.track_id for s in pose.send_and_wait(image(picture, 1000.0)).skeletons] == [1]
    for _ in range(2):  # asking twice is no fault
        assert enable(False).success and enable(False).message == "disabled"
    wait_for(lambda: peer.node.count_subscribers("image") == 0, "the subscription's end")
    pose.says("input=disabled by ~/enable")
    assert "people=" not in pose.diagnostics() and pose.state() == "active"
    for _ in range(2):
        assert enable(True).success and enable(True).message == "enabled"
    pose.connect()
    pose.says("input=comes on /image")
    assert [s.track_id for s in pose.send_and_wait(image(picture, 1000.04)).skeletons] == [2]


def test_an_input_is_not_said_to_come_before_it_has(start_pose, processes):
    pose = start_pose(connect=False, stale_after_s="3600.0")
    pose.says("input=nothing yet on /image")
    pose.connect()
    pose.says("input=comes on /image")
    log = processes.log_of(pose.process)
    assert log.count("comes on /image") == 1 and "nothing yet" not in log


def test_what_was_disabled_stays_so_over_the_lifecycle(pose, peer, wait_for):
    disable = SetBool.Request(data=False)
    assert pose.call("enable", SetBool, disable).success
    assert pose.change(Transition.TRANSITION_DEACTIVATE)
    pose.says("input=not active")
    assert pose.call("enable", SetBool, disable).message == "disabled, but not active"
    assert pose.change(Transition.TRANSITION_ACTIVATE)
    pose.says("input=disabled by ~/enable")
    assert peer.node.count_subscribers("image") == 0
    assert pose.call("enable", SetBool, SetBool.Request(data=True)).success
    pose.connect()


def test_reset_forgets_everybody(pose, picture):
    first = pose.send_and_wait(image(picture, 1000.0)).skeletons[0]
    second = pose.send_and_wait(image(picture, 1000.04)).skeletons[0]
    assert (first.track_id, second.track_id) == (1, 1) and second.track_age > 0
    answer = pose.call("reset", Trigger, Trigger.Request())
    assert answer.success and answer.message == "all tracks deleted"
    third = pose.send_and_wait(image(picture, 1000.08)).skeletons[0]
    assert third.track_id == 2 and third.track_age == 0
    assert third.joints == first.joints  # of a window that holds this frame only
    assert pose.change(Transition.TRANSITION_DEACTIVATE) and pose.change(Transition.TRANSITION_CLEANUP)
    answer = pose.call("reset", Trigger, Trigger.Request())
    assert not answer.success and "not configured" in answer.message


@pytest.mark.parametrize("name", ["pose_node", "lifter_node"])
def test_whoever_comes_late_gets_the_description(start_node, peer, wait_for, name):
    node = start_node(name)
    node.says("models=nano_81_streaming")
    heard = peer.listen(f"/{name}/skeleton_description", SkeletonDescription, LATCHED)
    wait_for(lambda: heard, "the description")
    assert heard[0].joint_names == list(H36M_17.joint_names) and list(heard[0].parents) == list(H36M_17.parents)
    assert heard[0].model == "nano_81_streaming" and heard[0].window_length == 81 and heard[0].look_ahead == 0.0
    assert len(heard) == 1


def test_the_debug_image_comes_while_somebody_looks(pose, peer, picture, wait_for):
    topic = "/pose_node/debug_image"
    seen: list[Image] = []
    for start in (1000.0, 2000.0):
        subscription, sent = peer.node.create_subscription(Image, topic, seen.append, 10), 0

        def sent_and_seen(start=start) -> bool:
            nonlocal sent
            pose.send_and_wait(image(picture, start + 0.04 * (sent := sent + 1)))
            return bool(seen and seen[-1].header.stamp.sec >= start)

        wait_for(sent_and_seen, "the debug image")
        assert (seen[-1].width, seen[-1].height, seen[-1].encoding) == (640, 480, "bgr8")
        assert seen[-1].header.frame_id == pose.skeletons[-1].header.frame_id
        assert bytes(seen[-1].data) != picture.tobytes()
        peer.node.destroy_subscription(subscription)
        wait_for(lambda: peer.node.count_subscribers(topic) == 0, "the subscription's end")


def test_best_effort_and_reliable_subscribers_get_skeletons(pose, peer, picture, wait_for):
    reliability = QoSReliabilityPolicy.BEST_EFFORT, QoSReliabilityPolicy.RELIABLE
    heard: list[list] = [[], []]
    for messages, policy in zip(heard, reliability, strict=True):
        peer.node.create_subscription(
            Skeleton3DArray, "/pose_node/skeletons", messages.append, QoSProfile(depth=10, reliability=policy)
        )
    sent = 0

    def sent_and_heard() -> bool:
        nonlocal sent
        pose.send_and_wait(image(picture, 1000 + 0.04 * (sent := sent + 1)))
        return all(heard)

    wait_for(sent_and_heard, "skeletons at both")
    assert all(messages[-1].skeletons for messages in heard)
