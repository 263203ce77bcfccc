"""Images of one camera to people's 3D skeletons."""

from __future__ import annotations

import numpy as np

from nanohtnet_ros.core.camera import Camera
from nanohtnet_ros.core.keypoint_tracking import PeopleFinder
from nanohtnet_ros.core.pose_estimation import Frame, PeopleLifter
from nanohtnet_ros.core.poses import Person, TrackedKeypoints


class Pipeline:
    """Both halves of the line in one place: images to keypoints, keypoints to skeletons."""

    def __init__(self, finder: PeopleFinder, lifter: PeopleLifter) -> None:
        self.finder, self.lifter = finder, lifter

    def reset(self) -> None:
        """Forget all people; their ids do not come back."""
        self.finder.reset()
        self.lifter.reset()

    def step(
        self, image_bgr: np.ndarray, stamp_ns: int, camera: Camera, depth_m: np.ndarray | None = None
    ) -> list[Person]:
        """Process one frame.

        Args:
            image_bgr: (H, W, 3) uint8.
            stamp_ns: when it was taken.
            camera: its intrinsics, at the image's size.
            depth_m: (H, W) float32 depth image aligned with it, metres, NaN where unknown; or None.
        Returns:
            People seen in this very frame.
        Raises:
            StaleFrameError: the stamp repeats or lies a little before the last one.
        """
        return self.lift(self.finder.step(image_bgr, stamp_ns), stamp_ns, camera, depth_m)

    def lift(
        self, people: list[TrackedKeypoints], stamp_ns: int, camera: Camera, depth_m: np.ndarray | None = None
    ) -> list[Person]:
        """The second half of a step."""
        return self.lifter.step({"": Frame(stamp_ns, camera, people, depth_m)})[""]

    def latency_ms(self) -> dict[str, dict[str, float]]:
        """Percentiles of each stage, see `StageTimes.latency_ms`."""
        return self.finder.times.latency_ms() | self.lifter.times.latency_ms()
