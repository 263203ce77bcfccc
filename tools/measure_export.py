"""How much faster the folded graph is than the plain one and than PyTorch: ratios measured within one run.

python tools/measure_export.py CHECKPOINT.pth

The three take turns run by run, so that whatever else the machine does hits all alike; of each the fifth percentile
counts, which is nearly the undisturbed time.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from nanohtnet_ros.model.checkpoints import load_checkpoint
from nanohtnet_ros.model.cost import multiply_adds
from nanohtnet_ros.runtime.session import open_session
from nanohtnet_ros.training.evaluation.predictor import torch_lift
from nanohtnet_ros.training.export import export_onnx

BATCHES = (1, 4, 16)
WINDOWS = 200  # of each network, batch and number of threads


def measure(runs: dict, x: np.ndarray) -> dict[str, float]:
    """Fifth percentile of each function's seconds on one input."""
    taken = {name: [] for name in runs}
    for _ in range(max(20, WINDOWS // len(x))):
        for name, run in runs.items():
            run(x)  # brings the weights back into the cache
            started = time.perf_counter()
            run(x)
            taken[name].append(time.perf_counter() - started)
    return {name: float(np.percentile(seconds, 5)) for name, seconds in taken.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path)
    model = load_checkpoint(parser.parse_args().checkpoint)
    default_threads = torch.get_num_threads()
    with tempfile.TemporaryDirectory() as folder:
        paths = {name: Path(folder) / f"{name}.onnx" for name in ("plain", "folded")}
        for name, path in paths.items():
            graph = export_onnx(model, path, folded=name == "folded")
            window = torch.zeros(1, model.config.window_length, 17, 2)
            cost = multiply_adds(graph, window)
            print(f"{name:7} {path.stat().st_size / 1e6:5.1f} MB, {cost / 1e6:.1f} M multiply-adds")
        print("\n| threads | windows | PyTorch ms | plain ms | folded ms | plain / folded | PyTorch / folded |")
        print("|---|---|---|---|---|---|---|")
        for threads in (1, 0):  # 0: all that the library takes by itself
            torch.set_num_threads(threads or default_threads)
            runs = {"torch": torch_lift(model)}
            runs |= {name: open_session(path, "cpu", threads).run for name, path in paths.items()}
            for batch in BATCHES:
                shape = (batch, model.config.window_length, 17, 2)
                x = np.random.default_rng(0).normal(0.0, 0.3, shape).astype(np.float32)
                ms = {name: 1000 * seconds for name, seconds in measure(runs, x).items()}
                print(
                    f"| {threads or 'default'} | {batch} | {ms['torch']:.2f} | {ms['plain']:.2f} | "
                    f"{ms['folded']:.2f} | {ms['plain'] / ms['folded']:.2f} | {ms['torch'] / ms['folded']:.2f} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
