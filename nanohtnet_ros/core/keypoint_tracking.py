"""Images of one camera to people's keypoints under stable identities."""

from __future__ import annotations

import numpy as np

from nanohtnet_ros.core.detector import Detector
from nanohtnet_ros.core.ground import Ground
from nanohtnet_ros.core.poses import Keypoints, TrackedKeypoints
from nanohtnet_ros.core.rotation import SelfRightingDetector
from nanohtnet_ros.core.timing import StageTimes
from nanohtnet_ros.core.tracker import Tracker, TrackerConfig
from nanohtnet_ros.core.window import MAX_GAP_S, NS_PER_S
from nanohtnet_ros.errors import UserError


class StaleFrameError(UserError):
    """A frame's stamp is not after the previous one's."""


class KeypointTracker:
    """Detector and tracker of one camera."""

    def __init__(
        self,
        detector: Detector,
        tracker: Tracker,
        max_gap_s: float = MAX_GAP_S,
        name: str | None = None,
    ) -> None:
        """Join the stages.

        Args:
            name: of the detector, as shown to users; its family's if left out.
            max_gap_s: stamps that step back by no more are stale frames; by more, time has jumped and everything
                restarts. After a longer pause the detector forgets where people were.
        """
        self._detector, self.tracker, self.max_gap_s = detector, tracker, max_gap_s
        self._name = name
        self._size: tuple[int, ...] | None = None
        self._last_ns: int | None = None
        self.times = StageTimes()

    @property
    def title(self) -> str:
        """The detector and what runs it, as shown to users."""
        family, name = self._detector.family, self._name or self._detector.family
        return f"{name if name == family else f'{name} ({family})'} by {self._detector.runtime}"

    @property
    def rates_hz(self) -> dict[str, float]:
        """How often the detector does at present what it does not do in every frame, by the names of its parameters."""
        return getattr(self._detector, "rates_hz", {})

    def apply(self, config: TrackerConfig, max_gap_s: float) -> None:
        """Take over changed limits; tracks go on."""
        self.tracker.config, self.max_gap_s = config, max_gap_s

    def reset(self) -> None:
        """Forget all people; their ids do not come back."""
        self._detector.reset()
        self.tracker.reset()
        self._last_ns = None

    def dropped(self, frames: int) -> None:
        """Tell the detector that so many frames before the next one were not seen for want of time: it may do less."""
        getattr(self._detector, "dropped", int)(frames)

    def step(self, image_bgr: np.ndarray, stamp_ns: int, ground: Ground | None = None) -> list[TrackedKeypoints]:
        """Find everybody in one frame.

        Args:
            image_bgr: (H, W, 3) uint8.
            stamp_ns: when it was taken.
        Returns:
            People seen in this very frame.
        Raises:
            StaleFrameError: the stamp repeats or lies a little before the last one.
        """
        self._keep_time(stamp_ns)
        if ground is not None and ground.down_cam is not None and isinstance(self._detector, SelfRightingDetector):
            self._detector.right(ground.down_cam)
        if self._size not in (None, image_bgr.shape):  # pixels of one size say nothing about the other's
            self._detector.reset()
            self.tracker.reset()
        self._size = image_bgr.shape
        with self.times.stage("detect"):
            detections = self._detector.detect(image_bgr, stamp_ns)
        with self.times.stage("track"):
            return self._follow(detections, stamp_ns)

    def _follow(self, detections: list[Keypoints], stamp_ns: int) -> list[TrackedKeypoints]:
        tracks = self.tracker.update(detections, stamp_ns)
        return [
            TrackedKeypoints(track.track_id, track.age_s, track.keypoints)
            for track in tracks
            if track.track_id is not None
        ]

    def _keep_time(self, stamp_ns: int) -> None:
        """Refuse stale frames, and restart after a jump in time."""
        if self._last_ns is not None:
            elapsed_s = (stamp_ns - self._last_ns) / NS_PER_S
            if -self.max_gap_s <= elapsed_s <= 0:
                raise StaleFrameError(
                    f"the image's stamp is {-elapsed_s:.3f} s before the previous one's or equal to it: "
                    "the camera driver must stamp each image with its own time"
                )
            if elapsed_s < 0:
                self.reset()
            elif elapsed_s > self.max_gap_s:
                self._detector.reset()
        self._last_ns = stamp_ns
