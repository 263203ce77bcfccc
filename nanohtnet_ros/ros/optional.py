"""ROS packages that only some settings need."""

from __future__ import annotations

import importlib
import os
from types import ModuleType


def import_for(parameter: str, module: str, package: str) -> ModuleType:
    """Import a module that a parameter needs.

    Args:
        parameter: what the user set.
        module: as Python imports it.
        package: the ROS package that brings it, with dashes as apt spells it.
    Raises:
        ImportError: it is not installed; the message says what to do.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        distro = os.environ.get("ROS_DISTRO", "$ROS_DISTRO")
        raise ImportError(
            f"{parameter} needs {module}, which cannot be imported ({error}): "
            f"sudo apt install ros-{distro}-{package}, or do not set {parameter}"
        ) from error
