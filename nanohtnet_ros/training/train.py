"""Training of lifting networks on windows of keypoints."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor, nn

from nanohtnet_ros.model.checkpoints import checkpoint_of, load_weights
from nanohtnet_ros.model.networks import Network, build
from nanohtnet_ros.runtime.model_store import find_model
from nanohtnet_ros.training.data.archives import sha256_of
from nanohtnet_ros.training.data.windows import EvaluationSet, Ground, TrainingData
from nanohtnet_ros.training.evaluate import score, torch_lift
from nanohtnet_ros.training.loop.distributed import Device, Process, open_process
from nanohtnet_ros.training.loop.loop import run
from nanohtnet_ros.training.loop.provenance import MADE_WITH, made_with, provenance_of
from nanohtnet_ros.training.losses import Losses
from nanohtnet_ros.training.recipe import NetworkRecipe

EVALUATION_STRIDE = 20
"""Frames between two windows that are evaluated during a training."""


@dataclass(frozen=True)
class Recipe(NetworkRecipe):
    """Everything but the data that determines the result of a training.

    Attributes:
        losses: weights of the loss's terms.
    """

    losses: Losses = field(default_factory=Losses)


class LiftingTask:
    """Trains a network to lift windows.

    Args:
        network: to train; it is moved to the process's device.
        recipe: of the training.
        data: to train on.
        held_out: to evaluate on.
        process: device and rank.
    Raises:
        UserError: the losses do not fit the network.
    """

    def __init__(
        self, network: Network, recipe: Recipe, data: TrainingData, held_out: TrainingData, process: Process
    ) -> None:
        config = network.config
        recipe.losses.check(len(config.frame_offsets), config.uncertainty)
        self.module: Network = network.to(process.device)
        self.losses = recipe.losses
        self.data = data.to(process.device) if recipe.batches_on == "device" else data
        self.held_out = held_out
        self.window_length, self.offsets = config.window_length, config.frame_offsets

    @cached_property
    def evaluation_sets(self) -> dict[str, EvaluationSet]:
        """Held-out windows, by a prefix of their errors' names: as cameras see them and, where known, levelled."""
        grounds: dict[str, Ground] = {"": "withheld"}
        if self.module.config.level and self.held_out.knows_down:
            grounds["level_"] = "given"
        return {
            prefix: self.held_out.evaluation_set(self.window_length, self.offsets, EVALUATION_STRIDE, ground)
            for prefix, ground in grounds.items()
        }

    def batch(self, size: int, rng: torch.Generator) -> tuple[Tensor, ...]:
        return self.data.batch(size, self.window_length, self.offsets, rng)

    def loss(self, module: nn.Module, batch: tuple[Tensor, ...]) -> tuple[Tensor, dict[str, Tensor]]:
        keypoints, level, target_m = batch
        return self.losses(module(keypoints, level), target_m, self.offsets)

    def after_step(self) -> None:
        """Nothing to do."""

    def evaluate(self, average: Network) -> dict[str, float]:
        lift = torch_lift(average)
        return {
            prefix + name: error
            for prefix, data in self.evaluation_sets.items()
            for name, error in score(lift, data, self.offsets).items()
        }

    def extra_state(self) -> dict[str, Tensor]:
        return {}

    def load_extra_state(self, state: dict[str, Tensor]) -> None:
        """Nothing to restore."""

    def checkpoint(self, average: Network) -> dict:
        return checkpoint_of(average)


def train(
    data: Path,
    out: Path,
    recipe: Recipe,
    start: Path | None = None,
    device: Device = "auto",
    threads: int = 0,
    workers: int = 0,
) -> None:
    """Train a lifting network on motion capture through random virtual cameras, or on recorded views.

    Writes into OUT `checkpoint.pth` (averaged weights), `log.jsonl`, TensorBoard events, `recipe.json`, and at the
    end `curves.png`. The same command resumes a training that was interrupted. Started by torchrun, the processes
    share every batch.

    Args:
        data: motion file (.npz), or folder of such files, of .bvh files, of Human3.6M's or of MPI-INF-3DHP's archives.
        out: folder for the results.
        recipe: network, losses, data and loop.
        start: also --from. Checkpoint whose weights to start from: of an earlier training, or of a pre-training, which
            gets a new regression head; or a packaged network's name, or the .onnx file of an exported one.
        device: to train on.
        threads: CPU threads of each process, 0 for all.
        workers: processes that prefetch batches for each process, for training on a GPU; 0 for none.
    """
    if start is not None and not start.suffix and not start.exists():
        start = find_model(str(start))
    with open_process(device, threads) as process:
        torch.manual_seed(recipe.seed)
        network = build(recipe.network_config)
        if start is not None:
            load_weights(network, start)
        seen, held_out = recipe.open_data(data)
        provenance = {**asdict(recipe), "data_sha256": seen.sha256, MADE_WITH: made_with()}
        if start is not None:
            provenance["start"] = {**provenance_of(start), "sha256": sha256_of(start)}
        run(LiftingTask(network, recipe, seen, held_out, process), recipe, out, provenance, process, workers)
