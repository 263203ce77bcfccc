"""A frame per joint: names, positions and orientations after REP 155.

The axes are those of ROS4HRI's human model (package human_description): of a person who stands upright with hanging
arms all frames are alike, x forward out of the chest, y to their left, z up. A frame turns with the bone that starts
at its joint:

- body: z lies along the trunk from hip to thorax, y as near as possible to the line from right to left hip (the
  shoulders' where a hip is missing).
- torso: z along the bone from spine to thorax, y as near as possible to the line from right to left shoulder.
  spine: z along the bone from hip to spine.
- head and head_top: z from thorax to the head's top, x as near as possible to the face.
- shoulder, elbow, hip, knee: z along the limb, away from the next joint: the upper arm lies along the shoulder's -z.
  Where elbow or knee is bent y is its hinge, so that bending an elbow turns the forearm forward and a knee the shank
  backward; a straight limb is turned from its parent the shortest way.
- wrist, ankle: as the bone that ends there.

A bone that is missing or too short leaves its frame oriented as its parent's: the trunk's and the hips' parent is the
body, the head's and shoulders' the torso. Where the body itself cannot be oriented it has the axes of the frame that
the joints are given in.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nanohtnet_ros.core.skeleton import H36M_17, H36M_LIMBS, Joint
from nanohtnet_ros.core.transforms import rotation_to_xyzw
from nanohtnet_ros.core.vectors import cross, norm

REP_155_NAMES = (
    "body",
    "r_hip",
    "r_knee",
    "r_ankle",
    "l_hip",
    "l_knee",
    "l_ankle",
    "spine",
    "torso",
    "head",
    "head_top",
    "l_shoulder",
    "l_elbow",
    "l_wrist",
    "r_shoulder",
    "r_elbow",
    "r_wrist",
)
"""Frames of H36M_17's joints. REP 155's torso is the base of the neck and its head lies in the face; it names
neither the spine's middle nor the head's top."""

SHORTEST_BONE_M = 0.01
SMALLEST_SINE = 0.1  # of the angle between two directions that span a frame
SMALLEST_BEND_SINE = 0.34  # 20 degrees: a straighter limb's hinge is noise


@dataclass(frozen=True, eq=False)
class JointFrames:
    """Frames of one person's joints, H36M_17 order; nothing is NaN but the positions of missing joints.

    Attributes:
        rotations: (17, 3, 3) float64; columns are each frame's axes in the axes that the joints were given in.
        determined: (17,) bool, true where the frame's own bone was there to orient it.
        body_xyzw: (4,) orientation of the body frame in the axes that the joints were given in.
        positions_m: (17, 3) float64 in the body frame, metres; a missing joint is NaN and has no frame.
        orientations_xyzw: (17, 4) in the body frame.
    """

    rotations: np.ndarray
    determined: np.ndarray
    body_xyzw: np.ndarray
    positions_m: np.ndarray
    orientations_xyzw: np.ndarray


def body_id(track_id: int, prefix: str = "") -> str:
    """The id of a person's body in names of frames and topics; a topic's parts must not begin with a digit.

    Args:
        prefix: tells cameras apart, since each numbers people by itself.
    """
    return f"{prefix}p{track_id}"


def frame_name(joint: int, body: str) -> str:
    """Name of a body's joint's frame, by the joint's index in H36M_17."""
    return f"{REP_155_NAMES[joint]}_{body}"


