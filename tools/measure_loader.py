"""How many windows a second the loaders make on one core.

python tools/measure_loader.py [DATA ...]      training data as `nanohtnet train` takes it; without any, recordings of
                                               noise as many as Human3.6M's training frames (1.56 million, 0.5 GB)
"""

from __future__ import annotations

import sys
import time

import torch

from nanohtnet_ros.training.data.recordings import RecordedViews
from nanohtnet_ros.training.sources import TrainingData, open_training_data

HUMAN36M_FRAMES, SEQUENCES = 1_560_000, 600
FORMS = {"81 streaming": (81, range(-8, 1)), "243 centred": (243, range(-125, -116))}


def recorded_noise() -> RecordedViews:
    length = HUMAN36M_FRAMES // SEQUENCES
    names = [str(i) for i in range(SEQUENCES)]
    return RecordedViews(
        torch.randn(HUMAN36M_FRAMES, 17, 3),
        torch.randn(HUMAN36M_FRAMES, 17, 3),
        torch.arange(SEQUENCES) * length,
        torch.full((SEQUENCES,), length),
        tuple(names),
        tuple(names),
        tuple(names),
        tuple(names),
        "gt",
        torch.ones(HUMAN36M_FRAMES, dtype=torch.bool),
        "",
    )


def windows_per_second(data: TrainingData, window_length: int, offsets: range, seconds: float = 5.0) -> float:
    rng, size = torch.Generator().manual_seed(0), 256
    data.batch(size, window_length, offsets, rng)
    started, made = time.perf_counter(), 0
    while time.perf_counter() - started < seconds:
        data.batch(size, window_length, offsets, rng)
        made += size
    return made / (time.perf_counter() - started)


def main() -> None:
    torch.set_num_threads(1)
    sources = {path: open_training_data(path, "train") for path in sys.argv[1:]} or {"recorded": recorded_noise()}
    for name, data in sources.items():
        for form, (window_length, offsets) in FORMS.items():
            print(f"{name}: {form:12} {windows_per_second(data, window_length, offsets):8.0f} windows/s on one core")


if __name__ == "__main__":
    main()
