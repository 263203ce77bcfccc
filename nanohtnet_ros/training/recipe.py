"""Common part of the recipes of training and pre-training: network and data."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

from nanohtnet_ros.errors import UserError
from nanohtnet_ros.model.nanohtnet import NanoHTNetConfig
from nanohtnet_ros.model.networks import NetworkName
from nanohtnet_ros.model.temporal_conv import TemporalConvConfig
from nanohtnet_ros.training.loop.optimisation import LoopConfig
from nanohtnet_ros.training.sources import SourceOptions, SyntheticViews, TrainingData, open_training_data
from nanohtnet_ros.training.synthesis.synthesis import Synthesis


@dataclass(frozen=True)
class NetworkRecipe(LoopConfig):
    """Training loop, network and data.

    Attributes:
        network: to train.
        model: NanoHTNet's sizes and regularisation.
        temporal_conv: the same of the temporal-convolution baseline.
        source: options of reading the data.
        synthesis: of windows from motion capture.
        data_fraction: of a motion capture's frames to train on.
    """

    network: NetworkName = "nanohtnet"
    model: NanoHTNetConfig = field(default_factory=NanoHTNetConfig)
    temporal_conv: TemporalConvConfig = field(default_factory=TemporalConvConfig)
    source: SourceOptions = field(default_factory=SourceOptions)
    synthesis: Synthesis = field(default_factory=Synthesis)
    data_fraction: float = 1.0

    @property
    def network_config(self) -> NanoHTNetConfig | TemporalConvConfig:
        """The configuration of the chosen network."""
        return self.model if self.network == "nanohtnet" else self.temporal_conv

    def open_data(self, path: Path) -> tuple[TrainingData, TrainingData]:
        """The data to train on, of which `data_fraction` is taken, and the held-out data.

        Raises:
            FileNotFoundError, UserError: see `open_training_data` and `fraction_of`.
        """
        seen, held_out = (open_training_data(path, split, self.synthesis, self.source) for split in ("train", "val"))
        return fraction_of(seen, self.data_fraction), held_out


def fraction_of(data: TrainingData, fraction: float) -> TrainingData:
    """Some of a motion capture's sequences, see `MotionCapture.subset`.

    Raises:
        UserError: the fraction is not in (0, 1], or the data is no motion capture.
    """
    if fraction == 1.0:
        return data
    if not isinstance(data, SyntheticViews):
        raise UserError(f"data_fraction is {fraction}, which is for motion capture: set it to 1")
    return replace(data, capture=data.capture.subset(fraction))
