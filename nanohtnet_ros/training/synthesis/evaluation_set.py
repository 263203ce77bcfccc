"""Fixed windows that networks are measured on, with the truth and what is known of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from nanohtnet_ros.core.camera import FOCAL_NORM
from nanohtnet_ros.errors import UserError
from nanohtnet_ros.model.network_config import used_offset
from nanohtnet_ros.training.data.mocap import MotionCapture
from nanohtnet_ros.training.synthesis.keypoint_noise import KeypointNoise
from nanohtnet_ros.training.synthesis.posture import PostureVariation
from nanohtnet_ros.training.synthesis.synthesis import root_relative_targets
from nanohtnet_ros.training.synthesis.virtual_camera import RobotCameras, project

NEAREST_M = 0.5
"""Clips in which a joint comes closer to the camera's plane than this are left out of `motion_set`."""


@dataclass(frozen=True, eq=False)
class SlidingWindows:
    """Windows that overlap, cut out of the frames that they share when they are asked for.

    Attributes:
        frames: (M, 17, 2) keypoints, clips laid end to end.
        newest: (N,) int64, row of each window's newest frame.
        first: (N,) int64, row of its clip's first frame, which is repeated for what lies before it.
        length: T.
    """

    frames: Tensor
    newest: Tensor
    first: Tensor
    length: int

    @property
    def shape(self) -> tuple[int, ...]:
        return (len(self.newest), self.length, *self.frames.shape[1:])

    def __len__(self) -> int:
        return len(self.newest)

    def __getitem__(self, chosen: slice) -> Tensor:
        """(B, T, 17, 2) the windows of a slice."""
        rows = self.newest[chosen, None] - torch.arange(self.length - 1, -1, -1)
        return self.frames[torch.maximum(rows, self.first[chosen, None])]


