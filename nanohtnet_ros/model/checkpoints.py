"""Checkpoint files: reading them safely, and networks from them with every tensor's name and shape checked."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from nanohtnet_ros.core.model_card import ModelCard
from nanohtnet_ros.errors import UserError
from nanohtnet_ros.model.lifting_module import LiftingModule
from nanohtnet_ros.model.nanohtnet import NanoHTNet, NanoHTNetConfig
from nanohtnet_ros.model.networks import NETWORK_CONFIGS, Network, build, name_of
from nanohtnet_ros.model.temporal_conv import TemporalConvConfig
from nanohtnet_ros.model.unfolded import unfolded

HEAD = "fc."
MAY_CHANGE = {
    "nanohtnet": {"drop_path", "dropout_spatial", "dropout_temporal", "zero_root", "output_offsets", "uncertainty"},
    "temporal_conv": {"dropout", "zero_root", "uncertainty"},
}
"""Fields in which a training may differ from its starting checkpoint; the others determine what tensors mean."""


def checkpoint_of(network: LiftingModule) -> dict[str, Any]:
    """The content of a network's checkpoint: its name, its configuration and its tensors."""
    return {"network": name_of(network), "config": asdict(network.config), "state_dict": network.state_dict()}


def read_checkpoint(path: Path | str) -> dict[str, Any]:
    """Read a checkpoint's content with `weights_only=True`, so that it cannot run code.

    Args:
        path: a `.pth` file, or a network's `.onnx` file with its card beside it, see `read_exported`.
    Raises:
        FileNotFoundError: no such file.
        UserError: the file is no checkpoint.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"no checkpoint at {path}")
    if Path(path).suffix == ".onnx":
        return read_exported(Path(path))
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise UserError(f"{path} is not a checkpoint that can be read safely: {error}") from error
    if not isinstance(content, dict):
        raise UserError(f"{path} holds a {type(content).__name__}, expected a dict of tensors")
    return content


def read_exported(path: Path) -> dict[str, Any]:
    """The content of a checkpoint with its provenance, `training`, from a file of `nanohtnet export` and its card.

    Raises:
        FileNotFoundError: there is no card.
        UserError: the card says nothing about a training, or the file was exported with `flip` or without `folded`.
        ImportError: onnx is not installed.
    """
    import onnx
    from onnx import numpy_helper

    training = ModelCard.of(path).training
    if "model" not in training:
        raise UserError(f"{path.with_suffix('.json')} does not say how the network was trained")
    content = {"network": "nanohtnet", "config": training["model"], "training": training}
    config = config_of(content, path)
    assert isinstance(config, NanoHTNetConfig)
    exported = {
        entry.name: torch.from_numpy(numpy_helper.to_array(entry).copy()) for entry in onnx.load(path).graph.initializer
    }
    try:
        return {**content, "state_dict": unfolded(exported, config)}
    except (KeyError, RuntimeError) as error:
        raise UserError(
            f"{path} cannot be trained further, its tensors are not those of an export with --folded and without "
            f"--flip: {error}"
        ) from error


def load_network(path: Path | str, swap_arm_tokens: bool = False) -> Network:
    """Load any of our networks, or NanoHTNet in the authors' published layout.

    Our files hold the configuration beside the tensors. A bare state dict is the published layout: sizes are
    inferred from the tensors and a `module.` prefix (DataParallel) is taken off.

    Args:
        path: a `.pth` file.
        swap_arm_tokens: for a bare state dict, see `NanoHTNetConfig.swap_arm_tokens`. It leaves no trace in the
            tensors; with it off the outputs are those of the authors' published code.
    Returns:
        The network in evaluation mode, on the CPU.
    Raises:
        FileNotFoundError: no such file.
        UserError: the file is no checkpoint or one of a pre-training, or a tensor is missing, unexpected or of the
            wrong shape; the message names it.
    """
    content = read_checkpoint(path)
    name = content.get("network", "nanohtnet")
    if name not in NETWORK_CONFIGS:
        raise UserError(f"{path} holds the network '{name}', expected one of {', '.join(NETWORK_CONFIGS)}")
    if content.get("pretrained"):
        raise UserError(f"{path} is pre-trained and has no regression head yet: train with --from {path}")
    tensors = content.get("state_dict", content)
    others = [str(key) for key, value in tensors.items() if not isinstance(value, Tensor)]
    if others:
        raise UserError(f"{path}: {', '.join(others)}: not tensors, expected a state dict")
    tensors = {key.removeprefix("module."): tensor for key, tensor in tensors.items()}
    config = config_of(content, path) if "config" in content else infer_config(tensors, swap_arm_tokens)
    network = build(config)
    problems = tensor_problems(tensors, network.state_dict())
    if problems:
        raise UserError(f"{path} does not fit {config}: " + "; ".join(problems))
    network.load_state_dict(tensors)
    return network.eval()


def load_checkpoint(path: Path | str, swap_arm_tokens: bool = False) -> NanoHTNet:
    """Load a NanoHTNet, see `load_network`.

    Raises:
        UserError: see there, or it is another network.
    """
    network = load_network(path, swap_arm_tokens)
    if not isinstance(network, NanoHTNet):
        raise UserError(f"{path} holds the network '{name_of(network)}', expected a nanohtnet")
    return network


def load_weights(network: Network, path: Path | str) -> None:
    """Copy a checkpoint's weights into a network of the same shape.

    A pre-trained checkpoint has no regression head: the network keeps its own. One without `uncertainty` gives its
    joints to a network with it, which keeps its own row for the expected errors.

    Args:
        network: gets the weights.
        path: the checkpoint.
    Raises:
        FileNotFoundError: no such file.
        UserError: it is another kind of network or was trained with another meaning of its tensors, or a tensor is
            missing, unexpected or of the wrong shape; the message names it.
    """
    content, own = read_checkpoint(path), checkpoint_of(network)
    if "state_dict" not in content:  # the published layout
        content = checkpoint_of(load_checkpoint(path))
    name = content.get("network", "nanohtnet")
    if name != own["network"]:
        raise UserError(f"{path} holds a {name}, the recipe trains a {own['network']}: set network to {name}")
    tensors, expected = content["state_dict"], own["state_dict"]
    if len(tensors.get("fc.bias", ())) == 3 and len(expected["fc.bias"]) == 4:
        tensors = {**tensors, **{key: torch.cat((tensors[key], expected[key][3:])) for key in ("fc.weight", "fc.bias")}}
    if content.get("pretrained"):
        expected = {key: tensor for key, tensor in expected.items() if not key.startswith(HEAD)}
    config = asdict(config_of(content, path))
    problems = tensor_problems(tensors, expected) + [
        f"its {key} is {config[key]}, the recipe's {own['config'][key]}"
        for key in sorted(config.keys() - MAY_CHANGE[name])
        if config[key] != own["config"][key]
    ]
    if problems:
        raise UserError(f"{path} does not fit the recipe's network: " + "; ".join(problems))
    network.load_state_dict(tensors, strict=not content.get("pretrained"))


def config_of(content: dict[str, Any], path: Path | str) -> NanoHTNetConfig | TemporalConvConfig:
    """The configuration that a checkpoint holds.

    Raises:
        UserError: it is another version's, or no such network can be.
    """
    kind = NETWORK_CONFIGS[content.get("network", "nanohtnet")]
    # Earlier versions wrote `joints`, which had to be 17.
    config = {key: value for key, value in content["config"].items() if (key, value) != ("joints", 17)}
    try:
        return kind(**config)
    except TypeError as error:
        raise UserError(
            f"{path}: its configuration is not one of {kind.__name__}: {error}; read it with the version of this "
            "package that wrote it"
        ) from error


def infer_config(state_dict: dict[str, Tensor], swap_arm_tokens: bool = False) -> NanoHTNetConfig:
    """Read a network's sizes off its tensors.

    The number of heads and the dropout rates leave no trace in the tensors: the published network's are taken.

    Raises:
        UserError: a tensor that determines a size is missing or has other dimensions; the message names it.
    """

    def shape(name: str, dims: int) -> tuple[int, ...]:
        if name not in state_dict:
            raise UserError(f"the checkpoint has no tensor '{name}': it is not a NanoHTNet checkpoint")
        if state_dict[name].dim() != dims:
            raise UserError(f"'{name}' has shape {tuple(state_dict[name].shape)}, expected {dims} dimensions")
        return tuple(state_dict[name].shape)

    channels, joint_inputs = shape("patch_embed.weight", 2)
    kept_frames = shape("tem_pos_embed", 3)[1]
    layers = 1 + max(
        (int(name.split(".")[2]) for name in state_dict if name.startswith("Transformer.blocks.")), default=-1
    )
    return NanoHTNetConfig(
        window_length=joint_inputs // 2,
        kept_frames=kept_frames,
        channels=channels,
        layers=layers,
        mlp_hidden=shape("Transformer.blocks.0.mlp.fc1.weight", 2)[0],
        gcn_hidden=shape("Transformer.blocks.0.lgc.gcn1.M", 2)[1],
        joint_features=shape("fc.weight", 2)[1] // 2,
        uncertainty=shape("fc.weight", 2)[0] == 4,
        swap_arm_tokens=swap_arm_tokens,
    )


def tensor_problems(tensors: dict[str, Tensor], expected: dict[str, Tensor]) -> list[str]:
    """What is missing, unexpected or of the wrong shape, one text each."""
    problems = [f"missing '{name}'" for name in sorted(expected.keys() - tensors.keys())]
    problems += [f"unexpected '{name}'" for name in sorted(tensors.keys() - expected.keys())]
    return problems + [
        f"'{name}' has shape {tuple(tensors[name].shape)}, expected {tuple(expected[name].shape)}"
        for name in sorted(expected.keys() & tensors.keys())
        if tensors[name].shape != expected[name].shape
    ]
