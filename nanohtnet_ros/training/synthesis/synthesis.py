"""Training and evaluation batches: motion capture seen through virtual cameras."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from nanohtnet_ros.core.camera import FOCAL_NORM
from nanohtnet_ros.model.flip import mirrored
from nanohtnet_ros.model.network_config import used_offset
from nanohtnet_ros.training.data.mocap import MotionCapture
from nanohtnet_ros.training.synthesis.bodies import BodyVariation
from nanohtnet_ros.training.synthesis.crossover import Crossover
from nanohtnet_ros.training.synthesis.definitions import JointDefinitions
from nanohtnet_ros.training.synthesis.keypoint_noise import KeypointNoise
from nanohtnet_ros.training.synthesis.pose_augmentation import PoseAugmentation
from nanohtnet_ros.training.synthesis.virtual_camera import (
    CameraMotion,
    RobotCameras,
    project,
    some_of,
    uniform,
)


@dataclass(frozen=True)
class Synthesis:
    """Settings of training windows from recorded motion.

    Attributes:
        crossover: exchange of upper bodies and arms between recordings.
        augmentation: of the poses.
        bodies: of men, women and children.
        definitions: variation of joint definitions.
        cameras: placement of virtual cameras.
        motion: of the cameras.
        noise: errors of the keypoints.
        speed: range of playback speeds, sampled uniformly.
        action_exponent: weight of actions by duration, see `MotionCapture.sequence_weights`.
    """

    crossover: Crossover = field(default_factory=Crossover)
    augmentation: PoseAugmentation = field(default_factory=PoseAugmentation)
    bodies: BodyVariation = field(default_factory=BodyVariation)
    definitions: JointDefinitions = field(default_factory=JointDefinitions)
    cameras: RobotCameras = field(default_factory=RobotCameras)
    motion: CameraMotion = field(default_factory=CameraMotion)
    noise: KeypointNoise = field(default_factory=KeypointNoise)
    speed: tuple[float, float] = (0.8, 1.25)
    action_exponent: float = 0.5

    def batch(
        self, capture: MotionCapture, size: int, window_length: int, offsets: Sequence[int], rng: torch.Generator
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Make one random training batch, on the device of the capture and of `rng`.

        Args:
            capture: recorded motion.
            size: B.
            window_length: T.
            offsets: n frames, relative to the newest (0), whose joints are the targets; camera and lens are chosen for
                the used one (`used_offset`).
            rng: source of all randomness.
        Returns:
            (B, T, 17, 3) normalised keypoints with errors and confidence, (B,) level, and (B, n, 17, 3) root-relative
            joints, metres, optical axes.
        """
        joints, _, _ = self._people(capture, size, window_length, rng)
        used = used_offset(offsets)
        joints = self.cameras.view(joints, rng, self.motion, used)
        keypoints = self.noise.apply(project(joints, FOCAL_NORM), rng, used)
        return with_confidence(keypoints), torch.zeros(size, device=rng.device), root_relative_targets(joints, offsets)

    def views(
        self, capture: MotionCapture, size: int, views: int, window_length: int, rng: torch.Generator
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Random windows, each through several cameras.

        Args:
            capture, size, window_length, rng: see `batch`.
            views: V, cameras for each window; each has a pose, motion and noise of its own.
        Returns:
            (V, B, T, 17, 3) normalised keypoints with errors and confidence, (V, B) level, (B,) each window's sequence,
            (B,) its newest frame.
        """
        joints, sequence, newest = self._people(capture, size, window_length, rng)
        seen = self.cameras.view(joints.repeat(views, 1, 1, 1), rng, self.motion)
        keypoints = self.noise.apply(project(seen, FOCAL_NORM), rng)
        seen_points = with_confidence(keypoints).unflatten(0, (views, size))
        return seen_points, torch.zeros(views, size, device=rng.device), sequence, newest

    def _people(
        self, capture: MotionCapture, size: int, window_length: int, rng: torch.Generator
    ) -> tuple[Tensor, Tensor, Tensor]:
        """(B, T, 17, 3) moving people in the world frame, (B,) their sequences and (B,) newest frames."""
        joints, sequence, newest = self._recorded(capture, size, window_length, rng)
        crossed = some_of(size, self.crossover.probability, rng)
        if len(crossed):
            donors, _, _ = self._recorded(capture, len(crossed), window_length, rng)
            joints[crossed] = self.crossover.apply(joints[crossed], donors)
        armed = some_of(size, self.crossover.arms_probability, rng)
        if len(armed):
            donors, _, _ = self._recorded(capture, len(armed), window_length, rng)
            joints[armed] = self.crossover.exchange_arms(joints[armed], donors, rng)
        joints = self.bodies.apply(self.augmentation.apply(joints, rng), rng)
        return self.definitions.apply(joints, rng), sequence, newest

    def _recorded(
        self, capture: MotionCapture, size: int, window_length: int, rng: torch.Generator
    ) -> tuple[Tensor, Tensor, Tensor]:
        sequence = torch.multinomial(capture.sequence_weights(self.action_exponent), size, True, generator=rng)
        newest = (uniform((size,), 0.0, 1.0, rng) * capture.lengths[sequence]).long()
        joints = capture.windows(sequence, newest, window_length, uniform((size,), *self.speed, rng))
        flipped = some_of(size, 0.5, rng)
        joints[flipped] = mirrored(joints[flipped], axis=1)
        return joints, sequence, newest


def with_confidence(keypoints: Tensor) -> Tensor:
    """(..., 17, 3) keypoints (..., 17, 2) and a confidence of 1."""
    return torch.cat((keypoints, torch.ones_like(keypoints[..., :1])), dim=-1)


def root_relative_targets(joints_cam_m: Tensor, offsets: Sequence[int]) -> Tensor:
    """(B, n, 17, 3) joints of the frames at `offsets` from the newest, relative to their joint 0."""
    length = joints_cam_m.shape[1]
    chosen = joints_cam_m[:, [length - 1 + offset for offset in offsets]]
    return chosen - chosen[:, :, :1]
