"""A track's keypoints, resampled from the camera's stamps onto the model's time grid."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from nanohtnet_ros.core.skeleton import H36M_17

NS_PER_S = 1_000_000_000

MAX_GAP_S = 0.5
"""Pauses between frames up to this are bridged, by default."""


@dataclass(frozen=True, eq=False)
class Window:
    """One track's input of the lifting network.

    Attributes:
        keypoints_norm: (T, 17, 2) float32, finite, normalised image coordinates; the last frame is at `stamp_ns`.
        seen: (17,) bool, joints that were seen at least once within the window.
        stamp_ns: of the newest frame.
    """

    keypoints_norm: np.ndarray
    seen: np.ndarray
    stamp_ns: int


class WindowBuffer:
    """Holds one track's recent keypoints and cuts windows that end at the newest frame."""

    def __init__(self, window_length: int, frame_rate_hz: float, max_gap_s: float = MAX_GAP_S) -> None:
        """Make an empty buffer.

        Args:
            window_length: T, frames of a window.
            frame_rate_hz: of the model's grid.
            max_gap_s: a pause between two frames that is longer restarts the window; a shorter one is bridged.
        Raises:
            ValueError: a number is not positive.
        """
        if window_length < 1 or not frame_rate_hz > 0 or not max_gap_s > 0:
            raise ValueError(
                f"window_length {window_length}, frame_rate_hz {frame_rate_hz}, max_gap_s {max_gap_s}: "
                "expected positive numbers"
            )
        self._max_gap_ns = int(max_gap_s * NS_PER_S)
        # Seconds of the grid's frames relative to the newest, oldest first.
        self._grid_s = np.arange(1 - window_length, 1, dtype=np.float64) / frame_rate_hz
        self._frames: deque[tuple[int, np.ndarray]] = deque()

    def __len__(self) -> int:
        return len(self._frames)

    def push(self, stamp_ns: int, keypoints_norm: np.ndarray) -> None:
        """Add a frame.

        A stamp that is not after the last one, or further after it than the longest gap, restarts the window.

        Args:
            stamp_ns: when the image was taken.
            keypoints_norm: (17, 2), NaN where a keypoint is missing.
        """
        if self._frames and not 0 < stamp_ns - self._frames[-1][0] <= self._max_gap_ns:
            self._frames.clear()
        self._frames.append((stamp_ns, np.asarray(keypoints_norm, np.float64)))
        # Keep one frame older than the window, so that its first grid point can be interpolated.
        oldest_ns = stamp_ns + int(self._grid_s[0] * NS_PER_S)
        while len(self._frames) > 1 and self._frames[1][0] <= oldest_ns:
            self._frames.popleft()

    def reorder(self, order: np.ndarray) -> None:
        """Put all frames' joints in another order, (17,), as where left and right turn out to have been exchanged."""
        self._frames = deque((stamp_ns, keypoints[order]) for stamp_ns, keypoints in self._frames)

    def change(self, change: Callable[[np.ndarray], np.ndarray]) -> None:
        """Put every frame's (17, 2) keypoints through a function, as where the view of them turns."""
        self._frames = deque((stamp_ns, change(keypoints)) for stamp_ns, keypoints in self._frames)

    def window(self) -> Window:
        """Cut the window that ends at the newest frame.

        Between frames keypoints are interpolated linearly; before a joint's first observation its first position holds,
        after its last one its last. A joint never observed is put where the nearest seen joint up the tree does.

        Raises:
            ValueError: the buffer is empty, or no joint was seen in it.
        """
        if not self._frames:
            raise ValueError("the window buffer is empty: push a frame first")
        newest_ns = self._frames[-1][0]
        time_s = np.array([(stamp_ns - newest_ns) / NS_PER_S for stamp_ns, _ in self._frames])
        frames = np.stack([keypoints for _, keypoints in self._frames])  # (S, J, 2)
        valid = np.isfinite(frames).all(axis=-1)  # (S, J)
        seen = valid.any(axis=0)
        if not seen.any():
            raise ValueError("no joint was seen within the window")
        out = np.empty((len(self._grid_s), len(H36M_17), 2), np.float32)
        for joint in np.flatnonzero(seen):
            known = valid[:, joint]
            for axis in range(2):
                out[:, joint, axis] = np.interp(self._grid_s, time_s[known], frames[known, joint, axis])
        for joint in np.flatnonzero(~seen):
            out[:, joint] = out[:, _stand_in(joint, seen)]
        return Window(out, seen, newest_ns)


def _stand_in(joint: int, seen: np.ndarray) -> int:
    """The nearest seen ancestor of a joint, or any seen joint where it has none."""
    ancestor = H36M_17.parents[joint]
    while ancestor >= 0 and not seen[ancestor]:
        ancestor = H36M_17.parents[ancestor]
    return ancestor if ancestor >= 0 else int(np.flatnonzero(seen)[0])
