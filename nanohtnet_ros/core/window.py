"""A track's keypoints, resampled from the camera's stamps onto the model's time grid, as the network sees them."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace

import numpy as np

from nanohtnet_ros.core.skeleton import H36M_17
from nanohtnet_ros.core.turned_view import AHEAD, keypoints_in

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
        confidence: (T, 17) float32 in [0, 1], 0 at times when the joint was missing; None for 1 everywhere.
        level: whether the keypoints are as a level camera sees them.
        view_from_camera: (T, 3, 3) rotation from the camera's optical axes at each frame to the view's that the
            keypoints are in; None where they are the same.
    """

    keypoints_norm: np.ndarray
    seen: np.ndarray
    stamp_ns: int
    confidence: np.ndarray | None = None
    level: bool = False
    view_from_camera: np.ndarray | None = None


@dataclass(frozen=True, eq=False)
class _Sight:
    """What was seen at one moment, as `WindowBuffer.push` takes it."""

    stamp_ns: int
    rays: np.ndarray
    confidence: np.ndarray
    level_from_camera: np.ndarray | None


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
        self._frames: deque[_Sight] = deque()

    def __len__(self) -> int:
        return len(self._frames)

    def push(
        self, stamp_ns: int, rays: np.ndarray, confidence: np.ndarray, level_from_camera: np.ndarray | None = None
    ) -> None:
        """Add a frame.

        A stamp that is not after the last one, or further after it than the longest gap, restarts the window.

        Args:
            stamp_ns: when the image was taken.
            rays: (17, 3) unit vectors in the camera's optical axes, NaN where a keypoint is missing.
            confidence: (17,) of the keypoints, 0 where one is missing or made up.
            level_from_camera: (3, 3) rotation to the axes of a level camera, or None where down is not known.
        """
        if self._frames and not 0 < stamp_ns - self._frames[-1].stamp_ns <= self._max_gap_ns:
            self._frames.clear()
        self._frames.append(_Sight(stamp_ns, np.asarray(rays, np.float64), confidence, level_from_camera))
        # Keep one frame older than the window, so that its first grid point can be interpolated.
        oldest_ns = stamp_ns + int(self._grid_s[0] * NS_PER_S)
        while len(self._frames) > 1 and self._frames[1].stamp_ns <= oldest_ns:
            self._frames.popleft()

    def reorder(self, order: np.ndarray) -> None:
        """Put all frames' joints in another order, (17,), as where left and right turn out to have been exchanged."""
        self._frames = deque(
            replace(frame, rays=frame.rays[order], confidence=frame.confidence[order]) for frame in self._frames
        )

    def window(self, turn: np.ndarray = AHEAD, upright_from_camera: np.ndarray = AHEAD) -> Window:
        """Cut the window that ends at the newest frame.

        Where down is known there, all frames are seen by level cameras; those from before it was known by one of the
        next that knows it. Otherwise all are seen as the camera does, turned upright.

        Between frames keypoints are interpolated linearly; before a joint's first observation its first position holds,
        after its last one its last. A joint never observed is put where the nearest seen joint up the tree does.

        Args:
            turn: (3, 3) rotation from there to the view that the network sees.
            upright_from_camera: (3, 3) rotation where down is not known.
        Raises:
            ValueError: the buffer is empty, or no joint was seen in it.
        """
        if not self._frames:
            raise ValueError("the window buffer is empty: push a frame first")
        newest = self._frames[-1]
        time_s = np.array([(frame.stamp_ns - newest.stamp_ns) / NS_PER_S for frame in self._frames])
        views = turn @ self._straight(upright_from_camera)  # (S, 3, 3)
        frames = keypoints_in(np.stack([frame.rays for frame in self._frames]), views)  # (S, J, 2)
        valid = np.isfinite(frames).all(axis=-1)  # (S, J)
        confidences = np.stack([frame.confidence for frame in self._frames]) * valid
        seen, always = valid.any(axis=0), valid.all(axis=0)
        if not seen.any():
            raise ValueError("no joint was seen within the window")
        before = np.clip(np.searchsorted(time_s, self._grid_s, "right") - 1, 0, len(time_s) - 1)
        after = np.minimum(before + 1, len(time_s) - 1)
        step_s = np.where(after > before, time_s[after] - time_s[before], 1.0)
        fraction = np.clip((self._grid_s - time_s[before]) / step_s, 0.0, 1.0)
        confidence = confidences[before] + fraction[:, None] * (confidences[after] - confidences[before])
        out = (frames[before] + fraction[:, None, None] * (frames[after] - frames[before])).astype(np.float32)
        for joint in np.flatnonzero(seen & ~always):
            known = valid[:, joint]
            for axis in range(2):
                out[:, joint, axis] = np.interp(self._grid_s, time_s[known], frames[known, joint, axis])
        for joint in np.flatnonzero(~seen):
            out[:, joint] = out[:, _stand_in(joint, seen)]
        level = newest.level_from_camera is not None and turn is AHEAD
        view_from_camera = views[np.where(fraction < 0.5, before, after)]
        return Window(out, seen, newest.stamp_ns, confidence.astype(np.float32), level, view_from_camera)

    def _straight(self, upright_from_camera: np.ndarray) -> np.ndarray:
        """(S, 3, 3) rotation of each frame to the level view, or the upright one, see `window`."""
        known = view = self._frames[-1].level_from_camera
        views = []
        for frame in reversed(self._frames):
            if known is not None and frame.level_from_camera is not None:
                view = frame.level_from_camera
            views.append(upright_from_camera if view is None else view)
        return np.stack(views[::-1])


def _stand_in(joint: int, seen: np.ndarray) -> int:
    """The nearest seen ancestor of a joint, or any seen joint where it has none."""
    ancestor = H36M_17.parents[joint]
    while ancestor >= 0 and not seen[ancestor]:
        ancestor = H36M_17.parents[ancestor]
    return ancestor if ancestor >= 0 else int(np.flatnonzero(seen)[0])
