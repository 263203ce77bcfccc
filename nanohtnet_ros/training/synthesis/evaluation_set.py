"""Evaluation sets of motion capture: fixed windows through virtual cameras."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from nanohtnet_ros.core.camera import FOCAL_NORM
from nanohtnet_ros.model.network_config import used_offset
from nanohtnet_ros.training.data.mocap import MotionCapture
from nanohtnet_ros.training.data.windows import EvaluationSet, SlidingWindows, check_offsets
from nanohtnet_ros.training.synthesis.definitions import as_detected
from nanohtnet_ros.training.synthesis.keypoint_noise import KeypointNoise
from nanohtnet_ros.training.synthesis.pose_augmentation import PoseAugmentation
from nanohtnet_ros.training.synthesis.synthesis import root_relative_targets, with_confidence
from nanohtnet_ros.training.synthesis.virtual_camera import RobotCameras, project

MIN_DEPTH_M = 0.5
"""`motion_set` leaves out clips in which a joint has less depth than this."""


def build_evaluation_set(
    capture: MotionCapture,
    window_length: int,
    offsets: Sequence[int] = (0,),
    stride: int = 10,
    cameras: int = 4,
    seed: int = 7,
    augmentation: PoseAugmentation | None = None,
) -> EvaluationSet:
    """Cut windows every `stride` frames, each seen by `cameras` random static cameras; bodies as recorded.

    Windows that reach before a sequence's start repeat its first frame. The windows do not depend on the offsets;
    cameras and lenses are chosen for the used frame (`used_offset`). Conditions are `clean`
    (exact keypoints) and `noisy` (with `KeypointNoise()`).

    Args:
        capture: recorded motion.
        window_length: T.
        offsets: frames of the targets, relative to the newest.
        stride: frames between two windows of a sequence.
        cameras: for each window.
        seed: of cameras and noise.
        augmentation: of the poses; None: poses as recorded.
    Raises:
        UserError: an offset lies outside the window.
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
    if augmentation is not None:  # with a generator of its own, so that the cameras are the same
        world = augmentation.apply(world, torch.Generator().manual_seed(seed))
    world = as_detected(world)
    used = used_offset(offsets)
    place = RobotCameras().place(world[:, used - 1, 0], rng)
    seen = place.view(world)
    clean = project(seen, FOCAL_NORM)
    labels = {
        "action": np.array(capture.actions)[sequence.numpy()],
        "sequence": sequence.numpy(),
        "frame": newest.numpy(),
        "distance_m": seen[:, used - 1, 0].norm(dim=-1).numpy(),
        "camera_height_m": place.centre_m[:, -1, 2].numpy(),
    }
    return EvaluationSet(
        {"clean": with_confidence(clean), "noisy": with_confidence(KeypointNoise().apply(clean, rng, used))},
        torch.zeros(len(sequence)),
        root_relative_targets(seen, offsets),
        tuple(offsets),
        labels,
    )


def motion_set(
    capture: MotionCapture, window_length: int, offset: int = 0, frames: int = 100, seed: int = 7
) -> EvaluationSet | None:
    """A clip of each sequence through one static camera, with a window for each of its frames: for velocities.

    The clip is the sequence's middle, the camera is placed by its middle frame, and noise is drawn for whole clips, so
    that errors of keypoints are correlated in time as in a video.

    Args:
        capture: recorded motion.
        window_length: T.
        offset: frame of the targets, relative to the newest.
        frames: maximum length of each clip.
        seed: of cameras and noise.
    Returns:
        Windows with the labels `clip`, `sequence` and `frame`; None where no sequence gives any.
    Raises:
        UserError: the offset lies outside the window.
    """
    check_offsets((offset,), window_length)
    rng = torch.Generator().manual_seed(seed)
    T, length = window_length, window_length - 1 + frames
    sequence = torch.arange(len(capture.lengths))
    last = (capture.lengths + capture.lengths.clamp_max(length)) // 2 - 1
    world = as_detected(capture.windows(sequence, last, length))  # (S, T-1+frames, 17, 3)
    halfway = world[:, -(frames // 2 + 1), None]  # `view` places the camera by a window's last frame
    seen = RobotCameras().view(torch.cat((world, halfway), dim=1), rng)[:, :-1]
    clean = project(seen, FOCAL_NORM)
    noisy = KeypointNoise().apply(clean, rng)

    in_front = seen[..., 2].amin(dim=(1, 2)) > MIN_DEPTH_M
    frame = last[:, None] - torch.arange(frames - 1, -1, -1)  # (S, frames)
    clip, row = torch.nonzero(in_front[:, None] & (frame + offset >= 0), as_tuple=True)
    if not len(clip):
        return None
    newest = clip * length + T - 1 + row
    joints = seen.flatten(0, 1)[newest + offset]
    conditions: dict[str, Tensor | SlidingWindows] = {
        name: SlidingWindows(with_confidence(keypoints).flatten(0, 1), newest, clip * length, T)
        for name, keypoints in (("clean", clean), ("noisy", noisy))
    }
    labels = {"clip": clip.numpy(), "sequence": clip.numpy(), "frame": frame[clip, row].numpy()}
    return EvaluationSet(conditions, torch.zeros(len(clip)), (joints - joints[:, :1])[:, None], (offset,), labels)
