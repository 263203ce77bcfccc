"""Images of one camera to people's 3D skeletons."""

from __future__ import annotations

import numpy as np

from nanohtnet_ros.core.camera import Camera
from nanohtnet_ros.core.ground import Ground
from nanohtnet_ros.core.keypoint_tracking import KeypointTracker
from nanohtnet_ros.core.pose_estimation import Lifter
from nanohtnet_ros.core.poses import Person, TrackedKeypoints
from nanohtnet_ros.core.timing import StageTimes


class Pipeline:
    """Images to tracked keypoints, tracked keypoints to skeletons.

    Attributes:
        tracker, lifter: the two stages.
        tracked: people's keypoints in the newest frame.
    """

    def __init__(self, tracker: KeypointTracker, lifter: Lifter) -> None:
        """Join the stages."""
        self.tracker, self.lifter = tracker, lifter
        self.tracked: list[TrackedKeypoints] = []

    @property
    def stage_times(self) -> list[StageTimes]:
        """How long each stage took."""
        return [self.tracker.times, self.lifter.times]

    def reset(self) -> None:
        """Forget all people; their ids do not come back."""
        self.tracker.reset()
        self.lifter.reset()

    def step(
        self,
        image_bgr: np.ndarray,
        stamp_ns: int,
        camera: Camera,
        depth_m: np.ndarray | None = None,
        ground: Ground | None = None,
    ) -> list[Person]:
        """Process one frame.

        Args:
            image_bgr: (H, W, 3) uint8.
            stamp_ns: when it was taken, nanoseconds.
            camera: its intrinsics; those of another resolution are scaled.
            depth_m: (H, W) float32 depth image aligned with it, metres, NaN where unknown; or None.
            ground: where down and the floor are at that moment, or None.
        Returns:
            People in this frame; with a look-ahead, in the one so long before it (`lifter.delay_ns`).
        Raises:
            StaleFrameError: the stamp repeats or lies a little before the last one.
            UserError: the camera's image has another shape.
        """
        height, width = image_bgr.shape[:2]
        camera = camera.scaled_to(width, height)
        self.tracked = self.tracker.step(image_bgr, stamp_ns, ground)
        return self.lifter.step(self.tracked, stamp_ns, camera, depth_m, ground)
