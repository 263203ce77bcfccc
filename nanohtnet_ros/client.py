"""People from a running pose_node or lifter_node, as NumPy arrays, for nodes and scripts of your own."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
import rclpy
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node

from nanohtnet_ros.core.joint_angles import joint_angles
from nanohtnet_ros.core.joint_frames import joint_frames
from nanohtnet_ros.core.messages import joints_from_msg, root_from_msg, stamp_ns
from nanohtnet_ros.msg import PersonState, PersonStateArray, Skeleton3D, Skeleton3DArray
from nanohtnet_ros.ros.qos import RESULTS
from nanohtnet_ros.ros.spin import WAKE_S

WAITING = 10  # frames at most of which one half has not come yet


@dataclass(frozen=True, eq=False)
class SeenPerson:
    """One person in one frame.

    Attributes:
        track_id: the person's identity.
        age_s: seconds since they were first seen.
        joints_rel_m: (17, 3) float32 relative to the hip, metres, in the frame's axes; NaN where missing. Indices are
            those of `nanohtnet_ros.core.skeleton.Joint` and of the message's constants.
        confidence: (17,) in [0, 1], 0 where a joint is missing.
        root_m: (3,) the hip in the frame, metres, or None where it is not known.
        height_m: how tall they are, metres; NaN where not known.
        state: what they do, message PersonState; None if it was not asked for.
    """

    track_id: int
    age_s: float
    joints_rel_m: np.ndarray
    confidence: np.ndarray
    root_m: np.ndarray | None
    height_m: float
    state: PersonState | None = None

    @property
    def joints_m(self) -> np.ndarray:
        """(17, 3) joints in the frame, metres; NaN where a joint is missing or the root not known."""
        return self.joints_rel_m + (np.full(3, np.nan) if self.root_m is None else self.root_m)

    @property
    def joint_angles_rad(self) -> dict[str, float]:
        """Angles by the names of human_description's joints."""
        return joint_angles(joint_frames(self.joints_rel_m))

    @classmethod
    def from_msg(cls, msg: Skeleton3D, state: PersonState | None = None) -> SeenPerson:
        """Of a message."""
        root_m = root_from_msg(msg) if msg.root_valid else None
        confidence = np.array(msg.confidence, np.float32)
        return cls(msg.track_id, msg.track_age, joints_from_msg(msg), confidence, root_m, msg.height_m, state)


@dataclass(frozen=True, eq=False)
class PeopleFrame:
    """Everybody in one image.

    Attributes:
        stamp_ns: when it was taken, nanoseconds.
        frame_id: the frame that joints and roots are in.
        people: who is in it.
    """

    stamp_ns: int
    frame_id: str
    people: tuple[SeenPerson, ...]


class PeopleClient:
    """Subscriptions of a node to what a pose_node says of people.

    client = PeopleClient(node, lambda frame: print(len(frame.people)))
    """

    def __init__(
        self, node: Node, on_people: Callable[[PeopleFrame], None], source: str = "pose_node", states: bool = False
    ) -> None:
        """Subscribe.

        Args:
            node: yours; its executor calls back.
            on_people: called with every frame, also with one without people.
            source: name of the node that publishes, as `left/pose_node`; of several cameras' lifter_node with the
                camera's, as `lifter_node/left`.
            states: ask for what people do as well; frames come once both are there.
        """
        self._node, self._on_people = node, on_people
        self._waiting: dict[int, Skeleton3DArray | PersonStateArray] = {}  # halves of frames, by stamp
        on_skeletons = self._join if states else lambda msg: on_people(_frame(msg, PersonStateArray()))
        self._subscriptions = [node.create_subscription(Skeleton3DArray, f"{source}/skeletons", on_skeletons, RESULTS)]
        if states:
            self._subscriptions.append(
                node.create_subscription(PersonStateArray, f"{source}/person_states", self._join, RESULTS)
            )

    def _join(self, msg: Skeleton3DArray | PersonStateArray) -> None:
        stamp = stamp_ns(msg.header)
        other = self._waiting.pop(stamp, None)
        if isinstance(msg, Skeleton3DArray) and isinstance(other, PersonStateArray):
            self._on_people(_frame(msg, other))
        elif isinstance(msg, PersonStateArray) and isinstance(other, Skeleton3DArray):
            self._on_people(_frame(other, msg))
        else:
            self._waiting[stamp] = msg
            self._waiting = dict(list(self._waiting.items())[-WAITING:])

    def close(self) -> None:
        """Unsubscribe."""
        for subscription in self._subscriptions:
            self._node.destroy_subscription(subscription)


def _frame(msg: Skeleton3DArray, states: PersonStateArray) -> PeopleFrame:
    by_id = {state.track_id: state for state in states.people}
    people = tuple(SeenPerson.from_msg(skeleton, by_id.get(skeleton.track_id)) for skeleton in msg.skeletons)
    return PeopleFrame(stamp_ns(msg.header), msg.header.frame_id, people)


def watch_people(source: str = "pose_node", states: bool = False) -> Iterator[PeopleFrame]:
    """Frames as they come, for a script without a node of its own; ends with Ctrl-C.

    for frame in watch_people():
        print([person.track_id for person in frame.people])

    Args:
        source, states: as of `PeopleClient`.
    """
    rclpy.init()
    try:
        frames: deque[PeopleFrame] = deque()
        node = rclpy.create_node("people_client")
        client = PeopleClient(node, frames.append, source, states)
        executor = SingleThreadedExecutor()
        executor.add_node(node)
        with suppress(KeyboardInterrupt, ExternalShutdownException):
            while rclpy.ok():
                executor.spin_once(timeout_sec=WAKE_S)
                while frames:
                    yield frames.popleft()
        client.close()
        node.destroy_node()
    finally:
        rclpy.try_shutdown()
