"""Mixed precision: the mixer stacks in half precision, embeddings and heads in float32."""

from __future__ import annotations

import torch
from torch import nn

from nanohtnet_ros.errors import UserError
from nanohtnet_ros.model.nanohtnet import MixerStack

HALF_TYPES = {"bfloat16": torch.bfloat16, "float16": torch.float16}


def chosen_precision(precision: str, device: torch.device) -> str:
    """What "auto" is on a device: bfloat16, or float32 on a CPU without instructions for it; others are as they are."""
    if precision != "auto":
        return precision
    return "bfloat16" if device.type != "cpu" or torch.cpu._is_avx512_bf16_supported() else "float32"


def run_mixers_in_half(module: nn.Module, precision: str) -> None:
    """Autocast every mixer stack inside a module; "float32" leaves it as it is.

    Raises:
        UserError: there is no mixer stack.
    """
    if precision == "float32":
        return
    stacks = [part for part in module.modules() if isinstance(part, MixerStack)]
    if not stacks:
        raise UserError(
            f"precision is {precision}, which is for mixer stacks, and {type(module).__name__} has none: "
            "set precision to float32"
        )
    for stack in stacks:
        stack.autocast = HALF_TYPES[precision]
