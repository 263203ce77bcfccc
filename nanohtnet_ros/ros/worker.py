"""A thread that always works on the newest input."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any


class NewestWorker:
    """Processes the newest item of every source; what waits longer is replaced and counted.

    However slow the work is, an item waits for the one before it at most, so latency never grows.
    """

    def __init__(self, work: Callable[[dict[str, Any]], None]) -> None:
        """Start the thread.

        Args:
            work: gets the newest item of each source that has one. It must not raise.
        """
        self._work = work
        self._waiting: dict[str, Any] = {}
        self._condition = threading.Condition()
        self._running = True
        self.replaced = 0
        self._thread = threading.Thread(target=self._run, name="worker", daemon=True)
        self._thread.start()

    def put(self, item: Any, source: str) -> None:
        """Hand over an item; one of the same source that still waits is dropped."""
        with self._condition:
            self.replaced += source in self._waiting
            self._waiting[source] = item
            self._condition.notify()

    def stop(self) -> int:
        """Let the item at work finish, drop what waits, and end the thread; returns how many items were dropped."""
        with self._condition:
            self._running = False
            dropped = self.replaced + len(self._waiting)
            self._waiting.clear()
            self._condition.notify()
        self._thread.join()
        return dropped

    def _run(self) -> None:
        while True:
            with self._condition:
                self._condition.wait_for(lambda: self._waiting or not self._running)
                if not self._running:
                    return
                items, self._waiting = self._waiting, {}
            self._work(items)
