"""A video file, a folder of images or a webcam as a ROS camera."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.time import Duration, Time
from sensor_msgs.msg import CameraInfo, Image

from nanohtnet_ros.core.camera import Camera
from nanohtnet_ros.errors import UserError
from nanohtnet_ros.ros.diagnostics import ERROR, OK, WARN, Diagnostics
from nanohtnet_ros.ros.images import image_to_msg
from nanohtnet_ros.ros.messages import MESSAGES
from nanohtnet_ros.ros.parameters import NodeParameters, VideoNodeParameters
from nanohtnet_ros.ros.qos import CAMERA
from nanohtnet_ros.ros.spin import spin
from nanohtnet_ros.samples.video_source import VideoSource

RETRY_S = 2.0
POLL_S = 0.02
MAX_BEHIND_S = 0.5  # in the source's time where it is played slowly; a machine that is later than that skips frames
MAX_SKIPPING_S = 0.5  # something is published at least so often
LAST_MESSAGES = Duration(seconds=5)  # to arrive before the process ends; one that was lost is sent again after 3 s


class VideoNode(Node):
    """Publishes `image` and `camera_info` at the times of the source's frames."""

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
            except UserError as error:
                self._diagnostics.set("calibration", ERROR, str(error))
        self._published = self._skipped = 0
        self._diagnostics.figures.update({"published": 0, "skipped": 0})
        self._first_stamp: Time | None = None
        self._started_s = 0.0  # when the first frame was published, on the steady clock
        self._steady = Clock(clock_type=ClockType.STEADY_TIME)
        self._step: Callable[[], None] = self._open
        self._timer = self.create_timer(0.0, self._on_timer, clock=self._steady)

    def _on_timer(self) -> None:
        self._step()

    def _after(self, wait_s: float, step: Callable[[], None]) -> None:
        """Do the next step when a time has passed."""
        self._step = step
        self._timer.timer_period_ns = max(0, round(wait_s * 1e9))
        self._timer.reset()

    def _open(self) -> None:
        try:
            source = VideoSource(self._p.source, self._p.frame_rate)
        except UserError as error:
            self._diagnostics.set("source", ERROR, str(error))
            self._after(RETRY_S, self._open)
            return
        self._source = source
        if source.damage:
            self._diagnostics.set("source", WARN, source.damage)
        else:
            self._diagnostics.set("source", OK, f"{self._p.source}, {source.frame_rate_hz:.4g} frames a second")
        self._after(0.0, self._wait_for_subscribers)

    def _wait_for_subscribers(self) -> None:
        if self._images.get_subscription_count() < self._p.wait_for_subscribers:
            self._after(POLL_S, self._wait_for_subscribers)
        else:
            self._advance()

    def _advance(self) -> None:
        """Go to the frame that is due next."""
        time_s = self._next_time_s()
        if time_s is None:
            self._end()
            return
        if self._first_stamp is None:
            self._first_stamp, self._started_s = self.get_clock().now(), time.monotonic()
        # The source's own time, whatever the speed.
        self._stamp = self._first_stamp + Duration(nanoseconds=round(time_s * 1e9))
        if self._source.live:
            self._stamp = self.get_clock().now()
            self._publish()
            return
        wait_s = self._wait_s(time_s)
        if min(1.0, self._p.speed) * wait_s < -MAX_BEHIND_S:
            time_s = self._skip(time_s)
            if time_s is None:
                self._end()
                return
            wait_s = self._wait_s(time_s)
            self._stamp = self._first_stamp + Duration(nanoseconds=round(time_s * 1e9))
        self._after(wait_s, self._publish)

    def _wait_s(self, time_s: float) -> float:
        """Time until a frame is due; negative if it is late."""
        return self._started_s + time_s / self._p.speed - time.monotonic()

    def _skip(self, time_s: float) -> float | None:
        """Leave out frames that are late; returns the time of the one after them, or None after the last."""
        give_up_s = time.monotonic() + MAX_SKIPPING_S
        next_s: float | None = time_s
        while next_s is not None and self._wait_s(next_s) < 0 and time.monotonic() < give_up_s:
            next_s = self._next_time_s()
            self._skipped += 1
        self._diagnostics.figures["skipped"] = self._skipped
        self._diagnostics.set(
            "pace", WARN, f"{self._skipped} frames skipped: this machine is too slow for them, lower `speed`"
        )
        return next_s

    def _next_time_s(self) -> float | None:
        """Go to the next frame, from the last one to the first again in a loop; its time, or None after the last."""
        time_s = self._source.advance()
        if time_s is None and self._p.loop and not self._source.live:
            self._source.rewind()
            time_s = self._source.advance()
        return time_s

    def _publish(self) -> None:
        try:
            self._publish_image(self._source.image())
        except UserError as error:
            self._diagnostics.set("source", ERROR, str(error))
        self._after(0.0, self._advance)

    def _publish_image(self, frame: np.ndarray) -> None:
        image = image_to_msg(frame)
        image.header.stamp = self._stamp.to_msg()
        image.header.frame_id = self._p.frame_id
        camera_info = self._camera_info(image.width, image.height)
        camera_info.header = image.header
        self._camera_infos.publish(camera_info)
        self._images.publish(image)
        self._published += 1
        self._diagnostics.figures["published"] = self._published

    def _end(self) -> None:
        """After the last frame."""
        self._source.close()
        if self._source.live:
            self._diagnostics.set("source", ERROR, f"webcam {self._p.source} gives no more images: is it unplugged?")
            self._after(RETRY_S, self._open)
            return
        sentence = f"{self._published} frames published, that was the last one"
        if not self._published:
            sentence = f"{self._p.source} holds no frame that can be read"
        elif self._source.damage:
            sentence = f"{self._published} frames published, then {self._source.damage}"
        bad = not self._published or bool(self._source.damage)
        self._diagnostics.set("source", ERROR if bad else OK, sentence)
        self._timer.cancel()
        if self._p.exit_at_end:
            self._diagnostics.publish_last(LAST_MESSAGES)
            self._images.wait_for_all_acked(LAST_MESSAGES)
            raise SystemExit(int(bad))

    def _camera_info(self, width: int, height: int) -> CameraInfo:
        """The calibration at the images' size, or one of zeros, which means not calibrated."""
        if self._camera is not None:
            try:
                return MESSAGES.camera_info(self._camera.scaled_to(width, height))
            except UserError as error:
                self._diagnostics.set("calibration", ERROR, str(error))
        elif not self._p.camera_info_file:
            self._diagnostics.set("calibration", WARN, "none: set camera_info_file to the camera's calibration")
        return MESSAGES.camera_info(Camera.from_field_of_view(width, height))


def main(args: list[str] | None = None) -> None:
    """Run the node's process."""
    spin(VideoNode, args)


if __name__ == "__main__":
    main()
