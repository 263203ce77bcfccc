"""TF of a bag: where one frame is in another at a moment."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation, Slerp

from nanohtnet_ros.core.window import NS_PER_S
from nanohtnet_ros.errors import UserError

NEAR_NS = NS_PER_S // 2
"""Before the first and after the last transform it stands for so long."""

Pose = tuple[Rotation, np.ndarray]
"""Rotation and (3,) translation from a frame to its parent, metres."""


class _Link:
    """A frame's transforms to its parent over time."""

    def __init__(self, parent: str) -> None:
        self.parent = parent
        self._stamps, self._numbers = array("q"), array("d")
        self._static = False

    def add(self, stamp_ns: int, transform: Any, static: bool) -> None:
        t, q = transform.translation, transform.rotation
        self._static = static
        if self._stamps and stamp_ns <= self._stamps[-1] and not static:  # a repeated one
            return
        self._stamps.append(stamp_ns)
        self._numbers.extend((t.x, t.y, t.z, q.x, q.y, q.z, q.w))

    def at(self, stamp_ns: int) -> Pose | None:
        """The transform at a stamp, interpolated; None where none is near."""
        if self._static:
            return self._pose(len(self._stamps) - 1)
        after = bisect_left(self._stamps, stamp_ns)
        if 0 < after < len(self._stamps):
            (r0, t0), (r1, t1) = self._pose(after - 1), self._pose(after)
            start, end = self._stamps[after - 1], self._stamps[after]
            share = (stamp_ns - start) / (end - start)
            turned = Slerp([0.0, 1.0], Rotation.concatenate((r0, r1)))(share)
            return turned, (1.0 - share) * t0 + share * t1
        nearest = min(after, len(self._stamps) - 1)
        return self._pose(nearest) if abs(self._stamps[nearest] - stamp_ns) <= NEAR_NS else None

    def _pose(self, i: int) -> Pose:
        numbers = np.array(self._numbers[7 * i : 7 * i + 7])
        return Rotation.from_quat(numbers[3:]), numbers[:3]


class TransformTree:
    """The transforms between two frames."""

    def __init__(self, read: Callable[[], Iterable[tuple[bool, Any]]], target: str, source: str) -> None:
        """Read them.

        Args:
            read: gives the bag's TFMessages, each with whether it is of /tf_static, from the start at each call.
            target, source: the frames.
        Raises:
            UserError: the two are not connected.
        """
        parents: dict[str, str] = {}
        for _, message in read():
            parents.update((t.child_frame_id.lstrip("/"), t.header.frame_id.lstrip("/")) for t in message.transforms)
        up, down = _ancestors(source, parents), _ancestors(target, parents)
        common = next((frame for frame in up if frame in down), None)
        if common is None:
            known = ", ".join(sorted({*parents, *parents.values()})) or "nothing"
            raise UserError(f"TF of the bag does not lead from '{source}' to '{target}'; it has {known}")
        self._up, self._down = up[: up.index(common)], down[: down.index(common)]
        # Only these are kept: an arm's joints would be most of what there is.
        self._links = {frame: _Link(parents[frame]) for frame in (*self._up, *self._down)}
        for static, message in read():
            for t in message.transforms:
                link = self._links.get(t.child_frame_id.lstrip("/"))
                if link is not None and link.parent == t.header.frame_id.lstrip("/"):
                    stamp = t.header.stamp
                    link.add(stamp.sec * NS_PER_S + stamp.nanosec, t.transform, static)

    def target_from_source(self, stamp_ns: int) -> tuple[np.ndarray, np.ndarray] | None:
        """(3, 3) rotation and (3,) translation at a stamp, metres; None where TF does not tell."""
        up, down = self._climb(self._up, stamp_ns), self._climb(self._down, stamp_ns)
        if up is None or down is None:
            return None
        (r_up, t_up), (r_down, t_down) = up, down
        return (r_down.inv() * r_up).as_matrix(), r_down.inv().apply(t_up - t_down)

    def _climb(self, frames: list[str], stamp_ns: int) -> Pose | None:
        """From the first frame to the last one's parent."""
        rotation, translation = Rotation.identity(), np.zeros(3)
        for frame in frames:
            pose = self._links[frame].at(stamp_ns)
            if pose is None:
                return None
            rotation, translation = pose[0] * rotation, pose[0].apply(translation) + pose[1]
        return rotation, translation


def _ancestors(frame: str, parents: dict[str, str]) -> list[str]:
    """A frame, its parent, and so on."""
    chain = [frame.lstrip("/")]
    while (parent := parents.get(chain[-1])) is not None and parent not in chain:
        chain.append(parent)
    return chain
