"""Parameters to the stages of the line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

from rclpy.node import Node

from nanohtnet_ros.core.finder import PeopleFinder
from nanohtnet_ros.core.lifter import Lifter, ModelCard
from nanohtnet_ros.core.people_lifter import LiftingConfig, PeopleLifter
from nanohtnet_ros.core.smoothing import SmoothingConfig
from nanohtnet_ros.core.tracker import Tracker, TrackerConfig
from nanohtnet_ros.detectors.open import open_detector
from nanohtnet_ros.ros.outputs import DescriptionOutput
from nanohtnet_ros.runtime.model_store import find_model
from nanohtnet_ros.runtime.session import open_session


def open_finder(node: Node, p: SimpleNamespace, next_track_id: Callable[[], int]) -> tuple[PeopleFinder, str]:
    """Load the detector.

    Args:
        p: values of `parameters.FINDING`.
    Returns:
        Detector and tracker, and what is used.
    Raises:
        FileNotFoundError, ValueError, ImportError: it cannot be loaded; the message says why.
    """
    node.get_logger().info(f"loading the detector {p.detector}")
    detector = open_detector(
        p.detector, p.max_people, p.detect_every, p.threads, family=p.detector_family,
        person_detector=p.person_detector, person_family=p.person_detector_family)
    name = Path(p.detector).stem
    named = name if name == detector.family else f"{name} ({detector.family})"
    return PeopleFinder(detector, Tracker(next_id=next_track_id)), f"{named} by {detector.runtime}"


def apply_finding(finder: PeopleFinder, p: SimpleNamespace) -> None:
    """Take over changed parameters."""
    finder.max_gap_s = p.max_gap_s
    finder.tracker.config = TrackerConfig(max_missed_s=p.max_missed_s)


def open_lifter(node: Node, p: SimpleNamespace) -> tuple[PeopleLifter, DescriptionOutput, str]:
    """Load the lifting network.

    Args:
        p: values of `parameters.LIFTING`.
    Returns:
        The lifter, its description's publisher, and what is used.
    Raises:
        FileNotFoundError, ValueError, ImportError: it cannot be loaded; the message says why.
    """
    node.get_logger().info(f"loading the lifting network {p.model}")
    model = find_model(p.model)
    session, card = open_session(model), ModelCard.load(model.with_suffix(".json"))
    lifter = PeopleLifter(Lifter(session, card))
    return lifter, DescriptionOutput(node, card, model.stem), f"{model.stem} by {session.runtime}"


def apply_lifting(lifter: PeopleLifter, p: SimpleNamespace) -> None:
    """Take over changed parameters."""
    lifter.config = LiftingConfig(
        max_gap_s=p.max_gap_s,
        person_height_m=p.person_height_m or None,
        smoothing=SmoothingConfig(
            one_euro=p.one_euro, min_cutoff_hz=p.one_euro_min_cutoff_hz, beta=p.one_euro_beta,
            constant_bones=p.constant_bones))
