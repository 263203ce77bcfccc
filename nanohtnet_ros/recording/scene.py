"""People as RViz and Foxglove draw them: markers, and a frame in which they stand upright."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from nanohtnet_ros.core.drawing import side_colour, track_colour
from nanohtnet_ros.core.poses import Person
from nanohtnet_ros.core.skeleton import H36M_17
from nanohtnet_ros.core.transforms import rotation_to_xyzw
from nanohtnet_ros.recording.messages import header, message, point

UPRIGHT_FRAME = "camera_upright"
"""As in rviz/pose.rviz."""
LEVEL_FROM_UPRIGHT = np.array(((0, -1, 0), (0, 0, -1), (1, 0, 0)), np.float64)

LINE_LIST, SPHERE_LIST, TEXT, DELETE = 5, 7, 9, 2
SIZES_M = {"joints": 0.06, "bones": 0.03, "label": 0.18}
LABEL_HEIGHT_M = 0.25


def upright_frame(frame_id: str, level_from_camera: np.ndarray) -> Any:
    """A transform from a frame at the camera with x ahead, y left, z up.

    Args:
        frame_id: the camera's optical frame.
        level_from_camera: (3, 3) from there to a level camera's optical axes.
    """
    x, y, z, w = rotation_to_xyzw(level_from_camera.T @ LEVEL_FROM_UPRIGHT).tolist()
    transform = message(
        "geometry_msgs/msg/Transform",
        translation=message("geometry_msgs/msg/Vector3", x=0.0, y=0.0, z=0.0),
        rotation=message("geometry_msgs/msg/Quaternion", x=x, y=y, z=z, w=w),
    )
    stamped = message(
        "geometry_msgs/msg/TransformStamped",
        header=header(0, frame_id),
        child_frame_id=UPRIGHT_FRAME,
        transform=transform,
    )
    return message("tf2_msgs/msg/TFMessage", transforms=[stamped])


def markers(people: Sequence[Person], gone: set[int], stamp_ns: int, frame_id: str) -> Any:
    """Joints and bones, blue on the left and orange on the right, more transparent where less sure, and a label.

    Args:
        gone: ids of people whose markers are to vanish.
    """
    found = []
    for person in people:
        joints = person.joints_cam_m
        known = np.isfinite(joints).all(axis=1)
        if not known.any():
            continue
        bones = [(a, b) for a, b in H36M_17.bones if known[a] and known[b]]
        top = joints[np.flatnonzero(known)[np.argmin(joints[known, 1])]]
        of = person.track_id, stamp_ns, frame_id
        found += [
            _marker("joints", SPHERE_LIST, *of, [(j, joints[j], person.confidence[j]) for j in np.flatnonzero(known)]),
            _marker(
                "bones",
                LINE_LIST,
                *of,
                [(b, joints[end], min(person.confidence[[a, b]])) for a, b in bones for end in (a, b)],
            ),
            _marker("label", TEXT, *of, [], top - (0.0, LABEL_HEIGHT_M, 0.0), f"{person.track_id}: {top[2]:.1f} m"),
        ]
    found += [_marker(ns, LINE_LIST, i, stamp_ns, frame_id, [], action=DELETE) for i in sorted(gone) for ns in SIZES_M]
    return message("visualization_msgs/msg/MarkerArray", markers=found)


def _marker(
    ns: str,
    kind: int,
    track_id: int,
    stamp_ns: int,
    frame_id: str,
    points: list[tuple[int, np.ndarray, float]],
    position: np.ndarray | None = None,
    text: str = "",
    action: int = 0,
) -> Any:
    """A marker.

    Args:
        points: the joint whose side gives the colour, (3,) metres, and confidence.
        position: (3,) metres of the marker itself.
    """
    size = SIZES_M[ns]
    duration = message("builtin_interfaces/msg/Duration", sec=1, nanosec=0)
    pose = message(
        "geometry_msgs/msg/Pose",
        position=point(np.zeros(3) if position is None else position),
        orientation=message("geometry_msgs/msg/Quaternion", x=0.0, y=0.0, z=0.0, w=1.0),
    )
    return message(
        "visualization_msgs/msg/Marker",
        header=header(stamp_ns, frame_id),
        ns=ns,
        id=track_id,
        type=kind,
        action=action,
        pose=pose,
        scale=message("geometry_msgs/msg/Vector3", x=size, y=size, z=size),
        color=_colour(track_colour(track_id), 1.0),
        lifetime=duration,
        frame_locked=False,
        points=[point(at) for _, at, _ in points],
        colors=[_side_colour(joint, sure) for joint, _, sure in points],
        texture_resource="",
        texture=message("sensor_msgs/msg/CompressedImage", header=header(0, ""), format="", data=np.empty(0, np.uint8)),
        uv_coordinates=[],
        text=text,
        mesh_resource="",
        mesh_file=message("visualization_msgs/msg/MeshFile", filename="", data=np.empty(0, np.uint8)),
        mesh_use_embedded_materials=False,
    )


def _side_colour(joint: int, confidence: float) -> Any:
    return _colour(side_colour(joint), 0.15 + 0.85 * float(confidence))


def _colour(rgb: Sequence[float] | np.ndarray, alpha: float) -> Any:
    r, g, b = map(float, rgb)
    return message("std_msgs/msg/ColorRGBA", r=r, g=g, b=b, a=alpha)
