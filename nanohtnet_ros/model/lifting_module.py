"""Base class of lifting networks: features of a window, and a linear layer from each to a joint."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from nanohtnet_ros.core.skeleton import H36M_17
from nanohtnet_ros.model.network_config import NetworkConfig
from nanohtnet_ros.model.person_view import TILT_VALUES, look_at_person, look_back, tilt_of


def tilt_layer(channels: int) -> nn.Linear:
    """A layer from `tilt_of` to channels that are added to all tokens; zero at first."""
    layer = nn.Linear(TILT_VALUES, channels, bias=False)
    nn.init.zeros_(layer.weight)
    return layer


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
    def features(self, points: Tensor, tilt: Tensor | None = None) -> Tensor:
        """Features of windows; the regression head turns each into a joint.

        Args:
            points: (B, T, J, point_values) x, y and, with `confidence`, the doubt: 1 - confidence.
            tilt: (B, TILT_VALUES) from `tilt_of`, only of a network with `level`; None: zeros.
        Returns:
            (B, n, J, feature_width).
        """

    def forward(self, keypoints: Tensor, level: Tensor | None = None) -> Tensor:
        """Lift windows.

        Args:
            keypoints: (B, T, J, 2 or 3) float32, Human3.6M order, normalised image coordinates and the detector's
                confidence in [0, 1], 0 where a joint is missing; needed with `confidence`, left out without.
            level: (B,) float32, 1 where the window is levelled, 0 where down is not known; None: zeros.
        Returns:
            (B, n, J, 3) float32, metres, optical axes, relative to joint 0, whose own output is to be overwritten
            with zero, never subtracted (with `zero_root` it is zero). With `uncertainty` (B, n, J, 4), the fourth
            value being the natural logarithm of the joint's expected error in metres.
        """
        return self.regress(*self.encode(keypoints, level))

    def encode(self, keypoints: Tensor, level: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """Features of windows, and the rotation to the person's view in which they are; see `forward` and `regress`."""
        config = self.config
        points, confidence = keypoints[..., :2], keypoints[..., 2] if config.confidence else None
        rotation = tilt = None
        if config.person_view:
            points, rotation = look_at_person(points, config.used_offset, confidence)
            tilt = None if level is None or not config.level else tilt_of(rotation, level)
        if confidence is not None:
            points = torch.cat((points, 1.0 - confidence[..., None]), dim=-1)
        return self.features(points, tilt), rotation

    def regress(self, features: Tensor, rotation: Tensor | None = None) -> Tensor:
        """(B, n, J, 3 or 4) joints from `features`; `rotation` (B, 3, 3) turns them back to the camera's axes."""
        out = self.fc(features)
        joints, log_error = out[..., :3], out[..., 3:]
        if self.config.zero_root:
            joints = joints * self.not_root
        if rotation is not None:
            joints = look_back(joints, rotation)
        return torch.cat((joints, log_error), dim=-1) if self.config.uncertainty else joints
