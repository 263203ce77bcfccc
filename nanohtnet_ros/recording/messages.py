"""Messages of rosbags, made of the core's records: no ROS is needed."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cache, lru_cache, partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from rosbags.interfaces import Nodetype
from rosbags.typesys import Stores, get_types_from_msg, get_typestore
from rosbags.typesys.store import Typestore

from nanohtnet_ros.core.messages import MessageBuilder
from nanohtnet_ros.errors import UserError

JPEG_QUALITY = 85
PACKAGE = Path(__file__).resolve().parents[1]


def definitions() -> Path:
    """The folder of this package's message definitions: in the wheel, in a checkout, or in a ROS workspace.

    Raises:
        UserError: it is missing.
    """
    prefixes = [Path(prefix) for prefix in os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep) if prefix]
    shares = [prefix / "share" / "nanohtnet_ros" / "msg" for prefix in prefixes]
    for folder in (PACKAGE / "definitions", PACKAGE.parent / "msg", *shares):
        if (folder / "Skeleton3D.msg").is_file():
            return folder
    raise UserError("this package's message definitions (*.msg) are missing: install it again")


@lru_cache(maxsize=1)
def typestore() -> Typestore:
    """The common message types of ROS 2 and ours."""
    store = get_typestore(Stores.ROS2_JAZZY)
    for file in sorted(definitions().glob("*.msg")):
        store.register(get_types_from_msg(file.read_text(), f"nanohtnet_ros/msg/{file.stem}"))
    return store


@cache
def _type(kind: str) -> tuple[type, dict[str, Callable[[], Any]], dict[str, str]]:
    """The class of a message's type, what makes its fields zero or empty, and the NumPy types of those of numbers."""
    store = typestore()
    empty: dict[str, Callable[[], Any]] = {}
    numbers: dict[str, str] = {}
    entry: Any  # its type depends on the node's
    for name, entry in store.fielddefs[kind][1]:
        node, of = entry
        if node == Nodetype.NAME:
            empty[name] = partial(message, of)
        elif node == Nodetype.BASE:
            empty[name] = {"string": str, "bool": bool}.get(of[0], float if of[0].startswith("float") else int)
        elif of[0][0] == Nodetype.NAME or of[0][1][0] == "string":
            empty[name] = list
        else:
            numbers[name] = of[0][1][0]
            empty[name] = partial(np.zeros, of[1] if node == Nodetype.ARRAY else 0, numbers[name])
    return store.types[kind], empty, numbers


def message(kind: str, **fields: Any) -> Any:
    """A message of a type, as `std_msgs/msg/Header`; fields that are not given are zero or empty, as in ROS."""
    made, empty, numbers = _type(kind)
    fields.update((name, np.ascontiguousarray(fields[name], numbers[name])) for name in numbers if name in fields)
    return made(**{name: fields[name] if name in fields else nothing() for name, nothing in empty.items()})


MESSAGES = MessageBuilder(message)


def jpeg(image_bgr: np.ndarray, header: Any) -> Any:
    """An (H, W, 3) uint8 image, compressed."""
    data = cv2.imencode(".jpg", image_bgr, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])[1]
    fields = {"format": "bgr8; jpeg compressed bgr8", "data": data.reshape(-1)}
    return message("sensor_msgs/msg/CompressedImage", header=header, **fields)
