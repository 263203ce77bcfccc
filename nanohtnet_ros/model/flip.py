"""The mean of a network's answer and that to the mirrored image, as one network."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from nanohtnet_ros.core.skeleton import H36M_17


class FlipAveraged(nn.Module):
    """Lifts every window twice, as it is and mirrored, in one batch, and averages.

    A network is not exactly symmetric; the mean is, and its errors partly cancel (test-time flip augmentation, as in
    Pavllo et al., CVPR 2019). It takes twice the work.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("order", torch.tensor(H36M_17.flip_order.tolist()), persistent=False)

    def mirrored(self, points: Tensor) -> Tensor:
        """(..., 17, D) points with x negated and left and right exchanged."""
        points = points.index_select(points.dim() - 2, self.order)
        return torch.cat((-points[..., :1], points[..., 1:]), dim=-1)

    def forward(self, keypoints: Tensor) -> Tensor:
        """(B, n, 17, 3 or 4) outputs for windows (B, T, 17, 2), see `NanoHTNet.forward`."""
        both = torch.stack((keypoints, self.mirrored(keypoints))).flatten(0, 1)  # (2*B, T, 17, 2)
        seen, mirrored = self.network(both).unflatten(0, (2, -1)).unbind(0)
        return (seen + self.mirrored(mirrored)) / 2
