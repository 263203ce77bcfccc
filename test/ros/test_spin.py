"""The end of a node's process."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

rclpy = pytest.importorskip("rclpy", reason="ROS 2 is not installed")

from nanohtnet_ros.samples.clips import CLIPS_DIR

SCRIPTS = Path(__file__).parents[2] / "scripts"
ARGUMENTS = {
    "video_node": ("--ros-args", "-p", f"source:={CLIPS_DIR / 'rendered_walk.mp4'}", "-p", "loop:=true"),
    "pose_node": ("--ros-args", "-p", "max_people:=2"),
    "marker_node": (),
    "detector_node": (),
    "lifter_node": (),
}


def started(script: str, *args: str) -> subprocess.Popen:
    """A process whose first lines have run: it handles SIGTERM, which Python itself does not."""
    process = subprocess.Popen(
        [sys.executable, str(SCRIPTS / script), *args], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    status = Path(f"/proc/{process.pid}/status")
    if not status.is_file():
        pytest.skip("this system has no /proc, which tells when a process handles signals")
    while not int(status.read_text().partition("SigCgt:")[2].split()[0], 16) >> (signal.SIGTERM - 1) & 1:
        assert process.poll() is None
        time.sleep(0.005)
    return process


def ends_well(script: str, after_s: float, signals: list[int]) -> None:
    process = started(script, *ARGUMENTS[script])
    time.sleep(after_s)
    for number in signals:
        process.send_signal(number)
        time.sleep(0.05)
    printed, _ = process.communicate(timeout=60)
    assert process.returncode == 0 and "Traceback" not in printed, printed


# Whenever the signals come, the outcome has to be the same; so no measure of time.
@pytest.mark.parametrize("after_s", [0.0, 1.0, 2.0, 3.5])
@pytest.mark.parametrize("script", ["video_node", "pose_node"])
def test_ctrl_c_again_and_again_ends_cleanly(script, after_s):
    ends_well(script, after_s, [signal.SIGINT] * 3)


@pytest.mark.parametrize("script", ["marker_node", "detector_node", "lifter_node"])
def test_sigterm_ends_cleanly(script):
    ends_well(script, 3.0, [signal.SIGTERM])


def test_ctrl_c_while_a_command_loads_ends_it_without_a_word():
    process = started("nanohtnet", "evaluate", "nothing")
    process.send_signal(signal.SIGINT)
    printed, _ = process.communicate(timeout=60)
    assert process.returncode != 0 and "Traceback" not in printed, printed
