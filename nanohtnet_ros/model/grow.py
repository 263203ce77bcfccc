"""A longer window and more coefficients for a trained network, so that its training need not start over."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from nanohtnet_ros.model.config import NanoHTNetConfig
from nanohtnet_ros.model.nanohtnet import NanoHTNet


def grow(model: NanoHTNet, config: NanoHTNetConfig) -> NanoHTNet:
    """Carry a network's weights over to one with a longer window and more kept frames.

    The spatial stream stays what it was: it does not look at the older frames at first, and gives each output frame
    what the trained network gives the nearest one of its own. The temporal stream starts from the coefficients of
    the nearest frequency, which is only nearly the same; training mends the rest.

    Args:
        model: the trained network.
        config: the larger one's; but for window_length, kept_frames, output_offsets and drop_path it must be the
            trained network's.
    Returns:
        The larger network.
    Raises:
        ValueError: the larger network is smaller, or differs in anything else.
    """
    old = model.config
    free = {name: getattr(config, name) for name in (
        "window_length", "kept_frames", "output_offsets", "drop_path", "dropout_spatial", "dropout_temporal")}
    if replace(old, **free) != config:
        raise ValueError(f"cannot grow {old} into {config}: only the window and the outputs may differ")
    T, n = old.window_length, old.kept_frames
    if config.window_length < T or config.kept_frames < n:
        raise ValueError(
            f"cannot grow {T} frames and {n} coefficients into {config.window_length} and {config.kept_frames}: "
            "both may only become more")
    stretch = config.window_length / T
    frequency = torch.arange(config.kept_frames)  # k of the longer window is k / stretch of the shorter one
    token = (frequency / stretch).round().long().clamp_max(n - 1)
    offsets = torch.tensor(old.frame_offsets)
    nearest = torch.stack([(offsets - offset).abs().argmin() for offset in config.frame_offsets])

    state = dict(model.state_dict())
    state["patch_embed.weight"] = pad_oldest(state["patch_embed.weight"], 2 * (config.window_length - T))
    for name in ("fcn_spa.weight", "fcn_spa.bias"):  # rows: frame, then feature
        state[name] = state[name].unflatten(0, (n, old.joint_features))[nearest].flatten(0, 1)
    state["tem_patch_embed.weight"] = state["tem_patch_embed.weight"] / stretch  # sums over more frames are larger
    state["tem_pos_embed"] = state["tem_pos_embed"][:, token]
    for name in [name for name in state if name.startswith("tem_Transformer") and ".lgc.gcn" in name]:
        if name.endswith(".M"):
            state[name] = state[name][token]
        elif name.endswith(".adj2"):
            state[name] = state[name][token][:, token]
    larger = NanoHTNet(config)
    larger.load_state_dict(state)
    return larger


def pad_oldest(weight: Tensor, columns: int) -> Tensor:
    """(C, columns + old) weights that ignore the older frames, which come first."""
    return torch.cat((weight.new_zeros(len(weight), columns), weight), dim=1)
