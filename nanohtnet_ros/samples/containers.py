"""Whether a video file is as long as its container says."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

ISO_BOXES = {b"ftyp", b"styp", b"moov", b"moof", b"mdat", b"free", b"skip", b"wide", b"sidx", b"mfra", b"uuid", b"meta"}
EBML, SEGMENT = b"\x1aE\xdf\xa3", b"\x18S\x80g"


def states_frames(path: Path) -> bool:
    """Whether a file's container states how many frames it holds (MP4, MOV, AVI) and not only how long it lasts."""
    with path.open("rb") as file:
        start = file.read(8)
    return start[4:] in ISO_BOXES or start[:4] == b"RIFF"


def missing_bytes(path: Path) -> int:
    """How many bytes a file lacks by its container's account (MP4, MOV, WebM, Matroska, AVI); 0 if none, or unknown.

    Recordings that were stopped hard and downloads that broke off are shorter than their container states.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(12)
        file.seek(0)
        if start[4:8] in ISO_BOXES:
            end = _iso_end(file, size)
        elif start[:4] == EBML:
            end = _matroska_end(file)
        elif start[:4] == b"RIFF" and start[8:] == b"AVI ":
            length = int.from_bytes(start[4:8], "little")
            end = 0 if length == 0xFFFFFFFF else 8 + length  # so where the writer could not go back
        else:
            end = 0
    return max(0, end - size)


def _iso_end(file: BinaryIO, size: int) -> int:
    """Where the last box of ISO 14496-12 ends."""
    end = 0
    while end < size:
        file.seek(end)
        head = file.read(16)
        length, known = int.from_bytes(head[:4], "big"), head[4:8] in ISO_BOXES
        if length == 1:
            length = int.from_bytes(head[8:], "big")
        if not known or length < 8:  # to the end of the file, or no box
            break
        end += length
    return end


def _matroska_end(file: BinaryIO) -> int:
    """Where the segment ends; 0 where its length is not stated, as in a live stream."""
    for name in (EBML, SEGMENT):
        if file.read(4) != name:
            return 0
        first = file.read(1)
        if not first or not first[0]:
            return 0
        more = 8 - first[0].bit_length()
        rest = file.read(more)
        length = int.from_bytes(bytes([first[0] & (0x7F >> more)]) + rest, "big")
        if len(rest) < more or length == (1 << 7 * (more + 1)) - 1:
            return 0
        if name == EBML:
            file.seek(length, 1)
    return file.tell() + length
