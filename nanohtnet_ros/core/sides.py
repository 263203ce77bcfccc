"""Left and right of a tracked person, where a 2D detector swaps them."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from nanohtnet_ros.core.poses import Keypoints
from nanohtnet_ros.core.skeleton import H36M_17
from nanohtnet_ros.core.window import NS_PER_S

GROUPS = np.array(
    [
        [[H36M_17.joint_names.index(f"{side}_{part}") for part in parts] for side in "lr"]
        for parts in (("shoulder", "elbow", "wrist"), ("hip", "knee", "ankle"))
    ]
)
"""(2, 2, 3) joints of arms and legs, which a detector may swap independently: left and right of each."""

JOINTS = np.arange(len(H36M_17))
WAYS = np.array([JOINTS, H36M_17.flip_order])  # (2, 17): as the detector has them, and exchanged

STATES = np.array(list(itertools.product((False, True), repeat=len(GROUPS))))  # (4, 2): is a group exchanged
ORDERS = np.array([np.where(np.isin(JOINTS, GROUPS[exchanged]), WAYS[1], WAYS[0]) for exchanged in STATES])  # (4, 17)
OF_GROUP = np.array([np.isin(JOINTS, left) for left, _ in GROUPS])  # (2, 17)
OF_STATE = np.concatenate((~STATES @ OF_GROUP, STATES @ OF_GROUP), axis=1).T * 1.0
"""(34, 4) which of both ways' misfits of left joints, with those of their counterparts, add up to each state's."""

INDEX = np.arange(len(STATES))
CHANGED = INDEX[:, None] ^ INDEX  # (4, 4) groups that a detector changed, from each state to each, as a state's index
UNLIKELY = np.array([0.0, 1.5, 1.5, 1.0])  # how much less likely each is than the first

BELIEVED_AFTER_S = 2.0
"""A detector that holds the opposite for so long, without a break, is believed."""

# Natural logarithms of odds.
MOST_ODDS = 8.0  # for one side against the other: what the past may weigh at the most
CHANGE_ODDS = 4.0  # against a detector's exchange from one frame to the next
JOINT_ODDS = 3.0  # what one joint's place may weigh at the most

CHANGE_PENALTY = CHANGE_ODDS * (CHANGED > 0)

# How far a joint is from where it was to be expected, standard deviation in units of the person's size.
STEP, STEP_PER_S = 0.02, 0.5
VELOCITY_MEMORY_S = 0.1
SLIP_S = 0.25  # a joint that jumps is believed after so long


class SideKeeper:
    """Decides for one person, frame by frame, whether the detector has swapped left and right.

    A hidden Markov model of four states, arms and legs as the detector has them or exchanged. A joint does not jump
    from one side of the body to the other: where left and right are apart, a prediction at constant velocity tells
    whether the detector has changed over. Which of its two assignments is right is told by how long it holds them: it
    is right most of the time.
    """

    def __init__(self) -> None:
        """Start without a past."""
        self._last_ns: int | None = None
        self._odds: np.ndarray = np.zeros(len(STATES))
        self._state = 0  # of the last frame, an index of STATES
        # Of each joint when it was last where it could be expected: place, pixels, velocity, and how long ago it was.
        self._joints: np.ndarray = np.tile((np.nan, np.nan, 0.0, 0.0, np.inf), (len(H36M_17), 1))

    def update(self, keypoints: Keypoints, stamp_ns: int) -> tuple[np.ndarray, np.ndarray]:
        """Judge one frame.

        Args:
            keypoints: as the detector has them.
            stamp_ns: of the frame, after the last one.
        Returns:
            Two orders of joints, (17,): one that puts this frame's sides right, and one that corrects what was put in
            order before; it differs from 0 to 16 where the past turns out to have been the wrong way round.
        """
        order, correction = self.together([self], keypoints.xy_px[None], stamp_ns)
        return order[0], correction[0]

    @staticmethod
    def together(keepers: Sequence[SideKeeper], xy_px: np.ndarray, stamp_ns: int) -> tuple[np.ndarray, np.ndarray]:
        """Judge one frame of several people, (P, 17, 2), NaN where missing; two (P, 17) orders, see `update`."""
        dt_s = np.array([0.0 if one._last_ns is None else (stamp_ns - one._last_ns) / NS_PER_S for one in keepers])
        before = np.array([keeper._state for keeper in keepers])
        odds = np.array([keeper._odds for keeper in keepers])  # (P, states)
        joints = np.array([keeper._joints for keeper in keepers])  # (P, 17, 5)
        joints[..., 4] += dt_s[:, None]
        misfit = _misfit(xy_px, joints)  # (P, ways, joints)
        # Joints count of which both sides are known, then and now.
        both = np.fmax(misfit + misfit[..., H36M_17.flip_order], 0.0)
        misfits = both.reshape(len(keepers), -1) @ OF_STATE  # (P, states)
        # From each state (rows) to each (columns).
        person = np.arange(len(keepers))[:, None]
        changes = misfits[person[..., None], CHANGED ^ before[:, None, None]] + CHANGE_PENALTY
        odds = odds[..., None] - changes
        past, odds = odds.argmax(axis=1), odds.max(axis=1)  # state of the last frame that each of this follows from
        odds -= UNLIKELY * (MOST_ODDS / BELIEVED_AFTER_S * dt_s[:, None])
        odds = np.maximum(odds - odds.max(axis=1, keepdims=True), -MOST_ODDS)
        state = odds.argmax(axis=1)
        correction, order = ORDERS[past[person[:, 0], state] ^ before], ORDERS[state]
        joints = _remembered(
            xy_px[person, order], joints[person, correction], misfit[person, (order != correction) * 1, correction]
        )
        for keeper, its_odds, its_state, its_joints in zip(keepers, odds, state.tolist(), joints, strict=True):
            keeper._odds, keeper._state, keeper._joints, keeper._last_ns = its_odds, its_state, its_joints, stamp_ns
        return order, correction


def _misfit(xy_px: np.ndarray, joints: np.ndarray) -> np.ndarray:
    """(P, 2, 17) how far joints, (P, 17, 2), are from where they were to be expected both ways, as odds.

    NaN where that is not known.
    """
    elapsed_s = joints[:, None, :, 4]
    expected = joints[..., :2] + joints[..., 2:4] * np.minimum(joints[..., 4:], VELOCITY_MEMORY_S)
    size = np.fmax((np.fmax.reduce(xy_px, axis=1) - np.fmin.reduce(xy_px, axis=1)).max(axis=1), 1.0)
    misfit = ((xy_px[:, WAYS] - expected[:, None]) ** 2).sum(axis=-1)
    misfit /= 2.0 * ((STEP + STEP_PER_S * elapsed_s) * size[:, None, None]) ** 2
    return np.minimum(misfit, JOINT_ODDS)


def _remembered(xy_px: np.ndarray, joints: np.ndarray, misfit: np.ndarray) -> np.ndarray:
    """What is remembered, (P, 17, 5), after a frame, (P, 17, 2), that fits so well, (P, 17)."""
    before, velocity, elapsed_s = joints[..., :2], joints[..., 2:4], joints[..., 4:]
    # A joint that jumps may be a slip of the detector: for a while it is expected where it was.
    long_ago = elapsed_s > SLIP_S
    taken = ~((misfit >= JOINT_ODDS)[..., None] | np.isnan(xy_px[..., :1])) | long_ago
    known = ~(long_ago | np.isnan(before[..., :1]))
    moved = (xy_px - before) / np.maximum(elapsed_s, 1e-6)
    velocity = velocity + (1.0 - np.exp(elapsed_s / -VELOCITY_MEMORY_S)) * (moved - velocity)
    seen = np.zeros_like(joints)
    seen[..., :2], seen[..., 2:4] = xy_px, np.where(known, velocity, 0.0)
    return np.where(taken, seen, joints)
