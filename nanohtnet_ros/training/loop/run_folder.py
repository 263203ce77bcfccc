"""The folder of a training: its state, its log, its TensorBoard events, its checkpoint."""

from __future__ import annotations

import io
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

import torch
from tensorboardX.event_file_writer import EventsWriter
from tensorboardX.proto.event_pb2 import Event, SessionLog
from tensorboardX.summary import scalar

from nanohtnet_ros.errors import UserError
from nanohtnet_ros.runtime.files import write_atomically
from nanohtnet_ros.runtime.output_folder import LOCK, lock
from nanohtnet_ros.training.loop.provenance import difference


class RunFolder:
    """Files of a training that can be killed at any moment and resumed as if it had not been.

    `state.pth` is replaced atomically and holds the size of the log; what was logged after it is dropped before the
    training is resumed, from TensorBoard's events by a session start, as `SummaryWriter(purge_step=...)` does.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.state, self.checkpoint = path / "state.pth", path / "checkpoint.pth"
        self.recipe, self.log, self.events = path / "recipe.json", path / "log.jsonl", path / "tensorboard"
        self._writer: EventsWriter | None = None
        self._lock: TextIO | None = None

    def read_state(self, provenance: dict) -> dict | None:
        """The state to resume from; None for a new training. Locks the folder until `close`.

        Args:
            provenance: of the requested training; the state has to have the same.
        Raises:
            FileExistsError: the folder holds a training without its state.
            UserError: its training is another one or goes on in another process, or its state cannot be read.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        self._lock = lock(self.path / LOCK)
        if not self.state.is_file():
            others = [file.name for file in (self.checkpoint, self.log) if file.exists()]
            if others:
                raise FileExistsError(
                    f"{self.path} holds {' and '.join(others)} but no {self.state.name} to resume from: "
                    "give another folder, or move these away"
                )
            return None
        try:
            state = torch.load(self.state, map_location="cpu", weights_only=True)
            before = state["provenance"]
        except Exception as error:
            raise UserError(
                f"{self.state} cannot be read ({error}): give another folder, or start from {self.checkpoint} "
                "with --from"
            ) from error
        changed = difference(before, provenance)
        if changed:
            raise UserError(
                f"{self.path} holds another training: {'; '.join(changed)}. Give another folder, or resume with the "
                f"recipe and the data of {self.recipe}"
            )
        return state

    def begin(self, provenance: dict, log_bytes: int, samples: int) -> None:
        """Prepare the folder, and drop what was logged after the state and temporary files of a killed process.

        Args:
            provenance: of the training.
            log_bytes: size of the log at the state; 0 for a new training.
            samples: seen at the state.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        for file in (self.state, self.checkpoint):
            for temporary in self.path.glob(f".{file.name}.*"):
                temporary.unlink()
        self.log.touch()
        os.truncate(self.log, log_bytes)
        write_atomically(self.recipe, (json.dumps(provenance, indent=2) + "\n").encode())
        with writing(self.events):
            self.events.mkdir(exist_ok=True)
            count = len(list(self.events.iterdir()))  # two files made in one second would have the same name
            self._writer = EventsWriter(str(self.events / "events"), f".{count}")
            start = SessionLog(status=SessionLog.START)
            self._writer.write_event(Event(wall_time=time.time(), step=samples + 1, session_log=start))

    def append(self, entry: dict) -> None:
        """Add an entry to the log."""
        with writing(self.log), self.log.open("a") as log:
            log.write(json.dumps(entry) + "\n")

    def scalars(self, values: dict[str, float], samples: int) -> None:
        """Add scalars to the TensorBoard events."""
        assert self._writer is not None, "begin was not called"
        with writing(self.events):
            for name, value in values.items():
                self._writer.write_event(Event(wall_time=time.time(), step=samples, summary=scalar(name, value)))
            self._writer.flush()

    def save_checkpoint(self, content: dict) -> None:
        """Replace the checkpoint."""
        save(self.checkpoint, content)

    def save_state(self, state: dict) -> None:
        """Replace the state, with the size of the log."""
        with writing(self.log), self.log.open("rb") as log:
            os.fsync(log.fileno())
        save(self.state, {**state, "log_bytes": self.log.stat().st_size})

    def close(self) -> None:
        """Close the events and unlock the folder."""
        if self._lock is not None:
            self._lock.close()
        if self._writer is not None:
            with suppress(OSError):  # everything is flushed already, unless the disk is full, which was reported
                self._writer.close()


def save(path: Path, content: dict) -> None:
    """Replace a file of tensors atomically."""
    buffer = io.BytesIO()
    torch.save(content, buffer)
    with writing(path):
        write_atomically(path, buffer.getvalue())


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Add to an OSError the path, and how to resume."""
    try:
        yield
    except OSError as error:
        raise OSError(
            f"cannot write {path}: {error}. The state saved before is kept: free some space and run the same command "
            "to resume from it"
        ) from error
