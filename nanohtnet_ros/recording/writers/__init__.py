"""Formats that results are written in."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from nanohtnet_ros.core.settings import did_you_mean
from nanohtnet_ros.errors import UserError
from nanohtnet_ros.recording.frames import RunInfo, Writer


@dataclass(frozen=True)
class Format:
    """One that `--write` takes.

    Attributes:
        writer: `module:Class` below this package; made with the output folder and a `RunInfo`.
        files: patterns of what it writes into the output folder.
        needs: modules of other packages that it is written with.
        extra: of this package that holds them; empty where they come with it.
    """

    writer: str
    files: tuple[str, ...]
    needs: tuple[str, ...] = ()
    extra: str = ""


BAG = ("recording/recording.mcap", "recording/metadata.yaml*")

FORMATS = {
    "mcap": Format("mcap:McapWriter", BAG, ("rosbags",)),
    "mcap_images": Format("mcap:ImageMcapWriter", BAG, ("rosbags",)),
    "csv": Format("table:CsvWriter", ("joints.csv", "people.csv")),
    "parquet": Format("table:ParquetWriter", ("joints.parquet*", "people.parquet*"), ("pyarrow",), "record"),
    "trc": Format("trc:TrcWriter", ("person_*.trc",)),
    "c3d": Format("c3d:C3dWriter", ("person_*.c3d",), ("ezc3d",), "record"),
    "bvh": Format("bvh:BvhWriter", ("person_*.bvh",)),
    "rrd": Format("rerun:RerunWriter", ("people.rrd",), ("rerun",), "viz"),
    "html": Format("report:ReportWriter", ("report.html",)),
    "mp4": Format("video:VideoWriter", ("annotated.mp4", "annotated.part.mp4")),
}

FILES = tuple(pattern for kind in FORMATS.values() for pattern in kind.files)
"""Patterns of all files that writers may leave."""


def check_writers(names: Iterable[str]) -> None:
    """Say what is wrong with names of formats, before there is anything to write.

    Raises:
        UserError: a name is unknown, or a package that it needs not installed.
    """
    names = list(names)
    if {"mcap", "mcap_images"} <= set(names) or len(set(names)) < len(names):
        raise UserError(f"--write has {', '.join(names)}: expected each format once, and mcap or mcap_images")
    for name in names:
        if name not in FORMATS:
            raise UserError(f"--write has '{name}', expected some of {', '.join(FORMATS)}{did_you_mean(name, FORMATS)}")
        kind = FORMATS[name]
        for module in kind.needs:
            if find_spec(module) is None:
                remedy = f"'nanohtnet_ros[{kind.extra}]'" if kind.extra else module
                raise UserError(f"--write {name} needs {module}: pip install {remedy}")


def open_writers(names: Iterable[str], folder: Path, info: RunInfo) -> list[Writer]:
    """Writers of the named formats into a folder; errors as of `check_writers`."""
    names = list(names)
    check_writers(names)
    writers = []
    for name in names:
        module, kind = FORMATS[name].writer.split(":")
        writers.append(getattr(import_module(f"{__name__}.{module}"), kind)(folder, info))
    return writers
