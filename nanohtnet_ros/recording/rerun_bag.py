"""Bags of the nodes, and of `nanohtnet run`, shown in Rerun."""

from __future__ import annotations

import logging
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np

from nanohtnet_ros.core.camera_info import camera_of_image
from nanohtnet_ros.core.ground import OPTICAL_SUFFIX, Ground
from nanohtnet_ros.core.messages import joints_from_msg, root_from_msg, stamp_ns, tracked_from_msg, xyz_from_msg
from nanohtnet_ros.core.poses import Keypoints, Person
from nanohtnet_ros.errors import UserError
from nanohtnet_ros.recording.messages import typestore
from nanohtnet_ros.recording.open_bag import open_bag
from nanohtnet_ros.recording.rerun_scene import Scene
from nanohtnet_ros.samples.image_messages import ImageError, ImageReader

LOGGER = logging.getLogger(__name__)
OURS = "nanohtnet_ros/msg/"
SHOWN = (f"{OURS}Skeleton3DArray", f"{OURS}Skeleton2DArray", "diagnostic_msgs/msg/DiagnosticArray")
IMAGES = ("sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage")
CAMERA_INFO = "sensor_msgs/msg/CameraInfo"
DRAWN = "/debug_image"
NO_KEYPOINTS = Keypoints(np.full((17, 2), np.nan, np.float32), np.zeros(17, np.float32))


class MessageScene:
    """Shows messages of the nodes, as rclpy or rosbags makes them.

    Attributes:
        camera_frame: of the images, once one was seen.
    """

    def __init__(self, scene: Scene) -> None:
        """Show nothing yet."""
        self._scene, self._images = scene, ImageReader()
        self.camera_frame = ""

    def show(self, kind: str, message: Any) -> None:
        """Show a message of a type, such as `sensor_msgs/msg/Image`."""
        if kind != SHOWN[2]:  # these have the clock's time, also where a bag is played
            self._scene.at(stamp_ns(message.header))
        if kind in IMAGES:
            self.camera_frame = message.header.frame_id
            raw = kind == IMAGES[0]
            try:
                self._scene.show_image(self._images.raw(message) if raw else self._images.compressed(message))
            except ImageError:  # the nodes say so too
                return
        elif kind == CAMERA_INFO:
            try:
                self._scene.show_camera(camera_of_image(message, message.width, message.height))
            except UserError:  # not calibrated: the image has no place in space
                return
        elif kind == SHOWN[0]:
            self._show_people(message)
        elif kind == SHOWN[1]:
            self.camera_frame = message.header.frame_id
            self._scene.show_keypoints(tracked_from_msg(message))
        elif kind == SHOWN[2]:
            for status in message.status:
                self._scene.show_figures(_figures(status))

    def _show_people(self, message: Any) -> None:
        people = [
            Person(
                s.track_id,
                s.track_age,
                NO_KEYPOINTS,
                joints_from_msg(s),
                np.asarray(s.confidence, np.float32),
                root_from_msg(s) if s.root_valid else None,
            )
            for s in message.skeletons
        ]
        up = xyz_from_msg(message.up)
        told = np.isclose(np.linalg.norm(up), 1.0)
        frame_id = message.header.frame_id
        if frame_id in (self.camera_frame, "") or frame_id.endswith(OPTICAL_SUFFIX) or not told:
            self._scene.show_people(people, Ground(-up) if told else None)
        else:  # of a target_frame: z is up, and where the camera is in it is not known here
            self._scene.show_people_in(people, np.eye(3), up)


def _figures(status: Any) -> dict[str, float]:
    """Rates, drops and latencies of one node's diagnostics, by its name."""
    node = status.name.partition(":")[0]
    figures = {}
    for entry in status.values:
        if entry.key.endswith((" Hz", " ms")) or entry.key == "dropped":
            try:
                figures[f"{node} {entry.key}"] = float(entry.value)
            except ValueError:
                continue
    return figures


def show_bag(path: Path, scene: Scene) -> None:
    """Show all that a bag holds of people, and of the first camera.

    Raises:
        UserError: it cannot be read, or holds no people.
    """
    reader, lacking = open_bag(path, typestore())
    if lacking:
        LOGGER.warning(lacking)
    try:
        with closing(reader):
            topics = {connection.topic: connection for connection in reader.connections}
            kinds = {connection.msgtype for connection in reader.connections}
            if SHOWN[0] not in kinds:
                raise UserError(f"bag {path} holds no people ({SHOWN[0]}): make one by 'nanohtnet run {path}'")
            images = sorted(t for t, c in topics.items() if c.msgtype in IMAGES and not t.endswith(DRAWN))
            infos = sorted(t for t, c in topics.items() if c.msgtype == CAMERA_INFO)
            wanted = [
                c for c in reader.connections if c.msgtype in SHOWN or c.topic in images[:1] or c.topic in infos[:1]
            ]
            shown = MessageScene(scene)
            for connection, _, data in reader.messages(wanted):
                shown.show(connection.msgtype, reader.deserialize(data, connection.msgtype))
    except UserError:
        raise
    except Exception as error:  # whatever a damaged file brings about in the bag's reader
        raise UserError(f"bag {path} cannot be read: {error}: 'ros2 bag reindex' may mend it") from error
