"""What formats of motion capture have in common: a file for each person, one rate, axes with z up."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from nanohtnet_ros.core.ground import Ground
from nanohtnet_ros.core.skeleton import H36M_17
from nanohtnet_ros.core.window import MAX_GAP_S
from nanohtnet_ros.recording.frames import FrameResult, RunInfo
from nanohtnet_ros.recording.writers.table import moment
from nanohtnet_ros.runtime.output_folder import writing

ON_TIME = 1e-3
"""A frame that lies this share of a period from the grid's time stands for it as it is."""


@dataclass(frozen=True, eq=False)
class Motion:
    """One person at one rate.

    Attributes:
        rate_hz: frames a second.
        first: number of the first frame; frame 0 is the source's first one.
        joints_m: (F, 17, 3) metres, x ahead of the camera, y to the left, z up, from the camera, or from the floor
            below it where that is known; NaN where missing.
    """

    rate_hz: float
    first: int
    joints_m: np.ndarray


@dataclass
class _Track:
    times_s: list[float] = field(default_factory=list)
    joints_m: list[np.ndarray] = field(default_factory=list)


class MotionWriter(ABC):
    """Gathers people's joints, 200 bytes a person and frame, and writes `person_<id>.<suffix>` at the end."""

    needs_images = False
    suffix: str

    def __init__(self, folder: Path, info: RunInfo) -> None:
        """Begin."""
        self._folder, self._info = folder, info
        self._frame_times_s: list[float] = []
        self._tracks: dict[int, _Track] = {}

    def write(self, result: FrameResult) -> None:
        time_s = moment(result)[1]
        self._frame_times_s.append(time_s)
        for person in result.people:
            track = self._tracks.setdefault(person.track_id, _Track())
            track.times_s.append(time_s)
            level = self._info.level_from_camera(result.ground)
            track.joints_m.append(upright(person.joints_cam_m, result.ground, level).astype(np.float32))

    def close(self) -> None:
        if len(self._frame_times_s) < 2:
            return
        times_s = self._frame_times_s
        rate_hz = round((len(times_s) - 1) / (times_s[-1] - times_s[0]), 3)
        for track_id, track in self._tracks.items():
            motion = on_grid(np.array(track.times_s), np.stack(track.joints_m), rate_hz)
            if len(motion.joints_m) < 2 or np.isnan(motion.joints_m).all():
                continue
            path = self._folder / f"person_{track_id}.{self.suffix}"
            with writing(path):
                self.save(path, motion)

    @abstractmethod
    def save(self, path: Path, motion: Motion) -> None:
        """Write one person's file."""


def upright(joints_cam_m: np.ndarray, ground: Ground | None, level_from_camera: np.ndarray) -> np.ndarray:
    """Joints in the axes of `Motion`.

    Args:
        joints_cam_m: (17, 3) metres, in the camera's optical axes.
        ground: where the floor is, or None.
        level_from_camera: (3, 3) to a level camera's optical axes.
    """
    if ground is not None and ground.ground_from_camera is not None:
        return joints_cam_m @ ground.ground_from_camera[:, :3].T + ground.ground_from_camera[:, 3]
    height_m = 0.0 if ground is None else ground.height_m or 0.0
    x, y, z = (joints_cam_m @ level_from_camera.T).T
    return np.column_stack((z, -x, height_m - y))


def on_grid(times_s: np.ndarray, joints_m: np.ndarray, rate_hz: float) -> Motion:
    """A person's joints at one rate, interpolated linearly; missing in gaps.

    Args:
        times_s: (N,) ascending.
        joints_m: (N, 17, 3).
    """
    first = math.ceil(times_s[0] * rate_hz - ON_TIME)
    last = math.floor(times_s[-1] * rate_hz + ON_TIME)
    at = np.arange(first, last + 1) / rate_hz
    after = np.clip(np.searchsorted(times_s, at), 1, max(1, len(times_s) - 1))
    before = after - 1
    after = np.minimum(after, len(times_s) - 1)
    gap_s = times_s[after] - times_s[before]
    share = np.clip((at - times_s[before]) / np.where(gap_s > 0, gap_s, 1.0), 0.0, 1.0)
    near = ON_TIME / rate_hz
    share = np.where(np.abs(at - times_s[before]) < near, 0.0, np.where(np.abs(at - times_s[after]) < near, 1.0, share))
    weight = share[:, None, None]
    between = (1.0 - weight) * joints_m[before] + weight * joints_m[after]
    between[gap_s > MAX_GAP_S] = np.nan
    exact = np.where(weight == 0.0, joints_m[before], np.where(weight == 1.0, joints_m[after], between))
    return Motion(rate_hz, first, exact.reshape(-1, len(H36M_17), 3))
