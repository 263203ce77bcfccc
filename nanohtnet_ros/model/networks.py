"""The lifting networks by name: building them, and reading their checkpoints."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Literal

import torch

from nanohtnet_ros.errors import UserError
from nanohtnet_ros.model.checkpoints import check_trained, config_of, read_checkpoint, tensor_problems
from nanohtnet_ros.model.config import NanoHTNetConfig
from nanohtnet_ros.model.grow import grow
from nanohtnet_ros.model.nanohtnet import NanoHTNet, load_checkpoint
from nanohtnet_ros.model.temporal_conv import TemporalConv, TemporalConvConfig

NetworkName = Literal["nanohtnet", "temporal_conv"]
NETWORKS = {"nanohtnet": (NanoHTNetConfig, NanoHTNet), "temporal_conv": (TemporalConvConfig, TemporalConv)}
Network = NanoHTNet | TemporalConv
HEAD = "fc."
MAY_CHANGE = {
    "nanohtnet": {"drop_path", "dropout_spatial", "dropout_temporal", "zero_root", "output_offsets", "uncertainty"},
    "temporal_conv": {"dropout", "zero_root", "uncertainty"},
}
"""What a training may start with otherwise than its checkpoint; the rest decides what the tensors mean."""


def build(config: NanoHTNetConfig | TemporalConvConfig) -> Network:
    """The network of a configuration, with random weights."""
    network = next(network for of, network in NETWORKS.values() if isinstance(config, of))
    return network(config)


def checkpoint_of(network: Network) -> dict:
    """The content of a network's checkpoint: its name, its configuration and its tensors."""
    name = next(name for name, (_, kind) in NETWORKS.items() if isinstance(network, kind))
    return {"network": name, "config": asdict(network.config), "state_dict": network.state_dict()}


def load_network(path: Path | str) -> Network:
    """Load any of our networks, or one of the authors' published layout, see `load_checkpoint`.

    Returns:
        The network in evaluation mode, on the CPU.
    Raises:
        FileNotFoundError, ValueError: see `read_checkpoint` and `load_weights`.
    """
    content = read_checkpoint(path)
    name = content.get("network", "nanohtnet")
    if name not in NETWORKS:
        raise UserError(f"{path} holds the network '{name}', expected one of {', '.join(NETWORKS)}")
    check_trained(content, path)
    if name == "nanohtnet":
        return load_checkpoint(path)
    network = build(config_of(content, NETWORKS[name][0], path))
    load_weights(network, path)
    return network.eval()


def load_weights(network: Network, path: Path | str, grows: bool = False) -> None:
    """Copy a checkpoint's weights into a network of the same shape.

    A pre-trained checkpoint has no regression head: the network keeps its own. One without `uncertainty` gives its
    joints to a network with it, which keeps its own row for the expected errors.

    Args:
        network: gets the weights.
        path: the checkpoint.
        grows: let the checkpoint's NanoHTNet have a shorter window and fewer frames, see `grow`.
    Raises:
        FileNotFoundError: no such file.
        ValueError: it is another kind of network or was trained with another meaning of its tensors, or a tensor is
            missing, spare or misshapen; the message names it.
    """
    content = read_checkpoint(path)
    mine = checkpoint_of(network)
    if "state_dict" not in content:  # the published layout
        content = checkpoint_of(load_checkpoint(path))
    name = content.get("network", "nanohtnet")
    if name != mine["network"]:
        raise UserError(f"{path} holds a {name}, the recipe trains a {mine['network']}: set network to {name}")
    if grows:
        if name != "nanohtnet" or content.get("pretrained"):
            raise UserError(f"{path} cannot grow: that is for trained NanoHTNets")
        smaller = load_checkpoint(path)
        content = checkpoint_of(grow(smaller, replace(network.config, uncertainty=smaller.config.uncertainty)))
    tensors, expected = content["state_dict"], mine["state_dict"]
    if len(tensors.get("fc.bias", ())) == 3 and len(expected["fc.bias"]) == 4:
        tensors = {**tensors, **{key: torch.cat((tensors[key], expected[key][3:])) for key in ("fc.weight", "fc.bias")}}
    if content.get("pretrained"):
        expected = {name: tensor for name, tensor in expected.items() if not name.startswith(HEAD)}
    problems = tensor_problems(tensors, expected)
    theirs = asdict(config_of(content, NETWORKS[name][0], path))
    problems += [
        f"its {key} is {theirs[key]}, the recipe's {mine['config'][key]}"
        for key in sorted(theirs.keys() - MAY_CHANGE[name]) if theirs[key] != mine["config"][key]]
    if problems:
        raise UserError(f"{path} does not fit the recipe's network: " + "; ".join(problems))
    network.load_state_dict(tensors, strict=not content.get("pretrained"))
