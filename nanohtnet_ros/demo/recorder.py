"""Every topic into an MCAP bag."""

from __future__ import annotations

import glob
import importlib
import time
from collections.abc import Callable
from pathlib import Path

from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.qos import QoSDurabilityPolicy, QoSHistoryPolicy, QoSProfile, QoSReliabilityPolicy
from rclpy.subscription import Subscription
from rosbags.interfaces import Connection, Qos
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer

from nanohtnet_ros.recording.messages import typestore
from nanohtnet_ros.recording.writers.mcap import played_as
from nanohtnet_ros.runtime.output_folder import writing

PART = ".recording"
"""Folder of a bag that is being written."""

DRAWN_ON_DEMAND = "/debug_image"
"""Ending of topics that cost a drawing as soon as there is a subscriber; the bag holds what they are drawn from."""


def message_class(type_name: str) -> type:
    """The class of a message type such as `std_msgs/msg/Header`."""
    package, kind, name = type_name.split("/")
    return getattr(importlib.import_module(f"{package}.{kind}"), name)


def bag_files(folder: Path) -> list[str]:
    """Patterns of a bag's files in a folder, also of one that is being written."""
    name = glob.escape(folder.resolve().name)
    return [f"{PART}/*/*.mcap", f"{PART}/*/metadata.yaml", f"{name}.mcap", "metadata.yaml"]


class Bag:
    """A new rosbag2 bag, MCAP with zstd in chunks; only when it is closed do its files come into their folder."""

    def __init__(self, folder: Path) -> None:
        """Open it.

        Args:
            folder: that holds neither a bag nor a part of one (`bag_files`).
        """
        self._folder = folder
        self.path = folder / f"{folder.name}.mcap"
        self._part = folder / PART / folder.name  # the writer makes its own folder, whose name is the bag's
        self._writer = Writer(self._part, version=9, storage_plugin=StoragePlugin.MCAP)
        self._writer.set_compression(CompressionMode.STORAGE, CompressionFormat.ZSTD)
        self._typestore = typestore()
        with writing(self.path):
            self._writer.open()

    def add(self, topic: str, type_name: str, qos: Qos) -> Connection:
        """Add a topic.

        Args:
            qos: to play it with.
        """
        return self._writer.add_connection(topic, type_name, typestore=self._typestore, offered_qos_profiles=[qos])

    def write(self, connection: Connection, time_ns: int, data: bytes) -> None:
        """Write a serialized message.

        Raises:
            OSError: it cannot be written; the message names the file.
        """
        with writing(self.path):
            self._writer.write(connection, time_ns, data)

    def close(self) -> None:
        """Complete the bag.

        Raises:
            OSError: it cannot be written; the message names the file.
        """
        with writing(self.path):
            self._writer.close()
            for file in self._part.iterdir():
                file.replace(self._folder / file.name)
            self._part.rmdir()
            self._part.parent.rmdir()


class Recorder(Node):
    """Subscribes to each topic as it appears and writes its messages, undecoded, with the time of their publication.

    Drawn images are left out.

    Attributes:
        counts: messages written of each topic.
        error: why nothing is written any more, or None.
    """

    def __init__(self, bag: Bag) -> None:
        """Start recording into an open bag, which stays the caller's to close."""
        super().__init__("recorder")
        self._bag = bag
        self.counts: dict[str, int] = {}
        self.error: OSError | None = None
        self._timer = self.create_timer(0.05, self._look_for_topics, clock=Clock(clock_type=ClockType.STEADY_TIME))

    def _look_for_topics(self) -> None:
        for topic, types in self.get_topic_names_and_types():
            if topic in self.counts or topic.endswith(DRAWN_ON_DEMAND):
                continue
            offered = [info.qos_profile for info in self.get_publishers_info_by_topic(topic)]
            if offered:
                self._record(topic, types[0], offered)

    def _record(self, topic: str, type_name: str, offered: list[QoSProfile]) -> None:
        reliable = all(qos.reliability == QoSReliabilityPolicy.RELIABLE for qos in offered)
        latched = all(qos.durability == QoSDurabilityPolicy.TRANSIENT_LOCAL for qos in offered)
        qos = QoSProfile(
            history=QoSHistoryPolicy.KEEP_LAST,
            depth=200,
            reliability=QoSReliabilityPolicy.RELIABLE if reliable else QoSReliabilityPolicy.BEST_EFFORT,
            durability=QoSDurabilityPolicy.TRANSIENT_LOCAL if latched else QoSDurabilityPolicy.VOLATILE,
        )
        connection = self._bag.add(topic, type_name, played_as(reliable, latched))
        self.counts[topic] = 0

        def write_with_info(data: bytes, info: dict[str, int]) -> None:
            # Not the time of arrival: this process may lag, and with one topic more than with another.
            write(data, info["source_timestamp"])

        def write(data: bytes, time_ns: int = 0) -> None:
            if self.error is not None:
                return
            try:
                self._bag.write(connection, time_ns or time.time_ns(), data)
            except OSError as error:
                self.error = error
            else:
                self.counts[topic] += 1

        # Humble gives no info.
        callback: Callable[..., None] = write_with_info if hasattr(Subscription, "CallbackType") else write
        self.create_subscription(message_class(type_name), topic, callback, qos, raw=True)
