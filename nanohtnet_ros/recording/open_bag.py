"""Bags as they lie there, also those whose recorder was killed: no metadata.yaml, the last file without an index."""

from __future__ import annotations

import io
import struct
from pathlib import Path
from typing import Any, BinaryIO

from rosbags.highlevel import AnyReader
from rosbags.rosbag2.storage_mcap import ChunkInfo
from rosbags.typesys.store import Typestore

from nanohtnet_ros.errors import UserError
from nanohtnet_ros.recording.sources import bag_files

MAGIC = b"\x89MCAP0\r\n"
HEAD = struct.Struct("<BQ")  # of a record: its kind, and the length of what follows
FOOTER, CHUNK, DATA_END = 2, 6, 15  # kinds
# Times of the first and the last message, size, checksum, length of the compression's name.
CHUNK_HEAD = struct.Struct("<QQQII")
NO_SUMMARY = HEAD.pack(FOOTER, 20) + bytes(20) + MAGIC


def open_bag(path: Path, types: Typestore) -> tuple[AnyReader, str]:
    """Open a bag, as far as it goes.

    Args:
        path: its folder, or one of its files.
        types: of messages, for bags that do not define them.
    Returns:
        Its reader, to be closed, and what it lacks, or an empty text.
    Raises:
        UserError: it cannot be read.
    """
    try:
        reader = AnyReader([path], default_typestore=types)
        reader.open()
        return reader, ""
    except Exception as error:  # whatever a damaged file brings about in the bag's reader
        refused = UserError(f"bag {path} cannot be read: {error}: 'ros2 bag reindex' may mend it")
        refused.__cause__ = error
    try:
        files: list[Any] = [UnfinishedMcap(file) if is_unfinished(file) else file for file in bag_files(path)]
        reader = AnyReader(files, default_typestore=types)
        reader.open()
        pairs = zip(files, reader.readers, strict=True)
        lost = sum(file.index(part) for file, part in pairs if isinstance(file, UnfinishedMcap))
        if reader.message_count:
            return reader, f"{path} was not completed, as by a recorder that was killed: its last {lost} bytes are lost"
        reader.close()
    except Exception:  # likewise
        raise refused from refused.__cause__
    raise refused


def is_unfinished(path: Path) -> bool:
    """Whether a file begins as an MCAP and does not end as one."""
    with path.open("rb") as file:
        begins = file.read(len(MAGIC)) == MAGIC
        file.seek(-min(len(MAGIC), file.seek(0, io.SEEK_END)), io.SEEK_END)
        return begins and file.read() != MAGIC


class UnfinishedMcap:
    """The path of an MCAP file that ends anywhere; who opens it finds its whole records alone."""

    def __init__(self, path: Path) -> None:
        """Look for whole records."""
        self._path = path
        self._chunks: list[ChunkInfo] = []
        with path.open("rb") as file:
            size = file.seek(0, io.SEEK_END)
            self._end = at = len(MAGIC)
            while at + HEAD.size <= size:
                file.seek(at)
                kind, length = HEAD.unpack(file.read(HEAD.size))
                after = at + HEAD.size + length
                if kind in (0, FOOTER, DATA_END) or after > size:
                    break
                if kind == CHUNK:
                    self._chunks.append(_chunk(file, at, after))
                self._end = at = after
        self._lost = size - self._end

    def __getattr__(self, name: str) -> Any:
        return getattr(self._path, name)

    def open(self, mode: str = "rb") -> io.BufferedReader:
        """Open it to read."""
        return io.BufferedReader(_Shortened(self._path.open("rb"), self._end))

    def index(self, reader: Any) -> int:
        """Give a reader of it the index that it has not: with it messages come in their order.

        Returns:
            How many bytes are lost at its end.
        """
        channels = {connection.id: 1 for connection in reader.storage.connections}  # any may be in any chunk
        reader.storage.chunks = [chunk._replace(channel_count=channels) for chunk in self._chunks]
        return self._lost


def _chunk(file: BinaryIO, at: int, after: int) -> ChunkInfo:
    """The chunk whose record, from a position to another, the file is read in."""
    start, end, size, _, name = CHUNK_HEAD.unpack(file.read(CHUNK_HEAD.size))
    compression = file.read(name).decode()
    (compressed,) = struct.unpack("<Q", file.read(8))
    return ChunkInfo(start, end, at, after - at, {}, 0, compression, compressed, size, {})


class _Shortened(io.RawIOBase):
    """A file up to a position, and an MCAP's end."""

    def __init__(self, file: BinaryIO, end: int) -> None:
        self._file, self._end, self._at = file, end, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = offset + (0, self._at, self._end + len(NO_SUMMARY))[whence]
        return self._at

    def readinto(self, buffer: Any) -> int:
        if self._at < self._end:
            self._file.seek(self._at)
            data = self._file.read(min(len(buffer), self._end - self._at))
        else:
            data = NO_SUMMARY[self._at - self._end :][: len(buffer)]
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)

    def close(self) -> None:
        self._file.close()
        super().close()
