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
from nanohtnet_ros.training.synthesis.gravity import Gravity, level_from_camera
from nanohtnet_ros.training.synthesis.keypoint_noise import KeypointNoise
from nanohtnet_ros.training.synthesis.pose_augmentation import PoseAugmentation
from nanohtnet_ros.training.synthesis.postures import Postures
from nanohtnet_ros.training.synthesis.virtual_camera import (
    LEAST_DEPTH_M,
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
        postures: that recordings lack.
        definitions: variation of joint definitions.
        cameras: placement of virtual cameras.
        motion: of the cameras.
        gravity: what is known of it.
        noise: errors of the keypoints.
        speed: range of playback speeds, sampled uniformly.
        action_exponent: weight of actions by duration, see `MotionCapture.sequence_weights`.
    """

    crossover: Crossover = field(default_factory=Crossover)
    augmentation: PoseAugmentation = field(default_factory=PoseAugmentation)
    bodies: BodyVariation = field(default_factory=BodyVariation)
    postures: Postures = field(default_factory=Postures)
    definitions: JointDefinitions = field(default_factory=JointDefinitions)
    cameras: RobotCameras = field(default_factory=RobotCameras)
    motion: CameraMotion = field(default_factory=CameraMotion)
    gravity: Gravity = field(default_factory=Gravity)
    noise: KeypointNoise = field(default_factory=KeypointNoise)
    speed: tuple[float, float] = (0.8, 1.25)
    action_exponent: float = 0.5

    def batch(
        self, capture: MotionCapture, size: int, window_length: int, offsets: Sequence[int], rng: torch.Generator
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Make one random training batch, on the device of the capture and of `rng`.

        Args:
            capture: motion of the training split.
            size: B.
            window_length: T.
            offsets: n target frames relative to the window's newest (0), ascending; camera and lens are chosen for
                the used one (`used_offset`).
            rng: source of all randomness.
        Returns:
            (B, T, 17, 3) normalised keypoints with errors and their confidence; (B,) 1 where they are levelled, else 0;
            and (B, n, 17, 3) root-relative joints, metres, in the optical axes of their frame's (level) camera.
        """
        people, _, _ = self._people(capture, size, window_length, rng)
        return self._seen(people, offsets, rng)

    def views(
        self, capture: MotionCapture, size: int, views: int, window_length: int, rng: torch.Generator
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Random windows, each through several cameras.

        Args:
            capture, size, window_length, rng: see `batch`.
            views: V, cameras for each window; each has a pose, motion and noise of its own.
        Returns:
            (V, B, T, 17, 3) normalised keypoints with errors and their confidence, (V, B) level, (B,) each window's
            sequence, (B,) its newest frame.
        """
        people, sequence, newest = self._people(capture, size, window_length, rng)
        keypoints, level, _ = self._seen(people.repeat(views, 1, 1, 1), (0,), rng)
        return keypoints.unflatten(0, (views, size)), level.unflatten(0, (views, size)), sequence, newest

    def _seen(self, people_m: Tensor, offsets: Sequence[int], rng: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """People (B, T, 17, 3) as a camera, a detector and a sense of gravity give them, see `batch`."""
        used = used_offset(offsets)
        poses = self.motion.drive(self.cameras.place(people_m[:, used - 1, 0], rng), people_m.shape[1], rng, used)
        joints = poses.view(people_m)
        level, down, known_down = self.gravity.sense(joints, poses.down_cam, rng)
        keypoints = self.noise.apply(
            project(joints, FOCAL_NORM), rng, used, level_from_camera(known_down), joints[..., 2] < LEAST_DEPTH_M
        )
        return keypoints, level, root_relative_targets(joints, down, offsets)

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
        joints = self.postures.apply(self.bodies.apply(self.augmentation.apply(joints, rng), rng), rng)
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


def root_relative_targets(joints_cam_m: Tensor, down_cam: Tensor, offsets: Sequence[int]) -> Tensor:
    """(B, n, 17, 3) joints of some frames relative to their joint 0, in the axes of level cameras.

    Args:
        joints_cam_m: (B, T, 17, 3) optical axes.
        down_cam: (B, T, 3) unit vectors to the floor in the same axes.
        offsets: the n frames, relative to the newest.
    """
    frames = [joints_cam_m.shape[1] - 1 + offset for offset in offsets]
    chosen = joints_cam_m[:, frames]
    return (chosen - chosen[:, :, :1]) @ level_from_camera(down_cam[:, frames]).transpose(2, 3)
