"""People from the camera's frame to the one that the user asks for."""

from __future__ import annotations

import numpy as np
from rclpy.clock import JumpThreshold
from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.time import Time
from std_msgs.msg import Header

from nanohtnet_ros.core.poses import Person
from nanohtnet_ros.core.transforms import move_person
from nanohtnet_ros.ros.messages import stamp_ns
from nanohtnet_ros.ros.optional import import_for

WAIT_S = 0.05  # for a moving camera's transform that is a little behind its image
WARN_EVERY_S = 5.0


class TargetFrame:
    """Listens to TF and transforms people at their image's stamp.

    Attributes:
        problem: why people stay in the camera's frame, None while they do not.
    """

    def __init__(self, node: Node, target_frame: str) -> None:
        """Listen from now on; the node's executor brings the transforms, from another thread than `transform`'s.

        Raises:
            ImportError: tf2_ros is not installed.
        """
        self._tf2 = import_for("target_frame", "tf2_ros", "tf2-ros-py")
        self._node, self._target_frame = node, target_frame
        self._buffer = self._tf2.Buffer()
        # A bag that starts again: transforms from the future would hide those that come.
        backwards = JumpThreshold(min_forward=None, min_backward=Duration(nanoseconds=-1), on_clock_change=True)
        self._jumps = node.get_clock().create_jump_callback(backwards, post_callback=lambda _: self._buffer.clear())
        self._listener = self._tf2.TransformListener(self._buffer, node, spin_thread=False)
        self.problem: str | None = None

    def transform(self, people: list[Person], header: Header) -> tuple[list[Person], Header]:
        """Express people in the target frame, or leave them as they are and warn where TF does not say how.

        Returns:
            The people, and the header of the frame that they are in, with the image's stamp.
        """
        if header.frame_id == self._target_frame:
            self.problem = None
            return people, header
        try:
            target_from_source = self._look_up(header)
        except self._tf2.TransformException as error:
            self.problem = (
                f"no transform from the images' '{header.frame_id}' to target_frame '{self._target_frame}' at "
                f"{stamp_ns(header) / 1e9:.3f} s ({error}): skeletons stay in '{header.frame_id}' until the camera's "
                "extrinsics are on /tf or /tf_static, as from static_transform_publisher or robot_state_publisher"
            )
            self._node.get_logger().warning(self.problem, throttle_duration_sec=WARN_EVERY_S)
            return people, header
        self.problem = None
        q, t = target_from_source.rotation, target_from_source.translation
        rotation, translation = np.array((q.x, q.y, q.z, q.w)), np.array((t.x, t.y, t.z))
        moved = [move_person(person, rotation, translation) for person in people]
        return moved, Header(stamp=header.stamp, frame_id=self._target_frame)

    def _look_up(self, header: Header):
        """The transform at the header's stamp; waits only where there are transforms, but not yet for that time."""
        arguments = self._target_frame, header.frame_id, Time.from_msg(header.stamp)
        try:
            return self._buffer.lookup_transform(*arguments).transform
        except self._tf2.ExtrapolationException:
            return self._buffer.lookup_transform(*arguments, Duration(seconds=WAIT_S)).transform

    def close(self) -> None:
        """Stop listening."""
        self._jumps.unregister()
        self._listener.unregister()
