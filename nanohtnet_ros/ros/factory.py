"""Parameters to the stages of the line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

from nanohtnet_ros.core.keypoint_tracking import PeopleFinder
from nanohtnet_ros.core.lifter import Lifter
from nanohtnet_ros.core.model_card import ModelCard
from nanohtnet_ros.core.pose_estimation import LiftingConfig, PeopleLifter
from nanohtnet_ros.core.smoothing import SmoothingConfig
from nanohtnet_ros.core.tracker import Tracker, TrackerConfig
from nanohtnet_ros.detectors.open import open_detector
from nanohtnet_ros.ros.outputs import DescriptionOutput
from nanohtnet_ros.runtime.model_store import find_model
from nanohtnet_ros.runtime.session import Session, open_session

if TYPE_CHECKING:
    from nanohtnet_ros.ros.stage_node import StageNode


def open_finder(node: StageNode, p: SimpleNamespace, next_track_id: Callable[[], int]) -> tuple[PeopleFinder, str]:
    """Load the detector.

    Args:
        p: values of `parameters.FINDING` and `parameters.RUNTIME`.
    Returns:
        Detector and tracker, and what is used.
    Raises:
        FileNotFoundError, ValueError, ImportError: it cannot be loaded; the message says why.
    """
    node.get_logger().info(f"loading the detector {p.detector}")
    detector = open_detector(
        p.detector, p.max_people, p.detect_every, p.threads, family=p.detector_family,
        person_detector=p.person_detector, person_family=p.person_detector_family,
        open_network=lambda path, threads: open_network(node, p, path, threads, p.max_people))
    name = Path(p.detector).stem
    named = name if name == detector.family else f"{name} ({detector.family})"
    return PeopleFinder(detector, Tracker(next_id=next_track_id)), f"{named} by {detector.runtime}"


def apply_finding(finder: PeopleFinder, p: SimpleNamespace) -> None:
    """Take over changed parameters."""
    finder.max_gap_s = p.max_gap_s
    finder.tracker.config = TrackerConfig(max_missed_s=p.max_missed_s)


def open_lifter(node: StageNode, p: SimpleNamespace) -> tuple[PeopleLifter, DescriptionOutput, str]:
    """Load the lifting network.

    Args:
        p: values of `parameters.LIFTING` and `parameters.RUNTIME`.
    Returns:
        The lifter, its description's publisher, and what is used.
    Raises:
        FileNotFoundError, ValueError, ImportError: it cannot be loaded; the message says why.
    """
    node.get_logger().info(f"loading the lifting network {p.model}")
    model = find_model(p.model)
    card = ModelCard.load(model.with_suffix(".json"))
    session = open_network(node, p, model)
    lifter = Lifter(session, card, p.look_ahead_s)
    used = f"{model.stem} by {session.runtime}"
    if lifter.delay_ns or p.look_ahead_s:
        used += f", poses {lifter.look_ahead_s:g} s before the image"
        node.get_logger().info(f"look_ahead_s is {p.look_ahead_s:g}; the nearest that {model.stem} has is "
                               f"{lifter.look_ahead_s:g} s: skeletons carry stamps so far before the image's")
    return PeopleLifter(lifter), DescriptionOutput(node, card, model.stem, lifter.look_ahead_s), used


def open_network(
    node: StageNode, p: SimpleNamespace, model: Path, threads: int = 1, max_batch: int = 32
) -> Session:
    """Open a network with the runtime that the parameters ask for; the node frees it when it is cleaned up.

    Args:
        p: values of `parameters.RUNTIME`.
        threads: CPU threads.
        max_batch: largest batch of TensorRT's engine.
    Raises:
        FileNotFoundError, ValueError, ImportError, GpuUnavailableError: it cannot be opened; the message says why.
    """
    session = open_session(
        model, p.device, threads, p.require_gpu, max_batch=max_batch, precision=p.precision, cuda_graph=p.cuda_graph,
        log=node.get_logger().info)
    return node.keep_output(session) if hasattr(session, "close") else session


def apply_lifting(lifter: PeopleLifter, p: SimpleNamespace) -> None:
    """Take over changed parameters."""
    lifter.config = LiftingConfig(
        max_gap_s=p.max_gap_s,
        person_height_m=p.person_height_m or None,
        hips_ahead_m=p.hips_ahead_m,
        smoothing=SmoothingConfig(
            one_euro=p.one_euro, min_cutoff_hz=p.one_euro_min_cutoff_hz, beta=p.one_euro_beta,
            constant_bones=p.constant_bones))
