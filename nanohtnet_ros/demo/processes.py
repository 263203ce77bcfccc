"""Our nodes as processes of their own, apart from everything else that runs on the machine."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from ament_index_python.packages import get_package_share_directory

from nanohtnet_ros.ros.fastdds import profile_environment
from nanohtnet_ros.runtime.interrupt import end_with_parent

Value = str | int | float | bool


def isolate(logs: Path) -> None:
    """Keep this run's traffic on this machine and apart from other runs, and its logs in a folder."""
    os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
    os.environ.setdefault("ROS_DOMAIN_ID", str(1 + os.getpid() % 100))
    os.environ["ROS_LOG_DIR"] = str(logs.absolute())
    share = Path(get_package_share_directory("nanohtnet_ros"))
    os.environ.update(profile_environment(os.environ, share))


def start(
    node: str, namespace: str, log: Path, *ros_args: str, parameters: Mapping[str, Value] | None = None
) -> subprocess.Popen:
    """Start one of our nodes; Ctrl-C on the terminal does not reach it, and it ends when this process does.

    Args:
        node: its name.
        namespace: without a slash.
        log: file for what it prints; parameters go into a file beside it.
        ros_args: more ROS arguments, such as remappings.
        parameters: of the node.
    """
    command = [sys.executable, "-m", f"nanohtnet_ros.ros.{node}", "--ros-args", "-r", f"__ns:=/{namespace}"]
    if parameters:
        # Not on the command line, where ROS would read a path as YAML. JSON's scalars are YAML's, all texts quoted.
        lines = [f"    {name}: {json.dumps(value, ensure_ascii=False)}\n" for name, value in parameters.items()]
        file = log.with_suffix(".yaml")
        file.write_text("/**:\n  ros__parameters:\n" + "".join(lines))
        command += ["--params-file", str(file)]
    with log.open("w") as out:
        return subprocess.Popen(
            [*command, *ros_args],
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=end_with_parent,
        )


def end(processes: Mapping[str, subprocess.Popen], patience_s: float = 5.0) -> list[str]:
    """Ctrl-C to each process, and SIGKILL to those that do not end; returns the names of all that ended badly."""
    for process in processes.values():
        process.send_signal(signal.SIGINT)
    for process in processes.values():
        try:
            process.wait(timeout=patience_s)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    return [name for name, process in processes.items() if process.returncode]


def log_end(log: Path) -> str:
    """The last lines that a node wrote."""
    return "\n".join(log.read_text(errors="replace").splitlines()[-15:]) if log.is_file() else ""
