"""PoseCLR pre-training from the command line."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch

from nanohtnet_ros.model.networks import build
from nanohtnet_ros.model.poseclr import PoseCLRConfig
from nanohtnet_ros.training.evaluation.contrastive_probe import ContrastiveExam
from nanohtnet_ros.training.loop.distributed import Device, open_machine
from nanohtnet_ros.training.loop.loop import run
from nanohtnet_ros.training.loop.precision import run_mixers_in_half
from nanohtnet_ros.training.loop.provenance import MADE_WITH, made_with
from nanohtnet_ros.training.pretrain_task import PretrainTask
from nanohtnet_ros.training.recipe import NetworkRecipe


@dataclass(frozen=True)
class PretrainRecipe(NetworkRecipe):
    """Everything that decides a pre-training's outcome, but the data. A sample is a moment seen by all its cameras.

    Attributes:
        poseclr: positive and negative pairs.
    """

    poseclr: PoseCLRConfig = field(default_factory=PoseCLRConfig)


def pretrain(
    data: Path, out: Path, recipe: PretrainRecipe, device: Device = "auto", threads: int = 0, workers: int = 0
) -> None:
    """Pre-train a lifting network's encoder by PoseCLR: a moment's keypoints in different cameras belong together.

    No 3D joints are learnt from. Writes into OUT what `nanohtnet train` writes; its `checkpoint.pth` holds the encoder
    without a regression head, to go on with by `nanohtnet train --from OUT/checkpoint.pth`. The same command goes on
    with a pre-training that was interrupted. Started by torchrun, the processes share every batch and the memory bank.

    Args:
        data: motion file (.npz), or folder of .bvh files or of Human3.6M's archives; every recording
            needs at least `poseclr.views` cameras, in the split val two.
        out: folder for the results.
        recipe: what to pre-train and how.
        device: where to train.
        threads: CPU threads of each process, 0 for all.
        workers: processes beside each one that make batches ahead of time, 0 to make each when it is needed; for
            training on a GPU.
    """
    with open_machine(device, threads) as machine:
        torch.manual_seed(recipe.seed)
        encoder = build(recipe.network_config)
        seen, held_out = recipe.open_data(data)
        record = {**asdict(recipe), "data_sha256": seen.sha256, MADE_WITH: made_with()}
        exclusion = recipe.poseclr.exclusion_for(encoder.config.window_length)
        exam = ContrastiveExam.draw(seen, held_out, encoder.config, exclusion)
        if recipe.batches_on == "device":
            seen = seen.to(machine.device)
        task = PretrainTask(encoder, recipe.poseclr, seen, exam, machine.device)
        run_mixers_in_half(task.momentum, recipe.precision)
        run(task, recipe, out, record, machine, workers)
