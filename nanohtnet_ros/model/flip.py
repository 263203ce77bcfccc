"""Mirroring, and test-time flip averaging as a module."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from nanohtnet_ros.core.skeleton import H36M_17


def mirrored(points: Tensor, axis: int = 0) -> Tensor:
    """Mirror people, left for right.

    Args:
        points: (..., 17, D) keypoints or joints, Human3.6M order.
        axis: the coordinate that changes its sign; x in the image and in the camera's axes.
    Returns:
        (..., 17, D), a new tensor.
    """
    order = torch.tensor(H36M_17.flip_order.tolist(), device=points.device)
    sign = [-1.0 if i == axis else 1.0 for i in range(points.shape[-1])]
    return points.index_select(points.dim() - 2, order) * torch.tensor(sign, dtype=points.dtype, device=points.device)


class FlipAveraged(nn.Module):
    """Lifts every window and its mirror image in one batch, and averages.

    Test-time flip augmentation as in Pavllo et al., CVPR 2019: the mean is exactly symmetric, and errors partly cancel,
    at twice the cost.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, keypoints: Tensor, level: Tensor | None = None) -> Tensor:
        """(B, n, 17, 3 or 4) outputs for windows (B, T, 17, 2 or 3), see `LiftingModule.forward`."""
        both = torch.cat((keypoints, mirrored(keypoints)))  # (2*B, T, 17, 2 or 3)
        levels = () if level is None else (torch.cat((level, level)),)
        plain, flipped = self.network(both, *levels).unflatten(0, (2, -1)).unbind(0)
        return (plain + mirrored(flipped)) / 2
