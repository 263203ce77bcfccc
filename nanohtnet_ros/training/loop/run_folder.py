"""The folder of a training: its state, its log, its TensorBoard events, its checkpoint."""

from __future__ import annotations

import io
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import torch
from tensorboardX.event_file_writer import EventsWriter
from tensorboardX.proto.event_pb2 import Event
from tensorboardX.summary import scalar

from nanohtnet_ros.errors import UserError
from nanohtnet_ros.runtime.files import write_atomically
from nanohtnet_ros.training.loop.provenance import difference


class RunFolder:
    """What a training writes, so that it can be killed at any moment and go on as if it had not been.

    `state.pth` is replaced as a whole and holds the sizes of the files that grow; whatever these hold beyond is cut
    off before the training goes on.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.state, self.checkpoint = path / "state.pth", path / "checkpoint.pth"
        self.recipe, self.log, self.events = path / "recipe.json", path / "log.jsonl", path / "tensorboard"
        self._writer: EventsWriter | None = None

    def read_state(self, record: dict) -> dict | None:
        """The state to go on from; None for a new training.

        Args:
            record: of the training that is asked for; the state has to be of the same.
        Raises:
            FileExistsError: the folder holds a training without its state.
            ValueError: its training is another one, or its state cannot be read.
        """
        if not self.state.is_file():
            others = [file.name for file in (self.checkpoint, self.log) if file.exists()]
            if others:
                raise FileExistsError(
                    f"{self.path} holds {' and '.join(others)} but no {self.state.name} to go on from: "
                    "give another folder, or move these away")
            return None
        try:
            state = torch.load(self.state, map_location="cpu", weights_only=True)
            before = state["record"]
        except Exception as error:
            raise UserError(
                f"{self.state} cannot be read ({error}): give another folder, or start from {self.checkpoint} "
                "with --from") from error
        changed = difference(before, record)
        if changed:
            raise UserError(
                f"{self.path} holds another training: {'; '.join(changed)}. Give another folder, or go on with the "
                f"recipe and the data of {self.recipe}")
        return state

    def begin(self, record: dict, sizes: dict[str, int]) -> None:
        """Make the folder ready for a new training, or for one that goes on.

        Takes away what was logged after the state was saved, and what was being written when the process died.

        Args:
            record: of the training.
            sizes: bytes of the files that grow, from the state; empty for a new training.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        for left in self.path.glob(".*.pth.*"):
            left.unlink()
        for file in self._growing():
            name = str(file.relative_to(self.path))
            if name in sizes:
                os.truncate(file, sizes[name])
            else:
                file.unlink()
        write_atomically(self.recipe, (json.dumps(record, indent=2) + "\n").encode())

    def append(self, entry: dict) -> None:
        """Add an entry to the log."""
        with writing(self.log), self.log.open("a") as log:
            log.write(json.dumps(entry) + "\n")

    def scalars(self, values: dict[str, float], samples: int) -> None:
        """Add scalars to the TensorBoard events."""
        with writing(self.events):
            if self._writer is None:
                self.events.mkdir(exist_ok=True)
                count = len(list(self.events.iterdir()))  # two files made in one second would have the same name
                self._writer = EventsWriter(str(self.events / "events"), f".{count}")
            for name, value in values.items():
                self._writer.write_event(Event(wall_time=time.time(), step=samples, summary=scalar(name, value)))
            self._writer.flush()

    def save_checkpoint(self, content: dict) -> None:
        save(self.checkpoint, content)

    def save_state(self, state: dict) -> None:
        """Replace the state, with the sizes of the files that grow."""
        sizes = {}
        for file in self._growing():
            with writing(file), file.open("rb") as written:
                os.fsync(written.fileno())
            sizes[str(file.relative_to(self.path))] = file.stat().st_size
        save(self.state, {**state, "sizes": sizes})

    def _growing(self) -> list[Path]:
        return [file for file in (self.log, *sorted(self.events.glob("*"))) if file.is_file()]

    def close(self) -> None:
        if self._writer is not None:
            with suppress(OSError):  # all is flushed already, unless the disk is full, which has been said
                self._writer.close()


def save(path: Path, content: dict) -> None:
    """Replace a file of tensors, as a whole or not at all."""
    buffer = io.BytesIO()
    torch.save(content, buffer)
    with writing(path):
        write_atomically(path, buffer.getvalue())


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Say of an OSError what could not be written, and that nothing is lost."""
    try:
        yield
    except OSError as error:
        raise OSError(
            f"cannot write {path}: {error}. The state saved before is as it was: make room and run the same command "
            "to go on from it") from error