@dataclass(frozen=True, eq=False)
class EvaluationSet:
    """Fixed windows, their true joints, and labels to sort their errors by.

    Attributes:
        keypoints: by condition (as `clean` and `noisy`), (N, T, 17, 2) normalised keypoints of the same windows.
        targets_m: (N, F, 17, 3) root-relative joints, metres, optical axes.
        offsets: the F frames of the targets, relative to the window's newest frame (0); ascending.
        labels: by name, (N,) each. Texts are categories: `action`, `subject`. Numbers are metres: `distance_m` from
            the camera to the pelvis, `camera_height_m` above the ground. Whole numbers are places: `sequence`,
            `frame` (the newest, in its sequence), and `clip`: rows one after the other of one clip whose `frame`
            goes up by one are neighbours in time in one camera, from which velocities are taken.
    """

    keypoints: dict[str, Tensor | SlidingWindows]
    targets_m: Tensor
    offsets: tuple[int, ...]
    labels: dict[str, np.ndarray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        N, F = len(self.targets_m), len(self.offsets)
        if tuple(self.targets_m.shape) != (N, F, 17, 3):
            raise UserError(f"targets are {tuple(self.targets_m.shape)}, expected (N, {F}, 17, 3): one per offset")
        shapes = {tuple(keypoints.shape) for keypoints in self.keypoints.values()}
        if len(shapes) != 1 or any(len(s) != 4 or s[0] != N or s[2:] != (17, 2) for s in shapes):
            raise UserError(f"keypoints are {sorted(shapes)}, expected ({N}, T, 17, 2) for every condition")
        check_offsets(self.offsets, self.window_length)
        lengths = {name: len(values) for name, values in self.labels.items() if len(values) != N}
        if lengths:
            raise UserError(f"labels {lengths} are not one for each of the {N} windows")

    def __len__(self) -> int:
        return len(self.targets_m)

    @property
    def window_length(self) -> int:
        """T."""
        return next(iter(self.keypoints.values())).shape[1]

    def neighbours(self) -> np.ndarray:
        """(M,) rows whose next row is the next frame in the same camera; empty without the labels that tell."""
        if not {"clip", "frame"} <= self.labels.keys():
            return np.empty(0, np.int64)
        clip, frame = self.labels["clip"], self.labels["frame"]
        return np.flatnonzero((np.diff(clip) == 0) & (np.diff(frame) == 1))

    @classmethod
    def build(
        cls, capture: MotionCapture, window_length: int, offsets: Sequence[int] = (0,), stride: int = 10,
        cameras: int = 4, seed: int = 7, posture: PostureVariation | None = None,
    ) -> EvaluationSet:
        """Cut windows every `stride` frames, each seen by `cameras` random still cameras; bodies as recorded.

        Windows that a sequence is too short for start at its first frame, repeated. The windows are the same whatever
        the offsets; cameras and lenses are chosen for the frame that is used (`used_offset`). Conditions are `clean`
        (exact keypoints) and `noisy` (with `KeypointNoise()`).

        Args:
            capture: recorded motion.
            window_length: T.
            offsets: frames of the targets, relative to the newest.
            stride: frames between two windows of a sequence.
            cameras: for each window.
            seed: of cameras and noise.
            posture: how postures vary about the recorded ones; None: not at all.
        Raises:
            ValueError: an offset lies outside the window.
        """
        check_offsets(offsets, window_length)
        rng = torch.Generator().manual_seed(seed)
        ends = [
            (i, end)
            for i, length in enumerate(capture.lengths.tolist())
            for end in range(min(window_length - 1, length - 1), length, stride)
            for _ in range(cameras)
        ]
        sequence, newest = torch.tensor(ends).T
        world = capture.windows(sequence, newest, window_length)
        if posture is not None:  # by numbers of its own, so that the cameras are the same
            world = posture.apply(world, torch.Generator().manual_seed(seed))
        used = used_offset(offsets)
        seen = RobotCameras().view(world, rng, offset=used)
        clean = project(seen, FOCAL_NORM)
        labels = {
            "action": np.array(capture.actions)[sequence.numpy()],
            "sequence": sequence.numpy(),
            "frame": newest.numpy(),
            "distance_m": seen[:, used - 1, 0].norm(dim=-1).numpy(),
            "camera_height_m": camera_centres(world[:, -1], seen[:, -1])[:, 2].numpy(),
        }
        return cls(
            {"clean": clean, "noisy": KeypointNoise().apply(clean, rng, used)},
            root_relative_targets(seen, offsets), tuple(offsets), labels)


def motion_set(
    capture: MotionCapture, window_length: int, offset: int = 0, frames: int = 100, seed: int = 7
) -> EvaluationSet | None:
    """A clip of each sequence through one still camera, with a window for each of its frames: for velocities.

    The clip is taken from the sequence's middle and the camera stands by where the person is half way through it.
    Errors of keypoints follow one another as they would in a video: noise is drawn for whole clips.

    Args:
        capture: recorded motion.
        window_length: T.
        offset: frame of the targets, relative to the newest.
        frames: of each clip at the most.
        seed: of cameras and noise.
    Returns:
        Windows with the labels `clip`, `sequence` and `frame`; None where no sequence gives any.
    Raises:
        ValueError: the offset lies outside the window.
    """
    check_offsets((offset,), window_length)
    rng = torch.Generator().manual_seed(seed)
    T, length = window_length, window_length - 1 + frames
    sequence = torch.arange(len(capture.lengths))
    last = (capture.lengths + capture.lengths.clamp_max(length)) // 2 - 1
    world = capture.windows(sequence, last, length)  # (S, T-1+frames, 17, 3)
    halfway = world[:, -(frames // 2 + 1), None]  # `view` places the camera by a window's last frame
    seen = RobotCameras().view(torch.cat((world, halfway), dim=1), rng)[:, :-1]
    clean = project(seen, FOCAL_NORM)
    noisy = KeypointNoise().apply(clean, rng)

    in_front = seen[..., 2].amin(dim=(1, 2)) > NEAREST_M
    frame = last[:, None] - torch.arange(frames - 1, -1, -1)  # (S, frames)
    clip, place = torch.nonzero(in_front[:, None] & (frame + offset >= 0), as_tuple=True)
    if not len(clip):
        return None
    newest = clip * length + T - 1 + place
    targets = root_relative(seen.flatten(0, 1)[newest + offset])[:, None]
    conditions = {
        name: SlidingWindows(keypoints.flatten(0, 1), newest, clip * length, T)
        for name, keypoints in (("clean", clean), ("noisy", noisy))}
    labels = {"clip": clip.numpy(), "sequence": clip.numpy(), "frame": frame[clip, place].numpy()}
    return EvaluationSet(conditions, targets, (offset,), labels)


def check_offsets(offsets: Sequence[int], window_length: int) -> None:
    """Raise a ValueError unless the offsets are ascending frames of the window."""
    offsets = list(offsets)
    if not offsets or offsets != sorted(set(offsets)) or offsets[0] <= -window_length or offsets[-1] > 0:
        raise UserError(f"offsets are {offsets}, expected ascending frames of the window, {1 - window_length} to 0")


def root_relative(joints_m: Tensor) -> Tensor:
    """(..., 17, 3) joints relative to joint 0."""
    return joints_m - joints_m[..., :1, :]


def camera_centres(joints_world_m: Tensor, joints_cam_m: Tensor) -> Tensor:
    """Where cameras stand that see known joints in known places.

    Args:
        joints_world_m: (N, J, 3), world frame.
        joints_cam_m: (N, J, 3) the same joints in each camera's axes.
    Returns:
        (N, 3) float64 camera centres, world frame.
    Source:
        Kabsch, "A solution for the best rotation to relate two sets of vectors", 1976.
    """
    world, seen = joints_world_m.double(), joints_cam_m.double()
    world_mean, seen_mean = world.mean(dim=1, keepdim=True), seen.mean(dim=1, keepdim=True)
    u, _, vt = torch.linalg.svd((world - world_mean).transpose(1, 2) @ (seen - seen_mean))
    proper = torch.ones_like(world_mean[:, 0])
    proper[:, 2] = torch.linalg.det(u @ vt)
    world_from_camera = u * proper[:, None] @ vt
    return (world_mean - seen_mean @ world_from_camera.transpose(1, 2))[:, 0]
