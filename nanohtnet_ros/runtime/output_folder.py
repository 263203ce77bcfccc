"""Folders that a command writes into: one run at a time, and only what is ours is ever removed."""

from __future__ import annotations

import fcntl
import os
import shlex
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

from nanohtnet_ros.errors import UserError

MARKER = ".nanohtnet_output"
LOCK = ".nanohtnet_lock"


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Name the file in an OSError of writing it; the system does not where a disk is full.

    Raises:
        OSError: it cannot be written.
    """
    try:
        yield
    except OSError as error:
        raise OSError(f"cannot write {path}: {error.strerror or error}: make room, or choose another folder") from error


def lock(file: Path) -> TextIO:
    """Create or open a file and hold its lock until it is closed or this process ends.

    Raises:
        UserError: another process holds it; the message says which.
    """
    with writing(file):
        held = file.open("a+")
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        held.seek(0)
        holder = next((line[4:].strip() for line in reversed(held.readlines()) if line.startswith("run ")), "unknown")
        held.close()
        raise UserError(
            f"{file.parent} is being written by another run, {holder}: wait for its end, or choose another folder"
        ) from error
    except OSError:  # a file system without locks
        pass
    command = shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]])
    held.write(f"run process {os.getpid()} since {time.strftime('%H:%M:%S')}, {' '.join(command.split())}\n")
    held.flush()
    return held


class OutputFolder:
    """A folder that a command replaces its former results in.

    A marker file, locked while the folder is open, lists what we have written; nothing else is removed.

    Attributes:
        path: absolute.
    """

    def __init__(self, path: Path, files: Iterable[str], inputs: Iterable[Path] = ()) -> None:
        """Take the folder, made where it is missing.

        Args:
            path: of the folder.
            files: patterns of what is going to be written, relative to it: `report.json`, `logs/*.log`.
            inputs: files and folders that are read.

        Raises:
            UserError: another run has it, it holds what is not ours, or an input lies in it.
            OSError: it cannot be made.
        """
        self.path = path.expanduser().resolve()
        for source in inputs:
            if source.expanduser().resolve().is_relative_to(self.path):
                raise UserError(f"{source} lies inside of the output folder {self.path}: choose another folder (--out)")
        if self.path.exists() and not self.path.is_dir():
            raise UserError(f"{self.path} is no folder: choose another one (--out)")
        self.path.mkdir(parents=True, exist_ok=True)
        marker = self.path / MARKER
        if not marker.exists() and any(self.path.iterdir()):
            raise UserError(
                f"{self.path} holds files that are not a former run's, for it has no {MARKER}: "
                "choose another folder (--out)"
            )
        self._marker = lock(marker)
        self._marker.seek(0)
        ours = [line[5:].strip() for line in self._marker if line.startswith("file ")]
        new = [pattern for pattern in files if pattern not in ours]
        try:
            for pattern in new:
                for other in self.path.glob(pattern):
                    raise UserError(f"{other} is not a former run's: move it away, or choose another folder (--out)")
        except UserError:
            self._marker.close()
            raise
        self._marker.write("".join(f"file {pattern}\n" for pattern in new))
        self._marker.flush()
        self._ours = [*ours, *new]

    def clear(self) -> None:
        """Remove what we have written, and the folders below that are empty then."""
        for pattern in self._ours:
            for file in list(self.path.glob(pattern)):
                if file.resolve().is_relative_to(self.path):  # no link to elsewhere
                    file.unlink()
            for folder in Path(pattern).parents:
                for empty in self.path.glob(str(folder)) if folder.parts else ():
                    with suppress(OSError):  # it is not
                        empty.rmdir()

    def close(self) -> None:
        """Let others have the folder."""
        self._marker.close()
