"""Ctrl-C and SIGTERM as an error, so that what was begun is ended well; children end with their parent."""

from __future__ import annotations

import ctypes
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from nanohtnet_ros.errors import UserError

PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None)


class Interrupted(UserError):
    """Ctrl-C or SIGTERM."""


class Interruptible:
    """A block of code that Ctrl-C and SIGTERM end, see `interruptible`."""

    def __init__(self) -> None:
        self._holding = False
        self._signal: int | None = None

    def interrupt(self, number: int, frame: FrameType | None = None) -> None:
        """Take a signal.

        Raises:
            Interrupted: unless it is held back.
        """
        for other in (signal.SIGINT, signal.SIGTERM):
            signal.signal(other, signal.SIG_IGN)
        self._signal = number
        self._raise()

    def _raise(self) -> None:
        if self._signal is not None and not self._holding:
            raise Interrupted(f"ended by {signal.Signals(self._signal).name}")

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold signals back until the end of the block, which must not be left half done.

        Raises:
            Interrupted: at the end, if a signal came.
        """
        self._holding = True
        try:
            yield
        finally:
            self._holding = False
        self._raise()


@contextmanager
def interruptible() -> Iterator[Interruptible]:
    """Turn Ctrl-C and SIGTERM into `Interrupted`, once: what is cleaned up then is not disturbed by another one.

    In other threads than the main one, which get no signals, nothing changes.
    """
    block = Interruptible()
    if threading.current_thread() is not threading.main_thread():
        yield block
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number in before:
        signal.signal(number, block.interrupt)
    try:
        yield block
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def end_with_parent() -> None:
    """In a child on Linux: end as by SIGTERM when the parent is gone, even if it was killed."""
    if sys.platform == "linux":
        LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
