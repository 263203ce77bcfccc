"""Publishers of keypoints and skeletons."""

from __future__ import annotations

import numpy as np
from rclpy.node import Node
from rclpy.qos_overriding_options import QoSOverridingOptions
from std_msgs.msg import Header

from nanohtnet_ros.core.camera import Camera
from nanohtnet_ros.core.lifter import WindowLifter
from nanohtnet_ros.core.poses import Person, TrackedKeypoints
from nanohtnet_ros.msg import Skeleton2DArray, Skeleton3DArray, SkeletonDescription
from nanohtnet_ros.ros.debug_image import DebugImage
from nanohtnet_ros.ros.diagnostics import OK, WARN, Diagnostics
from nanohtnet_ros.ros.hri_output import HriOutput
from nanohtnet_ros.ros.messages import description_to_msg, skeletons_2d_to_msg, skeletons_to_msg
from nanohtnet_ros.ros.parameters import SkeletonParameters
from nanohtnet_ros.ros.qos import LATCHED, RESULTS
from nanohtnet_ros.ros.target_frame import TargetFrame
from nanohtnet_ros.ros.tf_output import TfOutput


class KeypointOutput:
    """`~/skeletons_2d`, and `~/debug_image` while somebody looks."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._publisher = node.create_publisher(
            Skeleton2DArray, "~/skeletons_2d", RESULTS,
            qos_overriding_options=QoSOverridingOptions.with_default_policies())
        self._debug = DebugImage(node)

    def publish(self, people: list[Person] | list[TrackedKeypoints], header: Header, image_bgr: np.ndarray) -> None:
        """Publish what was found in an image, under its own header."""
        height, width = image_bgr.shape[:2]
        self._publisher.publish(skeletons_2d_to_msg(people, header, width, height))
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
        self._publisher.publish(description_to_msg(network.card, network.name, network.look_ahead_s))

    def close(self) -> None:
        """Destroy the publisher."""
        self._node.destroy_publisher(self._publisher)


class SkeletonOutput:
    """`~/skeletons` in the camera's frame or another one, TF frames and ROS4HRI bodies where asked for."""

    def __init__(self, node: Node, diagnostics: Diagnostics, p: SkeletonParameters, prefix: str = "") -> None:
        """Make the publishers.

        Args:
            p: the node's parameters.
            prefix: leads the topic's name.
        Raises:
            ImportError: a package that a parameter needs is not installed.
        """
        self._node, self._diagnostics = node, diagnostics
        self._condition = f"TF {prefix}".strip(" /")
        self._publisher = node.create_publisher(
            Skeleton3DArray, f"~/{prefix}skeletons", RESULTS,
            qos_overriding_options=QoSOverridingOptions.with_default_policies())
        self._target: TargetFrame | None = None
        self._others: list[TfOutput | HriOutput] = []
        try:
            if p.target_frame:
                self._target = TargetFrame(node, p.target_frame)
            self._tf = TfOutput(node) if p.publish_tf else None
            self._others += [self._tf] if self._tf else []
            self._hri = HriOutput(node) if p.publish_hri else None
            self._others += [self._hri] if self._hri else []
        except ImportError:
            self.close()
            raise

    def publish(
        self, people: list[Person], header: Header, camera: Camera, image_bgr: np.ndarray | None = None
    ) -> None:
        """Publish the people of one moment, under its own stamp.

        Args:
            people: in the camera's optical axes.
            header: of the moment that they were seen at: the image's, or before it by the look-ahead.
            camera: that saw them.
            image_bgr: the image of that moment, where it is at hand.
        """
        if self._hri is not None:
            self._hri.publish(people, header, image_bgr, camera)
        if self._target is not None:
            people, header = self._target.transform(people, header)
            problem = self._target.problem
            self._diagnostics.set(
                self._condition, WARN if problem else OK, problem or f"skeletons are in {header.frame_id}", log=False)
        self._publisher.publish(skeletons_to_msg(people, header))
        if self._tf is not None:
            self._tf.publish(people, header)

    def close(self) -> None:
        """Destroy the publishers."""
        for output in (self._target, *self._others):
            if output is not None:
                output.close()
        self._node.destroy_publisher(self._publisher)
        self._diagnostics.clear(self._condition)
