"""Mixed precision: the mixer stacks in half precision, embeddings and heads in float32."""

from __future__ import annotations

from types import MethodType

import torch
from torch import Tensor, nn

from nanohtnet_ros.errors import UserError
from nanohtnet_ros.model.nanohtnet import MixerStack

HALF_TYPES = {"bfloat16": torch.bfloat16, "float16": torch.float16}


def run_mixers_in_half(module: nn.Module, precision: str) -> None:
    """Autocast every mixer stack inside a module; "float32" leaves it as it is.

    Raises:
        ValueError: there is no mixer stack.
    """
    if precision == "float32":
        return
    dtype = HALF_TYPES[precision]
    stacks = [part for part in module.modules() if isinstance(part, MixerStack)]
    if not stacks:
        raise UserError(
            f"precision is {precision}, which is for mixer stacks, and {type(module).__name__} has none: "
            "set precision to float32")

    def forward(self: MixerStack, x: Tensor) -> Tensor:
        with torch.autocast(x.device.type, dtype):
            return MixerStack.forward(self, x).float()

    for stack in stacks:
        stack.forward = MethodType(forward, stack)  # a bound method, so that copies of the module run their own
