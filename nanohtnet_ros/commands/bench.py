"""`nanohtnet bench`: how long everything takes here, in milliseconds and in ratios that outlast the machine's load."""

from __future__ import annotations

from pathlib import Path

from nanohtnet_ros.commands.benchmark.networks import bench_networks
from nanohtnet_ros.commands.benchmark.parts import bench_detector, bench_lifting, bench_step
from nanohtnet_ros.commands.benchmark.start import bench_start
from nanohtnet_ros.commands.benchmark.timings import BASELINE, Bench, compared, write_json
from nanohtnet_ros.commands.selftest import system_info
from nanohtnet_ros.errors import UserError
from nanohtnet_ros.runtime.model_store import DEFAULT_MODEL

PARTS = ("networks", "lifting", "detector", "step", "start", "node")


def bench(
    parts: str = ",".join(PARTS),
    seconds: float = 0.5,
    node_seconds: float = 10.0,
    model: str = DEFAULT_MODEL,
    detector: str = "blazepose",
    peers: Path | None = None,
    json: Path | None = None,
    compare: Path | None = None,
    figure: Path | None = None,
) -> None:
    """Measure how long everything takes on this machine: networks, what surrounds them, whole frames, the node.

    A table in Markdown: median and 99th percentile, and the CPU time in units of a baseline that is measured right
    before and after, the network of BlazePose's person detector on one thread. These ratios compare runs; times
    differ with the load of the machine. What cannot be measured here is named with the reason.

    Args:
        parts: which, of networks, lifting, detector, step, start and node; commas between.
        seconds: to measure each thing.
        node_seconds: to measure the node in each case.
        model: lifting network, a name that `nanohtnet models list` shows or an .onnx file.
        detector: 2D detector, likewise.
        peers: folder of other .onnx files to time too.
        json: file to write the results to.
        compare: such a file of an older run; what got slower, by ratios, is printed.
        figure: picture to write of how times grow with people, window and image.
    """
    chosen = [part.strip() for part in parts.split(",")]
    if unknown := set(chosen) - set(PARTS):
        raise UserError(f"parts has {', '.join(sorted(unknown))}, expected of {', '.join(PARTS)}")
    machine = system_info()
    print("\n".join(machine))
    print(f"\n| what | median ms | p99 ms | CPU time / {BASELINE} | more |\n|---|---|---|---|---|", flush=True)
    found = Bench(seconds)
    if "networks" in chosen:
        bench_networks(found, model, peers)
    if "lifting" in chosen:
        bench_lifting(found, model)
    if "detector" in chosen:
        bench_detector(found, detector)
    if "step" in chosen:
        bench_step(found, model, detector)
    if "start" in chosen:
        bench_start(found, model, detector)
    if "node" in chosen:
        try:
            from nanohtnet_ros.commands.benchmark.node import bench_node
        except ImportError as error:
            found.skip("node", error)
        else:
            bench_node(found, model, detector, node_seconds)
    if json:
        write_json(json, machine, found)
    if figure:
        from nanohtnet_ros.commands.benchmark.figure import draw

        draw(found.timings, figure)
    if compare:
        print("\n" + "\n".join(compared(compare, found.timings)))
