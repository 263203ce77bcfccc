"""Messages of rclpy, made of the core's records."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import Any

from std_msgs.msg import Header

from nanohtnet_ros.core.messages import MessageBuilder, stamp_ns


@cache
def message_type(kind: str) -> Any:
    """The class of a message's type, as `std_msgs/msg/Header`."""
    package, _, name = kind.split("/")
    return getattr(import_module(f"{package}.msg"), name)


def make(kind: str, **fields: Any) -> Any:
    """A message of a type."""
    return message_type(kind)(**fields)


MESSAGES = MessageBuilder(make)


def header_before(header: Header, delay_ns: int) -> Header:
    """The same frame's header of an earlier moment; not before 0, which stamps cannot be."""
    return MESSAGES.header(stamp_ns(header) - delay_ns, header.frame_id)
