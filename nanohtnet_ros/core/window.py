"""A track's keypoints, resampled from the camera's stamps onto the model's time grid, as the network sees them."""

from __future__ import annotations

from dataclasses import dataclass

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


SIGHT = np.dtype(
    [
        ("stamp_ns", np.int64),
        ("rays", np.float64, (len(H36M_17), 3)),
        ("level_from_camera", np.float64, (3, 3)),  # NaN where down is not known
        ("view_from_camera", np.float64, (3, 3)),  # that the values are in
        ("values", np.float32, (len(H36M_17), 3)),  # network's coordinates, NaN where missing, and confidence
    ]
)
"""What was seen at one moment."""

ROOM = 64  # for frames, at the least


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
        self._frames: np.ndarray = np.empty(ROOM, SIGHT)
        self._first = self._end = 0  # frames in use
        self._viewed = 0  # up to here their values are as seen in the view `_seen_in`
        self._seen_in = b"", b""

    def __len__(self) -> int:
        return self._end - self._first

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
        if len(self) and not 0 < stamp_ns - self._frames["stamp_ns"][self._end - 1] <= self._max_gap_ns:
            self._first = self._end
        if self._end == len(self._frames):
            kept = self._frames[self._first :]
            self._frames = np.concatenate((kept, np.empty(max(ROOM, len(kept)), SIGHT)))
            self._first, self._end, self._viewed = 0, len(kept), self._viewed - self._first
        self._frames["stamp_ns"][self._end] = stamp_ns
        self._frames["rays"][self._end] = rays
        self._frames["values"][self._end, :, 2] = confidence
        self._frames["level_from_camera"][self._end] = np.nan if level_from_camera is None else level_from_camera
        self._end += 1
        # Keep one frame older than the window, so that its first grid point can be interpolated.
        stamps_ns = self._frames["stamp_ns"][self._first : self._end]
        older = int(stamps_ns.searchsorted(stamp_ns + int(self._grid_s[0] * NS_PER_S), "right"))
        self._first += max(older - 1, 0)

    def reorder(self, order: np.ndarray) -> None:
        """Put all frames' joints in another order, (17,), as where left and right turn out to have been exchanged."""
        for name in ("rays", "values"):
            self._frames[name] = self._frames[name][:, order]

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
        if not len(self):
            raise ValueError("the window buffer is empty: push a frame first")
        known = self._view(turn, upright_from_camera)
        frames = self._frames[self._first : self._end]
        stamp_ns, values = int(frames["stamp_ns"][-1]), frames["values"]
        time_s = (frames["stamp_ns"] - stamp_ns) / NS_PER_S
        valid = np.isfinite(values[..., 0])  # (S, J)
        seen = valid.any(axis=0)
        if not seen.any():
            raise ValueError("no joint was seen within the window")
        if not valid.all():
            values = _bridged(values, valid, time_s)
        before = np.maximum(time_s.searchsorted(self._grid_s, "right") - 1, 0)
        after = np.minimum(before + 1, len(time_s) - 1)
        step_s = np.maximum(time_s[after] - time_s[before], 1.0 / NS_PER_S)
        fraction = np.minimum(np.maximum((self._grid_s - time_s[before]) / step_s, 0.0), 1.0)
        out, start = values[after], values[before]
        out -= start
        out *= fraction.astype(np.float32)[:, None, None]
        out += start  # (T, J, 3)
        for joint in np.flatnonzero(~seen):
            out[:, joint, :2] = out[:, _stand_in(joint, seen), :2]
        level = known and bool((turn == AHEAD).all())
        view_from_camera = frames["view_from_camera"][np.where(fraction < 0.5, before, after)]
        return Window(out[..., :2], seen, stamp_ns, out[..., 2], level, view_from_camera)

    def _view(self, turn: np.ndarray, upright_from_camera: np.ndarray) -> bool:
        """See frames in the view, see `window`: new ones, or all in another view. Whether down is known in it."""
        known = bool(np.isfinite(self._frames["level_from_camera"][self._end - 1, 0, 0]))
        view = turn.tobytes(), b"" if known else upright_from_camera.tobytes()
        frames = self._frames[max(self._viewed, self._first) if view == self._seen_in else self._first : self._end]
        straight = upright_from_camera
        if known:
            told = np.isfinite(frames["level_from_camera"][:, 0, 0])
            next_told = np.where(told, np.arange(len(told)), len(told))
            straight = frames["level_from_camera"][np.minimum.accumulate(next_told[::-1])[::-1]]
        frames["view_from_camera"] = turn @ straight
        frames["values"][..., :2] = keypoints_in(frames["rays"], frames["view_from_camera"])
        self._viewed, self._seen_in = self._end, view
        return known


def _bridged(values: np.ndarray, valid: np.ndarray, time_s: np.ndarray) -> np.ndarray:
    """Values of frames with those of missing joints between the nearest that are known, of confidence 0.

    Args:
        values: (S, J, 3) coordinates and confidence.
        valid: (S, J) where they are known.
        time_s: (S,).
    """
    frame = np.arange(len(time_s))[:, None]
    before = np.maximum.accumulate(np.where(valid, frame, -1))
    after = np.minimum.accumulate(np.where(valid, frame, len(time_s))[::-1])[::-1]
    before, after = np.where(before < 0, after, before), np.where(after == len(time_s), before, after)
    before, after = np.minimum(before, len(time_s) - 1), np.maximum(after, 0)  # of joints that were never seen
    step_s = np.where(after > before, time_s[after] - time_s[before], 1.0)
    fraction = (time_s[:, None] - time_s[before]) / step_s
    joint = np.arange(values.shape[1])
    start = values[before, joint, :2]
    out = np.empty_like(values)
    out[..., :2] = start + fraction[..., None] * (values[after, joint, :2] - start)
    out[..., 2] = np.where(valid, values[..., 2], 0.0)
    return out


def _stand_in(joint: int, seen: np.ndarray) -> int:
    """The nearest seen ancestor of a joint, or any seen joint where it has none."""
    ancestor = H36M_17.parents[joint]
    while ancestor >= 0 and not seen[ancestor]:
        ancestor = H36M_17.parents[ancestor]
    return ancestor if ancestor >= 0 else int(np.flatnonzero(seen)[0])
