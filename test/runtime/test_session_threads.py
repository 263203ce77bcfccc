"""A session that several threads use, and one of them closes."""

import threading
from contextlib import suppress

import numpy as np
import pytest

from nanohtnet_ros.runtime.base import Session


class Slow(Session):
    """Runs until it is told to go on; never twice at a time, nor once it is freed."""

    input_name, input_shape = "x", (-1, 2)

    def __init__(self) -> None:
        super().__init__()
        self.begun, self.go_on = threading.Event(), threading.Event()
        self.running = 0
        self.freed = False

    def _infer(self, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        self.running += 1
        self.begun.set()
        assert self.go_on.wait(60) and self.running == 1 and not self.freed
        self.running -= 1
        return {"y": 2 * inputs["x"]}

    def _free(self) -> None:
        assert not self.running
        self.freed = True


def test_whoever_closes_a_session_waits_for_who_uses_it():
    session, results = Slow(), []
    x = np.ones((1, 2), np.float32)

    def use() -> None:
        with suppress(RuntimeError):  # closed before
            results.append(session.run(x))

    threads = [threading.Thread(target=use) for _ in range(3)]
    threads[0].start()
    assert session.begun.wait(60)
    closing = threading.Thread(target=session.close)
    for thread in (*threads[1:], closing):
        thread.start()
    assert not session.freed
    session.go_on.set()
    for thread in (*threads, closing):
        thread.join(60)
    assert session.freed and 1 <= len(results) <= 3
    np.testing.assert_array_equal(results[0], 2 * x)
    with pytest.raises(RuntimeError, match="closed"):
        session.run(x)
