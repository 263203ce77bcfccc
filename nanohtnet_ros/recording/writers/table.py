"""Tidy tables: a row for each joint of each person in each frame."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from nanohtnet_ros.core.poses import Person
from nanohtnet_ros.core.skeleton import H36M_17
from nanohtnet_ros.core.window import NS_PER_S
from nanohtnet_ros.recording.frames import FrameResult, RunInfo
from nanohtnet_ros.runtime.output_folder import writing

NUMBERS = (
    "x_rel_m", "y_rel_m", "z_rel_m", "x_cam_m", "y_cam_m", "z_cam_m", "confidence", "x_px", "y_px",
)  # fmt: skip
"""Columns of numbers. Joints are relative to the hip (rel) and as seen from the camera (cam), both in its optical axes:
x right, y down, z ahead."""
DIGITS = (4, 4, 4, 4, 4, 4, 3, 2, 2)
COLUMNS = ("frame", "time_s", "stamp_ns", "track_id", "joint", *NUMBERS)


def joint_numbers(person: Person) -> np.ndarray:
    """(17, 9) float64 `NUMBERS` of a person; NaN where missing."""
    return np.column_stack((person.joints_rel_m, person.joints_cam_m, person.confidence, person.keypoints_px))


def moments(result: FrameResult) -> tuple[float, int]:
    """Time in seconds and stamp in nanoseconds that people are of."""
    return result.time_s - result.delay_ns / NS_PER_S, result.stamp_ns - result.delay_ns


class CsvWriter:
    """`joints.csv`; a missing value is empty."""

    needs_images = False

    def __init__(self, folder: Path, info: RunInfo) -> None:
        """Begin the file."""
        self._path = folder / "joints.csv"
        with writing(self._path):
            self._file = self._path.open("w", newline="")
            self._file.write(",".join(COLUMNS) + "\n")

    def write(self, result: FrameResult) -> None:
        with writing(self._path):
            self._file.write("".join(self._lines(result)))
            self._file.flush()

    def _lines(self, result: FrameResult) -> Iterator[str]:
        time_s, stamp_ns = moments(result)
        for person in result.people:
            for name, numbers in zip(H36M_17.joint_names, joint_numbers(person).tolist(), strict=True):
                cells = [
                    "" if number != number else f"{number:.{digits}f}"
                    for number, digits in zip(numbers, DIGITS, strict=True)
                ]
                yield f"{result.index},{time_s:.6f},{stamp_ns},{person.track_id},{name},{','.join(cells)}\n"

    def close(self) -> None:
        with writing(self._path):
            self._file.close()
