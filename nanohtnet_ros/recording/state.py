"""How far a run has come, kept on disk so that it can go on after an interruption of any kind."""

from __future__ import annotations

import os
import pickle
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nanohtnet_ros.core.camera import Camera
from nanohtnet_ros.core.ground import Ground
from nanohtnet_ros.core.poses import Person, TrackedKeypoints
from nanohtnet_ros.errors import UserError
from nanohtnet_ros.runtime.files import write_atomically
from nanohtnet_ros.runtime.output_folder import writing

HEAD = struct.Struct("<II")
"""Length and CRC-32 of a record in the journal."""


@dataclass(frozen=True, eq=False)
class Record:
    """One frame in the journal.

    Attributes:
        stamp_ns: of the image.
        camera: that took it; None where the frame could not be processed.
        ground, people, tracked: as in `FrameResult`.
        problem: why the frame could not be processed.
    """

    stamp_ns: int
    camera: Camera | None = None
    ground: Ground | None = None
    people: tuple[Person, ...] = ()
    tracked: tuple[TrackedKeypoints, ...] = ()
    problem: str = ""


class RunState:
    """A journal of every frame's result and a checkpoint of the estimator.

    Attributes:
        frames: how many frames are in the journal.
        checkpoint: the estimator's state after them; empty at the start.
    """

    JOURNAL, CHECKPOINT = "journal", "checkpoint"

    def __init__(self, folder: Path, job: dict[str, Any], resume: bool = True) -> None:
        """Open the state in a folder, of this job or a new one.

        Args:
            folder: for the two files.
            job: what is run; only the same job can go on.
            resume: go on where there is something to go on with.
        Raises:
            UserError: the folder holds the state of another job.
            OSError: it cannot be written.
        """
        self._folder, self._path = folder, folder / self.JOURNAL
        self.frames, self.checkpoint, self._end = 0, b"", 0
        with writing(self._path):
            folder.mkdir(parents=True, exist_ok=True)
            self._file = self._path.open("a+b", buffering=0)
        first = next(self._records(), None)
        if first is None or not resume:
            self._restart(job)
            return
        if first[0] != job:
            self._file.close()
            differing = sorted(key for key in {*first[0], *job} if first[0].get(key) != job.get(key))
            raise UserError(
                f"{folder.parent} holds an unfinished run that differs in {', '.join(differing)}: finish it by its own "
                f"command ({first[0].get('input')}), choose another folder (--out), or remove {folder}"
            )
        found = self._read_checkpoint()
        if found is None:
            self._restart(job)
            return
        self.frames, self._end, self.checkpoint = found
        self._file.truncate(self._end)

    def _restart(self, job: dict[str, Any]) -> None:
        self._file.truncate(0)
        self._end = 0
        self._append(job)

    def _append(self, item: object) -> None:
        content = pickle.dumps(item)
        with writing(self._path):
            written = self._file.write(HEAD.pack(len(content), zlib.crc32(content)) + content)
            if written != HEAD.size + len(content):
                raise OSError("the disk is full")
        self._end += HEAD.size + len(content)

    def _records(self) -> Iterator[tuple[Any, int]]:
        """Whole items of the journal, and where each ends."""
        with self._path.open("rb") as file:
            while len(head := file.read(HEAD.size)) == HEAD.size:
                length, checksum = HEAD.unpack(head)
                content = file.read(length)
                if len(content) < length or zlib.crc32(content) != checksum:
                    return
                yield pickle.loads(content), file.tell()

    def _read_checkpoint(self) -> tuple[int, int, bytes] | None:
        """Frames, the journal's length and the estimator's state; None without a usable one."""
        try:
            frames, end, state = pickle.loads((self._folder / self.CHECKPOINT).read_bytes())
        except FileNotFoundError:
            return None
        return (frames, end, state) if any(at == end for _, at in self._records()) else None

    def done(self) -> Iterator[Record]:
        """The frames of the journal."""
        records = self._records()
        next(records)
        for record, _ in records:
            yield record

    def add(self, record: Record) -> None:
        """Append a frame.

        Raises:
            OSError: the disk is full.
        """
        self._append(record)
        self.frames += 1

    def save(self, estimator_state: bytes) -> None:
        """Make a checkpoint: a later run goes on here.

        Raises:
            OSError: the disk is full.
        """
        os.fsync(self._file.fileno())
        write_atomically(self._folder / self.CHECKPOINT, pickle.dumps((self.frames, self._end, estimator_state)))

    def close(self) -> None:
        """Close the files."""
        self._file.close()

    def remove(self) -> None:
        """The run is complete: nothing is left to go on with."""
        self.close()
        for name in (self.CHECKPOINT, self.JOURNAL):
            (self._folder / name).unlink(missing_ok=True)
        self._folder.rmdir()
