"""Joint angles of ROS4HRI's human model (package human_description), for a robot_state_publisher.

The model turns a limb's first joint about three axes in a row: `y` (yaw), `p` and `r`, whose names come first. Its
limits are not applied: some poses that people take lie outside them.
"""

from __future__ import annotations

import numpy as np

from nanohtnet_ros.core.joint_frames import REP_155_NAMES, JointFrames
from nanohtnet_ros.core.skeleton import Joint

_INDEX = {name: joint for joint, name in enumerate(REP_155_NAMES)}


def joint_angles(frames: JointFrames) -> dict[str, float]:
    """Angles by the names of the model's joints, without a person's id.

    The body frame leans with the trunk, so `waist` is zero. A hanging or raised arm leaves `y` and `r` of the shoulder
    undetermined between them: there `y` is zero.

    Returns:
        Radians; a joint that was not determined is left out, and nothing is NaN.
    """
    angles: dict[str, float] = {}
    in_body = frames.rotations[Joint.HIP].T @ frames.rotations
    if frames.determined[Joint.HIP]:
        angles["waist"] = 0.0
        if frames.determined[Joint.NECK]:
            angles.update(_head_angles(in_body[Joint.NECK]))
    for side, sign in (("l", 1.0), ("r", -1.0)):
        for top, middle, first_angles, bend in (
            ("shoulder", "elbow", _shoulder_angles, 1.0),
            ("hip", "knee", _hip_angles, -1.0),
        ):
            upper, lower = _INDEX[f"{side}_{top}"], _INDEX[f"{side}_{middle}"]
            if frames.determined[Joint.HIP] and frames.determined[upper]:
                yaw, p, r = first_angles(in_body[upper], sign)
                angles.update({f"{side}_y_{top}": yaw, f"{side}_p_{top}": p, f"{side}_r_{top}": r})
            if frames.determined[upper] and frames.determined[lower]:
                cosine = frames.rotations[upper][:, 2] @ frames.rotations[lower][:, 2]
                angles[f"{side}_{middle}"] = bend * float(np.arccos(np.clip(cosine, -1, 1)))
    return angles


def _head_angles(m: np.ndarray) -> dict[str, float]:
    """Of `m = Rx(r) Rz(y) Ry(-p)`."""
    return {
        "r_head": float(np.arctan2(m[2, 1], m[1, 1])),
        "y_head": float(np.arcsin(np.clip(-m[0, 1], -1, 1))),
        "p_head": float(-np.arctan2(m[0, 2], m[0, 0])),
    }


def _shoulder_angles(m: np.ndarray, sign: float) -> tuple[float, float, float]:
    """Of `m = Rz(-sign y) Rx(sign p) Rz(sign r)`, with p from 0 to pi; the sign is +1 left and -1 right."""
    p = np.arccos(np.clip(m[2, 2], -1, 1))
    if np.sin(p) < 1e-6:
        return 0.0, float(p), float(sign * np.arctan2(np.sign(m[2, 2]) * m[1, 0], m[0, 0]))
    yaw, r = np.arctan2(sign * m[0, 2], -sign * m[1, 2]), np.arctan2(sign * m[2, 0], sign * m[2, 1])
    return float(-sign * yaw), float(p), float(sign * r)


def _hip_angles(m: np.ndarray, sign: float) -> tuple[float, float, float]:
    """Of `m = Rz(-y) Rx(sign p) Ry(-r)`."""
    p = sign * np.arcsin(np.clip(m[2, 1], -1, 1))
    return float(np.arctan2(m[0, 1], m[1, 1])), float(p), float(np.arctan2(m[2, 0], m[2, 2]))
