"""A training that kills itself at a step: `python killed_training.py DATA OUT STEP`; -1 for none."""

import os
import signal
import sys
from pathlib import Path

from nanohtnet_ros.model.nanohtnet import NanoHTNetConfig
from nanohtnet_ros.training import train as training

RECIPE = training.Recipe(
    samples=96,
    batch_size=4,
    warmup_steps=5,
    evaluate_every=32,
    save_every=12,
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
    ),
)


class KilledTask(training.LiftingTask):
    """Sends SIGKILL to its process in the loss of a step, which no handler sees."""

    step = -1

    def loss(self, module, batch):
        if self.step == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        self.step -= 1
        return super().loss(module, batch)


if __name__ == "__main__":
    data, out, KilledTask.step = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    training.LiftingTask = KilledTask
    training.train(data, out, RECIPE, device="cpu", threads=1)
