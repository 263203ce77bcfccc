"""What people do, for other nodes."""

from __future__ import annotations

import numpy as np
from geometry_msgs.msg import Point
from rclpy.node import Node
from rclpy.publisher import Publisher
from sensor_msgs.msg import JointState
from std_msgs.msg import Header

from nanohtnet_ros.core.joint_frames import body_id
from nanohtnet_ros.core.messages import stamp_ns
from nanohtnet_ros.core.person_state import Gesture, PersonState, PersonStates
from nanohtnet_ros.core.poses import Person
from nanohtnet_ros.msg import Gesture as GestureMsg
from nanohtnet_ros.msg import PersonState as PersonStateMsg
from nanohtnet_ros.msg import PersonStateArray
from nanohtnet_ros.ros.messages import MESSAGES
from nanohtnet_ros.ros.optional import import_for
from nanohtnet_ros.ros.qos import RESULTS

HANDS = {"left": GestureMsg.LEFT, "right": GestureMsg.RIGHT}


def states_to_msg(states: list[PersonState], people: list[Person], header: Header) -> PersonStateArray:
    """What people do, in the frame of their joints.

    Args:
        states: of the people, in their order.
        header: of the people's skeletons.
    """
    return PersonStateArray(
        header=header,
        people=[_state_to_msg(state, person, header) for state, person in zip(states, people, strict=True)],
    )


def _state_to_msg(state: PersonState, person: Person, header: Header) -> PersonStateMsg:
    return PersonStateMsg(
        track_id=state.track_id,
        posture=int(state.posture),
        posture_confidence=state.posture_confidence,
        gestures=[_gesture_to_msg(gesture, person.root_m) for gesture in state.gestures],
        facing=MESSAGES.vector(state.facing),
        facing_confidence=state.facing_confidence,
        velocity=MESSAGES.vector(state.velocity_m_s),
        joint_velocities=[MESSAGES.vector(velocity) for velocity in state.joint_velocities_m_s],
        joint_state=JointState(
            header=header,
            name=list(state.joint_angles_rad),
            position=list(state.joint_angles_rad.values()),
            velocity=list(state.joint_velocities_rad_s.values()),
        ),
    )


def _gesture_to_msg(gesture: Gesture, root_m: np.ndarray | None) -> GestureMsg:
    msg = GestureMsg(gesture=int(gesture.kind), hand=HANDS[gesture.side], confidence=gesture.confidence)
    msg.origin = MESSAGES.point(None if root_m is None or gesture.origin_m is None else root_m + gesture.origin_m)
    msg.direction = MESSAGES.vector(gesture.direction)
    return msg


class StateOutput:
    """`~/person_states`, and `~/people` for social navigation; nothing is computed while nobody listens."""

    def __init__(self, node: Node, camera: str = "", publish_people: bool = False, bodies: str = "") -> None:
        """Make the publishers.

        Args:
            camera: name of one of several cameras of the node; leads the topics' names.
            publish_people: the parameter of that name.
            bodies: prefix of the bodies' ids, which are the people's names.
        Raises:
            ImportError: people_msgs is not installed, and publish_people asks for it.
        """
        self._node, self._bodies = node, bodies
        topic = f"~/{camera}/" if camera else "~/"
        self._states = node.create_publisher(PersonStateArray, f"{topic}person_states", RESULTS)
        self._people: Publisher | None = None
        if publish_people:
            self._messages = import_for("publish_people", "people_msgs.msg", "people-msgs")
            self._people = node.create_publisher(self._messages.People, f"{topic}people", RESULTS)
        self._following: PersonStates | None = None  # while somebody listens

    @property
    def _publishers(self) -> list[Publisher]:
        return [publisher for publisher in (self._states, self._people) if publisher is not None]

    def publish(self, people: list[Person], header: Header, up: np.ndarray) -> None:
        """Publish what the people of a moment do.

        Args:
            people: in the header's frame.
            up: (3,) unit vector against gravity in that frame.
        """
        if not any(publisher.get_subscription_count() for publisher in self._publishers):
            self._following = None
            return
        self._following = self._following or PersonStates()
        states = self._following.step(people, stamp_ns(header), up)
        self._states.publish(states_to_msg(states, people, header))
        if self._people is not None:
            self._people.publish(self._people_msg(states, people, header))

    def _people_msg(self, states: list[PersonState], people: list[Person], header: Header):
        """people_msgs/People of those whose place is known; a velocity that is not known is zero."""
        message = self._messages.People(header=header)
        for state, person in zip(states, people, strict=True):
            if person.root_m is not None:
                vx, vy, vz = np.nan_to_num(state.velocity_m_s).tolist()
                message.people.append(
                    self._messages.Person(
                        name=body_id(person.track_id, self._bodies),
                        position=MESSAGES.point(person.root_m),
                        velocity=Point(x=vx, y=vy, z=vz),
                        reliability=float(person.confidence.mean()),
                        tagnames=["posture"],
                        tags=[state.posture.name.lower()],
                    )
                )
        return message

    def close(self) -> None:
        """Destroy the publishers."""
        for publisher in self._publishers:
            self._node.destroy_publisher(publisher)
