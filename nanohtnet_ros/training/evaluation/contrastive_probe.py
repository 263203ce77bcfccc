"""Evaluation of a pre-trained encoder: retrieval across views, and a linear probe."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from nanohtnet_ros.model.network_config import NetworkConfig
from nanohtnet_ros.model.poseclr import ContrastiveEncoder
from nanohtnet_ros.training.data.windows import TrainingData

SEED = 7
RIDGE = 1e-3  # of the probe's normal equations, relative to their mean diagonal


@dataclass(frozen=True)
class ContrastiveProbe:
    """Fixed windows to evaluate encoders on.

    Attributes:
        views: (2, M, T, 17, 3) keypoints of M held-out moments in two cameras.
        level: (2, M) whether they are levelled.
        sequence, frame: (M,) each moment's recording and newest frame.
        exclusion_frames: frames of the same recording that count as the same moment.
        fit: (B, T, 17, 3) keypoints, (B,) level and (B, n, 17, 3) joints, metres, of training motion.
        test: the same of held-out motion.
    """

    views: Tensor
    level: Tensor
    sequence: Tensor
    frame: Tensor
    exclusion_frames: int
    fit: tuple[Tensor, Tensor, Tensor]
    test: tuple[Tensor, Tensor, Tensor]

    @classmethod
    def draw(
        cls,
        source: TrainingData,
        held_out: TrainingData,
        config: NetworkConfig,
        exclusion_frames: int,
        moments: int = 512,
    ) -> ContrastiveProbe:
        """Draw the windows.

        Args:
            source: training motion.
            held_out: other motion.
            config: of the network.
            exclusion_frames: see the attributes.
            moments: M; the probe is fitted on twice as many windows.
        """
        rng = torch.Generator().manual_seed(SEED)
        length, offsets = config.window_length, config.frame_offsets
        return cls(
            *held_out.views(moments, 2, length, rng),
            exclusion_frames,
            source.batch(2 * moments, length, offsets, rng),
            held_out.batch(moments, length, offsets, rng),
        )

    @torch.no_grad()
    def score(self, module: ContrastiveEncoder) -> dict[str, float]:
        """Measure an encoder.

        Returns:
            `view_top1`: top-1 accuracy of retrieving a window's moment among all moments in the other camera; moments
            near it in the same recording are left out.
            `probe_mpjpe_mm`: error of a linear layer fitted to the features by least squares. It predicts joints in
            the camera's axes, which view-invariant keys need not encode.
        """
        module.eval()
        return {"view_top1": round(self._view_top1(module), 4), "probe_mpjpe_mm": round(self._probe_mm(module), 2)}

    def _view_top1(self, module: ContrastiveEncoder) -> float:
        device = next(module.parameters()).device
        views, level, sequence, frame = (x.to(device) for x in (self.views, self.level, self.sequence, self.frame))
        similarity = module(views[0], level[0]) @ module(views[1], level[1]).T  # (M, M)
        near = (sequence == sequence[:, None]) & ((frame - frame[:, None]).abs() <= self.exclusion_frames)
        own = torch.eye(len(sequence), dtype=torch.bool, device=device)
        nearest = similarity.masked_fill(near & ~own, -1.0).argmax(dim=1)
        return (nearest == torch.arange(len(nearest), device=device)).float().mean().item()

    def _probe_mm(self, module: ContrastiveEncoder) -> float:
        features, joints_m = probe_rows(module, *self.fit)
        gram = features.T @ features
        gram += RIDGE * gram.diagonal().mean() * torch.eye(len(gram), dtype=gram.dtype, device=gram.device)
        layer = torch.linalg.solve(gram, features.T @ joints_m)
        features, joints_m = probe_rows(module, *self.test)
        return 1000.0 * (features @ layer - joints_m).norm(dim=-1).mean().item()


def probe_rows(module: ContrastiveEncoder, keypoints: Tensor, level: Tensor, joints_m: Tensor) -> tuple[Tensor, Tensor]:
    """Features and joints, one row per window, frame and joint; the root, which is zero, is left out.

    With `person_view` the joints are rotated into it, where the regression head predicts them.

    Returns:
        (R, F + 1) features and a one, (R, 3) metres; float64.
    """
    device = next(module.parameters()).device
    joints_m = joints_m.to(device)
    features, rotation = module.encoder.encode(keypoints.to(device), level.to(device))
    if rotation is not None:
        joints_m = torch.einsum("bij,bnkj->bnki", rotation, joints_m)
    features = features[:, :, 1:].double().flatten(0, 2)
    return torch.cat((features, torch.ones_like(features[:, :1])), dim=1), joints_m[:, :, 1:].double().flatten(0, 2)
