"""What a body does at one moment: facing, posture, arms. All need to know where up is."""

from __future__ import annotations

import math
from enum import IntEnum

import numpy as np

from nanohtnet_ros.core.body import ANKLE_HEIGHT_M
from nanohtnet_ros.core.skeleton import LEFT_ARM, LEFT_LEG, RIGHT_ARM, RIGHT_LEG, Joint
from nanohtnet_ros.core.vectors import cross, norm


class Posture(IntEnum):
    """How a person holds themselves; values are those of the message PersonState."""

    UNKNOWN = 0
    STANDING = 1
    SITTING = 2
    CROUCHING = 3
    KNEELING = 4
    BENDING = 5
    LYING = 6


ARMS = {"left": LEFT_ARM, "right": RIGHT_ARM}
LEGS = (LEFT_LEG, RIGHT_LEG)
POSTURE_JOINTS = (Joint.HIP, Joint.THORAX, *LEGS[0], *LEGS[1])
FACING_JOINTS = (Joint.L_HIP, Joint.R_HIP, Joint.L_SHOULDER, Joint.R_SHOULDER)

UNSURE_DEG = 5.0  # within so many degrees of a limit it is not sure on which side of it an angle is
UNSURE_SHARE = 0.05  # likewise of a length in leg or arm lengths


def above(value: float, limit: float, unsure: float) -> float:
    """How sure a value lies above a limit, 0 to 1: a logistic function, 0.5 at the limit; 0 for NaN."""
    return 1 / (1 + math.exp(min(max((limit - value) / unsure, -50.0), 50.0))) if math.isfinite(value) else 0.0


def angle_deg(a: np.ndarray, b: np.ndarray) -> float:
    """Angle between two vectors, degrees; NaN where one is zero or not known."""
    lengths = norm(a) * norm(b)
    return math.degrees(math.acos(min(max(float(a @ b) / lengths, -1.0), 1.0))) if lengths > 0 else math.nan


def facing(joints_m: np.ndarray, up: np.ndarray) -> tuple[np.ndarray, float]:
    """Where the body is turned to, whatever the head looks at: ahead of pelvis and shoulders, level.

    Args:
        joints_m: (17, 3), NaN where missing.
        up: (3,) unit vector.
    Returns:
        (3,) unit vector perpendicular to up, NaN where not known; and how well hips and shoulders agree on it and lie
        level, 0 to 1: near 0 for somebody who lies on a side.
    """
    lines = [joints_m[left] - joints_m[right] for left, right in (FACING_JOINTS[:2], FACING_JOINTS[2:])]
    known = [line / length for line in lines if (length := norm(line)) > 0.01]  # False for NaN
    ahead = cross(np.sum(known, axis=0) / len(known), up) if known else np.full(3, np.nan)
    length = norm(ahead)
    if not length > 0.01:
        return np.full(3, np.nan), 0.0
    return ahead / length, min(1.0, length)


def sole_height(joints_rel_m: np.ndarray, up: np.ndarray) -> float:
    """Height of the sole of the lower foot over the root, metres, so below 0; by other joints where no foot is seen.

    Args:
        joints_rel_m: (17, 3) relative to the root, metres; NaN where missing.
        up: (3,) unit vector.
    """
    heights = joints_rel_m @ up
    lowest = np.nanmin(heights[[Joint.L_ANKLE, Joint.R_ANKLE]], initial=np.nanmin(heights, initial=0.0))
    return float(lowest) - ANKLE_HEIGHT_M