def joint_frames(joints_rel_m: np.ndarray) -> JointFrames:
    """Orient one person's joints.

    Args:
        joints_rel_m: (17, 3) root-relative, metres, in any right-handed axes; NaN where missing. The hip is the
            origin even if its keypoint is missing.
    """
    joints = np.array(joints_rel_m, np.float64)
    joints[~np.isfinite(joints).all(axis=1)] = np.nan
    joints[Joint.HIP] = 0.0
    rotations, determined = np.tile(np.eye(3), (len(H36M_17), 1, 1)), np.zeros(len(H36M_17), bool)

    def orient(joint: int, rotation: np.ndarray | None, parent: np.ndarray) -> None:
        determined[joint] = rotation is not None
        rotations[joint] = parent if rotation is None else rotation

    body = _body_rotation(joints)
    orient(Joint.HIP, body, np.eye(3))
    orient(Joint.SPINE, _turned(rotations[Joint.HIP], _direction(joints, Joint.HIP, Joint.SPINE)), rotations[Joint.HIP])
    upper_trunk = _direction(joints, Joint.SPINE, Joint.THORAX)
    torso = _axes(upper_trunk, _direction(joints, Joint.R_SHOULDER, Joint.L_SHOULDER))
    orient(Joint.THORAX, _turned(rotations[Joint.HIP], upper_trunk) if torso is None else torso, rotations[Joint.HIP])
    orient(Joint.NECK, _head_rotation(joints, rotations[Joint.THORAX]), rotations[Joint.THORAX])
    orient(Joint.HEAD, rotations[Joint.NECK] if determined[Joint.NECK] else None, rotations[Joint.THORAX])
    for limb in H36M_LIMBS:
        top, middle, end = limb
        leg = top in (Joint.L_HIP, Joint.R_HIP)
        parent = rotations[Joint.HIP if leg else Joint.THORAX]
        upper, lower = _direction(joints, middle, top), _direction(joints, end, middle)  # both along +z
        orient(top, _upper_limb_rotation(parent, upper, lower, leg), parent)
        orient(middle, _turned(rotations[top], lower), rotations[top])
        orient(end, rotations[middle] if determined[middle] else None, rotations[middle])
    body_axes = rotations[Joint.HIP]
    return JointFrames(
        rotations,
        determined,
        rotation_to_xyzw(body_axes),
        joints @ body_axes,
        rotation_to_xyzw(body_axes.T @ rotations),
    )


def _direction(joints: np.ndarray, start: int, end: int) -> np.ndarray | None:
    """(3,) unit vector from one joint to another; None where one is missing or they meet."""
    along = joints[end] - joints[start]
    length = norm(along)
    return along / length if length > SHORTEST_BONE_M else None


def _axes(z: np.ndarray | None, y: np.ndarray | None) -> np.ndarray | None:
    """(3, 3) rotation with this very z and the y nearest to the given one; None where they do not span a plane."""
    if z is None or y is None:
        return None
    y = y - (y @ z) * z
    length = norm(y)
    if length < SMALLEST_SINE:
        return None
    y = y / length
    return np.column_stack((cross(y, z), y, z))


def _turned(rotation: np.ndarray, z: np.ndarray | None) -> np.ndarray | None:
    """A rotation turned the shortest way to a new z; about its x where the new z is opposite."""
    if z is None:
        return None
    axis, cosine = cross(rotation[:, 2], z), rotation[:, 2] @ z
    if cosine < -1 + 1e-9:
        return rotation * (1, -1, -1)
    x, y, w = axis.tolist()
    times = np.array([(0, -w, y), (w, 0, -x), (-y, x, 0)])  # the axis, as a matrix of its vector product
    return rotation + (times + times @ times / (1 + cosine)) @ rotation  # Rodrigues' formula


def _body_rotation(joints: np.ndarray) -> np.ndarray | None:
    up = _direction(joints, Joint.HIP, Joint.THORAX)
    up = _direction(joints, Joint.HIP, Joint.SPINE) if up is None else up
    by_hips = _axes(up, _direction(joints, Joint.R_HIP, Joint.L_HIP))
    return _axes(up, _direction(joints, Joint.R_SHOULDER, Joint.L_SHOULDER)) if by_hips is None else by_hips


def _head_rotation(joints: np.ndarray, torso: np.ndarray) -> np.ndarray | None:
    up, face = _direction(joints, Joint.THORAX, Joint.HEAD), _direction(joints, Joint.THORAX, Joint.NECK)
    if up is None:
        return None
    facing = None if face is None else _axes(up, cross(up, face))
    return _turned(torso, up) if facing is None else facing


def _upper_limb_rotation(
    parent: np.ndarray, upper: np.ndarray | None, lower: np.ndarray | None, leg: bool
) -> np.ndarray | None:
    """Rotation of an upper arm or thigh, from its own direction and the lower one's, both against the limb."""
    if upper is not None and lower is not None:
        hinge = cross(upper, lower) if leg else cross(lower, upper)
        if norm(hinge) > SMALLEST_BEND_SINE:
            return _axes(upper, hinge)
    return _turned(parent, upper)
