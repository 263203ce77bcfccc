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
from nanohtnet_ros.training.export import card_of, export_onnx

BATCHES = (1, 4, 16)
WINDOWS = 200  # of each network, batch and number of threads


def measure(runs: dict, inputs: list[np.ndarray]) -> dict[str, float]:
    """Fifth percentile of each function's seconds on one batch."""
    taken = {name: [] for name in runs}
    for _ in range(max(20, WINDOWS // len(inputs[0]))):
        for name, run in runs.items():
            run(*inputs)  # brings the weights back into the cache
            started = time.perf_counter()
            run(*inputs)
            taken[name].append(time.perf_counter() - started)
    return {name: float(np.percentile(seconds, 5)) for name, seconds in taken.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path)
    model = load_checkpoint(parser.parse_args().checkpoint)
    shapes, rng = card_of(model).input_shapes, np.random.default_rng(0)
    default_threads = torch.get_num_threads()
    with tempfile.TemporaryDirectory() as folder:
        paths = {name: Path(folder) / f"{name}.onnx" for name in ("plain", "folded")}
        for name, path in paths.items():
            graph = export_onnx(model, path, folded=name == "folded")
            cost = multiply_adds(graph, *(torch.zeros(1, *shape) for shape in shapes))
            print(f"{name:7} {path.stat().st_size / 1e6:5.1f} MB, {cost / 1e6:.1f} M multiply-adds")
        print("\n| threads | windows | PyTorch ms | plain ms | folded ms | plain / folded | PyTorch / folded |")
        print("|---|---|---|---|---|---|---|")
        for threads in (1, 0):  # 0: all that the library takes by itself
            torch.set_num_threads(threads or default_threads)
            runs = {"torch": torch_lift(model)}
            runs |= {name: open_session(path, "cpu", threads).run for name, path in paths.items()}
            for batch in BATCHES:
                inputs = [rng.random((batch, *shape), np.float32) for shape in shapes]
                ms = {name: 1000 * seconds for name, seconds in measure(runs, inputs).items()}
                print(
                    f"| {threads or 'default'} | {batch} | {ms['torch']:.2f} | {ms['plain']:.2f} | "
                    f"{ms['folded']:.2f} | {ms['plain'] / ms['folded']:.2f} | {ms['torch'] / ms['folded']:.2f} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
