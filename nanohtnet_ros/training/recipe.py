"""What the recipes of training and pre-training share: a network, and the data that it learns from."""

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
    """A training loop, the network that it trains, and what of the data it sees.

    Attributes:
        network: which of the two networks to train.
        model: NanoHTNet's sizes and regularisation.
        temporal_conv: the same of the baseline of temporal convolutions.
        source: how the data is read.
        synthesis: how motion capture becomes windows.
        data_share: learn from this share of a motion capture's frames.
    """

    network: NetworkName = "nanohtnet"
    model: NanoHTNetConfig = field(default_factory=NanoHTNetConfig)
    temporal_conv: TemporalConvConfig = field(default_factory=TemporalConvConfig)
    source: SourceOptions = field(default_factory=SourceOptions)
    synthesis: Synthesis = field(default_factory=Synthesis)
    data_share: float = 1.0

    @property
    def network_config(self) -> NanoHTNetConfig | TemporalConvConfig:
        """The configuration of the chosen network."""
        return self.model if self.network == "nanohtnet" else self.temporal_conv

    def open_data(self, path: Path) -> tuple[TrainingData, TrainingData]:
        """The data to learn from, of which `data_share` is taken, and the held-out data.

        Raises:
            ValueError: see `open_training_data` and `share_of`.
        """
        seen, held_out = (open_training_data(path, split, self.synthesis, self.source) for split in ("train", "val"))
        return share_of(seen, self.data_share), held_out


def share_of(data: TrainingData, share: float) -> TrainingData:
    """Some of a motion capture's sequences, see `MotionCapture.subset`.

    Raises:
        ValueError: there is no such share, or the data is no motion capture.
    """
    if share == 1.0:
        return data
    if not isinstance(data, SyntheticViews):
        raise UserError(f"data_share is {share}, which is for motion capture: set it to 1")
    return replace(data, capture=data.capture.subset(share))
