"""Work that goes on in another thread."""

import pickle
import threading
from functools import partial

import pytest

from nanohtnet_ros.detectors.background import Background


def test_work_goes_on_until_its_result_is_taken_once():
    background, begun, go_on = Background[str](), threading.Event(), threading.Event()
    assert background.take() is None

    def work() -> str:
        begun.set()
        assert go_on.wait(60)
        return threading.current_thread().name

    background.start(work)
    assert begun.wait(60)
    go_on.set()
    assert background.take() != threading.current_thread().name
    assert background.take() is None


def test_what_the_work_raises_is_raised_where_it_is_taken():
    background = Background[int]()
    background.start(partial(int, "seven"))
    with pytest.raises(ValueError, match="seven"):
        background.take()
    background.start(partial(int, "8"))
    assert background.take() == 8


def test_work_that_is_dropped_is_waited_for_and_forgotten():
    background, done = Background[int](), []
    background.start(lambda: done.append(1) or int("seven"))
    background.drop()
    assert done == [1] and background.take() is None


def test_pickled_work_brings_its_result():
    background = Background[int]()
    assert pickle.loads(pickle.dumps(background)).take() is None
    background.start(partial(int, "7"))
    restored = pickle.loads(pickle.dumps(background))
    assert (restored.take(), restored.take(), background.take()) == (7, None, 7)
    restored.start(partial(int, "8"))
    assert restored.take() == 8
