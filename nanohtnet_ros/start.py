"""The first lines of the scripts: Ctrl-C and SIGTERM end a process quietly also while its libraries load."""

from __future__ import annotations

import os
import signal
from importlib import import_module


def start(module: str, is_node: bool = True) -> int | None:
    """Load a module of this package and run its `main`, which handles signals itself.

    Args:
        module: its name below the package.
        is_node: a node that is told to end has done well; a command that is interrupted has not.

    Returns:
        What `main` returns.
    """
    usual = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number in usual:
        signal.signal(number, lambda number, frame: os._exit(0 if is_node else 128 + number))
    main = import_module(f"nanohtnet_ros.{module}").main
    for number, handler in usual.items():
        signal.signal(number, handler)
    result: int | None = main()
    return result
