"""People from the camera's frame to the one that the user asks for."""

from __future__ import annotations

from rclpy.node import Node
from std_msgs.msg import Header

from nanohtnet_ros.core.messages import stamp_ns
from nanohtnet_ros.core.poses import Person
from nanohtnet_ros.core.transforms import move_person
from nanohtnet_ros.ros.tf_buffer import TfBuffer

WARN_EVERY_S = 5.0


class TargetFrame:
    """Transforms people by TF at their image's stamp.

    Attributes:
        problem: why people stay in the camera's frame, None while they do not.
    """

    def __init__(self, node: Node, target_frame: str) -> None:
        """Listen to TF from now on.

        Raises:
            ImportError: tf2_ros is not installed.
        """
        self._tf = TfBuffer(node, "target_frame")
        self._node, self._target_frame = node, target_frame
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
            rotation, translation = self._tf.look_up(self._target_frame, header)
        except self._tf.error as error:
            self.problem = (
                f"no transform from the images' '{header.frame_id}' to target_frame '{self._target_frame}' at "
                f"{stamp_ns(header) / 1e9:.3f} s ({error}): skeletons stay in '{header.frame_id}' until the camera's "
                "extrinsics are on /tf or /tf_static, as from static_transform_publisher or robot_state_publisher"
            )
            self._node.get_logger().warning(self.problem, throttle_duration_sec=WARN_EVERY_S)
            return people, header
        self.problem = None
        moved = [move_person(person, rotation, translation) for person in people]
        return moved, Header(stamp=header.stamp, frame_id=self._target_frame)

    def close(self) -> None:
        """Stop listening."""
        self._tf.close()
