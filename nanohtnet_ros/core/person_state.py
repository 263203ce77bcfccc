"""What people do over time: velocities, posture, gestures; for other nodes, from their skeletons."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np

from nanohtnet_ros.core.joint_angles import joint_angles
from nanohtnet_ros.core.joint_frames import joint_frames
from nanohtnet_ros.core.poses import Person
from nanohtnet_ros.core.postures import (
    ARMS,
    FACING_JOINTS,
    POSTURE_JOINTS,
    Posture,
    above,
    arm_stretched,
    facing,
    hand_raised,
    pointing_ray,
    posture_probabilities,
)
from nanohtnet_ros.core.vectors import cross, norm
from nanohtnet_ros.core.window import NS_PER_S

HISTORY_S = 2.0
VELOCITY_S = 0.15  # velocities are slopes over this time; shorter is noisier, longer is later
HELD_S = 0.4  # postures and held gestures are means over this time
STILL_M_S = 0.5  # a hand that points moves slower
SWING = 0.25  # a wave's swing of the forearm to one side: sine of its angle, 15 degrees
WAVE_SWINGS = 2.5  # between two, as of a hand that is raised and taken down, and three
WAVE_S = 0.65  # time of a swing at most
WAVE_S_LESS = 0.15  # less by so much where the upper arm moves as the forearm does


class GestureKind(IntEnum):
    """What a hand does; values are those of the message Gesture."""

    HAND_RAISED = 1
    WAVING = 2
    POINTING = 3


@dataclass(frozen=True, eq=False)
class Gesture:
    """A gesture that is more likely than not.

    Attributes:
        kind: which.
        side: `left` or `right`, the person's own.
        confidence: 0.5 to 1.
        origin_m, direction: of a pointing ray, (3,) metres and (3,) unit vector in the frame of the joints, the origin
            relative to the root; None for other gestures.
    """

    kind: GestureKind
    side: str
    confidence: float
    origin_m: np.ndarray | None = None
    direction: np.ndarray | None = None


@dataclass(frozen=True, eq=False)
class PersonState:
    """What one person does, in the frame of their joints.

    Attributes:
        track_id: the person's identity.
        facing: (3,) level unit vector that the body is turned to; NaN where not known.
        facing_confidence: 0 to 1.
        posture, posture_confidence: the most likely one, 0 to 1.
        gestures: those that are more likely than not.
        velocity_m_s: (3,) of the root; NaN where not known, as in the first frame.
        joint_velocities_m_s: (17, 3) relative to the root; NaN where not known.
        joint_angles_rad, joint_velocities_rad_s: by human_description's joints, see `joint_angles`; a velocity that is
            not known is NaN.
    """

    track_id: int
    facing: np.ndarray
    facing_confidence: float
    posture: Posture
    posture_confidence: float
    gestures: tuple[Gesture, ...]
    velocity_m_s: np.ndarray
    joint_velocities_m_s: np.ndarray
    joint_angles_rad: dict[str, float]
    joint_velocities_rad_s: dict[str, float]


@dataclass(frozen=True, eq=False)
class _Moment:
    """One frame of a person's history; arms (2, 2, 3), see `waving`, and what they do (2,) are left, right."""

    time_s: float
    joints_rel_m: np.ndarray
    root_m: np.ndarray
    angles: dict[str, float]
    postures: np.ndarray
    arms: np.ndarray
    raised: np.ndarray
    stretched: np.ndarray


def slope(times_s: np.ndarray, values: np.ndarray) -> np.ndarray:
    """(...) change per second of (F, ...) values, by least squares; NaN with fewer than two frames or a NaN."""
    centred = times_s - times_s.mean()
    spread = float(centred @ centred)
    return np.tensordot(centred, values, 1) / spread if spread > 0 else np.full(values.shape[1:], np.nan)


def waving(times_s: np.ndarray, arms: np.ndarray) -> float:
    """How sure a hand waves, 0 to 1: a forearm that points up and swings sideways, to and fro, at least three times.

    The swings are quick, the more so the more the upper arm moves too: who reaches, wipes or boxes moves the whole arm.

    Args:
        times_s: (F,) of the last two seconds.
        arms: (F, 2, 3) how far the unit vectors from shoulder to elbow, and from there to the wrist, go to the person's
            left, up and ahead; frames with NaN are left out.
    """
    known = np.isfinite(arms).all(axis=(1, 2))
    times_s, arms = times_s[known], arms[known]
    if len(arms) < 3:
        return 0.0
    aside = np.convolve(arms[:, 1, 0], np.full(3, 1 / 3), "valid")  # without the jitter of single frames
    turns, heading = [0], 0.0  # a turn counts once the way back is a swing long
    for i, way in enumerate(aside):
        back = way - aside[turns[-1]]
        if heading * back > 0:
            turns[-1] = i
        elif abs(back) > SWING:
            turns.append(i)
            heading = np.sign(back)
    swings, during = len(turns) - 1, slice(turns[0], turns[-1] + 3)
    if not swings:
        return 0.0
    upper_arm = np.sqrt(arms[during, 0].var(axis=0).sum()) / arms[during, 1, 0].std()
    swing_s = (times_s[turns[-1]] - times_s[turns[0]]) / swings
    quick = above(WAVE_S - WAVE_S_LESS * upper_arm - swing_s, 0.0, 0.05)
    return above(float(np.median(arms[:, 1, 1])), 0.5, 0.1) * above(swings, WAVE_SWINGS, 0.35) * quick


