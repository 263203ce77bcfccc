"""Tidy tables: a row for each joint of each person in each frame, and one for each person in each frame."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nanohtnet_ros.core.skeleton import H36M_17
from nanohtnet_ros.core.window import NS_PER_S
from nanohtnet_ros.recording.frames import FrameResult, RunInfo
from nanohtnet_ros.runtime.output_folder import writing

Row = tuple[Any, ...]


@dataclass(frozen=True)
class Column:
    """One column.

    Attributes:
        name: with the unit.
        kind: int64, float64, float32 or string, as Arrow calls it.
        digits: after the point, in text.
    """

    name: str
    kind: str
    digits: int = 0

    def text(self, value: Any) -> str:
        """A cell's text; a missing number, NaN, is empty."""
        if self.kind.startswith("float"):
            return "" if value != value else f"{value:.{self.digits}f}"
        return str(value)


def numbers(names: str, digits: int) -> tuple[Column, ...]:
    """Columns of real numbers, by their names."""
    return tuple(Column(name, "float32", digits) for name in names.split())


MOMENT = (
    Column("frame", "int64"),
    Column("time_s", "float64", 6),
    Column("stamp_ns", "int64"),
    Column("track_id", "int64"),
)
JOINTS = (
    *MOMENT,
    Column("joint", "string"),
    *numbers("x_rel_m y_rel_m z_rel_m x_cam_m y_cam_m z_cam_m", 4),
    *numbers("confidence", 3),
    *numbers("x_px y_px", 2),
)
"""Joints are relative to the hip (rel) and as seen from the camera (cam), both in its optical axes: x right, y down, z
ahead."""
PEOPLE = (
    *MOMENT,
    *numbers(
        "age_s x_cam_m y_cam_m z_cam_m distance_sigma_m x_ground_m y_ground_m z_ground_m height_m height_sigma_m", 4
    ),
)
"""Where people's hips are, seen from the camera and in the ground frame, and how tall they are."""


def moment(result: FrameResult) -> tuple[int, float, int]:
    """Frame, time and stamp that people are of."""
    return result.index, result.time_s - result.delay_ns / NS_PER_S, result.stamp_ns - result.delay_ns


def joint_rows(result: FrameResult) -> Iterator[Row]:
    """The rows of `JOINTS`."""
    for person in result.people:
        values = np.column_stack((person.joints_rel_m, person.joints_cam_m, person.confidence, person.keypoints_px))
        for name, cells in zip(H36M_17.joint_names, values.tolist(), strict=True):
            yield (*moment(result), person.track_id, name, *cells)


def people_rows(result: FrameResult) -> Iterator[Row]:
    """The rows of `PEOPLE`."""
    unknown = np.full(3, np.nan)
    for person in result.people:
        root = unknown if person.root_m is None else person.root_m
        place = unknown if person.root_ground_m is None else person.root_ground_m
        sizes = person.root_sigma_m, *place, person.height_m, person.height_sigma_m
        yield (*moment(result), person.track_id, person.age_s, *root, *sizes)


TABLES: dict[str, tuple[tuple[Column, ...], Callable[[FrameResult], Iterator[Row]]]] = {
    "joints": (JOINTS, joint_rows),
    "people": (PEOPLE, people_rows),
}


class CsvWriter:
    """`joints.csv` and `people.csv`, complete up to the last frame at every moment."""

    needs_images = False

    def __init__(self, folder: Path, info: RunInfo) -> None:
        """Begin the files."""
        self._files = {}
        for name, (columns, _) in TABLES.items():
            path = folder / f"{name}.csv"
            with writing(path):
                self._files[name] = path.open("w", newline="")
                self._files[name].write(",".join(column.name for column in columns) + "\n")

    def write(self, result: FrameResult) -> None:
        for name, (columns, rows) in TABLES.items():
            file = self._files[name]
            with writing(Path(file.name)):
                for row in rows(result):
                    cells = (column.text(value) for column, value in zip(columns, row, strict=True))
                    file.write(",".join(cells) + "\n")
                file.flush()

    def close(self) -> None:
        for file in self._files.values():
            with writing(Path(file.name)):
                file.close()


class ParquetWriter:
    """`joints.parquet` and `people.parquet`, there when they are complete."""

    needs_images = False
    GROUP_ROWS = 20_000

    def __init__(self, folder: Path, info: RunInfo) -> None:
        """Begin the files."""
        import pyarrow
        from pyarrow import parquet

        self._arrow, self._folder = pyarrow, folder
        self._rows: dict[str, list[Row]] = {name: [] for name in TABLES}
        self._writers = {}
        for name, (columns, _) in TABLES.items():
            schema = pyarrow.schema([(column.name, getattr(pyarrow, column.kind)()) for column in columns])
            with writing(self._part(name)):
                self._writers[name] = parquet.ParquetWriter(self._part(name), schema, compression="zstd")

    def _part(self, name: str) -> Path:
        return self._folder / f"{name}.parquet.part"

    def write(self, result: FrameResult) -> None:
        for name, (_, rows) in TABLES.items():
            self._rows[name] += rows(result)
            if len(self._rows[name]) >= self.GROUP_ROWS:
                self._put(name)

    def _put(self, name: str) -> None:
        """Write the rows that have gathered as a group."""
        writer = self._writers[name]
        columns = zip(*self._rows[name], strict=True) if self._rows[name] else [()] * len(writer.schema)
        arrays = [self._arrow.array(column, kind) for column, kind in zip(columns, writer.schema.types, strict=True)]
        with writing(self._part(name)):
            writer.write_table(self._arrow.Table.from_arrays(arrays, schema=writer.schema))
        self._rows[name] = []

    def close(self) -> None:
        for name, writer in self._writers.items():
            with writing(self._part(name)):
                self._put(name)
                writer.close()
                self._part(name).replace(self._folder / f"{name}.parquet")
