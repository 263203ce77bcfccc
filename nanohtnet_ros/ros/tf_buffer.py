"""What TF says, at a message's stamp."""

from __future__ import annotations

import numpy as np
from rclpy.clock import JumpThreshold
from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.time import Time
from std_msgs.msg import Header

from nanohtnet_ros.ros.optional import import_for

WAIT_S = 0.05  # for a moving camera's transform that is a little behind its image


class TfBuffer:
    """Listens to TF.

    Attributes:
        error: what `look_up` raises where TF does not say.
    """

    def __init__(self, node: Node, parameter: str) -> None:
        """Listen from now on; the node's executor brings the transforms, from another thread than `look_up`'s.

        Args:
            parameter: that needs TF.
        Raises:
            ImportError: tf2_ros is not installed.
        """
        self._tf2 = import_for(parameter, "tf2_ros", "tf2-ros-py")
        self.error: type[Exception] = self._tf2.TransformException
        self._buffer = self._tf2.Buffer()
        # A bag that starts again: transforms from the future would hide those that come.
        backwards = JumpThreshold(min_forward=None, min_backward=Duration(nanoseconds=-1), on_clock_change=True)
        self._jumps = node.get_clock().create_jump_callback(backwards, post_callback=lambda _: self._buffer.clear())
        self._listener = self._tf2.TransformListener(self._buffer, node, spin_thread=False)

    def look_up(self, target_frame: str, header: Header) -> tuple[np.ndarray, np.ndarray]:
        """The transform at the header's stamp; waits only where there are transforms, but not yet for that time.

        Returns:
            (4,) quaternion xyzw and (3,) translation, metres, of `target_from_header's frame`.
        """
        arguments = target_frame, header.frame_id, Time.from_msg(header.stamp)
        try:
            transform = self._buffer.lookup_transform(*arguments).transform
        except self._tf2.ExtrapolationException:
            transform = self._buffer.lookup_transform(*arguments, Duration(seconds=WAIT_S)).transform
        q, t = transform.rotation, transform.translation
        return np.array((q.x, q.y, q.z, q.w)), np.array((t.x, t.y, t.z))

    def close(self) -> None:
        """Stop listening."""
        self._jumps.unregister()
        self._listener.unregister()
