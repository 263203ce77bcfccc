"""Lifecycle transitions of the line's nodes, asked for over their services."""

import os
from pathlib import Path

import numpy as np
import pytest

rclpy = pytest.importorskip("rclpy", reason="ROS 2 is not installed")

from lifecycle_msgs.msg import Transition
from std_srvs.srv import SetBool

from streams import GREY, image

CONFIGURE, CLEANUP = Transition.TRANSITION_CONFIGURE, Transition.TRANSITION_CLEANUP
ACTIVATE, DEACTIVATE = Transition.TRANSITION_ACTIVATE, Transition.TRANSITION_DEACTIVATE
SHUTDOWN = Transition.TRANSITION_UNCONFIGURED_SHUTDOWN
NO_SUCH_TRANSITION = 77


def test_without_autostart_a_manager_starts_and_stops_it(start_pose, peer, wait_for, picture):
    node = start_pose(connect=False, autostart="false")
    assert node.state() == "unconfigured"
    assert node.change(CONFIGURE) and node.state() == "inactive"
    assert peer.node.count_subscribers("image") == 0
    for start in (1000.0, 2000.0):
        assert node.change(ACTIVATE) and node.state() == "active"
        node.connect()
        assert [s.track_id for s in node.send_and_wait(image(picture, start)).skeletons] == [start / 1000]  # none again
        node.says("input=comes on /image", "people=1")
        assert node.change(DEACTIVATE) and node.state() == "inactive"
        wait_for(lambda: peer.node.count_subscribers("image") == 0, "the subscription's end")
        node.says("input=not active")
        assert not any(text in node.diagnostics() for text in ("people=", "calibration=", "seconds since", "stamps="))
    assert node.change(CLEANUP) and node.state() == "unconfigured"
    wait_for(lambda: peer.node.count_publishers("/pose_node/skeletons") == 0, "the publisher's end")
    node.says("models=not configured")
    assert node.change("configure") and node.change("activate") and node.state() == "active"


@pytest.mark.parametrize(
    ("to_get_there", "state", "refused"),
    [
        ((), "unconfigured", (ACTIVATE, DEACTIVATE, CLEANUP, NO_SUCH_TRANSITION, "no_such_transition")),
        ((CONFIGURE,), "inactive", (CONFIGURE, DEACTIVATE, SHUTDOWN, NO_SUCH_TRANSITION)),
        (
            (CONFIGURE, ACTIVATE),
            "active",
            (CONFIGURE, ACTIVATE, CLEANUP, Transition.TRANSITION_ON_DEACTIVATE_SUCCESS, NO_SUCH_TRANSITION, "activate"),
        ),
    ],
)
def test_what_a_state_does_not_allow_is_refused_and_changes_nothing(start_pose, to_get_there, state, refused):
    node = start_pose(connect=False, autostart="false")
    assert all(node.change(transition) for transition in to_get_there)
    assert [node.change(transition) for transition in refused] == [False] * len(refused)
    assert node.state() == state
    if state == "active":
        node.connect()


@pytest.mark.parametrize("to_get_there", [(), (CONFIGURE,), (CONFIGURE, ACTIVATE)])
def test_after_shutdown_it_answers_and_does_nothing_more(start_pose, peer, wait_for, to_get_there):
    node = start_pose(connect=False, autostart="false")
    assert all(node.change(transition) for transition in to_get_there)
    assert node.change(SHUTDOWN + len(to_get_there)) and node.state() == "finalized"
    wait_for(lambda: peer.node.count_publishers("/pose_node/skeletons") == 0, "the publisher's end")
    assert peer.node.count_subscribers("image") == 0
    assert not node.change(CONFIGURE) and not node.change(SHUTDOWN)
    node.says("models=shut down")


def test_a_failed_configuration_can_be_mended_and_repeated(start_pose, picture):
    node = start_pose(connect=False, model="nano_9000")
    node.says("models=cannot load", "no model named 'nano_9000'")
    assert not node.change(CONFIGURE) and node.state() == "unconfigured"
    assert node.set(model="nano_81_streaming").successful
    assert node.change(CONFIGURE) and node.change(ACTIVATE)
    node.connect()
    assert len(node.send_and_wait(image(picture, 1000.0)).skeletons) == 1
    node.says("models=nano_81_streaming")
    assert "cannot load" not in node.diagnostics()


def test_an_activation_that_fails_says_why(start_pose, peer):
    node = start_pose("-p", "qos_overrides./image.subscription.reliability:=perhaps", connect=False)
    node.says("input: cannot subscribe", "perhaps")
    assert node.state() == "inactive"
    assert peer.node.count_subscribers("image") == peer.node.count_subscribers("camera_info") == 0
    assert not node.change(ACTIVATE) and node.state() == "inactive"
    assert node.call("enable", SetBool, SetBool.Request(data=False)).success
    assert node.change(ACTIVATE)
    answer = node.call("enable", SetBool, SetBool.Request(data=True))
    assert not answer.success and "cannot subscribe" in answer.message
    assert node.change(DEACTIVATE) and node.change(CLEANUP)


def test_a_camera_without_a_valid_name_is_a_failed_configuration(start_node):
    node = start_node("lifter_node", cameras="[right-left]")
    node.says("models: cannot load", "right-left")
    assert node.state() == "unconfigured"


@pytest.mark.slow
def test_cycles_leak_nothing(start_pose, peer, wait_for, picture):
    """Over its services, with images coming in all the time."""
    node = start_pose(connect=False, autostart="false")
    publisher = peer.node.create_publisher(type(image(GREY, 0.0)), "image", 1)
    sent = 0

    def send() -> None:
        nonlocal sent
        sent += 1
        publisher.publish(image(picture, 1000 + 0.05 * sent))

    timer = peer.node.create_timer(0.05, send)
    process = Path(f"/proc/{node.process.pid}")

    def cycles(count: int) -> list[float]:
        """Go round, and tell the memory after each round."""
        memory_mb = []
        for i in range(count):
            before = len(node.skeletons)
            assert node.change(CONFIGURE) and node.change(ACTIVATE)
            if i % 10 == 0:
                wait_for(lambda before=before: len(node.skeletons) > before, "skeletons")
            assert node.change(DEACTIVATE) and node.change(CLEANUP)
            memory_mb.append(resident_mb())
        return memory_mb

    def endpoints() -> int:
        get = peer.node.get_publisher_names_and_types_by_node, peer.node.get_subscriber_names_and_types_by_node
        return sum(len(topics("pose_node", "/")) for topics in get)

    def resident_mb() -> float:
        return int((process / "statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20

    cycles(10)
    wait_for(lambda: peer.node.count_publishers("/pose_node/skeletons") == 0, "the publisher's end")
    before = endpoints(), len(list((process / "task").iterdir())), len(list((process / "fd").iterdir()))
    memory_mb = cycles(40)
    wait_for(lambda: endpoints() == before[0], "the same publishers and subscriptions")
    assert (endpoints(), len(list((process / "task").iterdir())), len(list((process / "fd").iterdir()))) == before
    # Allocators take memory in some large steps and keep it, and networks of 20 MB are loaded in every round; a leak
    # takes some in every round.
    kept_mb = np.minimum.accumulate(memory_mb[::-1])[::-1]
    steps_mb = np.sort(np.diff(kept_mb))
    assert steps_mb[:-10].sum() < 0.3, memory_mb
    assert node.change(CONFIGURE) and node.change(ACTIVATE)
    wait_for(lambda: node.skeletons and node.skeletons[-1].skeletons, "skeletons as before")
    peer.node.destroy_timer(timer)
