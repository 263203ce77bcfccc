"""Work that goes on while its result is not needed yet."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class Background(Generic[T]):
    """One piece of work at a time, in a thread of its own. Pickled, it is waited for, and the result goes along."""

    def __init__(self) -> None:
        """Start no thread yet."""
        self._thread: ThreadPoolExecutor | None = None
        self._work: Future[T] | None = None

    def start(self, work: Callable[[], T]) -> None:
        """Begin work; what was begun before and not taken is forgotten."""
        self._thread = self._thread or ThreadPoolExecutor(1, "background")
        self._work = self._thread.submit(work)

    def take(self) -> T | None:
        """The result of what was begun, once, waited for; None where nothing was. Raises what the work raised."""
        work, self._work = self._work, None
        return None if work is None else work.result()

    def drop(self) -> None:
        """Wait for what was begun, and forget its result or error."""
        if self._work is not None:
            wait([self._work])
            self._work = None

    def __getstate__(self) -> dict[str, Any]:
        return {} if self._work is None else {"result": self._work.result()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__()  # type: ignore[misc]
        if state:
            self._work = Future()
            self._work.set_result(state["result"])
