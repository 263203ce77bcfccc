"""Training and evaluation batches: motion capture seen through virtual cameras."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from nanohtnet_ros.core.camera import FOCAL_NORM
from nanohtnet_ros.training.keypoint_noise import KeypointNoise
from nanohtnet_ros.training.mocap import MotionCapture
from nanohtnet_ros.training.virtual_camera import (
    BodyVariation,
    JointDefinitions,
    RobotCameras,
    mirror,
    project,
    uniform,
)


@dataclass(frozen=True)
class Synthesis:
    """How training windows are made from recorded motion.

    Attributes:
        bodies: variation of proportions.
        definitions: variation of what a joint means.
        cameras: where virtual cameras stand.
        noise: errors of the keypoints.
        speed: a window plays the recording this much faster or slower, uniformly.
        action_exponent: how actions of different duration are weighed, see `MotionCapture.sequence_weights`.
    """

    bodies: BodyVariation = field(default_factory=BodyVariation)
    definitions: JointDefinitions = field(default_factory=JointDefinitions)
    cameras: RobotCameras = field(default_factory=RobotCameras)
    noise: KeypointNoise = field(default_factory=KeypointNoise)
    speed: tuple[float, float] = (0.8, 1.25)
    action_exponent: float = 0.5

    def batch(
        self, capture: MotionCapture, size: int, window_length: int, targets: int, rng: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """Make one random training batch.

        Args:
            capture: recorded motion.
            size: B.
            window_length: T.
            targets: n; the last n frames are the targets.
            rng: source of all randomness.
        Returns:
            (B, T, 17, 2) normalised keypoints with errors, and (B, n, 17, 3) root-relative joints, metres,
            optical axes.
        """
        sequence = torch.multinomial(capture.sequence_weights(self.action_exponent), size, True, generator=rng)
        newest = (torch.rand(size, generator=rng) * capture.lengths[sequence]).long()
        joints = capture.windows(sequence, newest, window_length, uniform((size,), *self.speed, rng))
        flipped = torch.rand(size, generator=rng) < 0.5
        joints[flipped] = mirror(joints[flipped])
        joints = self.definitions.apply(self.bodies.apply(joints, rng), rng)
        joints = self.cameras.view(joints, rng)
        keypoints = self.noise.apply(project(joints, FOCAL_NORM), rng)
        return keypoints, root_relative_targets(joints, targets)


def root_relative_targets(joints_cam_m: Tensor, targets: int) -> Tensor:
    """(B, n, 17, 3) last n frames relative to their joint 0."""
    newest = joints_cam_m[:, -targets:]
    return newest - newest[:, :, :1]
