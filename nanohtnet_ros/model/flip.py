"""Mirror images, and the mean of a network's answer and that to the mirrored image as one network."""

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
    """Lifts every window twice, as it is and mirrored, in one batch, and averages.

    A network is not exactly symmetric; the mean is, and its errors partly cancel (test-time flip augmentation, as in
    Pavllo et al., CVPR 2019). It takes twice the work.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, keypoints: Tensor) -> Tensor:
        """(B, n, 17, 3 or 4) outputs for windows (B, T, 17, 2), see `NanoHTNet.forward`."""
        both = torch.stack((keypoints, mirrored(keypoints))).flatten(0, 1)  # (2*B, T, 17, 2)
        seen, other = self.network(both).unflatten(0, (2, -1)).unbind(0)
        return (seen + mirrored(other)) / 2
