"""Times of the networks: lifting ones by batch, runtime and threads, and what they are compared with."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from nanohtnet_ros.commands.benchmark.scene import FRAME_NS, crowd
from nanohtnet_ros.commands.benchmark.timings import Bench
from nanohtnet_ros.core.lifter import WindowLifter
from nanohtnet_ros.core.window import Window, WindowBuffer
from nanohtnet_ros.runtime.model_store import package_model_dirs
from nanohtnet_ros.runtime.session import DEVICES, open_session

BATCHES = (1, 2, 4, 8, 16, 32, 64)
THREADS = (1, 2)
GEMM_SIZE = 1024


def bench_networks(bench: Bench, model: str, peers: Path | None) -> None:
    """Time all that runs networks; `model` in full, other sizes in short."""
    gemm = {threads: gemm_operations(bench, threads) for threads in THREADS}
    for device in DEVICES[1:]:
        for threads in THREADS if device == "cpu" else (1,):
            bench_lifter(bench, model, device, threads, BATCHES, gemm[threads] if device == "cpu" else None)
    others = sorted({path.stem for folder in package_model_dirs() for path in folder.glob("*.onnx")} - {model})
    for name in others:
        bench_lifter(bench, name, "cpu", 1, (1, 8), gemm[1])
    bench_torch(bench)
    for path in sorted(peers.glob("*.onnx")) if peers else []:
        bench_peer(bench, path)


def windows(length: int, frame_rate_hz: float, people: int) -> list[Window]:
    """Windows of people who walk."""
    crowded, camera = crowd(min(people, 2 * 10))
    found = []
    for person in range(len(crowded[0])):
        buffer = WindowBuffer(length, frame_rate_hz)
        for i, seen in enumerate(crowded):
            buffer.push((i + 1) * FRAME_NS, camera.rays(seen[person].xy_px), seen[person].confidence)
        found.append(buffer.window())
    return [found[i % len(found)] for i in range(people)]


def bench_lifter(
    bench: Bench, model: str, device: str, threads: int, batches: tuple[int, ...], gemm: float | None
) -> None:
    """Time a lifting network with several numbers of people."""
    name = f"lifter {Path(model).stem}, {device}, {threads} thread{'s' * (threads > 1)}"
    try:
        lifter = WindowLifter.open(model, open_network=lambda path: open_session(path, device, threads))
    except (ImportError, OSError) as error:
        bench.skip(name, error)
        return
    people = windows(lifter.card.window_length, lifter.card.frame_rate_hz, max(batches))
    clock = time.process_time if device == "cpu" else time.perf_counter
    operations = 2 * (lifter.card.multiply_adds or 0)

    def of_gemm(batch: int, ms: float, ratio: float) -> dict[str, float]:
        return {"% of GEMM": 100 * operations * batch / ratio / gemm} if gemm and operations else {}

    for batch in batches:
        bench.time(f"{name}, {batch} people", partial(lifter.lift, people[:batch]), partial(of_gemm, batch), clock)


def gemm_operations(bench: Bench, threads: int) -> float | None:
    """Operations of ONNX Runtime's product of large matrices in the baseline's CPU time; None where not measured."""
    name = f"GEMM {GEMM_SIZE}, {threads} thread{'s' * (threads > 1)}"
    try:
        from onnx import TensorProto, helper, numpy_helper, save
    except ImportError as error:
        bench.skip(name, error)
        return None
    size = (GEMM_SIZE, GEMM_SIZE)
    x = np.random.default_rng(0).normal(size=size).astype(np.float32)
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        "gemm",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, size)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, size)],
        [numpy_helper.from_array(x, "w")],
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "gemm.onnx"
        opset = helper.make_opsetid("", 17)
        save(helper.make_model(graph, opset_imports=[opset], ir_version=8), path)
        session = open_session(path, "cpu", threads)
    operations = 2.0 * GEMM_SIZE**3
    bench.time(name, lambda: session.run(x), lambda ms, ratio: {"GFLOP/s": operations / ms / 1e6})
    ratio = bench.timings[name].ratio
    return operations / ratio if ratio else None


def bench_torch(bench: Bench) -> None:
    """Time the reference network, 81 frames and 9 outputs, random weights: in PyTorch, exported plainly, and folded."""
    try:
        import torch

        from nanohtnet_ros.model.nanohtnet import NanoHTNet, NanoHTNetConfig
        from nanohtnet_ros.training.export import export_onnx
    except ImportError as error:
        bench.skip("reference network 81/9", error)
        return
    model = NanoHTNet(NanoHTNetConfig(window_length=81)).eval()
    x = np.random.default_rng(0).normal(0.0, 0.3, (8, 81, 17, 2)).astype(np.float32)

    @torch.inference_mode()
    def eager(windows: np.ndarray) -> np.ndarray:
        return model(torch.from_numpy(windows)).numpy()

    paths = {}
    with tempfile.TemporaryDirectory() as folder:
        for kind in ("plain", "folded"):
            paths[kind] = Path(folder) / f"{kind}.onnx"
            export_onnx(model, paths[kind], folded=kind == "folded")
        for threads in THREADS:
            torch.set_num_threads(threads)
            sessions = {kind: open_session(path, "cpu", threads) for kind, path in paths.items()}
            runs: dict[str, Callable] = {"eager": eager} | {kind: session.run for kind, session in sessions.items()}
            for kind, run in runs.items():
                for batch in (1, 8):
                    bench.time(f"reference 81/9 {kind}, {threads} threads, {batch} people", partial(run, x[:batch]))


def bench_peer(bench: Bench, path: Path) -> None:
    """Time somebody else's ONNX file on zeros, one window at a time."""
    try:
        for threads in THREADS:
            session = open_session(path, "cpu", threads)
            x = np.zeros([max(size, 1) for size in session.input_shape], session.input_dtype)
            bench.time(f"peer {path.stem}, {threads} threads, {x.shape}", partial(session.run, x))
    except (ValueError, RuntimeError) as error:
        bench.skip(f"peer {path.stem}", error)
