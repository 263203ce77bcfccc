"""A virtual camera that looks straight at the person, inside the network.

A window of keypoints depends on where in the image a person stands and how far away. Turning a virtual pan-tilt
camera towards the person and zooming to a fixed size removes most of that before the network, and turning the joints
back after it loses nothing. After Yu et al., "PCLs: Geometry-aware Neural Reconstruction of
3D Pose with Perspective Crop Layers", CVPR 2021.
"""

from __future__ import annotations

import torch
from torch import Tensor

from nanohtnet_ros.core.camera import FOCAL_NORM

PERSON_SIZE = 0.5  # root-mean-square distance of the frame's keypoints from the view's centre
LEAST_WEIGHT = 0.01  # of a missing keypoint, so that a frame without any has a mean too
TILT_VALUES = 3
NEAREST = 0.1  # least forward component of a ray in the turned view; guards windows that sweep past 90 degrees


def look_at_person(keypoints: Tensor, offset: int = 0, confidence: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Turn the view towards one frame's keypoints and scale it to their size.

    Args:
        keypoints: (B, T, J, 2) normalised image coordinates.
        offset: that frame, relative to the newest (0).
        confidence: (B, T, J) weights of the keypoints in the person's centre and size; None: all the same.
    Returns:
        (B, T, J, 2) coordinates in the turned and scaled view, and (B, 3, 3) rotations from the camera's optical
        axes to the turned view's: pan about y, then tilt about x, no roll.
    """
    x, y = keypoints.unbind(dim=-1)
    x, y, rotation = turn_to_person(x, y, offset, confidence)
    return torch.stack((x, y), dim=-1), rotation


def turn_to_person(
    x: Tensor, y: Tensor, offset: int = 0, confidence: Tensor | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """`look_at_person` on separate coordinates, (B, T, J) each, which runtimes process several times as fast."""
    x, y = x / FOCAL_NORM, y / FOCAL_NORM
    used = slice(x.shape[1] - 1 + offset, x.shape[1] + offset)
    weight = None if confidence is None else confidence[:, used] + LEAST_WEIGHT

    def mean(plane: Tensor) -> Tensor:  # (B, 1, J) to (B, 1, 1)
        # Sums in place of means: TensorRT 8.6 does not know opset 18's ReduceMean, whose axes are an input.
        if weight is None:
            return plane.sum(dim=2, keepdim=True) / plane.shape[2]
        return (plane * weight).sum(dim=2, keepdim=True) / weight.sum(dim=2, keepdim=True)

    mean_x, mean_y = mean(x[:, used]), mean(y[:, used])
    level = torch.sqrt(mean_x * mean_x + 1.0)
    length = torch.sqrt(level * level + mean_y * mean_y)
    cos_pan, sin_pan, cos_tilt, sin_tilt = 1.0 / level, mean_x / level, level / length, mean_y / length
    right, ahead = cos_pan * x - sin_pan, sin_pan * x + cos_pan
    down, ahead = cos_tilt * y - sin_tilt * ahead, sin_tilt * y + cos_tilt * ahead
    ahead = ahead.clamp_min(NEAREST)
    x, y = right / ahead, down / ahead
    size = mean(x[:, used].square() + y[:, used].square()).sqrt()  # (B, 1, 1)
    scale = PERSON_SIZE / size.clamp_min(1e-3)
    pan = torch.cat((cos_pan, 0.0 * cos_pan, -sin_pan), dim=2)
    tilt_y = torch.cat((-sin_tilt * sin_pan, cos_tilt, -sin_tilt * cos_pan), dim=2)
    tilt_z = torch.cat((cos_tilt * sin_pan, sin_tilt, cos_tilt * cos_pan), dim=2)
    return x * scale, y * scale, torch.cat((pan, tilt_y, tilt_z), dim=1)


def tilt_of(rotation: Tensor, level: Tensor) -> Tensor:
    """How far the person's view looks down, where the camera is level: what the network is told of gravity.

    Args:
        rotation: (B, 3, 3) from `look_at_person`.
        level: (B,) 1 where the camera's y axis is down, 0 where that is not known.
    Returns:
        (B, TILT_VALUES): cosine of the tilt less 1, its sine, and 1; zeros where down is not known.
    """
    cosine, sine, known = rotation[:, 1, 1:2], rotation[:, 2, 1:2], level[:, None]
    return torch.cat((known * (cosine - 1.0), known * sine, known), dim=1)


def look_back(joints_m: Tensor, rotation: Tensor) -> Tensor:
    """Turn joints from the person's view back to the camera's axes.

    Args:
        joints_m: (B, n, J, 3) in the turned view's axes.
        rotation: (B, 3, 3) from `look_at_person`.
    Returns:
        (B, n, J, 3) in the camera's optical axes.
    """
    rows = rotation[:, None, None]  # (B, 1, 1, 3, 3)
    x, y, z = joints_m[..., 0:1], joints_m[..., 1:2], joints_m[..., 2:3]
    return x * rows[..., 0, :] + y * rows[..., 1, :] + z * rows[..., 2, :]
