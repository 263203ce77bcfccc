"""Longer windows, more coefficients or other output frames for a trained network, as a start for further training."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from nanohtnet_ros.errors import UserError
from nanohtnet_ros.model.nanohtnet import NanoHTNet, NanoHTNetConfig


def grow(model: NanoHTNet, config: NanoHTNetConfig) -> NanoHTNet:
    """Carry a network's weights over to one with a longer window, more kept frames, or other output frames.

    The spatial stream computes what it did: around the used frame it has the trained weights and zeros for new frames,
    and each output frame starts as the nearest one of the trained network, both relative to the used frame. The
    temporal stream starts from the coefficients of the nearest frequency, which is an approximation to train on from.

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
    free = {
        name: getattr(config, name)
        for name in (
            "window_length",
            "kept_frames",
            "output_offsets",
            "drop_path",
            "dropout_spatial",
            "dropout_temporal",
        )
    }
    if replace(old, **free) != config:
        raise UserError(f"cannot grow {old} into {config}: only the window and the outputs may differ")
    T, n = old.window_length, old.kept_frames
    if config.window_length < T or config.kept_frames < n:
        raise UserError(
            f"cannot grow {T} frames and {n} coefficients into {config.window_length} and {config.kept_frames}: "
            "neither may shrink"
        )
    stretch = config.window_length / T
    frequency = torch.arange(config.kept_frames)  # k of the longer window is k / stretch of the shorter one
    token = (frequency / stretch).round().long().clamp_max(n - 1)
    shift = config.used_offset - old.used_offset
    offsets = torch.tensor(old.frame_offsets) + shift
    nearest = torch.stack([(offsets - offset).abs().argmin() for offset in config.frame_offsets])

    state = dict(model.state_dict())
    state["patch_embed.weight"] = move_frames(state["patch_embed.weight"], config.window_length, shift)
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


def move_frames(weight: Tensor, length: int, shift: int) -> Tensor:
    """Weights (C, T * 2) of frames for a window of another length (C, length * 2), applied `shift` frames later.

    Weights of frames before the first are added to the first, as if it were repeated. Both windows end at 0.
    """
    old = weight.unflatten(1, (-1, 2))  # (C, T, 2)
    place = (torch.arange(old.shape[1]) + length - old.shape[1] + shift).clamp_min(0)
    kept = place < length
    moved = old.new_zeros(len(old), length, 2).index_add(1, place[kept], old[:, kept])
    return moved.flatten(1)
