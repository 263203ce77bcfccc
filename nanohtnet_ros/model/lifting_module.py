"""Base class of lifting networks: features of a window, and a linear layer from each to a joint."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from nanohtnet_ros.core.skeleton import H36M_17
from nanohtnet_ros.model.network_config import NetworkConfig
from nanohtnet_ros.model.person_view import look_at_person, look_back


class LiftingModule(nn.Module, ABC):
    """A 2D-to-3D lifting network; subclasses define `features`, `feature_width` and the linear layer `fc`."""

    config: NetworkConfig
    fc: nn.Linear
    not_root: Tensor

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        self.register_buffer("not_root", (torch.arange(len(H36M_17)) > 0).float()[:, None], persistent=False)

    @property
    @abstractmethod
    def feature_width(self) -> int:
        """Features per output frame and joint that `features` gives."""

    @abstractmethod
    def features(self, keypoints: Tensor) -> Tensor:
        """(B, n, J, feature_width) features of windows (B, T, J, 2); the regression head turns each into a joint."""

    def forward(self, keypoints: Tensor) -> Tensor:
        """Lift windows.

        Args:
            keypoints: (B, T, J, 2) float32, Human3.6M order, normalised image coordinates.
        Returns:
            (B, n, J, 3) float32, metres, optical axes, relative to joint 0, whose own output is to be overwritten
            with zero, never subtracted (with `zero_root` it is zero). With `uncertainty` (B, n, J, 4), the fourth
            value being the natural logarithm of the joint's expected error in metres.
        """
        if not self.config.person_view:
            return self.regress(self.features(keypoints))
        view, rotation = look_at_person(keypoints, self.config.used_offset)
        return self.regress(self.features(view), rotation)

    def regress(self, features: Tensor, rotation: Tensor | None = None) -> Tensor:
        """(B, n, J, 3 or 4) joints from `features`; `rotation` (B, 3, 3) turns them back to the camera's axes."""
        out = self.fc(features)
        joints, log_error = out[..., :3], out[..., 3:]
        if self.config.zero_root:
            joints = joints * self.not_root
        if rotation is not None:
            joints = look_back(joints, rotation)
        return torch.cat((joints, log_error), dim=-1) if self.config.uncertainty else joints
