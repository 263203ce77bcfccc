"""Training of lifting networks on windows of keypoints."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor, nn

from nanohtnet_ros.model.checkpoints import checkpoint_of, load_weights
from nanohtnet_ros.model.networks import Network, build
from nanohtnet_ros.training.data.windows import EvaluationSet, TrainingData
from nanohtnet_ros.training.evaluate import score, torch_lift
from nanohtnet_ros.training.loop.distributed import Device, Machine, open_machine
from nanohtnet_ros.training.loop.loop import run
from nanohtnet_ros.training.loop.provenance import MADE_WITH, made_with, record_of
from nanohtnet_ros.training.losses import Losses
from nanohtnet_ros.training.recipe import NetworkRecipe

EVALUATION_STRIDE = 20
"""Frames between two windows that are evaluated during a training."""


@dataclass(frozen=True)
class Recipe(NetworkRecipe):
    """Everything that decides a training's outcome, but the data.

    Attributes:
        losses: weights of the loss's terms.
    """

    losses: Losses = field(default_factory=Losses)


class LiftingTask:
    """Trains a network to lift windows.

    Args:
        network: to train; it is moved to the machine's device.
        recipe: what to train it for.
        data: windows to train on.
        held_out: windows to evaluate on.
        machine: where it is trained.
    Raises:
        ValueError: the losses do not fit the network.
    """

    def __init__(
        self, network: Network, recipe: Recipe, data: TrainingData, held_out: TrainingData, machine: Machine
    ) -> None:
        config = network.config
        recipe.losses.check(len(config.frame_offsets), config.uncertainty)
        self.module = network.to(machine.device)
        self.losses = recipe.losses
        self.data = data.to(machine.device) if recipe.batches_on == "device" else data
        self.held_out = held_out
        self.window_length, self.offsets = config.window_length, config.frame_offsets

    @cached_property
    def evaluation_set(self) -> EvaluationSet:
        return self.held_out.evaluation_set(self.window_length, self.offsets, EVALUATION_STRIDE)

    def batch(self, size: int, rng: torch.Generator) -> tuple[Tensor, ...]:
        return self.data.batch(size, self.window_length, self.offsets, rng)

    def loss(self, module: nn.Module, batch: tuple[Tensor, ...]) -> tuple[Tensor, dict[str, Tensor]]:
        keypoints, target_m = batch
        return self.losses(module(keypoints), target_m, self.offsets)

    def after_step(self) -> None:
        """Nothing follows a step."""

    def evaluate(self, average: nn.Module) -> dict[str, float]:
        return score(torch_lift(average), self.evaluation_set, self.offsets)

    def extra_state(self) -> dict[str, Tensor]:
        return {}

    def load_extra_state(self, state: dict[str, Tensor]) -> None:
        """There is none."""

    def checkpoint(self, average: nn.Module) -> dict:
        return checkpoint_of(average)


def train(
    data: Path, out: Path, recipe: Recipe, start: Path | None = None, grow: bool = False, device: Device = "auto",
    threads: int = 0, workers: int = 0,
) -> None:
    """Train a lifting network on motion capture through random virtual cameras, or on recorded views.

    Writes into OUT `checkpoint.pth` (averaged weights), `log.jsonl`, TensorBoard events, `recipe.json`, and at the
    end `curves.png`. The same command goes on with a training that was interrupted. Started by torchrun, the
    processes share every batch.

    Args:
        data: motion file (.npz), or folder of .bvh files, of Human3.6M's or of MPI-INF-3DHP's archives.
        out: folder for the results.
        recipe: what to train and how.
        start: also --from. Checkpoint to begin with, its weights only: of an earlier training, whose record is kept
            in the new one, or of a pre-training, whose regression head is replaced by a new one.
        grow: let the checkpoint to begin with have a shorter window and fewer coefficients than the recipe's model.
        device: where to train.
        threads: CPU threads of each process, 0 for all.
        workers: processes beside each one that make batches ahead of time, 0 to make each when it is needed; for
            training on a GPU.
    """
    with open_machine(device, threads) as machine:
        torch.manual_seed(recipe.seed)
        network = build(recipe.network_config)
        if start is not None:
            load_weights(network, start, grow)
        seen, held_out = recipe.open_data(data)
        record = {**asdict(recipe), "data_sha256": seen.sha256, MADE_WITH: made_with()}
        if start is not None:
            record["start"] = {**record_of(start), "sha256": hashlib.sha256(start.read_bytes()).hexdigest()}
        run(LiftingTask(network, recipe, seen, held_out, machine), recipe, out, record, machine, workers)
