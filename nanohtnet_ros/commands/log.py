"""The package's log on the terminal."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def log_to_stdout() -> Iterator[None]:
    """Print what the package logs, from INFO on, while the context is open."""
    logger, handler = logging.getLogger("nanohtnet_ros"), logging.StreamHandler(sys.stdout)
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
