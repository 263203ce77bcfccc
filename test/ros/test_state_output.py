import math
import sys
from types import SimpleNamespace

import numpy as np
import pytest

rclpy = pytest.importorskip("rclpy", reason="ROS 2 is not installed")

from builtin_interfaces.msg import Time
from nanohtnet_ros.msg import Gesture, PersonState, PersonStateArray
from rclpy.serialization import deserialize_message, serialize_message
from std_msgs.msg import Header

from nanohtnet_ros.core.ground import Ground, up_in_frame
from nanohtnet_ros.core.person_state import GestureKind, PersonStates
from nanohtnet_ros.core.postures import Posture
from nanohtnet_ros.core.skeleton import Joint
from nanohtnet_ros.ros.state_output import StateOutput, states_to_msg

from factories import STANDING_M
from streams import image

UP = np.array((0.0, -1.0, 0.0))
CAMERA = "camera_optical_frame"


def header(seconds: float) -> Header:
    return Header(stamp=Time(sec=int(seconds), nanosec=round(seconds % 1 * 1e9)), frame_id=CAMERA)


def pointing() -> np.ndarray:
    pose = STANDING_M.copy()
    pose[[Joint.L_ELBOW, Joint.L_WRIST]] = pose[Joint.L_SHOULDER] + np.array([(0, 0, -0.28), (0, 0, -0.53)])
    return pose


def test_constants_are_the_cores():
    assert {posture.name: getattr(PersonState, posture.name) for posture in Posture} == Posture.__members__
    assert {kind.name: getattr(Gesture, kind.name) for kind in GestureKind} == GestureKind.__members__


def test_states_survive_the_wire(make_person):
    states = PersonStates()
    for i in range(12):
        people = [make_person(3, (0.5 - 0.04 * i, 0, 4.0), joints_rel_m=pointing()), make_person(4, None)]
        result = states.step(people, i * 40_000_000, UP)
    sent = states_to_msg(result, people, header(5))
    msg = deserialize_message(serialize_message(sent), PersonStateArray)
    assert msg.header == header(5)

    one, two = msg.people
    assert (one.track_id, one.posture, two.track_id) == (3, PersonState.STANDING, 4)
    assert one.posture_confidence == pytest.approx(0.8, abs=0.1) and one.facing.z < -0.9 < 0.7 < one.facing_confidence
    assert one.velocity.x == pytest.approx(-1, abs=1e-4) and math.isnan(two.velocity.x)
    assert len(one.joint_velocities) == 17 and one.joint_velocities[Joint.L_WRIST].x == pytest.approx(0, abs=1e-6)
    angles = dict(zip(one.joint_state.name, one.joint_state.position, strict=True))
    assert angles["l_elbow"] == pytest.approx(0, abs=0.02) and len(one.joint_state.velocity) == len(angles)
    assert one.joint_state.header == msg.header

    (gesture,) = one.gestures
    assert (gesture.gesture, gesture.hand) == (Gesture.POINTING, Gesture.LEFT) and gesture.confidence > 0.5
    np.testing.assert_allclose(
        (gesture.origin.x, gesture.origin.y, gesture.origin.z), people[0].joints_cam_m[Joint.L_WRIST], atol=1e-6
    )
    assert gesture.direction.z < -0.8
    lost = states_to_msg(result[:1], [make_person(3, None)], header(5)).people[0].gestures[0]
    assert math.isnan(lost.origin.x) and lost.direction == gesture.direction


@pytest.mark.parametrize(
    ("frame", "ground", "rotation", "up"),
    [
        (CAMERA, None, 0, (0, -1, 0)),
        (CAMERA, None, 90, (-1, 0, 0)),  # the image's left is up once it is turned clockwise
        (CAMERA, Ground.of_angles(pitch_deg=90), 0, (0, 0, -1)),
        (CAMERA, Ground(), 180, (0, 1, 0)),
        ("map", Ground.of_angles(pitch_deg=90), 0, (0, 0, 1)),
    ],
)
def test_up(frame, ground, rotation, up):
    np.testing.assert_allclose(up_in_frame(frame, CAMERA, ground, rotation), up, atol=1e-9)


def test_it_is_published_and_computed_while_somebody_listens(peer, wait_for, make_person, monkeypatch):
    output = StateOutput(peer.node, "left")
    steps = []
    monkeypatch.setattr(
        PersonStates,
        "step",
        lambda self, people, stamp, up, step=PersonStates.step: steps.append(1) or step(self, people, stamp, up),
    )
    for i in range(3):
        output.publish([make_person(1)], header(1 + i / 25), UP)
    assert steps == []
    heard = peer.listen(f"/{peer.node.get_name()}/left/person_states", PersonStateArray)

    def published() -> bool:
        output.publish([make_person(1)], header(2), UP)
        return bool(heard)

    wait_for(published, "a state")
    assert steps and heard[-1].people[0].track_id == 1
    output.close()


def test_people_msgs_of_those_whose_place_is_known(monkeypatch, make_person):
    """people_msgs is not on PyPI, so its classes are stood in for; field names are those of its definition."""
    published = []
    messages = SimpleNamespace(
        People=lambda header: SimpleNamespace(header=header, people=[]),
        Person=lambda **fields: SimpleNamespace(**fields),
    )
    monkeypatch.setitem(sys.modules, "people_msgs", SimpleNamespace(msg=messages))
    monkeypatch.setitem(sys.modules, "people_msgs.msg", messages)
    publisher = SimpleNamespace(get_subscription_count=lambda: 1, publish=published.append)
    topics = []
    node = SimpleNamespace(create_publisher=lambda kind, topic, qos: topics.append(topic) or publisher)
    output = StateOutput(node, "", True, "left_")
    for i in range(3):
        output.publish([make_person(1, (0.1 * i, 0, 3)), make_person(2, None)], header(i / 10), UP)
    assert topics == ["~/person_states", "~/people"]
    first, last = published[1], published[-1]
    (person,) = last.people
    assert (person.name, person.position.z, person.tags) == ("left_p1", 3, ["standing"])
    assert person.velocity.x == pytest.approx(1, abs=1e-6) and first.people[0].velocity.x == 0
    assert person.reliability == pytest.approx(0.8, abs=1e-6)


def test_a_pose_node_tells_it_of_the_people_in_its_images(pose, peer, wait_for, picture):
    """Under the skeletons' own stamp and frame; with who is there."""
    states = peer.listen("/pose_node/person_states", PersonStateArray)
    pose.send_empty_until(lambda: states, "states of nobody")
    sent = image(picture, 600.0)
    for i in range(3):
        sent = image(picture, 600.0 + 0.04 * i)
        skeletons = pose.send_and_wait(sent)
    wait_for(lambda: states[-1].header == skeletons.header, "the states")
    assert [state.track_id for state in states[-1].people] == [s.track_id for s in skeletons.skeletons] != []
    assert states[-1].people[0].posture == PersonState.STANDING
    assert (skeletons.up.x, skeletons.up.y, skeletons.up.z) == (0, -1, 0)
