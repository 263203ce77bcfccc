"""`nanohtnet selftest`: check and time every backend that can run networks on this machine."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import numpy as np

from nanohtnet_ros.commands.log import log_to_stdout
from nanohtnet_ros.core.model_card import ModelCard
from nanohtnet_ros.errors import UserError
from nanohtnet_ros.runtime.model_store import DEFAULT_MODEL, find_model
from nanohtnet_ros.runtime.session import open_session
from nanohtnet_ros.samples.windows import clip_windows

PEOPLE = (1, 2, 4, 8, 16, 32)
WORST_MPJPE_MM = 100.0  # a network that works is far below, one that computes nonsense far above


@dataclass(frozen=True)
class Backend:
    """What runs the network, and the largest accepted distance from ONNX Runtime's joints on the CPU, millimetres."""

    title: str
    device: str
    mean_mm: float
    most_mm: float
    precision: str = "fp32"
    cuda_graph: bool = False


REFERENCE = Backend("ONNX Runtime, CPU", "cpu", 0.0, 0.0)
BACKENDS = (
    REFERENCE,
    Backend("ONNX Runtime, CUDA", "cuda", 0.5, 3.0),  # which may use TF32
    Backend("TensorRT, fp32", "tensorrt", 0.05, 0.5),
    Backend("TensorRT, fp16", "tensorrt", 0.5, 3.0, "fp16"),
    Backend("TensorRT, fp32, CUDA graphs", "tensorrt", 0.05, 0.5, cuda_graph=True),
    Backend("ONNX Runtime, TensorRT, fp32", "onnxruntime_tensorrt", 0.5, 3.0),  # which may use TF32
    Backend("ONNX Runtime, TensorRT, fp16", "onnxruntime_tensorrt", 0.5, 3.0, "fp16"),
)


@dataclass
class Row:
    """Results of one backend."""

    title: str
    mean_mm: float = np.nan
    most_mm: float = np.nan
    median_ms: tuple[float, ...] = ()
    p99_ms: tuple[float, ...] = ()
    absent: str = ""
    failed: str = ""


def selftest(
    model: str = DEFAULT_MODEL,
    seconds: float = 1.0,
    checkpoint: Path | None = None,
    camera_topic: str = "",
    require_gpu: bool = False,
) -> None:
    """Check and time everything that can run networks here: paste what it prints into a bug report.

    TensorRT's engines are built if they are missing, which may take minutes. Every backend gets the same windows, from
    the packaged clips, and must give the joints of ONNX Runtime on the CPU.

    Args:
        model: a name that `nanohtnet models list` shows, or an .onnx file.
        seconds: to measure each backend with each number of people.
        checkpoint: the network's .pth file, to compare PyTorch too.
        camera_topic: a topic of images to listen to as well, such as /camera/image_raw.
        require_gpu: fail where no GPU runtime works.
    """
    path = find_model(model)
    card = ModelCard.of(path)
    print("\n".join(system_info()), flush=True)
    inputs, truth_m = clip_windows(card)
    used = card.output_offsets.index(card.used_offset)
    rows, reference_m, problems = [], None, []
    for backend in BACKENDS:
        row, joints_m = try_backend(backend, path, inputs, used, reference_m, seconds)
        reference_m = joints_m if backend is REFERENCE else reference_m
        rows.append(row)
    if reference_m is None:
        raise UserError(f"selftest failed: {rows[0].absent or rows[0].failed}")
    if checkpoint is not None:
        rows.append(try_torch(checkpoint, inputs, used, reference_m, seconds))
    mpjpe_mm = float(np.linalg.norm(reference_m - truth_m, axis=-1).mean() * 1000)
    print(f"\n{path.stem}, {len(truth_m)} windows of the packaged clips: {mpjpe_mm:.1f} mm from the truth (MPJPE)\n")
    print(table(rows))
    if not mpjpe_mm < WORST_MPJPE_MM:
        problems.append(f"the network is {mpjpe_mm:.0f} mm from the truth, expected less than {WORST_MPJPE_MM:g}")
    problems += [f"{row.title}: {row.failed}" for row in rows if row.failed]
    on_gpu = [b.title for b, row in zip(BACKENDS, rows, strict=False) if b.device != "cpu" and row.median_ms]
    if require_gpu and not on_gpu:
        problems.append("require_gpu is set, and no GPU runtime works")
    if camera_topic:
        from nanohtnet_ros.ros.camera_check import listen

        good, sentence = listen(camera_topic)
        print(f"\ncamera: {sentence}")
        problems += [] if good else [f"camera: {sentence}"]
    if problems:
        raise UserError("selftest failed\n  " + "\n  ".join(problems))
    where = f"on the GPU by {', '.join(on_gpu)}" if on_gpu else "on the CPU; no GPU runtime works here, see above"
    print(f"\nselftest passed: networks run {where}")


def system_info() -> list[str]:
    """Computer, packages and ROS distribution, a line each."""
    lines = [f"machine    {platform.machine()}, {os.cpu_count()} CPUs, {platform.platform()}"]
    for title, file in (
        ("board", "/proc/device-tree/model"),
        ("L4T", "/etc/nv_tegra_release"),
        ("power", "/var/lib/nvpmodel/status"),
    ):
        if Path(file).is_file():
            lines.append(f"{title:10} {Path(file).read_text(errors='replace').strip(chr(0) + chr(10))}")
    packages = ("nanohtnet_ros", "numpy", "onnxruntime", "onnxruntime-gpu", "tensorrt", "torch", "onnx")
    found = []
    for package in packages:
        try:
            found.append(f"{package} {metadata.version(package)}")
        except metadata.PackageNotFoundError:
            continue
    lines.append(f"packages   Python {platform.python_version()}, {', '.join(found)}")
    lines.append(f"ROS        {os.environ.get('ROS_DISTRO', 'not sourced')}")
    return lines


