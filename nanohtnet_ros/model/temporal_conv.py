"""Temporal convolutions over the frames of a window: the baseline that NanoHTNet is compared with.

After Pavllo et al., "3D human pose estimation in video with temporal convolutions and semi-supervised training"
(VideoPose3D), CVPR 2019, in the form that computes one window: convolutions with a stride in place of dilated ones.

Letters in shape comments: B windows, T input frames, n output frames, J joints, C channels.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Tensor, nn

from nanohtnet_ros.core.skeleton import H36M_17
from nanohtnet_ros.errors import UserError
from nanohtnet_ros.model.lifting_module import LiftingModule, tilt_layer
from nanohtnet_ros.model.network_config import NetworkConfig


@dataclass(frozen=True)
class TemporalConvConfig(NetworkConfig):
    """Everything that `TemporalConv` needs to be built.

    Widths and dropout are by default the published network's, which gives the middle frame: `output_offsets: null`.

    Attributes:
        window_length: T, input frames; the product of the kernel sizes.
        kept_frames: n, output frames.
        output_offsets: which frames the n outputs are, as offsets from the window's newest frame (0), ascending.
            None: the n frames centred on the window's middle.
        person_view: see `NanoHTNetConfig`.
        zero_root: see `NanoHTNetConfig`.
        uncertainty, confidence, level: see `NetworkConfig`.
        channels: C.
        kernel_sizes: frames that each level merges into one, from the input on.
        dropout: after every activation.
        joint_features: features per output frame and joint in front of the regression head.
    """

    channels: int = 1024
    kernel_sizes: tuple[int, ...] = (3, 3, 3, 3)
    dropout: float = 0.25
    joint_features: int = 16

    def __post_init__(self) -> None:
        super().__post_init__()
        if math.prod(self.kernel_sizes) != self.window_length:
            raise UserError(
                f"kernel_sizes are {list(self.kernel_sizes)}, whose product is {math.prod(self.kernel_sizes)}, "
                f"expected window_length = {self.window_length}: change one of them"
            )

    @property
    def residual_taps(self) -> tuple[int, ...]:
        """Which frame of each group the residual connections take, one per level after the first.

        They lead to the middle output frame: its index in the window, written in the radices of the levels. A network
        that gives the window's middle takes every group's middle, one that gives the newest frame the last.
        """
        offsets = self.frame_offsets
        frame = self.window_length - 1 + offsets[len(offsets) // 2]
        taps = []
        for size in self.kernel_sizes:
            frame, tap = divmod(frame, size)
            taps.append(tap)
        return tuple(taps[1:])


class ConvBlock(nn.Sequential):
    """Convolution without bias, batch norm, ReLU, dropout; (B, in, S) to (B, out, S / size)."""

    def __init__(self, inputs: int, outputs: int, size: int, dropout: float) -> None:
        super().__init__(
            nn.Conv1d(inputs, outputs, kernel_size=size, stride=size, bias=False),
            nn.BatchNorm1d(outputs),
            nn.ReLU(),
            nn.Dropout(dropout),
        )


class ResidualLevel(nn.Module):
    """Merges groups of frames, mixes channels, and adds one frame of each group."""

    def __init__(self, channels: int, size: int, tap: int, dropout: float) -> None:
        super().__init__()
        self.size, self.tap = size, tap
        self.merge = ConvBlock(channels, channels, size, dropout)
        self.mix = ConvBlock(channels, channels, 1, dropout)

    def forward(self, x: Tensor) -> Tensor:
        return x[:, :, self.tap :: self.size] + self.mix(self.merge(x))


class TemporalConv(LiftingModule):
    """Lifts a window of 2D keypoints to root-relative 3D joints by temporal convolutions."""

    config: TemporalConvConfig

    def __init__(self, config: TemporalConvConfig) -> None:
        super().__init__(config)
        J, C = len(H36M_17), config.channels
        self.expand = ConvBlock(config.point_values * J, C, config.kernel_sizes[0], config.dropout)
        if config.level:
            self.tilt = tilt_layer(C)
        self.levels = nn.Sequential(
            *(
                ResidualLevel(C, size, tap, config.dropout)
                for size, tap in zip(config.kernel_sizes[1:], config.residual_taps, strict=True)
            )
        )
        self.shrink = nn.Linear(C, config.kept_frames * J * config.joint_features)
        self.fc = nn.Linear(config.joint_features, 4 if config.uncertainty else 3)

    @property
    def feature_width(self) -> int:
        return self.config.joint_features

    def features(self, points: Tensor, tilt: Tensor | None = None) -> Tensor:
        B, T, J, D = points.shape
        x = self.expand(points.reshape(B, T, J * D).transpose(1, 2))  # (B, C, T / first kernel)
        if tilt is not None:
            x = x + self.tilt(tilt)[:, :, None]
        x = self.levels(x)[:, :, 0]  # (B, C)
        return self.shrink(x).reshape(B, self.config.kept_frames, J, self.config.joint_features)
