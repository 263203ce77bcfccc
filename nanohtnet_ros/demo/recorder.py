"""Every topic into an MCAP bag."""

from __future__ import annotations

import importlib
import time
from pathlib import Path

from ament_index_python.packages import get_package_share_directory
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.qos import QoSDurabilityPolicy, QoSHistoryPolicy, QoSProfile, QoSReliabilityPolicy
from rosbags.interfaces import Qos, QosDurability, QosHistory, QosLiveliness, QosReliability, QosTime
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer
from rosbags.typesys import Stores, get_types_from_msg, get_typestore
from rosbags.typesys.store import Typestore

DRAWN_ON_DEMAND = "/debug_image"
"""Ending of topics that cost a drawing as soon as somebody subscribes; the bag holds what they are drawn from."""

FOREVER = QosTime(9223372036, 854775807)
"""What rosbag2 writes for a deadline, lifespan or lease that is not limited."""


def message_class(type_name: str) -> type:
    """The class of a message type such as `std_msgs/msg/Header`."""
    package, kind, name = type_name.split("/")
    return getattr(importlib.import_module(f"{package}.{kind}"), name)


def bag_typestore() -> Typestore:
    """Message definitions for the bag: the common ones and ours."""
    typestore = get_typestore(Stores.ROS2_JAZZY)
    types = {}
    for file in Path(get_package_share_directory("nanohtnet_ros"), "msg").glob("*.msg"):
        types.update(get_types_from_msg(file.read_text(), f"nanohtnet_ros/msg/{file.stem}"))
    typestore.register(types)
    return typestore


def new_bag(folder: Path) -> Writer:
    """Open a new rosbag2 bag: MCAP, zstd in chunks. The folder must not exist yet."""
    writer = Writer(folder, version=9, storage_plugin=StoragePlugin.MCAP)
    writer.set_compression(CompressionMode.STORAGE, CompressionFormat.ZSTD)
    writer.open()
    return writer


class Recorder(Node):
    """Subscribes to each topic as it appears and writes its messages, undecoded, with the time of their arrival.

    Drawn images are left out.
    """

    def __init__(self, bag: Writer) -> None:
        """Start recording into an open bag, which stays the caller's to close."""
        super().__init__("recorder")
        self._typestore = bag_typestore()
        self._bag = bag
        self.counts: dict[str, int] = {}
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
            history=QoSHistoryPolicy.KEEP_LAST, depth=200,
            reliability=QoSReliabilityPolicy.RELIABLE if reliable else QoSReliabilityPolicy.BEST_EFFORT,
            durability=QoSDurabilityPolicy.TRANSIENT_LOCAL if latched else QoSDurabilityPolicy.VOLATILE)
        played_as = Qos(
            QosHistory.KEEP_LAST, 10, QosReliability.RELIABLE if reliable else QosReliability.BEST_EFFORT,
            QosDurability.TRANSIENT_LOCAL if latched else QosDurability.VOLATILE,
            FOREVER, FOREVER, QosLiveliness.AUTOMATIC, FOREVER, False)
        connection = self._bag.add_connection(
            topic, type_name, typestore=self._typestore, offered_qos_profiles=[played_as])
        self.counts[topic] = 0

        def write(data: bytes) -> None:
            self._bag.write(connection, time.time_ns(), data)
            self.counts[topic] += 1

        self.create_subscription(message_class(type_name), topic, write, qos, raw=True)
