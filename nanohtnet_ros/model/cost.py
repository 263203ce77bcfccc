"""Multiply-adds of a network."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode


@torch.no_grad()
def multiply_adds(module: nn.Module, *example: Tensor) -> int:
    """Count the multiply-adds of one pass in evaluation mode.

    Matrix products, convolutions and attention are counted; elementwise operations (norms, activations, additions) are
    not, as usual in papers.

    Args:
        module: any network.
        example: its inputs; the count is for their whole batch.
    """
    training = module.training
    module.eval()
    try:
        with FlopCounterMode(display=False) as counter:
            module(*example)
    finally:
        module.train(training)
    return counter.get_total_flops() // 2
