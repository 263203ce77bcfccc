"""Evaluation sets of motion capture: fixed windows through virtual cameras."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from nanohtnet_ros.core.body import standing_height
from nanohtnet_ros.core.camera import FOCAL_NORM
from nanohtnet_ros.model.network_config import used_offset
from nanohtnet_ros.training.data.mocap import MotionCapture
from nanohtnet_ros.training.data.windows import EvaluationSet, Ground, SlidingWindows, check_offsets
from nanohtnet_ros.training.synthesis.definitions import as_detected
from nanohtnet_ros.training.synthesis.gravity import Gravity, level_from_camera, levelled
from nanohtnet_ros.training.synthesis.keypoint_noise import FieldOfView, KeypointNoise
from nanohtnet_ros.training.synthesis.synthesis import root_relative_targets
from nanohtnet_ros.training.synthesis.virtual_camera import LEAST_DEPTH_M, CameraPoses, RobotCameras, project

CAMERAS = RobotCameras(
    height_m=(0.2, 2.2), distance_m=(1.5, 8.0), aim_m=(0.0, 0.0), pitch_deg=(-40.0, 40.0), rolled_probability=0.0
)
NOISE = KeypointNoise(
    field_of_view=FieldOfView(widest_deg=179.0, tight_probability=0.0),
    desk_probability=0.0,
    missing_probability=0.0,
    held_probability=0.3,
)
"""Cameras and errors that do not change with those of training, so that errors of all networks can be compared."""

MIN_DEPTH_M = 0.5
"""`motion_set` leaves out clips in which a joint has less depth than this."""


def build_evaluation_set(
    capture: MotionCapture,
    window_length: int,
    offsets: Sequence[int] = (0,),
    stride: int = 10,
    cameras: int = 4,
    seed: int = 7,
    augmentation: Callable[[Tensor, torch.Generator], Tensor] | None = None,
    ground: Ground = "withheld",
    placement: RobotCameras = CAMERAS,
) -> EvaluationSet:
    """Cut windows every `stride` frames, each seen by `cameras` random static cameras; bodies as recorded.

    Windows that reach before a sequence's start repeat its first frame. The windows do not depend on the offsets;
    cameras and lenses are chosen for the used frame (`used_offset`). Conditions are `clean` (exact keypoints, and where
    down is known exactly) and `noisy` (with `NOISE`, and down known to a degree).

    Args:
        capture: recorded motion.
        window_length: T.
        offsets: frames of the targets, relative to the newest.
        stride: frames between two windows of a sequence.
        cameras: for each window.
        seed: of cameras and noise.
        augmentation: of the poses, as `PoseAugmentation.apply`; None: poses as recorded.
        ground: whether windows are levelled. Cameras and noise are the same.
        placement: of the cameras.
    Raises:
        UserError: an offset lies outside the window.
    """
    check_offsets(offsets, window_length)
    ends = [
        (i, end)
        for i, length in enumerate(capture.lengths.tolist())
        for end in range(min(window_length - 1, length - 1), length, stride)
        for _ in range(cameras)
    ]
    sequence, newest = torch.tensor(ends).T
    world = capture.windows(sequence, newest, window_length)
    if augmentation is not None:  # with a generator of its own, so that the cameras are the same
        world = augmentation(world, torch.Generator().manual_seed(seed))
    world = as_detected(world)
    used = used_offset(offsets)
    poses = placement.place(world[:, used - 1, 0], torch.Generator().manual_seed(seed))
    seen = poses.view(world)
    keypoints, level, down = _seen(seen, poses, used, ground, seed)
    pelvis, up = seen[:, used - 1, 0], -poses.down_cam[:, -1]
    rise = (pelvis * up).sum(dim=-1, keepdim=True)
    upright = torch.stack((F.normalize(pelvis - rise * up, dim=-1), up), dim=1)
    # The noise draws its lenses first.
    borders, _ = NOISE.field_of_view.sample(project(seen, FOCAL_NORM), torch.Generator().manual_seed(seed + 1), used)
    outside = (project(seen[:, used - 1], FOCAL_NORM).abs() > borders[:, 0]).any(dim=-1)
    labels = {
        "action": np.array(capture.actions)[sequence.numpy()],
        "sequence": sequence.numpy(),
        "frame": newest.numpy(),
        "distance_m": pelvis.norm(dim=-1).numpy(),
        "camera_height_m": poses.centre_m[:, -1, 2].numpy(),
        "elevation_deg": torch.rad2deg(torch.asin(rise[:, 0] / pelvis.norm(dim=-1))).numpy(),
        "roll_deg": torch.rad2deg(poses.roll[:, -1].abs()).numpy(),
        "cut_off_percent": 100.0 * outside.float().mean(dim=-1).numpy(),
        "body_height_m": np.array([standing_height(joints) for joints in seen[:, used - 1].numpy()]),
    }
    return EvaluationSet(
        keypoints,
        level,
        root_relative_targets(seen, down, offsets),
        tuple(offsets),
        labels,
        (upright @ level_from_camera(down[:, used - 1]).transpose(1, 2)).numpy(),
    )


def motion_set(
    capture: MotionCapture,
    window_length: int,
    offset: int = 0,
    frames: int = 100,
    seed: int = 7,
    ground: Ground = "withheld",
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
        ground: whether windows are levelled.
    Returns:
        Windows with the labels `clip`, `sequence` and `frame`; None where no sequence gives any.
    Raises:
        UserError: the offset lies outside the window.
    """
    check_offsets((offset,), window_length)
    T, length = window_length, window_length - 1 + frames
    sequence = torch.arange(len(capture.lengths))
    last = (capture.lengths + capture.lengths.clamp_max(length)) // 2 - 1
    world = as_detected(capture.windows(sequence, last, length))  # (S, T-1+frames, 17, 3)
    poses = CAMERAS.place(world[:, -(frames // 2 + 1), 0], torch.Generator().manual_seed(seed))
    seen = poses.view(world)
    keypoints, level, down = _seen(seen, poses, 0, ground, seed)

    in_front = seen[..., 2].amin(dim=(1, 2)) > MIN_DEPTH_M
    frame = last[:, None] - torch.arange(frames - 1, -1, -1)  # (S, frames)
    clip, row = torch.nonzero(in_front[:, None] & (frame + offset >= 0), as_tuple=True)
    if not len(clip):
        return None
    newest = clip * length + T - 1 + row
    targets = root_relative_targets(seen, down, range(1 - length, 1)).flatten(0, 1)[newest + offset]
    conditions: dict[str, Tensor | SlidingWindows] = {
        name: SlidingWindows(values.flatten(0, 1), newest, clip * length, T) for name, values in keypoints.items()
    }
    labels = {"clip": clip.numpy(), "sequence": clip.numpy(), "frame": frame[clip, row].numpy()}
    return EvaluationSet(conditions, level[clip], targets[:, None], (offset,), labels)


def _seen(
    joints_cam_m: Tensor, poses: CameraPoses, offset: int, ground: Ground, seed: int
) -> tuple[dict[str, Tensor], Tensor, Tensor]:
    """What cameras see of joints (B, T, 17, 3).

    Returns:
        (B, T, 17, 3) keypoints and confidence by condition, (B,) level, and down in the cameras of levelled windows,
        see `Gravity.sense`.
    """
    gravity = Gravity(given=1.0 if ground == "given" else 0.0)
    level, down, known_down = gravity.sense(joints_cam_m, poses.down_cam, torch.Generator().manual_seed(seed + 2))
    exact = project(joints_cam_m, FOCAL_NORM)
    noisy = NOISE.apply(
        exact,
        torch.Generator().manual_seed(seed + 1),
        offset,
        level_from_camera(known_down),
        joints_cam_m[..., 2] < LEAST_DEPTH_M,
    )
    return {"clean": F.pad(levelled(exact, level_from_camera(down)), (0, 1), value=1.0), "noisy": noisy}, level, down
