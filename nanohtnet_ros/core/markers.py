"""People as markers for RViz and Foxglove: of each a list of spheres, a list of lines, a label.

Joints and bones have the colours of their side; label, trail and facing direction have the track's.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nanohtnet_ros.core.drawing import LEFT_RGB, RIGHT_RGB, side_colour, track_colour
from nanohtnet_ros.core.ground import up_in_frame
from nanohtnet_ros.core.messages import MessageBuilder, joints_from_msg, root_from_msg, stamp_ns, xyz_from_msg
from nanohtnet_ros.core.postures import facing, sole_height
from nanohtnet_ros.core.settings import Settings, setting
from nanohtnet_ros.core.skeleton import H36M_17, Joint
from nanohtnet_ros.core.window import NS_PER_S

NAMESPACES = ("joints", "bones", "label")
SPHERE_LIST, LINE_LIST, TEXT_VIEW_FACING, DELETE = 7, 5, 9, 2  # constants of visualization_msgs/Marker
LABEL_HEIGHT_M = 0.25  # above the highest joint
LABEL_SIZE_M = 0.18
FOOT_M = 0.2
ARROW_M, ARROW_TIP_M = 0.6, 0.15
TRAIL_STEP_S = 0.1
FIXED_FRAMES = ("map", "odom", "earth", "world")  # REP 105: a distance from their origin says nothing


@dataclass(frozen=True)
class MarkerSettings(Settings):
    """How people are drawn."""

    joint_diameter_m: float = setting(0.06, "diameter of the joints' spheres, metres", 0.001, 1.0, live=True)
    bone_width_m: float = setting(0.03, "width of the bones' lines, metres", 0.001, 1.0, live=True)
    trail_s: float = setting(3.0, "length of the trail on the floor, seconds; 0: none", 0.0, 60.0, live=True)
    lifetime_s: float = setting(1.0, "markers vanish this long after the last message, seconds", 0.05, 60.0, live=True)


def floor_below(skeleton: Any, up: np.ndarray) -> np.ndarray:
    """(3,) the floor below the root in the header's frame, metres: the known one, or that which they stand on.

    Args:
        skeleton: Skeleton3D of a person whose root is known.
        up: (3,) unit vector.
    """
    known = skeleton.root_in_ground.z
    return root_from_msg(skeleton) + (-known if np.isfinite(known) else sole_height(joints_from_msg(skeleton), up)) * up


class PeopleMarkers:
    """Draws the people of one moment after the other."""

    def __init__(self, messages: MessageBuilder) -> None:
        """Start without anybody; messages are made by the builder."""
        self._messages, self._make = messages, messages.make
        self._frame_id = ""
        self._trails: dict[int, deque[tuple[int, np.ndarray]]] = {}  # of those who are shown: stamps, points

    def step(self, msg: Any, style: MarkerSettings) -> Any:
        """MarkerArray of a Skeleton3DArray: those whose root is known, and an end to those who were shown before."""
        up = xyz_from_msg(msg.up)
        if not np.isclose(np.linalg.norm(up), 1.0):  # not told, or by a publisher that knows nothing of it
            up = up_in_frame(msg.header.frame_id, "", None)
        gone = set(self._trails)
        if msg.header.frame_id != self._frame_id:  # the trails lie in another frame
            self._frame_id, self._trails = msg.header.frame_id, {}
        markers = []
        for skeleton in msg.skeletons:
            if skeleton.root_valid:
                floor = floor_below(skeleton, up)
                trail = self._follow(skeleton.track_id, stamp_ns(msg.header), floor, style.trail_s)
                markers += self.of_person(skeleton, msg.header, up, style, floor, trail)
                gone.discard(skeleton.track_id)
        for track_id in sorted(gone):
            self._trails.pop(track_id, None)
            markers += [self._marker(msg.header, ns, LINE_LIST, track_id, action=DELETE) for ns in NAMESPACES]
        return self._make("visualization_msgs/msg/MarkerArray", markers=markers)

    def _follow(self, track_id: int, now_ns: int, floor: np.ndarray, trail_s: float) -> np.ndarray:
        """(N, 3) the person's trail, with where they are now at its end."""
        trail = self._trails.setdefault(track_id, deque())
        if trail and now_ns < trail[-1][0]:  # a bag that starts again
            trail.clear()
        if not trail or now_ns - trail[-1][0] >= TRAIL_STEP_S * NS_PER_S:
            trail.append((now_ns, floor))
        while trail and now_ns - trail[0][0] > trail_s * NS_PER_S:
            trail.popleft()
        return np.array([*(point for _, point in trail), floor])

    def of_person(
        self,
        skeleton: Any,
        header: Any,
        up: np.ndarray,
        style: MarkerSettings,
        floor: np.ndarray,
        trail: np.ndarray | None = None,
    ) -> list[Any]:
        """Joints; bones, feet, facing direction and trail; a label: of one person whose root is known.

        Args:
            skeleton: Skeleton3D.
            up: (3,) unit vector against gravity in the header's frame.
            style: sizes and lifetime.
            floor: (3,) see `floor_below`.
            trail: (N, 3) where on the floor they were, oldest first, metres, or None.
        """
        track_id, root = skeleton.track_id, root_from_msg(skeleton)
        joints = joints_from_msg(skeleton) + root
        known = np.isfinite(joints).all(axis=1)
        lifetime = self._make(
            "builtin_interfaces/msg/Duration", sec=int(style.lifetime_s), nanosec=int(style.lifetime_s % 1 * 1e9)
        )
        shown = {"color": self._colour(track_colour(track_id), 1.0), "lifetime": lifetime}
        ball = dict.fromkeys("xyz", style.joint_diameter_m)
        points, colours = self._lines(skeleton, joints, up, floor, trail)
        top = float(np.nanmax((joints - root) @ up, initial=0.0))
        above_head = root + (top + LABEL_HEIGHT_M) * up
        return [
            self._marker(
                header,
                "joints",
                SPHERE_LIST,
                track_id,
                scale=self._make("geometry_msgs/msg/Vector3", **ball),
                points=[self._messages.point(joint) for joint in joints[known]],
                colors=[self._joint_colour(j, skeleton.confidence[j]) for j in np.flatnonzero(known)],
                **shown,
            ),
            self._marker(
                header,
                "bones",
                LINE_LIST,
                track_id,
                scale=self._make("geometry_msgs/msg/Vector3", x=style.bone_width_m),
                points=[self._messages.point(point) for point in points],
                colors=colours,
                **shown,
            ),
            self._marker(
                header,
                "label",
                TEXT_VIEW_FACING,
                track_id,
                above_head,
                scale=self._make("geometry_msgs/msg/Vector3", z=LABEL_SIZE_M),
                text=_label(track_id, header, root),
                **shown,
            ),
        ]

    def _marker(self, header: Any, ns: str, kind: int, track_id: int, at_m: np.ndarray | None = None, **fields) -> Any:
        pose = self._make(
            "geometry_msgs/msg/Pose",
            position=self._messages.point(np.zeros(3) if at_m is None else at_m),
            orientation=self._make("geometry_msgs/msg/Quaternion", w=1.0),
        )
        kinds = {"ns": ns, "id": track_id, "type": kind}
        return self._make("visualization_msgs/msg/Marker", header=header, pose=pose, **kinds, **fields)

    def _lines(
        self, skeleton: Any, joints: np.ndarray, up: np.ndarray, floor: np.ndarray, trail: np.ndarray | None
    ) -> tuple[list[np.ndarray], list[Any]]:
        """Ends of lines and their colours: bones, and on the floor feet, an arrow and the trail.

        Args:
            joints: (17, 3) in the header's frame, metres.
        """
        points: list[np.ndarray] = []
        colours: list[Any] = []

        def add(ends: Sequence[np.ndarray] | np.ndarray, colour: Any) -> None:
            points.extend(ends)
            colours.extend([colour] * len(ends))

        def on_floor(point: np.ndarray) -> np.ndarray:
            return point - ((point - floor) @ up) * up

        known, sure = np.isfinite(joints).all(axis=1), skeleton.confidence
        for parent, child in H36M_17.bones:
            if known[parent] and known[child]:  # a limb has its own side's colour up to the trunk
                add(joints[[parent, child]], self._joint_colour(child, min(sure[parent], sure[child])))
        rgb = track_colour(skeleton.track_id)
        ahead, told = facing(joints, up)
        if told > 0.3:
            for ankle, side_rgb in ((Joint.L_ANKLE, LEFT_RGB), (Joint.R_ANKLE, RIGHT_RGB)):
                if known[ankle]:
                    heel = on_floor(joints[ankle])
                    add([heel, heel + FOOT_M * ahead], self._colour(side_rgb, 0.8))
            tip, aside = floor + ARROW_M * ahead, np.cross(up, ahead)
            tail, sides = floor + 0.3 * ARROW_M * ahead, (ahead + 0.7 * aside, ahead - 0.7 * aside)
            for end in (tail, *(tip - ARROW_TIP_M * side for side in sides)):
                add([end, tip], self._colour(rgb, 1.0))
        if trail is not None and len(trail) > 1:  # paler the older it is
            for i in range(len(trail) - 1):
                add(trail[i : i + 2], self._colour(rgb, 0.6 * (i + 1) / len(trail)))
        return points, colours

    def _joint_colour(self, joint: int, confidence: float) -> Any:
        """The side's; the surer, the more opaque."""
        return self._colour(side_colour(joint), 0.15 + 0.85 * float(confidence))

    def _colour(self, rgb: Sequence[float] | np.ndarray, alpha: float) -> Any:
        r, g, b = map(float, rgb)
        return self._make("std_msgs/msg/ColorRGBA", r=r, g=g, b=b, a=alpha)


def _label(track_id: int, header: Any, root: np.ndarray) -> str:
    """Id, and the distance from the frame's origin where that is the robot or camera."""
    fixed = header.frame_id.rpartition("/")[2] in FIXED_FRAMES
    return f"{track_id}" if fixed else f"{track_id}: {np.linalg.norm(root):.1f} m"