def posture_probabilities(joints_m: np.ndarray, up: np.ndarray) -> np.ndarray:
    """How likely each posture is, by the geometry of trunk and legs.

    Args:
        joints_m: (17, 3), NaN where missing; trunk and a whole leg are needed.
        up: (3,) unit vector.
    Returns:
        (7,) in `Posture`'s order, sum 1.
    """
    shares = np.zeros(len(Posture))
    legs = [joints_m[list(leg)] for leg in LEGS if np.isfinite(joints_m[list(leg)]).all()]
    trunk = joints_m[Joint.THORAX] - joints_m[Joint.HIP]
    if not legs or not np.isfinite(trunk).all():
        shares[Posture.UNKNOWN] = 1.0
        return shares
    hip, knees, ankles = joints_m[Joint.HIP], np.array([leg[1] for leg in legs]), np.array([leg[2] for leg in legs])
    leg_m = float(np.mean([np.linalg.norm(np.diff(leg, axis=0), axis=1).sum() for leg in legs]))
    hip_height = up @ hip - (ankles @ up).min()
    knee_height = ((knees - ankles) @ up).min()
    # Whoever stands on their feet has the centre of mass ahead of the ankles; on a seat it is behind them.
    shares_of_mass = ((0.35, hip), (0.43, joints_m[Joint.THORAX]), (0.16, knees.mean(0)), (0.06, ankles.mean(0)))
    centre = np.sum([share * point for share, point in shares_of_mass], axis=0)
    behind = float((ankles.mean(axis=0) - centre) @ facing(joints_m, up)[0])

    trunk_deg, legs_deg = angle_deg(trunk, up), angle_deg(ankles.mean(axis=0) - hip, -up)
    lies = above(trunk_deg, 55, UNSURE_DEG) * above(legs_deg, 50, UNSURE_DEG)
    tall = above(hip_height / leg_m, 0.76, UNSURE_SHARE)
    bends = above(trunk_deg, 50, UNSURE_DEG)
    kneels = above(-knee_height / leg_m, -0.18, UNSURE_SHARE) * above(hip_height / leg_m, 0.25, UNSURE_SHARE)
    sits = max(above(behind / leg_m, 0.0, UNSURE_SHARE / 2), above(-hip_height / leg_m, -0.12, UNSURE_SHARE))
    shares[Posture.LYING] = lies
    shares[Posture.STANDING] = (1 - lies) * tall * (1 - bends)
    shares[Posture.BENDING] = (1 - lies) * tall * bends
    shares[Posture.KNEELING] = (1 - lies) * (1 - tall) * kneels
    shares[Posture.SITTING] = (1 - lies) * (1 - tall) * (1 - kneels) * sits
    shares[Posture.CROUCHING] = (1 - lies) * (1 - tall) * (1 - kneels) * (1 - sits)
    return shares


def hand_raised(joints_m: np.ndarray, up: np.ndarray, side: str) -> float:
    """How sure a hand is held above the chin by somebody whose trunk is upright, 0 to 1."""
    shoulder, elbow, wrist = joints_m[list(ARMS[side])]
    arm_m = norm(elbow - shoulder) + norm(wrist - elbow)
    upright = above(-angle_deg(joints_m[Joint.THORAX] - joints_m[Joint.HIP], up), -50, UNSURE_DEG)
    return upright * above(float(up @ (wrist - shoulder) / arm_m), 0.3, UNSURE_SHARE)


def arm_stretched(joints_m: np.ndarray, up: np.ndarray, side: str) -> float:
    """How sure an arm is straight and points away from the body, neither down along it nor overhead, 0 to 1."""
    shoulder, elbow, wrist = joints_m[list(ARMS[side])]
    straight = above(-angle_deg(elbow - shoulder, wrist - elbow), -35, UNSURE_DEG)
    from_trunk = angle_deg(wrist - shoulder, joints_m[Joint.HIP] - joints_m[Joint.THORAX])
    return straight * above(from_trunk, 45, UNSURE_DEG) * above(angle_deg(wrist - shoulder, up), 30, UNSURE_DEG)


def pointing_ray(joints_m: np.ndarray, side: str) -> tuple[np.ndarray, np.ndarray]:
    """The ray of an arm that points: it starts at the wrist, on from the nose, as people aim with their eyes.

    Returns:
        (3,) origin and (3,) unit direction; the direction is the arm's where the face is missing.
    """
    shoulder, _, wrist = joints_m[list(ARMS[side])]
    eyes = joints_m[Joint.NECK] if np.isfinite(joints_m[Joint.NECK]).all() else shoulder
    return wrist, (wrist - eyes) / norm(wrist - eyes)
