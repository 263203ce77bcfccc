import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

rclpy = pytest.importorskip("rclpy", reason="ROS 2 is not installed")

from builtin_interfaces.msg import Time
from nanohtnet_ros.msg import PersonState
from std_msgs.msg import Header

from nanohtnet_ros.client import PeopleClient
from nanohtnet_ros.core.person_state import PersonStates
from nanohtnet_ros.core.skeleton import Joint
from nanohtnet_ros.ros.messages import MESSAGES
from nanohtnet_ros.ros.state_output import states_to_msg

from factories import STANDING_M

UP = np.array((0.0, -1.0, 0.0))
EXAMPLES = Path(__file__).resolve().parents[2] / "docs" / "examples"


def header(sec: int) -> Header:
    return Header(stamp=Time(sec=sec), frame_id="camera_optical_frame")


def states_of(people, sec: int):
    return states_to_msg(PersonStates().step(people, sec, UP), people, header(sec))


def test_people_come_as_arrays(peer, wait_for, make_person):
    frames = []
    client = PeopleClient(peer.node, frames.append, "left/pose_node")
    people = [replace(make_person(3, missing=(Joint.L_WRIST,)), height_m=1.8), make_person(4, None)]
    peer.publish("left/pose_node/skeletons", MESSAGES.skeletons(people, header(5), up=UP))
    wait_for(lambda: frames, "a frame")
    (frame,) = frames
    assert (frame.stamp_ns, frame.frame_id) == (5_000_000_000, "camera_optical_frame")
    one, two = frame.people
    np.testing.assert_allclose(one.joints_m, people[0].joints_cam_m, atol=1e-6)
    assert np.isnan(one.joints_m[Joint.L_WRIST]).all() and one.confidence[Joint.L_WRIST] == 0
    assert (one.track_id, two.track_id, two.root_m, one.state) == (3, 4, None, None) and abs(one.height_m - 1.8) < 1e-6
    assert np.isnan(two.joints_m).all() and "r_elbow" in two.joint_angles_rad
    client.close()


@pytest.mark.parametrize("first", ["skeletons", "person_states"])
def test_states_are_joined_by_stamp_whichever_comes_first(peer, wait_for, make_person, first):
    frames = []
    client = PeopleClient(peer.node, frames.append, states=True)
    people = [make_person(3)]
    skeletons, states = (
        ("pose_node/skeletons", MESSAGES.skeletons(people, header(5))),
        (
            "pose_node/person_states",
            states_of(people, 5),
        ),
    )
    peer.publish("pose_node/skeletons", MESSAGES.skeletons(people, header(4)))  # whose states are lost
    for topic, message in (skeletons, states) if first == "skeletons" else (states, skeletons):
        peer.publish(topic, message)
    wait_for(lambda: frames, "a frame")
    assert [frame.stamp_ns for frame in frames] == [5_000_000_000]
    assert frames[0].people[0].state.posture == PersonState.STANDING
    for sec in range(6, 40):  # halves that never meet are not kept for ever
        peer.publish("pose_node/skeletons", MESSAGES.skeletons(people, header(sec)))
    wait_for(lambda: 39_000_000_000 in client._waiting, "the last")
    assert len(client._waiting) <= 10
    client.close()


def test_the_examples_run(processes, peer, wait_for, make_person):
    """The script prints who is where; the node says when a hand is raised."""
    from std_msgs.msg import Bool

    script = processes.start("-u", str(EXAMPLES / "follow_people.py"))
    processes.start(str(EXAMPLES / "people_node.py"))
    stops = peer.listen("stop", Bool)
    pose = STANDING_M.copy()
    pose[[Joint.L_ELBOW, Joint.L_WRIST]] = pose[Joint.L_SHOULDER] + np.array([(0.1, -0.25, 0), (0.1, -0.5, 0)])
    people = [make_person(7, joints_rel_m=pose)]
    seconds = iter(range(1, 10_000))

    def answered() -> bool:
        sec = next(seconds)
        peer.publish("pose_node/skeletons", MESSAGES.skeletons(people, header(sec)))
        peer.publish("pose_node/person_states", states_of(people, sec))
        return "s, 7 at" in processes.log_of(script) and any(stop.data for stop in stops)

    wait_for(answered, "both examples")


def test_it_loads_without_pytorch():
    code = "import sys; sys.modules['torch'] = None; import nanohtnet_ros.client"
    subprocess.run([sys.executable, "-c", code], check=True)
