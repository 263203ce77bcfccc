"""Left and right of a tracked person, where a 2D detector swaps them."""

from __future__ import annotations

import itertools

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
WAY_OF_GROUP, GROUP = STATES.astype(int), np.arange(len(GROUPS))
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
        # Of each joint when it was last where it could be expected.
        self._xy_px: np.ndarray = np.full((len(H36M_17), 2), np.nan)
        self._velocity_px_s: np.ndarray = np.zeros((len(H36M_17), 2))
        self._seen_ns: np.ndarray = np.zeros(len(H36M_17), np.int64)

    def update(self, keypoints: Keypoints, stamp_ns: int) -> tuple[np.ndarray, np.ndarray]:
        """Judge one frame.

        Args:
            keypoints: as the detector has them.
            stamp_ns: of the frame, after the last one.
        Returns:
            Two orders of joints, (17,): one that puts this frame's sides right, and one that corrects what was put in
            order before; it differs from 0 to 16 where the past turns out to have been the wrong way round.
        """
        dt_s = 0.0 if self._last_ns is None else (stamp_ns - self._last_ns) / NS_PER_S
        before = self._state
        misfit = self._misfit(keypoints.xy_px[WAYS], stamp_ns)  # (ways, joints)
        past = np.full(len(STATES), before)  # state of the last frame that each state of this one follows from
        if self._last_ns is not None:
            # Joints count of which both sides are known, then and now.
            both = misfit[:, GROUPS].sum(axis=2)  # (ways, groups, joints)
            groups = np.where(np.isfinite(both), both, 0.0).sum(axis=2)
            misfits = groups[WAY_OF_GROUP, GROUP].sum(axis=1)  # of each state, (4,)
            # From each state (rows) to each (columns).
            odds = self._odds[:, None] - misfits[CHANGED ^ before] - CHANGE_PENALTY
            past, self._odds = odds.argmax(axis=0), odds.max(axis=0)
        self._odds = self._odds - UNLIKELY * dt_s * MOST_ODDS / BELIEVED_AFTER_S
        self._odds = np.maximum(self._odds - self._odds.max(), -MOST_ODDS)
        self._state = int(self._odds.argmax())
        correction, order = ORDERS[past[self._state] ^ before], ORDERS[self._state]
        misfit = misfit[(order != correction).astype(int), correction]  # as both frames are put right
        self._remember(keypoints.xy_px[order], stamp_ns, correction, misfit)
        self._last_ns = stamp_ns
        return order, correction

    def _misfit(self, xy_px: np.ndarray, stamp_ns: int) -> np.ndarray:
        """(..., 17) how far joints, (..., 17, 2) of one person, are from where they were to be expected, as odds.

        NaN where that is not known.
        """
        elapsed_s = (stamp_ns - self._seen_ns)[:, None] / NS_PER_S
        expected = self._xy_px + self._velocity_px_s * np.minimum(elapsed_s, VELOCITY_MEMORY_S)
        places = xy_px.reshape(-1, 2)
        size = max(1.0, float((np.fmax.reduce(places) - np.fmin.reduce(places)).max()))  # 1 where none is known
        misfit = ((xy_px - expected) ** 2).sum(axis=-1) / (2.0 * ((STEP + STEP_PER_S * elapsed_s[:, 0]) * size) ** 2)
        return np.minimum(misfit, JOINT_ODDS)

    def _remember(self, xy_px: np.ndarray, stamp_ns: int, correction: np.ndarray, misfit: np.ndarray) -> None:
        self._xy_px, self._velocity_px_s = self._xy_px[correction], self._velocity_px_s[correction]
        self._seen_ns = self._seen_ns[correction]
        # A joint that jumps may be a slip of the detector: for a while it is expected where it was.
        elapsed_s = (stamp_ns - self._seen_ns) / NS_PER_S
        long_ago = elapsed_s > SLIP_S
        taken = ~((misfit >= JOINT_ODDS) | np.isnan(xy_px[:, 0])) | long_ago
        known = taken & np.isfinite(self._xy_px[:, 0]) & ~long_ago
        moved = (xy_px - self._xy_px) / np.maximum(elapsed_s, 1e-6)[:, None]
        gain = 1.0 - np.exp(-elapsed_s / VELOCITY_MEMORY_S)[:, None]
        velocity = self._velocity_px_s + gain * (moved - self._velocity_px_s)
        self._velocity_px_s = np.where(taken[:, None], np.where(known[:, None], velocity, 0.0), self._velocity_px_s)
        self._xy_px = np.where(taken[:, None], xy_px, self._xy_px)
        self._seen_ns = np.where(taken, stamp_ns, self._seen_ns)
