import threading

import pytest

pytest.importorskip("rclpy", reason="ROS 2 is not installed")

from nanohtnet_ros.ros.worker import NewestWorker


class Gate:
    """Work that waits, at each batch, until the test lets it go on."""

    def __init__(self) -> None:
        self.batches: list[dict] = []
        self._begun, self._go_on = threading.Semaphore(0), threading.Semaphore(0)

    def __call__(self, items: dict) -> None:
        self.batches.append(items)
        self._begun.release()
        assert self._go_on.acquire(timeout=60)

    def wait_until_at_work(self) -> None:
        assert self._begun.acquire(timeout=60)

    def go_on(self) -> None:
        self._go_on.release()


@pytest.fixture
def gate():
    return Gate()


@pytest.fixture
def worker(gate):
    worker = NewestWorker(gate)
    yield worker
    for _ in range(100):
        gate.go_on()
    worker.stop()


def test_the_newest_wins_and_what_it_replaces_is_counted(gate, worker):
    worker.put("first", "image")
    gate.wait_until_at_work()
    for item in ("second", "third", "fourth"):
        worker.put(item, "image")
    gate.go_on()
    gate.wait_until_at_work()
    assert gate.batches == [{"image": "first"}, {"image": "fourth"}]
    assert worker.replaced == 2


def test_sources_wait_for_themselves_and_come_in_one_batch(gate, worker):
    worker.put(0, "left")
    gate.wait_until_at_work()
    worker.put(1, "left")
    worker.put(2, "right")
    worker.put(3, "left")
    gate.go_on()
    gate.wait_until_at_work()
    assert gate.batches[1] == {"left": 3, "right": 2}
    assert worker.replaced == 1


def test_stop_lets_the_work_finish_and_drops_what_waits(gate):
    worker = NewestWorker(gate)
    worker.put("at work", "image")
    gate.wait_until_at_work()
    worker.put("replaced", "image")
    worker.put("waits", "left")
    worker.put("waits too", "image")
    stopped: list[int] = []
    stopping = threading.Thread(target=lambda: stopped.append(worker.stop()))
    stopping.start()
    stopping.join(timeout=0.1)
    assert stopping.is_alive() and not stopped  # for the item at work
    gate.go_on()
    stopping.join(timeout=60)
    assert stopped == [3]
    assert gate.batches == [{"image": "at work"}]
    worker.put("after the end", "image")
    assert gate.batches == [{"image": "at work"}]
    assert "worker" not in {thread.name for thread in threading.enumerate()}


def test_stop_while_nothing_is_to_do():
    assert NewestWorker(lambda items: None).stop() == 0


def test_put_from_many_threads_loses_nothing_unseen():
    done: list[dict] = []
    worker = NewestWorker(done.append)

    def put(source: str) -> None:
        for i in range(1000):
            worker.put(i, source)

    threads = [threading.Thread(target=put, args=(str(n),)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    dropped = worker.stop()
    assert sum(map(len, done)) + dropped == 4000
    for source in "0123":
        came = [items[source] for items in done if source in items]
        assert came == sorted(set(came))
