"""Optimiser, learning-rate schedule and weight averaging."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import nn

from nanohtnet_ros.errors import UserError


@dataclass(frozen=True)
class LoopConfig:
    """Settings of the training loop. Lengths are counted in samples, so that they do not depend on the batch size.

    Attributes:
        samples: windows (or moments) in total.
        batch_size: of one step, over all processes.
        shards: parts of a batch with a random generator each; a multiple of the processes. The same number of shards
            gives the same batches in any number of processes. None: one for each process.
        optimizer: AdamW, or Adam in its AMSGrad form as in the paper, which has no weight decay.
        learning_rate: the maximum, after the warm-up.
        weight_decay: AdamW's, on matrices.
        schedule: "cosine" decays to zero along a half cosine; "halving" halves every `halving_samples`.
        halving_samples: samples between two halvings; the paper's are five epochs.
        warmup_steps: steps of linear rise.
        clip_norm: maximum norm of the gradient.
        ema_decay: of the moving average of the weights that is evaluated and kept.
        precision: of the mixer stacks; embeddings and heads stay in float32, since keypoints lose millimetres
            otherwise. float16 scales the loss. "auto" is bfloat16, or float32 on a CPU that cannot compute with it.
        evaluate_every: samples between two evaluations.
        save_every: samples between two states to resume from; an evaluation saves one too.
        batches_on: device to draw batches on: "cpu", or "device" for that of the training. Their random numbers differ.
        seed: of the weights, the batches and the dropout.
    """

    samples: int = 4_000_000
    batch_size: int = 128
    shards: int | None = None
    optimizer: Literal["adamw", "adam"] = "adamw"
    learning_rate: float = 4e-3
    weight_decay: float = 0.01
    schedule: Literal["cosine", "halving"] = "cosine"
    halving_samples: int = 7_800_000
    warmup_steps: int = 200
    clip_norm: float = 1.0
    ema_decay: float = 0.999
    precision: Literal["auto", "bfloat16", "float16", "float32"] = "auto"
    evaluate_every: int = 200_000
    save_every: int = 50_000
    batches_on: Literal["cpu", "device"] = "cpu"
    seed: int = 1

    def __post_init__(self) -> None:
        for name in ("samples", "batch_size", "halving_samples", "evaluate_every", "save_every"):
            if getattr(self, name) < 1:
                raise UserError(f"{name} is {getattr(self, name)}, expected 1 or more")
        if self.shards is not None and (self.shards < 1 or self.batch_size % self.shards):
            raise UserError(f"shards is {self.shards}, expected a divisor of the batch size {self.batch_size}")

    @property
    def steps(self) -> int:
        """Optimiser steps in total."""
        return math.ceil(self.samples / self.batch_size)

    def steps_between(self, samples: int) -> int:
        """Whole steps, at least one, of a number of samples."""
        return max(1, samples // self.batch_size)


def optimizer_for(module: nn.Module, config: LoopConfig) -> torch.optim.Optimizer:
    """The configured optimiser; AdamW decays matrices, but no norms, biases or positions."""
    trained = [p for p in module.parameters() if p.requires_grad]
    if config.optimizer == "adam":
        return torch.optim.Adam(trained, lr=config.learning_rate, amsgrad=True)
    decayed, others = [p for p in trained if p.dim() == 2], [p for p in trained if p.dim() != 2]
    return torch.optim.AdamW(
        [{"params": decayed, "weight_decay": config.weight_decay}, {"params": others, "weight_decay": 0.0}],
        lr=config.learning_rate,
    )


def learning_rate_factor(step: int, config: LoopConfig) -> float:
    """Learning rate at a step over the maximum."""
    warmup = min(1.0, (step + 1) / max(1, config.warmup_steps))
    if config.schedule == "halving":
        return warmup * 0.5 ** (step * config.batch_size // config.halving_samples)
    return warmup * 0.5 * (1.0 + math.cos(math.pi * step / config.steps))


@torch.no_grad()
def update_average(average: nn.Module, module: nn.Module, decay: float) -> None:
    """Exponential moving average of a module's parameters; buffers (batch norm's) are copied."""
    for mean, new in zip(average.parameters(), module.parameters(), strict=True):
        mean.lerp_(new, 1.0 - decay)
    for copied, buffer in zip(average.buffers(), module.buffers(), strict=True):
        copied.copy_(buffer)