@dataclass
class _History:
    """The last moments of a person."""

    moments: deque[_Moment] = field(default_factory=deque)

    def add(self, moment: _Moment) -> None:
        if self.moments and moment.time_s <= self.moments[-1].time_s:
            self.moments.clear()
        self.moments.append(moment)
        while self.moments[0].time_s < moment.time_s - HISTORY_S:
            self.moments.popleft()

    def last(self, seconds: float) -> list[_Moment]:
        since = self.moments[-1].time_s - seconds - 1e-6
        return [moment for moment in self.moments if moment.time_s >= since]


class PersonStates:
    """Follows what people do; give it every frame."""

    def __init__(self) -> None:
        """Start without anybody."""
        self._histories: dict[int, _History] = {}

    def step(self, people: list[Person], stamp_ns: int, up: np.ndarray) -> list[PersonState]:
        """What the people of a frame do.

        Args:
            people: of one frame; from call to call in the same axes.
            stamp_ns: of the frame; one that goes back starts anew.
            up: (3,) unit vector against gravity in the axes of the joints.
        """
        time_s = stamp_ns / NS_PER_S
        self._histories = {
            track_id: history
            for track_id, history in self._histories.items()
            if abs(time_s - history.moments[-1].time_s) < HISTORY_S
        }
        return [self._step(person, time_s, up) for person in people]

    def _step(self, person: Person, time_s: float, up: np.ndarray) -> PersonState:
        joints, sure = person.joints_rel_m.astype(np.float64), person.confidence
        history = self._histories.setdefault(person.track_id, _History())
        history.add(_moment(person, time_s, up))
        held, recent, now = history.last(HELD_S), history.last(VELOCITY_S), history.moments[-1]
        times_s = np.array([moment.time_s for moment in recent])
        postures = np.mean([moment.postures for moment in held], axis=0)
        posture = Posture(int(postures.argmax()))
        ahead, level = facing(joints, up)
        velocities = slope(times_s, np.stack([moment.joints_rel_m for moment in recent]))
        angles = np.array([[moment.angles.get(name, np.nan) for name in now.angles] for moment in recent])
        return PersonState(
            person.track_id,
            ahead,
            level * float(sure[list(FACING_JOINTS)].mean()),
            posture,
            float(postures[posture] * sure[list(POSTURE_JOINTS)].mean()) if posture else 0.0,
            tuple(self._gestures(history, held, velocities, joints, sure, up)),
            slope(times_s, np.stack([moment.root_m for moment in recent])),
            velocities,
            now.angles,
            dict(zip(now.angles, slope(times_s, np.unwrap(angles, axis=0)).tolist(), strict=True)),
        )

    @staticmethod
    def _gestures(
        history: _History,
        held: list[_Moment],
        velocities: np.ndarray,
        joints: np.ndarray,
        sure: np.ndarray,
        up: np.ndarray,
    ) -> list[Gesture]:
        found = []
        times_s = np.array([moment.time_s for moment in history.moments])
        arms = np.stack([moment.arms for moment in history.moments])
        for index, (side, arm) in enumerate(ARMS.items()):
            known = float(sure[list(arm)].min())
            still = above(-norm(velocities[arm[2]]), -STILL_M_S, 0.1)
            stretched = float(np.mean([moment.stretched[index] for moment in held]))
            likely = {
                GestureKind.HAND_RAISED: float(np.mean([moment.raised[index] for moment in held])),
                GestureKind.WAVING: waving(times_s, arms[:, index]),
                GestureKind.POINTING: stretched * still if history.moments[0].time_s < held[-1].time_s else 0.0,
            }
            for kind, likelihood in likely.items():
                if known * likelihood >= 0.5:
                    ray = pointing_ray(joints, side) if kind == GestureKind.POINTING else (None, None)
                    found.append(Gesture(kind, side, known * likelihood, *ray))
        return found


def _moment(person: Person, time_s: float, up: np.ndarray) -> _Moment:
    joints = person.joints_rel_m.astype(np.float64)
    root_m = np.full(3, np.nan) if person.root_m is None else person.root_m
    arms = np.array([np.diff(joints[list(arm)], axis=0) for arm in ARMS.values()])
    with np.errstate(invalid="ignore", divide="ignore"):
        arms = arms / np.linalg.norm(arms, axis=2, keepdims=True)
    ahead = facing(joints, up)[0]
    return _Moment(
        time_s,
        joints,
        root_m,
        joint_angles(joint_frames(joints)),
        posture_probabilities(joints, up),
        arms @ np.column_stack((cross(up, ahead), up, ahead)),
        np.array([hand_raised(joints, up, side) for side in ARMS]),
        np.array([arm_stretched(joints, up, side) for side in ARMS]),
    )
