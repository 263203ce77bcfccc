"""One person as markers: a list of spheres, a list of lines, a label.

Joints and bones have the colours of their side; label, trail and facing direction have the track's.
"""

from __future__ import annotations

import numpy as np
from builtin_interfaces.msg import Duration
from geometry_msgs.msg import Point
from std_msgs.msg import ColorRGBA, Header
from visualization_msgs.msg import Marker

from nanohtnet_ros.core.drawing import LEFT_RGB, RIGHT_RGB, side_colour, track_colour
from nanohtnet_ros.core.postures import facing, sole_height
from nanohtnet_ros.core.skeleton import H36M_17, Joint
from nanohtnet_ros.msg import Skeleton3D
from nanohtnet_ros.ros.messages import joints_from_msg, point_to_msg, root_from_msg
from nanohtnet_ros.ros.parameters import MarkerNodeParameters

NAMESPACES = ("joints", "bones", "label")
LABEL_HEIGHT_M = 0.25  # above the highest joint
LABEL_SIZE_M = 0.18
FOOT_M = 0.2
ARROW_M, ARROW_TIP_M = 0.6, 0.15
FIXED_FRAMES = ("map", "odom", "earth", "world")  # REP 105: a distance from their origin says nothing


def joint_colour(joint: int, confidence: float) -> ColorRGBA:
    """The side's; the surer, the more opaque."""
    return _colour(side_colour(joint), 0.15 + 0.85 * confidence)


def floor_below(skeleton: Skeleton3D, up: np.ndarray) -> np.ndarray:
    """(3,) the floor below the root in the header's frame, metres: the known one, or that which they stand on.

    Args:
        up: (3,) unit vector.
    """
    known = skeleton.root_in_ground.z
    return root_from_msg(skeleton) + (-known if np.isfinite(known) else sole_height(joints_from_msg(skeleton), up)) * up


def skeleton_markers(
    skeleton: Skeleton3D, header: Header, up: np.ndarray, style: MarkerNodeParameters, trail: np.ndarray | None = None
) -> list[Marker]:
    """Joints; bones, feet, facing direction and trail; a label: of one person whose root is known.

    Args:
        up: (3,) unit vector against gravity in the header's frame.
        style: sizes and lifetime.
        trail: (N, 3) where on the floor they were, oldest first, metres, or None.
    """
    root = root_from_msg(skeleton)
    joints = joints_from_msg(skeleton) + root
    known = np.flatnonzero(np.isfinite(joints).all(axis=1))
    sure = skeleton.confidence
    colours = [joint_colour(joint, sure[joint]) for joint in range(len(H36M_17))]
    lifetime = Duration(sec=int(style.lifetime_s), nanosec=int(style.lifetime_s % 1 * 1e9))
    balls, lines, label = (
        Marker(header=header, ns=ns, id=skeleton.track_id, type=kind, lifetime=lifetime)
        for ns, kind in zip(NAMESPACES, (Marker.SPHERE_LIST, Marker.LINE_LIST, Marker.TEXT_VIEW_FACING), strict=True)
    )
    for marker in (balls, lines, label):
        marker.pose.orientation.w = 1.0
        marker.color = _colour(track_colour(skeleton.track_id), 1.0)
    balls.scale.x = balls.scale.y = balls.scale.z = style.joint_diameter_m
    balls.points = [point_to_msg(joints[joint].astype(np.float64)) for joint in known]
    balls.colors = [colours[joint] for joint in known]

    lines.scale.x = style.bone_width_m
    for parent, child in H36M_17.bones:
        if parent in known and child in known:
            # A limb has its own side's colour up to the trunk.
            colour = joint_colour(child, min(sure[parent], sure[child]))
            _add_lines(lines, joints[[parent, child]], colour)
    floor = floor_below(skeleton, up)
    _add_floor_lines(lines, joints, floor, up, trail)

    top = float(np.nanmax((joints - root) @ up, initial=0.0))
    label.text = _label(skeleton, header, root)
    label.scale.z = LABEL_SIZE_M
    label.pose.position = point_to_msg(root + (top + LABEL_HEIGHT_M) * up)
    return [balls, lines, label]


def _add_floor_lines(
    lines: Marker, joints: np.ndarray, floor: np.ndarray, up: np.ndarray, trail: np.ndarray | None
) -> None:
    """Feet as far as they are seen, an arrow where the body faces, and the trail, paler the older it is."""

    def on_floor(point: np.ndarray) -> np.ndarray:
        return point - ((point - floor) @ up) * up

    ahead, sure = facing(joints, up)
    if sure > 0.3:
        for ankle, rgb in ((Joint.L_ANKLE, LEFT_RGB), (Joint.R_ANKLE, RIGHT_RGB)):
            if np.isfinite(joints[ankle]).all():
                heel = on_floor(joints[ankle])
                _add_lines(lines, [heel, heel + FOOT_M * ahead], _colour(rgb, 0.8))
        tip, aside = floor + ARROW_M * ahead, np.cross(up, ahead)
        shaft = lines.color
        for end in (floor + 0.3 * ARROW_M * ahead, *(tip - ARROW_TIP_M * (ahead + s * 0.7 * aside) for s in (-1, 1))):
            _add_lines(lines, [end, tip], shaft)
    if trail is not None and len(trail) > 1:
        rgb = (lines.color.r, lines.color.g, lines.color.b)
        for i in range(len(trail) - 1):
            _add_lines(lines, trail[i : i + 2], _colour(rgb, 0.6 * (i + 1) / len(trail)))


def _add_lines(lines: Marker, points: list[np.ndarray] | np.ndarray, colour: ColorRGBA) -> None:
    lines.points += [Point(x=float(x), y=float(y), z=float(z)) for x, y, z in points]
    lines.colors += [colour] * len(points)


def _label(skeleton: Skeleton3D, header: Header, root: np.ndarray) -> str:
    """Id, and the distance from the frame's origin where that is the robot or camera."""
    fixed = header.frame_id.rpartition("/")[2] in FIXED_FRAMES
    return f"{skeleton.track_id}" if fixed else f"{skeleton.track_id}: {np.linalg.norm(root):.1f} m"


def _colour(rgb, alpha: float) -> ColorRGBA:
    r, g, b = map(float, rgb)
    return ColorRGBA(r=r, g=g, b=b, a=float(alpha))
