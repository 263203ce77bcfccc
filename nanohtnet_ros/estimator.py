"""Images to 3D skeletons: the whole pipeline, opened by names."""

from __future__ import annotations

import io
import logging
import pickle
from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from nanohtnet_ros.config import EstimatorSettings, LiftingSettings, RuntimeSettings, TrackingSettings
from nanohtnet_ros.core.detector import Detector
from nanohtnet_ros.core.keypoint_tracking import KeypointTracker
from nanohtnet_ros.core.lifter import WindowLifter
from nanohtnet_ros.core.pipeline import Pipeline
from nanohtnet_ros.core.pose_estimation import Lifter
from nanohtnet_ros.core.rotation import AUTO, RotatedDetector, SelfRightingDetector
from nanohtnet_ros.core.settings import did_you_mean
from nanohtnet_ros.core.tracker import Tracker
from nanohtnet_ros.detectors.open import open_detector
from nanohtnet_ros.errors import UserError
from nanohtnet_ros.runtime.session import Session, open_session

_log = logging.getLogger(__name__)


class Networks(ExitStack):
    """Opens networks with the runtime that settings ask for; closing it closes them all.

    Attributes:
        sessions: opened so far.
    """

    def __init__(self, settings: RuntimeSettings) -> None:
        """Open nothing yet."""
        super().__init__()
        self._settings = settings
        self.sessions: list[Session] = []

    def open(self, path: Path, threads: int = 1, max_batch: int = 32) -> Session:
        """Open a network's file; arguments and errors as of `open_session`."""
        s = self._settings
        session = open_session(
            path, s.device, threads, s.require_gpu, max_batch=max_batch, precision=s.precision, cuda_graph=s.cuda_graph
        )
        self.sessions.append(session)
        return self.enter_context(closing(session))


class _Pickler(pickle.Pickler):
    """Everything but networks, in whose place their numbers stand."""

    def __init__(self, file: io.BytesIO, sessions: list[Session]) -> None:
        super().__init__(file)
        self._numbers = {id(session): number for number, session in enumerate(sessions)}

    def persistent_id(self, obj: object) -> int | None:
        return self._numbers.get(id(obj))


class _Unpickler(pickle.Unpickler):
    def __init__(self, file: io.BytesIO, sessions: list[Session]) -> None:
        super().__init__(file)
        self._sessions = sessions

    def persistent_load(self, number: int) -> Session:
        return self._sessions[number]


def open_tracker(
    settings: TrackingSettings,
    networks: Networks,
    next_track_id: Callable[[], int] | None = None,
    detector: Detector | None = None,
) -> KeypointTracker:
    """Open the detector and the tracker of one camera.

    Args:
        networks: opens the detector's networks.
        next_track_id: gives a fresh id at each call; counts from 1 if left out.
        detector: in place of the one that the settings name.
    Raises:
        UserError, OSError, ImportError: it cannot be loaded; the message says why.
    """
    s, name = settings, None
    if detector is None:
        _log.info("loading the detector %s", s.detector)
        name = Path(s.detector).stem
        detector = open_detector(
            s.detector,
            s.max_people,
            s.detect_rate_hz,
            s.threads,
            latency_budget_ms=s.latency_budget_ms,
            search_s=s.search_s,
            landmark_rate_hz=s.landmark_rate_hz,
            family=s.detector_family,
            person_detector=s.person_detector,
            person_family=s.person_detector_family,
            open_network=lambda path, threads: networks.open(path, threads, s.max_people),
        )
    if s.image_rotation == AUTO:
        detector = SelfRightingDetector(detector)
    elif int(s.image_rotation):
        detector = RotatedDetector(detector, int(s.image_rotation))
    return KeypointTracker(detector, Tracker(s.tracker, next_track_id), s.max_gap_s, name)


def open_lifter(settings: LiftingSettings, networks: Networks) -> Lifter:
    """Open the lifting network.

    Raises:
        UserError, OSError, ImportError: it cannot be loaded; the message says why.
    """
    _log.info("loading the lifting network %s", settings.model)
    return Lifter(WindowLifter.open(settings.model, settings.look_ahead_s, networks.open), settings.lifting)


class PoseEstimator(Pipeline):
    """Images of one camera to people's 3D skeletons.

        camera = Camera.from_yaml("calibration.yaml")
        with PoseEstimator(max_people=6) as estimator:
            for image_bgr, stamp_ns in frames:
                for person in estimator.step(image_bgr, stamp_ns, camera):
                    print(person.track_id, person.joints_cam_m)

    The keywords are the fields of `EstimatorSettings`, which are the nodes' parameters of the same names.
    """

    def __init__(
        self,
        *,
        detector: str | Detector = EstimatorSettings.detector,
        next_track_id: Callable[[], int] | None = None,
        **settings: Any,
    ) -> None:
        """Load the networks.

        Args:
            detector: name or file of a 2D detector, or one of your own.
            next_track_id: gives a fresh id at each call, for estimators that share one numbering.
            settings: see `EstimatorSettings`.
        Raises:
            UserError, OSError, ImportError: a value cannot be taken or a network not loaded; the message says why.
        """
        if isinstance(detector, str):
            settings["detector"] = detector
        known = [entry.name for entry in fields(EstimatorSettings)]
        if unknown := [name for name in settings if name not in known]:
            raise UserError("; ".join(f"setting '{name}' is unknown{did_you_mean(name, known)}" for name in unknown))
        self.settings = EstimatorSettings(**settings)
        self._networks = Networks(self.settings)
        try:
            tracker = open_tracker(
                self.settings, self._networks, next_track_id, None if isinstance(detector, str) else detector
            )
            super().__init__(tracker, open_lifter(self.settings, self._networks))
        except BaseException:
            self._networks.close()
            raise

    @classmethod
    def from_settings(
        cls, settings: EstimatorSettings, next_track_id: Callable[[], int] | None = None
    ) -> PoseEstimator:
        """Load the networks that settings name; those of a subclass beyond `EstimatorSettings` are left out."""
        keywords = {entry.name: getattr(settings, entry.name) for entry in fields(EstimatorSettings)}
        return cls(next_track_id=next_track_id, **keywords)

    def change(self, **settings: Any) -> None:
        """Change settings that are live, see `EstimatorSettings`; tracks go on.

        Raises:
            UserError: a value cannot be taken.
        """
        self.apply(replace(self.settings, **settings))

    def apply(self, settings: EstimatorSettings) -> None:
        """Take over the live values of settings."""
        self.tracker.apply(settings.tracker, settings.max_gap_s)
        self.lifter.config = settings.lifting
        self.settings = settings

    def state(self) -> bytes:
        """All that is remembered of the frames so far, to go on later with `restore`."""
        file = io.BytesIO()
        _Pickler(file, self._networks.sessions).dump((self.settings, self.tracker, self.lifter, self.tracked))
        return file.getvalue()

    def restore(self, state: bytes) -> None:
        """Go on as the estimator would that gave a state: one with the same networks, in this or another process.

        Args:
            state: of a trusted source, for it is pickled.
        """
        unpickler = _Unpickler(io.BytesIO(state), self._networks.sessions)
        self.settings, self.tracker, self.lifter, self.tracked = unpickler.load()

    def close(self) -> None:
        """Free the networks; the estimator cannot be used afterwards."""
        self._networks.close()

    def __enter__(self) -> PoseEstimator:
        """Close at the end of a `with` block."""
        return self

    def __exit__(self, *error: object) -> None:
        """Close."""
        self.close()
