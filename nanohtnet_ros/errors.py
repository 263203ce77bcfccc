"""Errors that the user can correct."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

PACKAGE = "nanohtnet_ros"


class UserError(ValueError):
    """Something that the user gave cannot be used; the message says what, where, what was expected and the remedy.

    Commands and nodes show its message alone. Any other `ValueError` is a fault of the program and shows a traceback.
    """


def command(words: str) -> str:
    """How to type one of this package's commands so that it works where this process runs: `command("models list")`."""
    if shutil.which("nanohtnet"):
        return f"nanohtnet {words}"
    prefixes = os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep)
    if any(prefix and (Path(prefix) / "lib" / PACKAGE / "nanohtnet").is_file() for prefix in prefixes):
        return f"ros2 run {PACKAGE} nanohtnet {words}"
    return f"{Path(sys.executable).name} -m {PACKAGE}.cli {words}"
