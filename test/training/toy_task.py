"""A task of the training loop that takes milliseconds: a line through points, with dropout and a state of its own."""

from __future__ import annotations

import torch
from torch import nn

from nanohtnet_ros.training.loop.optimisation import LoopConfig

CONFIG = LoopConfig(
    samples=960,
    batch_size=8,
    learning_rate=0.05,
    warmup_steps=5,
    precision="float32",
    evaluate_every=320,
    save_every=80,
    seed=3,
)


class LineTask:
    def __init__(self, dropout: float = 0.3) -> None:
        torch.manual_seed(0)
        self.module = nn.Sequential(nn.Linear(3, 8), nn.Dropout(dropout), nn.Linear(8, 1))
        self.steps = torch.zeros(1)
        self.before_loss = lambda task: None

    def batch(self, size, rng):
        x = torch.randn(size, 3, generator=rng)
        return x, x @ torch.tensor([[1.0], [-2.0], [0.5]])

    def loss(self, module, batch):
        self.before_loss(self)
        x, y = batch
        distance = (module(x) - y).abs().mean()
        return distance, {"distance": distance}

    def after_step(self):
        self.steps += 1

    def evaluate(self, average):
        x, y = self.batch(64, torch.Generator().manual_seed(0))
        with torch.no_grad():
            return {"error_mm": round(1000.0 * float((average(x) - y).abs().mean()), 3)}

    def extra_state(self):
        return {"steps": self.steps}

    def load_extra_state(self, state):
        self.steps = state["steps"]

    def checkpoint(self, average):
        return {"state_dict": average.state_dict()}
