"""Publishers of keypoints and skeletons."""

from __future__ import annotations

import re

import numpy as np
from rclpy.node import Node
from std_msgs.msg import Header

from nanohtnet_ros.core.camera import Camera
from nanohtnet_ros.core.ground import Ground, up_in_frame
from nanohtnet_ros.core.lifter import WindowLifter
from nanohtnet_ros.core.poses import Person, TrackedKeypoints
from nanohtnet_ros.msg import Skeleton2DArray, Skeleton3DArray, SkeletonDescription
from nanohtnet_ros.ros.debug_image import DebugImage
from nanohtnet_ros.ros.diagnostics import OK, WARN, Diagnostics
from nanohtnet_ros.ros.hri_output import HriOutput
from nanohtnet_ros.ros.messages import MESSAGES
from nanohtnet_ros.ros.parameters import LifterNodeParameters, PoseNodeParameters
from nanohtnet_ros.ros.qos import LATCHED, OVERRIDABLE, RESULTS, copy_of
from nanohtnet_ros.ros.state_output import StateOutput
from nanohtnet_ros.ros.target_frame import TargetFrame
from nanohtnet_ros.ros.tf_output import TfOutput, UprightFrame


class KeypointOutput:
    """`~/skeletons_2d`, and `~/debug_image` while it has subscribers."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._publisher = node.create_publisher(
            Skeleton2DArray, "~/skeletons_2d", copy_of(RESULTS), qos_overriding_options=OVERRIDABLE
        )
        self._debug = DebugImage(node)

    def publish(self, people: list[Person] | list[TrackedKeypoints], header: Header, image_bgr: np.ndarray) -> None:
        """Publish the keypoints of an image, under its header."""
        height, width = image_bgr.shape[:2]
        self._publisher.publish(MESSAGES.skeletons_2d(people, header, width, height))
        self._debug.publish(image_bgr, people, header)

    def close(self) -> None:
        """Destroy the publishers."""
        self._debug.close()
        self._node.destroy_publisher(self._publisher)


class DescriptionOutput:
    """`~/skeleton_description`, latched."""

    def __init__(self, node: Node, network: WindowLifter) -> None:
        self._node = node
        self._publisher = node.create_publisher(SkeletonDescription, "~/skeleton_description", LATCHED)
        self._publisher.publish(MESSAGES.description(network))

    def close(self) -> None:
        """Destroy the publisher."""
        self._node.destroy_publisher(self._publisher)


def body_prefix(node: Node, camera: str = "") -> str:
    """Prefix of a node's bodies' ids, so that no two cameras share one: `robot_left_` for `/robot/left/pose_node`.

    It is empty for a node with its usual name and no namespace: its bodies are `p1`, `p2`.

    Args:
        camera: name of one of several cameras of the node.
    """
    name = node.get_name()
    parts = (*node.get_namespace().split("/"), "" if name in ("pose_node", "lifter_node") else name, *camera.split("/"))
    return re.sub("__+", "_", "".join(f"{part}_" for part in parts if part))


class SkeletonOutput:
    """`~/skeletons` and `~/person_states` in the camera's frame or another one, other forms of them where asked for."""

    def __init__(
        self, node: Node, diagnostics: Diagnostics, p: PoseNodeParameters | LifterNodeParameters, camera: str = ""
    ) -> None:
        """Make the publishers.

        Args:
            p: the node's parameters.
            camera: name of one of several cameras of the node; leads the topic's name and the bodies' ids.
        Raises:
            ImportError: a package that a parameter needs is not installed.
        """
        self._node, self._diagnostics = node, diagnostics
        self._condition = f"TF {camera}".strip()
        bodies = body_prefix(node, camera)
        self._publisher = node.create_publisher(
            Skeleton3DArray,
            f"~/{camera}/skeletons" if camera else "~/skeletons",
            copy_of(RESULTS),
            qos_overriding_options=OVERRIDABLE,
        )
        self._ground_frame = p.ground_frame
        self._target: TargetFrame | None = None
        self._upright: UprightFrame | None = None
        self._tf: TfOutput | None = None
        self._hri: HriOutput | None = None
        self._states: StateOutput | None = None
        self._image_rotation = p.lifting.image_rotation or 0
        try:
            self._states = StateOutput(node, camera, p.publish_people, bodies)
            if p.target_frame:
                self._target = TargetFrame(node, p.target_frame)
            if p.upright_frame:
                self._upright = UprightFrame(
                    node, f"{camera}_{p.upright_frame}" if camera else p.upright_frame, p.lifting.image_rotation or 0
                )
            if p.publish_hri:
                self._hri = HriOutput(node, bodies)
            if p.publish_tf or p.publish_hri:  # a ROS4HRI body has a frame; its joint_states give those of the joints
                self._tf = TfOutput(node, bodies, joints=p.publish_tf)
        except ImportError:
            self.close()
            raise

    def publish(
        self,
        people: list[Person],
        header: Header,
        camera: Camera,
        image_bgr: np.ndarray | None = None,
        ground: Ground | None = None,
    ) -> None:
        """Publish the people of one moment, under its own stamp.

        Args:
            people: in the camera's optical axes.
            header: of the moment that they were seen at: the image's, or before it by the look-ahead.
            camera: that saw them.
            image_bgr: the image of that moment, where it is at hand.
            ground: as it is known at that moment.
        """
        camera_frame = header.frame_id
        if self._upright is not None:
            self._upright.publish(header)
        if self._hri is not None:
            self._hri.publish(people, header, image_bgr, camera)
        if self._target is not None:
            people, header = self._target.transform(people, header)
            problem = self._target.problem
            self._diagnostics.set(
                self._condition, WARN if problem else OK, problem or f"skeletons are in {header.frame_id}", log=False
            )
        up = up_in_frame(header.frame_id, camera_frame, ground, self._image_rotation)
        self._publisher.publish(MESSAGES.skeletons(people, header, self._ground_frame, up))
        if self._tf is not None:
            self._tf.publish(people, header)
        if self._states is not None:
            self._states.publish(people, header, up)

    def close(self) -> None:
        """Destroy the publishers."""
        for output in (self._target, self._upright, self._tf, self._hri, self._states):
            if output is not None:
                output.close()
        self._node.destroy_publisher(self._publisher)
        self._diagnostics.clear(self._condition)
