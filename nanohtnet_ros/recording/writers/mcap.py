"""A rosbag2 in MCAP that can be read at every moment of its making."""

from __future__ import annotations

import io
import os
from io import BufferedWriter
from pathlib import Path
from typing import Any, cast

import numpy as np
from rosbags.interfaces import Connection, Qos, QosDurability, QosHistory, QosLiveliness, QosReliability, QosTime
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer, WriterError
from rosbags.rosbag2.storage_mcap import McapWriter as McapStorage

from nanohtnet_ros.core.markers import MarkerSettings, PeopleMarkers
from nanohtnet_ros.core.transforms import OPTICAL_FROM_BODY_AXES, rotation_to_xyzw
from nanohtnet_ros.errors import UserError
from nanohtnet_ros.recording.frames import FrameResult, RunInfo
from nanohtnet_ros.recording.messages import MESSAGES, jpeg, message, typestore
from nanohtnet_ros.runtime.output_folder import writing

FLUSH_FRAMES, FLUSH_SHARE = 50, 0.01
"""The bag on disk is brought up to date after so many frames, or so large a share of all if that is more."""

FOREVER = QosTime(9223372036, 854775807)
"""What rosbag2 writes for a deadline, lifespan or lease that is not limited."""

UPRIGHT_FRAME = "camera_upright"
"""As in rviz/pose.rviz."""


def played_as(reliable: bool = True, latched: bool = False) -> Qos:
    """QoS to play a topic with."""
    return Qos(
        QosHistory.KEEP_LAST,
        10,
        QosReliability.RELIABLE if reliable else QosReliability.BEST_EFFORT,
        QosDurability.TRANSIENT_LOCAL if latched else QosDurability.VOLATILE,
        FOREVER,
        FOREVER,
        QosLiveliness.AUTOMATIC,
        FOREVER,
        False,
    )


class _Tail(io.BytesIO):
    """The end of a file, in memory; it goes to the file in one piece, so that no reader ever sees a part.

    Attributes:
        keep: position in the file; what comes from there on will be written anew.
    """

    def __init__(self, begun: BufferedWriter) -> None:
        """Take over a file that was begun."""
        super().__init__()
        begun.flush()
        self._file, self._start = begun, begun.tell()
        self.keep = self._start

    def tell(self) -> int:
        """The position in the file."""
        return self._start + super().tell()

    def close(self) -> None:
        """Bring the file up to date and go on at `keep`; the bag's writer does this after each index.

        Raises:
            OSError: the disk is full; the file is as before.
        """
        content, at, number = memoryview(self.getvalue()), self._start, self._file.fileno()
        _reserve(number, at, len(content))
        while content:
            written = os.pwrite(number, content, at)
            content, at = content[written:], at + written
        os.ftruncate(number, at)
        self._start = self.keep
        self.seek(0)
        self.truncate()

    def end(self) -> None:
        """Close the file."""
        self._file.close()


def _reserve(number: int, at: int, length: int) -> None:
    """Make room in a file before anything in it is written over."""
    size = os.fstat(number).st_size
    try:
        if hasattr(os, "posix_fallocate"):  # not on macOS
            os.posix_fallocate(number, at, length)
    except OSError:
        os.ftruncate(number, size)
        raise


