"""PoseCLR pre-training: what it does in a step of the training loop, and `nanohtnet pretrain`."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
import torch.distributed as dist
from torch import Tensor, nn

from nanohtnet_ros.model.checkpoints import HEAD, checkpoint_of
from nanohtnet_ros.model.networks import Network, build
from nanohtnet_ros.model.poseclr import (
    ContrastiveEncoder,
    MemoryBank,
    MomentumEncoders,
    PoseCLRConfig,
    info_nce,
    similarities,
)
from nanohtnet_ros.training.data.windows import TrainingData
from nanohtnet_ros.training.evaluation.contrastive_probe import ContrastiveProbe
from nanohtnet_ros.training.loop.distributed import Device, open_process
from nanohtnet_ros.training.loop.loop import run
from nanohtnet_ros.training.loop.precision import run_mixers_in_half
from nanohtnet_ros.training.loop.provenance import MADE_WITH, made_with
from nanohtnet_ros.training.recipe import NetworkRecipe


@dataclass(frozen=True)
class PretrainRecipe(NetworkRecipe):
    """Everything but the data that determines the result of a pre-training. A sample is a moment in all its cameras.

    Attributes:
        poseclr: of positive and negative pairs.
    """

    poseclr: PoseCLRConfig = field(default_factory=PoseCLRConfig)


class PretrainTask:
    """PoseCLR of one encoder.

    Args:
        encoder: a lifting network; see `ContrastiveEncoder`.
        config: of PoseCLR.
        source: motion to train on.
        probe: to evaluate encoders.
        device: to train on.
    """

    def __init__(
        self,
        encoder: Network,
        config: PoseCLRConfig,
        source: TrainingData,
        probe: ContrastiveProbe,
        device: torch.device | str = "cpu",
    ) -> None:
        self.config, self.source, self.probe = config, source, probe
        self.window_length = encoder.config.window_length
        self.exclusion_frames = config.exclusion_for(self.window_length)
        self.module = ContrastiveEncoder(encoder, config.head_features).to(device)
        self.momentum = MomentumEncoders(self.module, config)
        self.bank = MemoryBank(config.bank_size, self.module.key_width).to(device)
        self.slow = nn.ModuleDict({"momentum": self.momentum, "bank": self.bank})
        self.step = torch.zeros((), dtype=torch.int64)
        self.slow.register_buffer("step", self.step)
        self.latest: tuple[Tensor, Tensor, Tensor, list[int]] | None = None

    def batch(self, size: int, rng: torch.Generator) -> tuple[Tensor, ...]:
        """(B, V, T, 17, 3) views of random moments, (B, V) level, (B,) their recordings and (B,) newest frames."""
        keypoints, level, sequence, frame = self.source.views(size, self.config.views, self.window_length, rng)
        return keypoints.transpose(0, 1), level.T, sequence, frame

    def query_view(self) -> int:
        """The camera of this step's queries: random, but the same in all processes."""
        return int(torch.randint(self.config.views, (), generator=torch.Generator().manual_seed(int(self.step))))

    def loss(self, module: nn.Module, batch: tuple[Tensor, ...]) -> tuple[Tensor, dict[str, Tensor]]:
        """InfoNCE of a batch; `module` is `self.module`, perhaps wrapped."""
        keypoints, level, sequence, frame = batch
        chosen = self.query_view()
        others = [view for view in range(self.config.views) if view != chosen]
        query = module(keypoints[:, chosen], level[:, chosen])
        keys = self.momentum.keys(keypoints.transpose(0, 1), level.T, others)
        negatives = self.bank.negatives(sequence, frame, self.exclusion_frames)
        positive, negative = similarities(query, keys, self.bank.keys, negatives)
        self.latest = (keys, sequence, frame, others)
        parts = {
            "top1": (positive > negative.amax(dim=1)).float().mean(),
            "positive_similarity": positive.mean(),
            "bank_filled": self.bank.filled,
        }
        return info_nce(positive, negative, self.config.temperature), parts

    def after_step(self) -> None:
        """Update the momentum encoders, and put the keys of all processes into the bank."""
        if self.latest is None:
            raise RuntimeError("after_step was called before loss: there are no keys to put into the memory bank")
        keys, sequence, frame, views = self.latest
        self.latest = None
        self.momentum.follow(self.module, views)
        self.bank.put(
            gathered(keys.flatten(0, 1)), gathered(sequence.repeat(len(keys))), gathered(frame.repeat(len(keys)))
        )
        self.step += 1

    def evaluate(self, average: ContrastiveEncoder) -> dict[str, float]:
        """Measure the averaged encoder."""
        return self.probe.score(average)

    def extra_state(self) -> dict[str, Tensor]:
        """Momentum encoders, memory bank and the number of steps."""
        return self.slow.state_dict()

    def load_extra_state(self, state: dict[str, Tensor]) -> None:
        """Restore what `extra_state` gave."""
        self.slow.load_state_dict(state)

    def checkpoint(self, average: ContrastiveEncoder) -> dict:
        """The averaged encoder, to fine-tune with a new regression head."""
        content = checkpoint_of(average.encoder)
        content["state_dict"] = {
            name: tensor for name, tensor in content["state_dict"].items() if not name.startswith(HEAD)
        }
        return {**content, "pretrained": True}


def gathered(rows: Tensor) -> Tensor:
    """(N * processes, ...) rows of all processes, ordered by rank."""
    if not (dist.is_available() and dist.is_initialized()):
        return rows
    parts = [torch.empty_like(rows) for _ in range(dist.get_world_size())]
    dist.all_gather(parts, rows.contiguous())
    return torch.cat(parts)


def pretrain(
    data: Path, out: Path, recipe: PretrainRecipe, device: Device = "auto", threads: int = 0, workers: int = 0
) -> None:
    """Pre-train a lifting network's encoder by PoseCLR, contrastively, without 3D joints.

    Writes into OUT what `nanohtnet train` writes; its `checkpoint.pth` holds the encoder without a regression head, for
    `nanohtnet train --from OUT/checkpoint.pth`. The same command resumes a pre-training that was interrupted. Started
    by torchrun, the processes share every batch and the memory bank.

    Args:
        data: motion file (.npz), or folder of such files, of .bvh files or of Human3.6M's archives; every recording
            needs at least `poseclr.views` cameras, in the split val two.
        out: folder for the results.
        recipe: network, pairs, data and loop.
        device: to train on.
        threads: CPU threads of each process, 0 for all.
        workers: processes that prefetch batches for each process, for training on a GPU; 0 for none.
    """
    with open_process(device, threads) as process:
        torch.manual_seed(recipe.seed)
        encoder = build(recipe.network_config)
        seen, held_out = recipe.open_data(data)
        provenance = {**asdict(recipe), "data_sha256": seen.sha256, MADE_WITH: made_with()}
        exclusion = recipe.poseclr.exclusion_for(encoder.config.window_length)
        probe = ContrastiveProbe.draw(seen, held_out, encoder.config, exclusion)
        if recipe.batches_on == "device":
            seen = seen.to(process.device)
        task = PretrainTask(encoder, recipe.poseclr, seen, probe, process.device)
        run_mixers_in_half(task.momentum, recipe.precision)
        run(task, recipe, out, provenance, process, workers)