def try_backend(
    backend: Backend,
    path: Path,
    inputs: tuple[np.ndarray, ...],
    used: int,
    reference_m: np.ndarray | None,
    seconds: float,
) -> tuple[Row, np.ndarray | None]:
    """Open a session, compare it, time it."""
    row = Row(backend.title)
    try:
        with log_to_stdout():
            session = open_session(path, backend.device, precision=backend.precision, cuda_graph=backend.cuda_graph)
    except Exception as error:  # whatever a library or driver raises: the report says so
        unavailable = isinstance(error, (ImportError, OSError)) and backend is not REFERENCE
        setattr(row, "absent" if unavailable else "failed", str(error))
        return row, None
    try:
        joints_m = used_joints(session.run(*inputs), used)
        if not np.isfinite(joints_m).all():
            row.failed = "joints are not finite"
        elif reference_m is not None:
            compare(row, joints_m, reference_m, backend)
        row.median_ms, row.p99_ms = measure(session.run, inputs, seconds)
    except Exception as error:
        row.failed = str(error)
        return row, None
    finally:
        session.close()
    return row, joints_m


def try_torch(
    checkpoint: Path,
    inputs: tuple[np.ndarray, ...],
    used: int,
    reference_m: np.ndarray,
    seconds: float,
) -> Row:
    """Compare and time PyTorch, on the CPU."""
    row = Row("PyTorch, CPU")
    try:
        from nanohtnet_ros.model.checkpoints import load_checkpoint
        from nanohtnet_ros.training.evaluate import torch_lift

        lift = torch_lift(load_checkpoint(checkpoint))
        compare(row, used_joints(lift(*inputs), used), reference_m, Backend(row.title, "cpu", 0.01, 0.1))
    except ImportError as error:
        row.absent = str(error)
        return row
    except Exception as error:
        row.failed = str(error)
        return row
    row.median_ms, row.p99_ms = measure(lift, inputs, seconds)
    return row


def used_joints(output: np.ndarray, used: int) -> np.ndarray:
    """(B, 17, 3) metres, relative to joint 0, of the frame that is used of each window."""
    joints_m = output[:, used, :, :3].copy()
    joints_m[:, 0] = 0.0
    return joints_m


def compare(row: Row, joints_m: np.ndarray, reference_m: np.ndarray, backend: Backend) -> None:
    """Write into the row how far joints lie from the reference's, and whether that is too far."""
    difference_mm = np.linalg.norm(joints_m - reference_m, axis=-1) * 1000
    row.mean_mm, row.most_mm = float(difference_mm.mean()), float(difference_mm.max())
    if not (row.mean_mm <= backend.mean_mm and row.most_mm <= backend.most_mm):
        row.failed = (
            f"joints differ from ONNX Runtime's by {row.mean_mm:.2f} mm, at most {row.most_mm:.2f} mm; expected "
            f"{backend.mean_mm:g} and {backend.most_mm:g} at most"
        )


def measure(
    run: Callable[..., np.ndarray],
    inputs: tuple[np.ndarray, ...],
    seconds: float,
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Median and 99th percentile of a run's milliseconds for each number of people, from NumPy to NumPy."""
    medians, worst = [], []
    for people in PEOPLE:
        batch = [np.ascontiguousarray(np.resize(x, (people, *x.shape[1:]))) for x in inputs]
        for _ in range(3):
            run(*batch)
        times_ms: list[float] = []
        end = time.perf_counter() + seconds
        while not times_ms or time.perf_counter() < end:
            started = time.perf_counter()
            run(*batch)
            times_ms.append(1000 * (time.perf_counter() - started))
        medians.append(float(np.median(times_ms)))
        worst.append(float(np.percentile(times_ms, 99)))
    return tuple(medians), tuple(worst)


def table(rows: list[Row]) -> str:
    """The results as one table in Markdown."""
    people = " | ".join(f"{n} people" if n > 1 else "1 person" for n in PEOPLE)
    lines = [
        f"| runtime | verdict | mean, max mm | {people} | people/s |",
        "|---|---|---|" + "---|" * (len(PEOPLE) + 1),
    ]
    for row in rows:
        if row.absent:
            lines.append(f"| {row.title} | unavailable | |" + " |" * (len(PEOPLE) + 1))
            continue
        times = [f"{m:.2f}, {p:.2f} ms" for m, p in zip(row.median_ms, row.p99_ms, strict=True)] or [""] * len(PEOPLE)
        most = max((n / m for n, m in zip(PEOPLE, row.median_ms, strict=False)), default=0.0) * 1000
        error = "reference" if np.isnan(row.mean_mm) else f"{row.mean_mm:.3f}, {row.most_mm:.3f}"
        verdict = "FAILED" if row.failed else "ok"
        lines.append(f"| {row.title} | {verdict} | {error} | {' | '.join(times)} | {most:.0f} |")
    lines.append("\ntimes: median, 99th percentile of one run, arrays in and out; people/s: the best of them")
    lines += [f"{row.title}: {row.absent}" for row in rows if row.absent]
    return "\n".join(lines)
