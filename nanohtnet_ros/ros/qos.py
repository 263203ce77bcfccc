"""Quality of service of the nodes' topics."""

from __future__ import annotations

import copy

from rclpy.qos import QoSDurabilityPolicy, QoSHistoryPolicy, QoSPolicyKind, QoSProfile, QoSReliabilityPolicy
from rclpy.qos_overriding_options import QoSOverridingOptions

NEWEST_IMAGE = QoSProfile(history=QoSHistoryPolicy.KEEP_LAST, depth=1, reliability=QoSReliabilityPolicy.BEST_EFFORT)
"""Subscriptions to a camera: any publisher connects, and while one image is processed the newest one waits."""

CAMERA = QoSProfile(history=QoSHistoryPolicy.KEEP_LAST, depth=10, reliability=QoSReliabilityPolicy.RELIABLE)
"""Images that we publish: best-effort and reliable subscribers both connect."""

RESULTS = QoSProfile(history=QoSHistoryPolicy.KEEP_LAST, depth=10, reliability=QoSReliabilityPolicy.RELIABLE)
"""Skeletons and markers."""

LATCHED = QoSProfile(
    history=QoSHistoryPolicy.KEEP_LAST,
    depth=1,
    reliability=QoSReliabilityPolicy.RELIABLE,
    durability=QoSDurabilityPolicy.TRANSIENT_LOCAL,
)
"""What does not change; late subscribers get it too."""

TF = QoSProfile(history=QoSHistoryPolicy.KEEP_LAST, depth=100, reliability=QoSReliabilityPolicy.RELIABLE)
"""Frames, as tf2's own broadcaster sends them."""

OVERRIDABLE = QoSOverridingOptions(
    (QoSPolicyKind.HISTORY, QoSPolicyKind.DEPTH, QoSPolicyKind.RELIABILITY, QoSPolicyKind.DURABILITY)
)
"""Parameters `qos_overrides.TOPIC.subscription.POLICY`, or `publisher`, change these; give a `copy_of` the profile."""


def copy_of(qos: QoSProfile) -> QoSProfile:
    """A profile for one subscription or publisher: rclpy writes the overriding values into what it is given."""
    return copy.copy(qos)
