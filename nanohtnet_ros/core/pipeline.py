"""Images of one camera to people's 3D skeletons."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nanohtnet_ros.core.camera import Camera
from nanohtnet_ros.core.lifter import LiftedPose, Lifter
from nanohtnet_ros.core.placement import place_root
from nanohtnet_ros.core.poses import Keypoints
from nanohtnet_ros.core.stage_times import StageTimes
from nanohtnet_ros.core.tracker import Track, Tracker
from nanohtnet_ros.core.window import NS_PER_S, WindowBuffer
from nanohtnet_ros.detectors.base import Detector


@dataclass(frozen=True, eq=False)
class Person:
    """One person in one frame.

    Attributes:
        track_id: the person's identity.
        age_s: seconds since they were first seen.
        keypoints: 2D, pixels of the image.
        joints_rel_m: (17, 3) float32, root-relative, metres, optical axes; NaN where the keypoint is missing.
        confidence: (17,) float32 in [0, 1], 0 where a joint is missing.
        root_m: (3,) float64 root in the same axes, from the camera or the frame transformed to, metres, or None.
    """

    track_id: int
    age_s: float
    keypoints: Keypoints
    joints_rel_m: np.ndarray
    confidence: np.ndarray
    root_m: np.ndarray | None


class StaleFrameError(ValueError):
    """A frame's stamp is not after the previous one's."""


class Pipeline:
    """Detector, tracker, one window per track, lifter, placement."""

    def __init__(self, detector: Detector, tracker: Tracker, lifter: Lifter, max_gap_s: float = 0.5) -> None:
        """Join the stages.

        Args:
            max_gap_s: pauses between frames up to this are bridged. Stamps that step back by no more are stale
                frames; by more, time has jumped and everything starts anew.
        """
        self._detector, self._tracker, self._lifter = detector, tracker, lifter
        self._max_gap_s = max_gap_s
        self._windows: dict[int, WindowBuffer] = {}
        self._camera: Camera | None = None
        self._last_ns: int | None = None
        self.times = StageTimes()

    def reset(self) -> None:
        """Forget all people; their ids do not come back."""
        self._detector.reset()
        self._tracker.reset()
        self._windows.clear()
        self._last_ns = None

    def step(self, image_bgr: np.ndarray, stamp_ns: int, camera: Camera) -> list[Person]:
        """Process one frame.

        Args:
            image_bgr: (H, W, 3) uint8.
            stamp_ns: when it was taken.
            camera: its intrinsics, at the image's size.
        Returns:
            People seen in this very frame.
        Raises:
            StaleFrameError: the stamp repeats or lies a little before the last one.
        """
        self._keep_time(stamp_ns)
        self._keep_camera(camera)
        with self.times.stage("detect"):
            detections = self._detector.detect(image_bgr)
        return self.step_keypoints(detections, stamp_ns, camera)

    def step_keypoints(self, detections: list[Keypoints], stamp_ns: int, camera: Camera) -> list[Person]:
        """The stages after the detector, for keypoints that come from elsewhere."""
        with self.times.stage("track"):
            tracks = self._tracker.update(detections, stamp_ns)
        with self.times.stage("lift"):
            poses = self._lifter.lift([self._window_of(track, camera).window() for track in tracks])
            people = [self._place(track, pose, camera) for track, pose in zip(tracks, poses, strict=True)]
        alive = {track.track_id for track in self._tracker.tracks}
        self._windows = {track_id: w for track_id, w in self._windows.items() if track_id in alive}
        return people

    def _keep_time(self, stamp_ns: int) -> None:
        """Refuse stale frames, and start anew after a jump in time."""
        if self._last_ns is not None:
            elapsed_s = (stamp_ns - self._last_ns) / NS_PER_S
            if -self._max_gap_s <= elapsed_s <= 0:
                raise StaleFrameError(
                    f"the image's stamp is {-elapsed_s:.3f} s before the previous one's or equal to it: "
                    "the camera driver must stamp each image with its own time"
                )
            if elapsed_s < 0:
                self.reset()
            elif elapsed_s > self._max_gap_s:
                self._detector.reset()
        self._last_ns = stamp_ns

    def _keep_camera(self, camera: Camera) -> None:
        """Start anew when the camera changes: pixels of one say nothing about the other's."""
        if self._camera is not None and camera != self._camera:
            if (camera.width, camera.height) != (self._camera.width, self._camera.height):
                self._detector.reset()
                self._tracker.reset()
            self._windows.clear()
        self._camera = camera

    def _window_of(self, track: Track, camera: Camera) -> WindowBuffer:
        """The track's window, with this frame's keypoints in it."""
        card = self._lifter.card
        window = self._windows.setdefault(
            track.track_id, WindowBuffer(card.window_length, card.frame_rate_hz, self._max_gap_s))
        window.push(track.last_ns, camera.normalise(track.keypoints.xy_px))
        return window

    def _place(self, track: Track, pose: LiftedPose, camera: Camera) -> Person:
        keypoints = track.keypoints
        root = place_root(pose.joints_rel_m, camera.tangents(keypoints.xy_px), keypoints.confidence)
        joints = np.where(keypoints.valid[:, None], pose.joints_rel_m, np.nan).astype(np.float32)
        return Person(track.track_id, track.age_s, keypoints, joints, keypoints.confidence, root)
