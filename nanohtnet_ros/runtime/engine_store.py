"""Engines in the user's cache: each is built once and used until something that it depends on changes."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import logging
import re
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from nanohtnet_ros.errors import UserError
from nanohtnet_ros.runtime import tensorrt_api
from nanohtnet_ros.runtime.engine_build import PRECISIONS, batches, build_engine
from nanohtnet_ros.runtime.files import write_atomically
from nanohtnet_ros.runtime.model_store import cache_dir
from nanohtnet_ros.runtime.tensorrt_api import Gpu

MAX_BATCH = 32
MAGIC = b"nanohtnet engine 1\n"
_log = logging.getLogger(__name__)


class EngineFileError(ValueError):
    """A file is not the expected engine; the message says why."""


@dataclass(frozen=True)
class EngineKey:
    """All that an engine depends on.

    Attributes:
        onnx_sha256: of the ONNX file, with the weights beside it if they are in a file of their own.
        tensorrt: version that builds it.
        gpu, compute_capability: it runs on.
        precision: one of `engine_build.PRECISIONS`.
        profile: least, most frequent and largest batch.
    """

    onnx_sha256: str
    tensorrt: str
    gpu: str
    compute_capability: str
    precision: str
    profile: tuple[int, int, int]

    @classmethod
    def of(cls, path: Path, tensorrt: str, gpu: Gpu, precision: str, max_batch: int = MAX_BATCH) -> EngineKey:
        """The key of an ONNX file's engine on this machine."""
        if precision not in PRECISIONS:
            raise UserError(f"precision is '{precision}', expected one of {', '.join(PRECISIONS)}")
        return cls(onnx_sha256(path), tensorrt, gpu.name, gpu.compute_capability, precision, batches(max_batch))

    def file(self, stem: str) -> Path:
        """Path of the engine of a model of this name."""
        digest = hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()
        return engine_dir() / f"{stem}-{self.precision}-{digest[:16]}.engine"

    def difference(self, other: dict) -> str:
        """The difference of another key, as text."""
        mine, other = json.loads(json.dumps([asdict(self), other]))
        names = {
            "onnx_sha256": "another version of the model",
            "profile": f"batches {other.get('profile')}",
            "precision": str(other.get("precision")),
            "tensorrt": f"TensorRT {other.get('tensorrt')}",
            "gpu": f"the GPU {other.get('gpu')}",
            "compute_capability": f"compute capability {other.get('compute_capability')}",
        }
        return " and ".join(text for name, text in names.items() if mine[name] != other.get(name))


def engine_dir() -> Path:
    """The user's folder for engines; it may be deleted at any time."""
    return cache_dir().parent / "engines"


def write_engine(path: Path, key: EngineKey, engine: bytes) -> None:
    """Write an engine with the key that it was built for and its checksum."""
    header = {"key": asdict(key), "sha256": hashlib.sha256(engine).hexdigest()}
    write_atomically(path, MAGIC + json.dumps(header).encode() + b"\n" + engine)


def read_engine(path: Path, key: EngineKey) -> bytes:
    """Read an engine and check that it is the one of a key.

    Raises:
        FileNotFoundError: there is none.
        EngineFileError: it is damaged, or was built for something else.
    """
    content = path.read_bytes()
    if not content.startswith(MAGIC):
        raise EngineFileError("it is not an engine that this package wrote")
    header, _, engine = content[len(MAGIC) :].partition(b"\n")
    try:
        header = json.loads(header)
        sha256, built_for = header["sha256"], dict(header["key"])
    except (ValueError, KeyError, TypeError) as error:
        raise EngineFileError("its header is damaged") from error
    if hashlib.sha256(engine).hexdigest() != sha256:
        raise EngineFileError("it is damaged (its checksum differs)")
    if difference := key.difference(built_for):
        raise EngineFileError(f"it was built for {difference}")
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
    key = EngineKey.of(path, trt.__version__, gpu, precision, max_batch)
    file = key.file(path.stem)
    reason = rejected
    if rejected is None:
        with contextlib.suppress(FileNotFoundError, EngineFileError):
            return read_engine(file, key)
    requested = time.time()
    with locked(file):
        try:  # another process may have built it meanwhile
            if rejected is None or file.stat().st_mtime > requested:
                return read_engine(file, key)
        except FileNotFoundError:
            reason = _why_missing(file, key, path.stem)
        except EngineFileError as error:
            reason = str(error)
        what = f"engine of {path.stem} ({precision}, TensorRT {trt.__version__}, {gpu.name})"
        _log.info("building the %s: %s; this happens once and may take minutes", what, reason)
        started = time.monotonic()
        for part in file.parent.glob(f".{file.name}.*"):  # of a process that was killed
            part.unlink(missing_ok=True)
        timing_file = engine_dir() / re.sub(r"[^\w.-]+", "_", f"timing-{trt.__version__}-{gpu.name}.cache")
        timing = timing_file.read_bytes() if timing_file.is_file() else b""
        engine, timing = build_engine(path, precision, max_batch, timing)
        write_engine(file, key, engine)
        write_atomically(timing_file, timing)
        _log.info("built the %s in %.0f s: %s", what, time.monotonic() - started, file)
        return engine


def _why_missing(file: Path, key: EngineKey, stem: str) -> str:
    """The difference to what the cache has instead."""
    for other in sorted(file.parent.glob(f"{stem}-{key.precision}-*.engine")):
        with contextlib.suppress(EngineFileError, OSError), other.open("rb") as content:
            if content.readline() == MAGIC:
                with contextlib.suppress(ValueError, KeyError, TypeError):
                    if difference := key.difference(json.loads(content.readline())["key"]):
                        return f"the one in the cache was built for {difference}"
    return "there is none yet"


def onnx_sha256(path: Path) -> str:
    """SHA-256 of an ONNX file, with the weights beside it if they are in a file of their own."""
    sha256 = hashlib.sha256(path.read_bytes())
    for weights in sorted(path.parent.glob(f"{path.name}*.data")) + sorted(path.parent.glob(f"{path.stem}.data")):
        sha256.update(weights.read_bytes())
    return sha256.hexdigest()
