"""Fast DDS's profile that carries images between processes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

OLD = "FASTRTPS_DEFAULT_PROFILES_FILE"
"""Read by Fast DDS 2, of Humble and Jazzy; deprecated since Fast DDS 3, where each node warns of it."""
NEW = "FASTDDS_DEFAULT_PROFILES_FILE"
"""Read by Fast DDS 3, since Kilted, in addition to the old one."""


TRANSPORTS = "FASTDDS_BUILTIN_TRANSPORTS"
"""Chooses transports without a profile, as UDPv4 between processes of different users, who share no memory."""


def profile_environment(environment: Mapping[str, str], share: Path) -> dict[str, str]:
    """What to add to an environment, so that nodes in it use our profile.

    Args:
        environment: as it is, with ROS_DISTRO.
        share: the package's share folder.
    Returns:
        One variable; none where the user's own profile is set, since Fast DDS would load both, or where the user
        chooses transports, since a profile's count before them.
    """
    old = environment.get("ROS_DISTRO") in ("humble", "iron", "jazzy")
    if environment.get(TRANSPORTS) or environment.get(OLD) or (environment.get(NEW) and not old):
        return {}
    return {OLD if old else NEW: str(share / "config" / "fastdds.xml")}
