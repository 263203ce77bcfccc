"""A training as each of torchrun's processes does it: `python two_processes.py DATA OUT CRASH_STEP`."""

import os
import sys
from pathlib import Path

import torch

from nanohtnet_ros.model.nanohtnet import NanoHTNetConfig
from nanohtnet_ros.training import train as training

RECIPE = training.Recipe(
    samples=192,
    batch_size=8,
    shards=2,
    learning_rate=1e-3,
    warmup_steps=5,
    evaluate_every=96,
    save_every=32,
    precision="float32",
    model=NanoHTNetConfig(
        window_length=9,
        kept_frames=3,
        channels=48,
        layers=1,
        mlp_hidden=8,
        gcn_hidden=8,
        person_view=True,
        output_offsets=(-2, -1, 0),
        drop_path=(0.0, 0.0),
        dropout_spatial=0.0,
        dropout_temporal=0.0,
    ),
)


class WatchedTask(training.LiftingTask):
    """Dies in the second process at a step, and leaves each process's weights behind."""

    crash_step = -1
    steps = 0

    def after_step(self):
        rank = int(os.environ.get("RANK", 0))
        self.steps += 1
        if self.steps == self.crash_step and rank == 1:
            os._exit(9)
        torch.save(self.module.state_dict(), out.with_name(f"{out.name}_weights_{rank}.pth"))


if __name__ == "__main__":
    data, out, WatchedTask.crash_step = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    training.LiftingTask = WatchedTask
    training.train(data, out, RECIPE, device="cpu", threads=1)
