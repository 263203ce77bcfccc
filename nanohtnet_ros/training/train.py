"""Training of NanoHTNet on synthesised windows."""

from __future__ import annotations

import copy
import json
import math
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn
from tqdm import tqdm

from nanohtnet_ros.model.config import NanoHTNetConfig
from nanohtnet_ros.model.nanohtnet import NanoHTNet, load_checkpoint, save_checkpoint
from nanohtnet_ros.training.evaluate import score, torch_lift
from nanohtnet_ros.training.evaluation_set import EvaluationSet
from nanohtnet_ros.training.mocap import MotionCapture
from nanohtnet_ros.training.synthesis import Synthesis


@dataclass(frozen=True)
class Recipe:
    """Everything that decides a training's outcome, but the data.

    Attributes:
        model: sizes and regularisation of the network.
        synthesis: how windows are made.
        samples: windows seen in all.
        batch_size: windows a step.
        learning_rate: AdamW's highest, after the warm-up; it falls to zero along a half cosine.
        weight_decay: AdamW's, on matrices.
        warmup_steps: steps of linear rise.
        clip_norm: gradients are scaled down to this norm.
        ema_decay: of the moving average of the weights that is evaluated and kept.
        bfloat16: run the mixers in bfloat16, embeddings and heads stay in float32.
        evaluate_every: windows between two evaluations.
        seed: of the weights and of the data.
    """

    model: NanoHTNetConfig = field(default_factory=NanoHTNetConfig)
    synthesis: Synthesis = field(default_factory=Synthesis)
    samples: int = 4_000_000
    batch_size: int = 128
    learning_rate: float = 4e-3
    weight_decay: float = 0.01
    warmup_steps: int = 200
    clip_norm: float = 1.0
    ema_decay: float = 0.999
    bfloat16: bool = True
    evaluate_every: int = 200_000
    seed: int = 1


def mean_joint_distance(predicted_m: Tensor, target_m: Tensor) -> Tensor:
    """Mean distance over all joints but the root, metres; both (B, n, 17, 3)."""
    return (predicted_m - target_m)[:, :, 1:].norm(dim=-1).mean()


def run_mixers_in_bfloat16(model: NanoHTNet) -> None:
    """Autocast both mixer stacks. Keypoints lose millimetres in bfloat16, so the embeddings stay in float32."""
    for stack in (model.Transformer, model.tem_Transformer):
        forward = stack.forward

        def cast(x: Tensor, forward=forward) -> Tensor:
            with torch.autocast(x.device.type, torch.bfloat16):
                return forward(x).float()

        stack.forward = cast


def optimizer_for(model: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """AdamW; norms, biases and embeddings of positions are not decayed."""
    decayed = [p for p in model.parameters() if p.dim() == 2]
    others = [p for p in model.parameters() if p.dim() != 2]
    return torch.optim.AdamW(
        [{"params": decayed, "weight_decay": recipe.weight_decay}, {"params": others, "weight_decay": 0.0}],
        lr=recipe.learning_rate)


def learning_rate_factor(step: int, steps: int, warmup: int) -> float:
    """Share of the highest learning rate at a step."""
    return min(1.0, (step + 1) / warmup) * 0.5 * (1.0 + math.cos(math.pi * step / steps))


@torch.no_grad()
def update_average(average: nn.Module, model: nn.Module, decay: float) -> None:
    """Move the averaged weights a little towards the model's."""
    for mean, new in zip(average.parameters(), model.parameters(), strict=True):
        mean.lerp_(new, 1.0 - decay)


def record_of(checkpoint: Path) -> dict:
    """What the files beside a checkpoint say of its training: the recipe, and how far it had come."""
    recipe, log = checkpoint.with_name("recipe.json"), checkpoint.with_name("log.jsonl")
    record = json.loads(recipe.read_text()) if recipe.is_file() else {}
    if log.is_file():
        record["reached"] = json.loads(log.read_text().splitlines()[-1])
    return record


def train(data: Path, out: Path, recipe: Recipe, threads: int = 0, start: Path | None = None) -> None:
    """Train NanoHTNet on recorded motion seen through random virtual cameras.

    Writes `OUT/checkpoint.pth` (averaged weights) and `OUT/log.jsonl` at every evaluation, and `OUT/recipe.json`.

    Args:
        data: motion file (.npz) with the splits train and val.
        out: folder for the results.
        recipe: what to train and how.
        threads: CPU threads, 0 for all.
        start: checkpoint of an earlier training to go on from, its weights only; the record beside it is kept in the
            new one. Its tensors must have the recipe's shapes.
    """
    torch.manual_seed(recipe.seed)
    model = NanoHTNet(recipe.model)
    if start is not None:
        model.load_state_dict(load_checkpoint(start).state_dict())
    out.mkdir(parents=True, exist_ok=True)
    if threads:
        torch.set_num_threads(threads)
    rng = torch.Generator().manual_seed(recipe.seed)
    T, offsets = recipe.model.window_length, recipe.model.frame_offsets
    capture, data_val = MotionCapture.load(data, "train"), MotionCapture.load(data, "val")
    held_out = EvaluationSet.build(data_val, T, stride=20, cameras=3)
    record = {**asdict(recipe), "data_sha256": capture.sha256}
    if start is not None:
        record["start"] = record_of(start)
    (out / "recipe.json").write_text(json.dumps(record, indent=2) + "\n")

    average = copy.deepcopy(model)
    if recipe.bfloat16:
        run_mixers_in_bfloat16(model)
    optimizer = optimizer_for(model, recipe)
    steps = math.ceil(recipe.samples / recipe.batch_size)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: learning_rate_factor(step, steps, recipe.warmup_steps))
    evaluate_steps = max(1, recipe.evaluate_every // recipe.batch_size)
    started, losses = time.monotonic(), []
    progress = tqdm(range(steps), unit="step", mininterval=5.0)
    for step in progress:
        keypoints, target = recipe.synthesis.batch(capture, recipe.batch_size, T, offsets, rng)
        model.train()
        loss = mean_joint_distance(model(keypoints), target)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), recipe.clip_norm)
        optimizer.step()
        schedule.step()
        update_average(average, model, min(recipe.ema_decay, (1 + step) / (10 + step)))
        losses.append(loss.item())
        if (step + 1) % evaluate_steps == 0 or step + 1 == steps:
            entry = {
                "samples": (step + 1) * recipe.batch_size,
                "seconds": round(time.monotonic() - started),
                "loss_mm": round(1000.0 * sum(losses) / len(losses), 2),
                **score(torch_lift(average), held_out),
            }
            losses.clear()
            with (out / "log.jsonl").open("a") as log:
                log.write(json.dumps(entry) + "\n")
            save_checkpoint(out / "checkpoint.pth", average)
            progress.write(json.dumps(entry))
