"""Training of lifting networks on windows of keypoints."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor, nn

from nanohtnet_ros.model.config import NanoHTNetConfig
from nanohtnet_ros.model.networks import Network, NetworkName, build, checkpoint_of, load_weights
from nanohtnet_ros.model.temporal_conv import TemporalConvConfig
from nanohtnet_ros.training.evaluate import score, torch_lift
from nanohtnet_ros.training.loop import run
from nanohtnet_ros.training.losses import Losses
from nanohtnet_ros.training.machine import Device, Machine, open_machine
from nanohtnet_ros.training.mocap import MotionCapture
from nanohtnet_ros.training.optimisation import LoopConfig
from nanohtnet_ros.training.record import MADE_WITH, made_with, record_of
from nanohtnet_ros.training.synthesis import EvaluationSet, Synthesis


@dataclass(frozen=True)
class Recipe(LoopConfig):
    """Everything that decides a training's outcome, but the data.

    Attributes:
        network: which of the two networks to train.
        model: NanoHTNet's sizes and regularisation.
        temporal_conv: the same of the baseline of temporal convolutions.
        synthesis: how windows are made.
        losses: weights of the loss's terms.
        data_share: train on this share of the recorded frames.
    """

    network: NetworkName = "nanohtnet"
    model: NanoHTNetConfig = field(default_factory=NanoHTNetConfig)
    temporal_conv: TemporalConvConfig = field(default_factory=TemporalConvConfig)
    synthesis: Synthesis = field(default_factory=Synthesis)
    losses: Losses = field(default_factory=Losses)
    data_share: float = 1.0

    @property
    def network_config(self) -> NanoHTNetConfig | TemporalConvConfig:
        """The configuration of the chosen network."""
        return self.model if self.network == "nanohtnet" else self.temporal_conv


class LiftingTask:
    """Trains a network to lift windows of motion capture.

    Args:
        network: to train; it is moved to the machine's device.
        recipe: what to train it for.
        capture: recorded motion to train on.
        held_out: recorded motion to evaluate on.
    """

    def __init__(
        self, network: Network, recipe: Recipe, capture: MotionCapture, held_out: MotionCapture, machine: Machine
    ) -> None:
        config = network.config
        recipe.losses.check(len(config.frame_offsets), config.uncertainty)
        self.module = network.to(machine.device)
        self.recipe = recipe
        self.capture = capture.to(machine.device) if recipe.batches_on == "device" else capture
        self.held_out = held_out
        self.window_length, self.offsets = config.window_length, config.frame_offsets

    @cached_property
    def evaluation_set(self) -> EvaluationSet:
        return EvaluationSet.build(self.held_out, self.window_length, stride=20, cameras=3)

    def batch(self, size: int, rng: torch.Generator) -> tuple[Tensor, ...]:
        return self.recipe.synthesis.batch(self.capture, size, self.window_length, self.offsets, rng)

    def loss(self, module: nn.Module, batch: tuple[Tensor, ...]) -> tuple[Tensor, dict[str, Tensor]]:
        keypoints, target_m = batch
        return self.recipe.losses(module(keypoints), target_m, self.offsets)

    def after_step(self) -> None:
        """Nothing follows a step."""

    def evaluate(self, average: nn.Module) -> dict[str, float]:
        return score(torch_lift(average), self.evaluation_set)

    def extra_state(self) -> dict[str, Tensor]:
        return {}

    def load_extra_state(self, state: dict[str, Tensor]) -> None:
        """There is none."""

    def checkpoint(self, average: nn.Module) -> dict:
        return checkpoint_of(average)


def train(
    data: Path, out: Path, recipe: Recipe, start: Path | None = None, device: Device = "auto", threads: int = 0,
    workers: int = 0,
) -> None:
    """Train a lifting network on recorded motion seen through random virtual cameras.

    Writes into OUT `checkpoint.pth` (averaged weights), `log.jsonl`, TensorBoard events, `recipe.json`, and at the
    end `curves.png`. The same command goes on with a training that was interrupted. Started by torchrun, the
    processes share every batch.

    Args:
        data: motion file (.npz) with the splits train and val.
        out: folder for the results.
        recipe: what to train and how.
        start: also --from. Checkpoint to begin with, its weights only: of an earlier training, whose record is kept
            in the new one, or of a pre-training, whose regression head is replaced by a new one.
        device: where to train.
        threads: CPU threads of each process, 0 for all.
        workers: processes beside each one that make batches ahead of time, 0 to make each when it is needed; for
            training on a GPU.
    """
    with open_machine(device, threads) as machine:
        torch.manual_seed(recipe.seed)
        network = build(recipe.network_config)
        if start is not None:
            load_weights(network, start)
        capture, held_out = MotionCapture.load(data, "train"), MotionCapture.load(data, "val")
        if recipe.data_share < 1.0:
            capture = capture.subset(recipe.data_share)
        record = {**asdict(recipe), "data_sha256": capture.sha256, MADE_WITH: made_with()}
        if start is not None:
            record["start"] = {**record_of(start), "sha256": hashlib.sha256(start.read_bytes()).hexdigest()}
        run(LiftingTask(network, recipe, capture, held_out, machine), recipe, out, record, machine, workers)
