"""A virtual camera that looks straight at the person, inside the network.

What a keypoint window looks like depends on where in the view a person stands and how far away. Turning a virtual
pan-tilt camera towards them and zooming to a fixed size takes most of that away before the network sees it, and
turning the joints back afterwards loses nothing. After Yu et al., "PCLs: Geometry-aware Neural Reconstruction of
3D Pose with Perspective Crop Layers", CVPR 2021.
"""

from __future__ import annotations

import torch
from torch import Tensor

from nanohtnet_ros.core.camera import FOCAL_NORM

PERSON_SIZE = 0.5  # root-mean-square distance of the newest frame's keypoints from the view's centre
NEAREST = 0.1  # least forward component of a ray in the turned view; guards windows that sweep past 90 degrees


def look_at_person(keypoints: Tensor) -> tuple[Tensor, Tensor]:
    """Turn the view towards the newest frame's keypoints and scale it to their size.

    Args:
        keypoints: (B, T, J, 2) normalised image coordinates.
    Returns:
        (B, T, J, 2) coordinates in the turned and scaled view, and (B, 3, 3) rotations from the camera's optical
        axes to the turned view's: pan about y, then tilt about x, no roll.
    """
    tangents = keypoints / FOCAL_NORM
    # Sums in place of means: TensorRT 8.6 does not know opset 18's ReduceMean, whose axes are an input.
    joints = keypoints.shape[2]
    x, y = (tangents[:, -1].sum(dim=1) / joints).unbind(dim=-1)  # (B,)
    level = torch.sqrt(x * x + 1.0)
    length = torch.sqrt(level * level + y * y)
    cos_pan, sin_pan, cos_tilt, sin_tilt = 1.0 / level, x / level, level / length, y / length
    zero = torch.zeros_like(x)
    rotation = torch.stack(
        (
            torch.stack((cos_pan, zero, -sin_pan), dim=-1),
            torch.stack((-sin_tilt * sin_pan, cos_tilt, -sin_tilt * cos_pan), dim=-1),
            torch.stack((cos_tilt * sin_pan, sin_tilt, cos_tilt * cos_pan), dim=-1),
        ),
        dim=1,
    )
    rows = rotation[:, None, None]  # (B, 1, 1, 3, 3)
    rays = tangents[..., 0:1] * rows[..., 0] + tangents[..., 1:2] * rows[..., 1] + rows[..., 2]  # (B, T, J, 3)
    view = rays[..., :2] / rays[..., 2:].clamp_min(NEAREST)
    size = (view[:, -1:].square().sum(dim=(2, 3), keepdim=True) / joints).sqrt()  # (B, 1, 1, 1)
    return view * (PERSON_SIZE / size.clamp_min(1e-3)), rotation


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
