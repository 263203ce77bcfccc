"""Files that the package installs into a ROS prefix."""

from __future__ import annotations

import os
from pathlib import Path

PACKAGE = "nanohtnet_ros"


def share_file(name: str) -> Path:
    """A file under `share/nanohtnet_ros`.

    Raises:
        FileNotFoundError: no sourced ROS prefix holds it.
    """
    prefixes = [Path(prefix) for prefix in os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep) if prefix]
    for prefix in prefixes:
        if (prefix / "share" / PACKAGE / name).is_file():
            return prefix / "share" / PACKAGE / name
    raise FileNotFoundError(
        f"share/{PACKAGE}/{name} is in none of the sourced ROS prefixes: "
        "build with colcon and source install/setup.bash")
