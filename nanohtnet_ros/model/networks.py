"""The lifting networks by name."""

from __future__ import annotations

from typing import Literal

from nanohtnet_ros.model.lifting_module import LiftingModule
from nanohtnet_ros.model.nanohtnet import NanoHTNet, NanoHTNetConfig
from nanohtnet_ros.model.temporal_conv import TemporalConv, TemporalConvConfig

NetworkName = Literal["nanohtnet", "temporal_conv"]
Network = NanoHTNet | TemporalConv
NETWORK_CONFIGS: dict[str, type[NanoHTNetConfig] | type[TemporalConvConfig]] = {
    "nanohtnet": NanoHTNetConfig,
    "temporal_conv": TemporalConvConfig,
}


def build(config: NanoHTNetConfig | TemporalConvConfig) -> Network:
    """The network of a configuration, with random weights."""
    return NanoHTNet(config) if isinstance(config, NanoHTNetConfig) else TemporalConv(config)


def name_of(network: LiftingModule) -> NetworkName:
    """The name that recipes and checkpoints have for a network."""
    return "nanohtnet" if isinstance(network, NanoHTNet) else "temporal_conv"
