"""Engines in the user's cache: each is built once and used until something that it depends on changes."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import logging
import re
import time
from collections.abc import Iterator
from pathlib import Path

from nanohtnet_ros.errors import UserError
from nanohtnet_ros.runtime import tensorrt_api
from nanohtnet_ros.runtime.engine_build import PRECISIONS, batches, build_engine
from nanohtnet_ros.runtime.files import write_atomically
from nanohtnet_ros.runtime.model_store import cache_dir
from nanohtnet_ros.runtime.tensorrt_api import Gpu

MAX_BATCH = 32
CHECKSUM = hashlib.sha256().digest_size
_log = logging.getLogger(__name__)


class EngineFileError(ValueError):
    """A file is not an engine that can be loaded; the message says why."""


def engine_dir() -> Path:
    """The user's folder for engines; it may be deleted at any time."""
    return cache_dir().parent / "engines"


def engine_file(path: Path, tensorrt: str, gpu: Gpu, precision: str, max_batch: int = MAX_BATCH) -> Path:
    """Path of an ONNX file's engine; its name holds all that the engine depends on.

    Args:
        path: the ONNX file.
        tensorrt: version that builds it.
        gpu: it runs on.
        precision: one of `engine_build.PRECISIONS`.
        max_batch: largest batch, if it is dynamic.
    """
    if precision not in PRECISIONS:
        raise UserError(f"precision is '{precision}', expected one of {', '.join(PRECISIONS)}")
    sizes = "-".join(map(str, batches(max_batch)))
    return engine_dir() / _file_name(
        f"{path.stem} {onnx_sha256(path)[:16]} TensorRT {tensorrt} {gpu.name} {gpu.compute_capability} {precision} "
        f"batch {sizes}.engine"
    )


def _file_name(text: str) -> str:
    return re.sub(r"[^\w.-]+", "_", text)


def write_engine(file: Path, engine: bytes) -> None:
    """Write an engine with its checksum."""
    write_atomically(file, hashlib.sha256(engine).digest() + engine)


def read_engine(file: Path) -> bytes:
    """Read an engine.

    Raises:
        FileNotFoundError: there is none.
        EngineFileError: it is damaged.
    """
    content = file.read_bytes()
    checksum, engine = content[:CHECKSUM], content[CHECKSUM:]
    if hashlib.sha256(engine).digest() != checksum:
        raise EngineFileError("it is damaged (its checksum differs)")
    return engine


def bare_engine(path: Path) -> bytes:
    """Read an engine that another tool built, also one with Ultralytics' header."""
    content = path.read_bytes()
    length = int.from_bytes(content[:4], "little")
    if content[4:5] == b"{" and content[3 + length : 4 + length] == b"}":
        return content[4 + length :]
    return content


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock of an engine's file; the kernel releases it when the process ends, however that happens."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_suffix(".lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _log.info("another process builds %s: waiting for it", path.name)
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def get_engine(path: Path, precision: str, max_batch: int, rejected: str | None = None) -> bytes:
    """The engine of an ONNX file for this machine, built if it is missing or unusable; the log says why.

    Args:
        path: the ONNX file.
        precision: one of `engine_build.PRECISIONS`.
        max_batch: largest batch, if it is dynamic.
        rejected: why TensorRT cannot load the engine in the cache, if it cannot.
    Raises:
        GpuUnavailableError: TensorRT or a GPU is missing.
        UserError, ImportError: it cannot be built.
    """
    trt = tensorrt_api.load_tensorrt()
    gpu = tensorrt_api.current_gpu(tensorrt_api.load_cuda())
    file = engine_file(path, trt.__version__, gpu, precision, max_batch)
    reason = rejected
    if rejected is None:
        with contextlib.suppress(FileNotFoundError, EngineFileError):
            return read_engine(file)
    requested = time.time()
    with locked(file):
        try:  # another process may have built it meanwhile
            if rejected is None or file.stat().st_mtime > requested:
                return read_engine(file)
        except FileNotFoundError:
            others = sorted(other.name for other in file.parent.glob(f"{_file_name(path.stem)}_*.engine"))
            reason = f"the cache has only {', '.join(others)}" if others else "there is none yet"
        except EngineFileError as error:
            reason = str(error)
        what = f"engine of {path.stem} ({precision}, TensorRT {trt.__version__}, {gpu.name})"
        _log.info("building the %s: %s; this happens once and may take minutes", what, reason)
        started = time.monotonic()
        for part in file.parent.glob(f".{file.name}.*"):  # of a process that was killed
            part.unlink(missing_ok=True)
        timing_file = engine_dir() / _file_name(f"timing-{trt.__version__}-{gpu.name}.cache")
        timing = timing_file.read_bytes() if timing_file.is_file() else b""
        engine, timing = build_engine(path, precision, max_batch, timing)
        write_engine(file, engine)
        write_atomically(timing_file, timing)
        _log.info("built the %s in %.0f s: %s", what, time.monotonic() - started, file)
        return engine


def onnx_sha256(path: Path) -> str:
    """SHA-256 of an ONNX file, with the weights beside it if they are in a file of their own."""
    sha256 = hashlib.sha256(path.read_bytes())
    for weights in sorted(path.parent.glob(f"{path.name}*.data")) + sorted(path.parent.glob(f"{path.stem}.data")):
        sha256.update(weights.read_bytes())
    return sha256.hexdigest()
