"""Recent items by their stamps, for poses of frames before the newest."""

from __future__ import annotations

from collections import deque
from typing import Generic, TypeVar

import numpy as np

from nanohtnet_ros.core.poses import Keypoints

T = TypeVar("T")


class StampedBuffer(Generic[T]):
    """Items of the last moments, by stamp."""

    def __init__(self, memory_ns: int) -> None:
        """Start empty; what is needed to look back by `memory_ns` from the newest stamp is kept."""
        self._memory_ns = memory_ns
        self._items: deque[tuple[int, T]] = deque()

    def __len__(self) -> int:
        return len(self._items)

    def push(self, stamp_ns: int, item: T) -> None:
        """Add an item newer than all before."""
        self._items.append((stamp_ns, item))
        # One that is older than the memory stays, to interpolate from.
        while len(self._items) > 1 and self._items[1][0] <= stamp_ns - self._memory_ns:
            self._items.popleft()

    def around(self, stamp_ns: int) -> tuple[T, T, float] | None:
        """The neighbours before and after a stamp, and its fraction of the way between them; None outside."""
        for (before_ns, before), (after_ns, after) in zip(self._items, list(self._items)[1:], strict=False):
            if before_ns <= stamp_ns < after_ns:
                return before, after, (stamp_ns - before_ns) / (after_ns - before_ns)
        if self._items and stamp_ns == self._items[-1][0]:
            return self._items[-1][1], self._items[-1][1], 0.0
        return None

    def nearest(self, stamp_ns: int) -> T | None:
        """The item nearest to a stamp; None outside of what is kept."""
        found = self.around(stamp_ns)
        return None if found is None else found[0] if found[2] < 0.5 else found[1]


def keypoints_at(history: StampedBuffer[Keypoints], stamp_ns: int) -> Keypoints | None:
    """A person's keypoints at a stamp between two frames, or None before the first and after the last.

    Positions and confidence are interpolated linearly where both frames have the keypoint; otherwise the nearer
    frame's stand.
    """
    found = history.around(stamp_ns)
    if found is None:
        return None
    before, after, fraction = found
    if fraction == 0.0:
        return before
    nearer = before if fraction < 0.5 else after
    both = before.valid & after.valid
    xy = np.where(both[:, None], (1.0 - fraction) * before.xy_px + fraction * after.xy_px, nearer.xy_px)
    confidence = np.where(both, (1.0 - fraction) * before.confidence + fraction * after.confidence, nearer.confidence)
    return Keypoints(xy, confidence)
