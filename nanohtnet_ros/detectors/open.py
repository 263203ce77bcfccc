"""Detectors by name or file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from nanohtnet_ros.core.detector import Detector
from nanohtnet_ros.detectors.base import OneStageDetector, PeopleConfig, PersonDetector
from nanohtnet_ros.detectors.blazepose import BlazePoseConfig, BlazePoseDetector
from nanohtnet_ros.detectors.blazepose_networks import BlazePoseNetworks
from nanohtnet_ros.detectors.recognise import PERSON_DETECTORS, POSE_DETECTORS, recognise
from nanohtnet_ros.detectors.rtmpose import RTMPoseDetector
from nanohtnet_ros.errors import UserError, command
from nanohtnet_ros.runtime.model_store import BLAZEPOSE, find_blazepose, find_detector
from nanohtnet_ros.runtime.session import Session, open_session


def on_any_device(path: Path, threads: int) -> Session:
    """Open a network with the first runtime that works."""
    return open_session(path, threads=threads)


def open_detector(
    name: str,
    max_people: int = 6,
    detect_rate_hz: float = PeopleConfig.detect_rate_hz,
    threads: int = 2,
    *,
    latency_budget_ms: float = PeopleConfig.latency_budget_ms,
    search_s: float = BlazePoseConfig.search_s,
    landmark_rate_hz: float = BlazePoseConfig.landmark_rate_hz,
    family: str = "auto",
    person_detector: str = "",
    person_family: str = "auto",
    open_network: Callable[[Path, int], Session] = on_any_device,
) -> Detector:
    """Open a detector.

    Args:
        name: one that `nanohtnet models list` shows, or the path of a network's file.
        max_people: people found at most.
        detect_rate_hz: person detections a second while tracking, for BlazePose and RTMPose.
        threads: CPU threads of each network; BlazePose's search has one more of its own.
        latency_budget_ms: mean time of a frame's detection for which the rates are lowered, milliseconds; 0 for any.
        search_s: longest time in which BlazePose searches the whole image for people, seconds; the longer, the
            farther away they may be.
        landmark_rate_hz: landmarks a second of a person who is still or far, for BlazePose.
        family: of the file, or `auto` to recognise it by its tensors.
        person_detector: name or path of the network that finds boxes, for RTMPose.
        person_family: of that file, or `auto`.
        open_network: opens a file with so many CPU threads.
    Raises:
        UserError: the name is unknown, or a file fits no family; the message lists what was expected.
        FileNotFoundError: a file is missing; the message names the command that gets it.
    """
    limits = max_people, detect_rate_hz, latency_budget_ms
    if name in BLAZEPOSE:
        finder, landmarks = find_blazepose(name)  # of which the finder runs beside the rest
        networks = BlazePoseNetworks(open_network(finder, 1), open_network(landmarks, threads))
        return BlazePoseDetector(
            networks, BlazePoseConfig(*limits, search_s=search_s, landmark_rate_hz=landmark_rate_hz)
        )
    path = find_detector(name)
    session = open_network(path, threads)
    family, outputs = recognise(session, path, "keypoints", family)
    people = PeopleConfig(*limits)
    detector = next(detector for detector in POSE_DETECTORS if detector.family == family)
    if issubclass(detector, OneStageDetector):
        return detector(session, outputs, people)
    if not person_detector:
        raise UserError(
            f"{path} is RTMPose, which needs boxes around people: set person_detector to an RTMDet's or YOLOX's file, "
            f"or to yolox-tiny after '{command('models get yolox-tiny')}'"
        )
    persons = open_person_detector(person_detector, max_people, threads, person_family, open_network)
    return RTMPoseDetector(session, outputs, persons, people)


def open_person_detector(
    name: str,
    max_people: int,
    threads: int,
    family: str = "auto",
    open_network: Callable[[Path, int], Session] = on_any_device,
) -> PersonDetector:
    """Open a network that finds boxes around people; arguments and errors as of `open_detector`."""
    path = find_detector(name)
    session = open_network(path, threads)
    family, outputs = recognise(session, path, "boxes", family)
    return next(detector for detector in PERSON_DETECTORS if detector.family == family)(session, outputs, max_people)
