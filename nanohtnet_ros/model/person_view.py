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
    planes, rotation = turn_to_person(keypoints.permute(0, 3, 1, 2), offset, confidence)
    return planes.permute(0, 2, 3, 1), rotation


def turn_to_person(planes: Tensor, offset: int = 0, confidence: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """`look_at_person` on planes of coordinates, (B, 2, T, J), which runtimes process several times as fast."""
    T, J = planes.shape[2:]
    used = slice(T - 1 + offset, T + offset)
    weight = None if confidence is None else confidence[:, None, used] + LEAST_WEIGHT  # (B, 1, 1, J)

    def mean(plane: Tensor) -> Tensor:  # (B, 2, 1, J) to (B, 2, 1)
        # Sums in place of means: TensorRT 8.6 does not know opset 18's ReduceMean, whose axes are an input.
        if weight is None:
            return plane.sum(dim=3) / J
        return (plane * weight).sum(dim=3) / weight.sum(dim=3)

    x, y = (mean(planes[:, :, used]) / FOCAL_NORM).split(1, dim=1)  # (B, 1, 1)
    zero, level_square = 0.0 * x, x * x + 1.0
    one, level, length = zero + 1.0, torch.sqrt(level_square), torch.sqrt(level_square + y * y)
    pan, tilt_y, tilt_z = (one, zero, -x), (-x * y, level_square, -y), (x, y, one)  # rows, not of unit length yet
    lengths = torch.cat((level, level * length, length), dim=1)  # (B, 3, 1)
    rotation = torch.cat((*pan, *tilt_y, *tilt_z), dim=2).reshape(-1, 3, 3) / lengths
    turned = (rotation[:, :, :2] / FOCAL_NORM) @ planes.reshape(-1, 2, T * J) + rotation[:, :, 2:]
    points = (turned[:, :2] / turned[:, 2:].clamp_min(NEAREST)).reshape(-1, 2, T, J)
    size = mean(points[:, :, used].square()).sum(dim=1, keepdim=True).sqrt()  # (B, 1, 1)
    return points * (PERSON_SIZE / size.clamp_min(1e-3))[..., None], rotation


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
    return (joints_m.flatten(1, 2) @ rotation).reshape(joints_m.shape)
