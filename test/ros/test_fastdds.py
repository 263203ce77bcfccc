"""Which variable names Fast DDS's profile."""

import os
import subprocess
from pathlib import Path

import pytest

from nanohtnet_ros.ros.fastdds import NEW, OLD, TRANSPORTS, profile_environment

ROOT = Path(__file__).resolve().parents[2]
SHARE = Path("/share")
OURS = "/share/config/fastdds.xml"


@pytest.mark.parametrize(
    ("environment", "added"),
    [
        ({"ROS_DISTRO": "humble"}, {OLD: OURS}),
        ({"ROS_DISTRO": "jazzy"}, {OLD: OURS}),
        ({"ROS_DISTRO": "kilted"}, {NEW: OURS}),
        ({"ROS_DISTRO": "rolling"}, {NEW: OURS}),
        ({}, {NEW: OURS}),
        ({"ROS_DISTRO": "jazzy", OLD: "/mine.xml"}, {}),
        ({"ROS_DISTRO": "jazzy", NEW: "/mine.xml"}, {OLD: OURS}),  # not read there
        ({"ROS_DISTRO": "kilted", OLD: "/mine.xml"}, {}),
        ({"ROS_DISTRO": "kilted", NEW: "/mine.xml"}, {}),
        ({"ROS_DISTRO": "kilted", OLD: ""}, {NEW: OURS}),
        ({"ROS_DISTRO": "jazzy", TRANSPORTS: "UDPv4"}, {}),
        ({"ROS_DISTRO": "kilted", TRANSPORTS: "UDPv4"}, {}),
    ],
)
def test_the_variable_is_the_distributions_and_a_users_own_profile_wins(environment, added):
    assert profile_environment(environment, SHARE) == added


@pytest.mark.parametrize("own", [{}, {OLD: "/mine.xml"}, {NEW: "/mine.xml"}, {TRANSPORTS: "UDPv4"}])
def test_the_shell_gives_the_same(own):
    """`env.sh` of this checkout, whichever ROS it opens."""
    environment = {k: v for k, v in os.environ.items() if k not in (OLD, NEW, TRANSPORTS)} | own
    show = f". {ROOT}/env.sh && env"
    result = subprocess.run(["bash", "-c", show], env=environment, capture_output=True, text=True, check=True)
    after = dict(line.split("=", 1) for line in result.stdout.splitlines() if "=" in line)
    share = ROOT / "install" / "nanohtnet_ros" / "share" / "nanohtnet_ros"
    expected = own | profile_environment(after | {OLD: "", NEW: ""} | own, share)
    assert {name: after[name] for name in (OLD, NEW, TRANSPORTS) if name in after} == expected
