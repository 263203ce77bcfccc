"""Images of a rosbag2 (MCAP or SQLite) as a source of a run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from rosbags.interfaces import Connection
from rosbags.typesys import Stores, get_typestore

from nanohtnet_ros.core.camera import Camera
from nanohtnet_ros.core.camera_info import camera_of_image
from nanohtnet_ros.core.ground import Ground
from nanohtnet_ros.core.window import NS_PER_S
from nanohtnet_ros.errors import UserError
from nanohtnet_ros.recording.bag_tf import TransformTree
from nanohtnet_ros.recording.frames import Frame
from nanohtnet_ros.recording.open_bag import open_bag
from nanohtnet_ros.recording.sources import NOT_CALIBRATED, SourceOptions
from nanohtnet_ros.samples.image_messages import MEASUREMENTS, ImageReader

TF = "tf2_msgs/msg/TFMessage"
RAW, COMPRESSED, CAMERA_INFO = (f"sensor_msgs/msg/{name}" for name in ("Image", "CompressedImage", "CameraInfo"))


class BagFrames:
    """The images of one topic, at their headers' stamps."""

    live = False

    def __init__(self, path: Path, options: SourceOptions) -> None:
        """Open a bag.

        Raises:
            UserError: it cannot be read, or it is not clear which topic to take.
        """
        self.title, self._path = path.name, path
        self._calibration, self._fov_deg = options.calibration, options.horizontal_fov_deg
        self._ground = options.ground
        self.warnings: list[str] = []
        self.damage = ""
        self._images = ImageReader()
        self._reader, lacking = open_bag(path, get_typestore(Stores.ROS2_JAZZY))
        if lacking:
            self._warn(lacking)
        try:
            self._topic = self._chosen(options.topic)
            self._open()
            self._tree = None
            if options.ground_frame:
                self._tree = TransformTree(self._transforms, options.ground_frame, self.frame_id)
        except BaseException:
            self._reader.close()
            raise

    def _open(self) -> None:
        connections = self._reader.connections
        self._image_connections = [c for c in connections if c.topic == self._topic]
        self.frame_count: int | None = sum(c.msgcount for c in self._image_connections)
        namespace = self._topic.removesuffix("/compressed").rpartition("/")[0]
        self._info_connections = [
            c for c in connections if c.msgtype == CAMERA_INFO and c.topic == f"{namespace}/camera_info"
        ]
        first = next(self._messages(self._image_connections), None)
        if first is None:
            raise UserError(self.damage or f"topic {self._topic} of {self._path} holds no images")
        self.frame_id = first[2].header.frame_id
        duration_s = self._reader.duration / NS_PER_S
        count = self.frame_count or 0
        self.frame_rate_hz = (count - 1) / duration_s if count > 1 and duration_s > 0 else 25.0
        info = next(self._messages(self._info_connections), None) if self._info_connections else None
        self._info = None if info is None else info[2]
        if self._info is None and self._calibration is None:
            self._warn(f"no CameraInfo on {namespace}/camera_info: {NOT_CALIBRATED.format(self._fov_deg)}")

    def _chosen(self, wanted: str) -> str:
        """The image topic: the one that was asked for, or the only one that holds colours or grey."""
        topics = {c.topic: c for c in self._reader.connections if c.msgtype in (RAW, COMPRESSED) and c.msgcount}
        shown = ", ".join(sorted(topics)) or "none"
        if wanted:
            if wanted not in topics:
                raise UserError(f"{self._path} has no images on {wanted}; its image topics are: {shown}")
            return wanted
        coloured = [topic for topic, connection in topics.items() if self._is_coloured(connection)]
        # The same camera raw and compressed is one camera.
        cameras = {topic.removesuffix("/compressed"): topic for topic in sorted(coloured, reverse=True)}
        if not cameras:
            raise UserError(f"{self._path} has no images in colour or grey; its image topics are: {shown}")
        if len(cameras) != 1:
            raise UserError(f"{self._path} has image topics: {shown}: choose one by --topic")
        return next(iter(cameras.values()))

    def _is_coloured(self, connection: Connection) -> bool:
        first = next(self._messages([connection]), None)
        if first is None:
            return False
        kind = first[2].encoding if connection.msgtype == RAW else first[2].format
        return not MEASUREMENTS.match(kind) and "compressedDepth" not in kind

    def _messages(self, connections: list[Connection]) -> Iterator[tuple[Connection, int, Any]]:
        """Messages in the order of the bag, as far as it can be read."""
        messages = self._reader.messages(connections)
        while True:
            try:
                connection, time_ns, data = next(messages)
                message = self._reader.deserialize(data, connection.msgtype)
            except StopIteration:
                return
            except Exception as error:  # whatever a damaged file brings about in the bag's reader
                self.damage = f"bag {self._path} is damaged: {error}"
                return
            yield connection, time_ns, message

    def __iter__(self) -> Iterator[Frame]:
        for connection, time_ns, message in self._messages(self._image_connections + self._info_connections):
            if connection.msgtype == CAMERA_INFO:
                self._info = message
                continue
            stamp = message.header.stamp
            stamp_ns = stamp.sec * NS_PER_S + stamp.nanosec or time_ns

            ground = self._ground if self._tree is None else self._ground_by_tf(self._tree, stamp_ns)

            def read(message: Any = message, info: Any = self._info) -> tuple[np.ndarray, Camera]:
                raw = hasattr(message, "encoding")
                image = self._images.raw(message) if raw else self._images.compressed(message)
                return image, self._camera(image.shape[1], image.shape[0], info)

            yield Frame(stamp_ns, read, ground)

    def _transforms(self) -> Iterator[tuple[bool, Any]]:
        connections = [c for c in self._reader.connections if c.topic in ("/tf", "/tf_static") and c.msgtype == TF]
        for connection, _, message in self._messages(connections) if connections else ():
            yield connection.topic == "/tf_static", message

    def _ground_by_tf(self, tree: TransformTree, stamp_ns: int) -> Ground | None:
        pose = tree.target_from_source(stamp_ns)
        if pose is None:
            self._warn("TF does not tell for every image where the ground is")
            return None
        try:
            return Ground.of_camera_pose(*pose)
        except UserError as error:
            self._warn(f"--ground_frame: {error}")
            return None

    def _camera(self, width: int, height: int, info: Any) -> Camera:
        if self._calibration is not None:
            return self._calibration.scaled_to(width, height)
        if info is not None:
            try:
                return camera_of_image(info, width, height)
            except UserError as error:
                self._warn(f"CameraInfo: {error}: {NOT_CALIBRATED.format(self._fov_deg)}")
        return Camera.from_field_of_view(width, height, self._fov_deg)

    def _warn(self, sentence: str) -> None:
        if sentence not in self.warnings:
            self.warnings.append(sentence)

    def close(self) -> None:
        """Close the bag."""
        self._reader.close()