class Bag:
    """A rosbag2 of one MCAP file, zstd in chunks; what is on disk is a whole bag, index and metadata.yaml included."""

    def __init__(self, folder: Path) -> None:
        """Begin it.

        Args:
            folder: made here; its name is the bag's.
        Raises:
            UserError: it exists.
        """
        self.path = folder / f"{folder.name}.mcap"
        try:
            self._writer = Writer(folder, version=9, storage_plugin=StoragePlugin.MCAP)
        except WriterError as error:
            raise UserError(f"{folder} holds files that are not ours: move it away") from error
        self._writer.set_compression(CompressionMode.STORAGE, CompressionFormat.ZSTD)
        with writing(self.path):
            self._writer.open()
            assert isinstance(self._writer.storage, McapStorage)
            self._storage = self._writer.storage
            self._tail = _Tail(self._storage.bio)
        self._storage.bio = cast(BufferedWriter, self._tail)

    def add(self, topic: str, kind: str, qos: Qos) -> Connection:
        """Add a topic of a message type, to be played with a QoS."""
        return self._writer.add_connection(topic, kind, typestore=typestore(), offered_qos_profiles=[qos])

    def write(self, connection: Connection, stamp_ns: int, message: Any) -> None:
        """Write a message at its stamp."""
        self._writer.write(connection, stamp_ns, typestore().serialize_cdr(message, connection.msgtype))

    def flush(self) -> None:
        """Bring the disk up to date.

        Raises:
            OSError: it is full; the message names the file.
        """
        with writing(self.path):
            if self._storage.chunk.msgs:
                self._storage.close_chunk()
            self._tail.keep = self._tail.tell()
            try:
                self._writer.close()
            finally:
                self._writer.storage = self._storage  # it goes on

    def close(self) -> None:
        """Complete the bag; errors as of `flush`."""
        try:
            self.flush()
        finally:
            self._tail.end()


def upright_frame(frame_id: str, level_from_camera: np.ndarray) -> Any:
    """TF from a frame at the camera with x ahead, y left, z up.

    Args:
        frame_id: the camera's optical frame.
        level_from_camera: (3, 3) from there to a level camera's optical axes.
    """
    xyzw = rotation_to_xyzw(level_from_camera.T @ OPTICAL_FROM_BODY_AXES)
    transform = MESSAGES.transform(MESSAGES.header(0, frame_id), UPRIGHT_FRAME, np.zeros(3), xyzw)
    return message("tf2_msgs/msg/TFMessage", transforms=[transform])


class McapWriter:
    """`recording/`: a bag of what the nodes would publish, at the images' stamps."""

    needs_images = False

    def __init__(self, folder: Path, info: RunInfo) -> None:
        """Begin the bag."""
        self._frame_id, self._info = info.frame_id, info
        self._bag = Bag(folder / "recording")
        self._topics: dict[str, Connection] = {}
        self._markers = PeopleMarkers(MESSAGES)
        self._frames = self._flushed = 0

    def _put(self, topic: str, stamp_ns: int, message: Any, latched: bool = False) -> None:
        if topic not in self._topics:
            self._topics[topic] = self._bag.add(topic, message.__msgtype__, played_as(latched=latched))
        self._bag.write(self._topics[topic], stamp_ns, message)

    def write(self, result: FrameResult) -> None:
        stamp_ns, frame_id = result.stamp_ns, self._frame_id
        level = self._info.level_from_camera(result.ground)
        if not self._frames:
            description = MESSAGES.description(self._info.network)
            self._put("/pose_node/skeleton_description", stamp_ns, description, latched=True)
            if frame_id:
                self._put("/tf_static", stamp_ns, upright_frame(frame_id, level), latched=True)
        header = MESSAGES.header(stamp_ns, frame_id)
        self._put("/camera_info", stamp_ns, MESSAGES.camera_info(result.camera, header))
        if result.image_bgr is not None and self.needs_images:
            self._put("/image/compressed", stamp_ns, jpeg(result.image_bgr, header))
        in_image = result.tracked if result.delay_ns else result.people
        keypoints = MESSAGES.skeletons_2d(in_image, header, result.camera.width, result.camera.height)
        self._put("/pose_node/skeletons_2d", stamp_ns, keypoints)
        of_pose = MESSAGES.header(stamp_ns - result.delay_ns, frame_id)
        skeletons = MESSAGES.skeletons(result.people, of_pose, self._info.ground_frame, up=-level[1])
        self._put("/pose_node/skeletons", stamp_ns, skeletons)
        self._put("/markers", stamp_ns, self._markers.step(skeletons, MarkerSettings()))
        self._frames += 1
        if self._frames - self._flushed >= max(FLUSH_FRAMES, FLUSH_SHARE * self._frames):
            self._bag.flush()
            self._flushed = self._frames

    def close(self) -> None:
        self._bag.close()


class ImageMcapWriter(McapWriter):
    """The same with the images, as JPEG."""

    needs_images = True
