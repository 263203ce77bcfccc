"""A video file, a folder of images or a webcam as a ROS camera."""

from __future__ import annotations

from typing import Any

import numpy as np
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.time import Duration, Time
from sensor_msgs.msg import CameraInfo, Image

from nanohtnet_ros.core.camera import Camera
from nanohtnet_ros.ros.diagnostics import ERROR, OK, WARN, Diagnostics
from nanohtnet_ros.ros.images import image_to_msg
from nanohtnet_ros.ros.messages import camera_to_msg
from nanohtnet_ros.ros.parameters import NodeParameters, VideoNodeParameters
from nanohtnet_ros.ros.qos import CAMERA
from nanohtnet_ros.ros.spin import spin
from nanohtnet_ros.samples.video_source import VideoSource

RETRY_S = 2.0
WEBCAM_PERIOD_S = 0.001  # reading waits for the webcam's next frame


class VideoNode(Node):
    """Publishes `image` and `camera_info` at the source's own rate."""

    def __init__(self, name: str = "video_node", **options: Any) -> None:
        """Make the node; options are those of `rclpy.node.Node`."""
        super().__init__(name, **options)
        self._p = NodeParameters(self, VideoNodeParameters).values
        self._images = self.create_publisher(Image, "image", CAMERA)
        self._camera_infos = self.create_publisher(CameraInfo, "camera_info", CAMERA)
        self._diagnostics = Diagnostics(self)
        self._camera: Camera | None = None
        if self._p.camera_info_file:
            try:
                self._camera = Camera.from_yaml(self._p.camera_info_file)
                self._diagnostics.set("calibration", OK, self._p.camera_info_file)
            except ValueError as error:
                self._diagnostics.set("calibration", ERROR, str(error))
        self._published = 0
        self._first_stamp: Time | None = None
        self._steady = Clock(clock_type=ClockType.STEADY_TIME)
        self._timer = self.create_timer(WEBCAM_PERIOD_S, self._open, clock=self._steady)

    def _replace_timer(self, period_s: float, callback) -> None:
        self.destroy_timer(self._timer)
        self._timer = self.create_timer(period_s, callback, clock=self._steady)

    def _open(self) -> None:
        try:
            source = VideoSource(self._p.source, self._p.frame_rate)
        except ValueError as error:
            self._diagnostics.set("source", ERROR, str(error))
            self._replace_timer(RETRY_S, self._open)
            return
        rate_hz = source.frame_rate_hz
        self._diagnostics.set("source", OK, f"{self._p.source}, {rate_hz:g} frames a second")
        period_s = WEBCAM_PERIOD_S if source.live else 1.0 / (rate_hz * self._p.speed)
        self._replace_timer(period_s, lambda: self._publish_next(source))

    def _publish_next(self, source: VideoSource) -> None:
        if self._first_stamp is None and self._images.get_subscription_count() < self._p.wait_for_subscribers:
            return
        frame = self._read(source)
        if frame is None:
            return
        if self._first_stamp is None:
            self._first_stamp = self.get_clock().now()
        if source.live:
            stamp = self.get_clock().now()
        else:  # the source's own time, whatever the speed
            stamp = self._first_stamp + Duration(nanoseconds=int(self._published / source.frame_rate_hz * 1e9))
        self._published += 1
        image = image_to_msg(frame)
        image.header.stamp = stamp.to_msg()
        image.header.frame_id = self._p.frame_id
        camera_info = self._camera_info(image.width, image.height)
        camera_info.header = image.header
        self._camera_infos.publish(camera_info)
        self._images.publish(image)

    def _read(self, source: VideoSource) -> np.ndarray | None:
        """The next frame; at the end from the start again, or None and the node ends or retries."""
        try:
            frame = source.read()
            if frame is None and self._p.loop and not source.live:
                source.rewind()
                frame = source.read()
        except ValueError as error:
            self._diagnostics.set("source", ERROR, str(error))
            return None
        if frame is not None:
            return frame
        source.close()
        if source.live:
            self._diagnostics.set("source", ERROR, f"webcam {self._p.source} gives no more images: is it unplugged?")
            self._replace_timer(RETRY_S, self._open)
        elif self._p.exit_at_end:
            self.get_logger().info(f"{self._published} frames published, that was the last one")
            self._images.wait_for_all_acked(Duration(seconds=2))
            raise SystemExit(0)
        else:
            self._diagnostics.set("source", OK, f"{self._published} frames published, that was the last one")
            self.destroy_timer(self._timer)
        return None

    def _camera_info(self, width: int, height: int) -> CameraInfo:
        """The calibration at the images' size, or one of zeros, which means not calibrated."""
        if self._camera is not None:
            try:
                return camera_to_msg(self._camera.scaled_to(width, height))
            except ValueError as error:
                self._diagnostics.set("calibration", ERROR, str(error))
        elif not self._p.camera_info_file:
            self._diagnostics.set("calibration", WARN, "none: set camera_info_file to the camera's calibration")
        return camera_to_msg(Camera.from_field_of_view(width, height))


def main(args: list[str] | None = None) -> None:
    """Run the node's process."""
    spin(VideoNode, args)


if __name__ == "__main__":
    main()
