"""Arrays and plain containers from pickled `.npz` archives, without running anything that a file names."""

from __future__ import annotations

import hashlib
import pickle
import re
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import IO, Any

import numpy as np

from nanohtnet_ros.errors import UserError

DTYPE = re.compile(r"b1|[iu][1248]|f[248]|[SU]\d+|O8?")
"""Admitted element types: numbers, text and objects; no structures, no dates."""


def read_archive(path: Path | str, names: Iterable[str]) -> dict[str, Any]:
    """Read arrays of a `.npz` file; object arrays through an unpickler with an allow-list.

    Admitted are NumPy arrays, types and scalars, numbers, text, None, lists, tuples and dictionaries, as NumPy 1 and 2
    on Python 2 and 3 write them.

    Args:
        path: the file.
        names: required arrays; others are not read.
    Returns:
        Each name's array, or the object itself where the array is a single object (as of `np.savez(f, data={...})`).
    Raises:
        FileNotFoundError: no such file.
        UserError: it is no `.npz` file, is truncated, lacks an array or holds anything but data.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no archive at {path}: docs/data.md says where each one comes from")
    try:
        with zipfile.ZipFile(path) as archive:
            present = sorted(name.removesuffix(".npy") for name in archive.namelist() if name.endswith(".npy"))
            missing = sorted(set(names) - set(present))
            if missing:
                raise UserError(f"{path}: no array {', '.join(missing)}, it has {', '.join(present) or 'none'}")
            arrays = {}
            for name in names:
                with archive.open(f"{name}.npy") as member:
                    arrays[name] = _read_member(member, f"{path}, array '{name}'")
            return arrays
    except zipfile.BadZipFile as error:
        raise UserError(f"{path}: {error}, expected a complete .npz archive: fetch it again") from error


def sha256_of(*paths: Path) -> str:
    """Checksum of one file, or of several files' checksums in the order given."""
    digests = []
    for path in paths:
        digest = hashlib.sha256()
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
        digests.append(digest.hexdigest())
    return digests[0] if len(digests) == 1 else hashlib.sha256("".join(digests).encode()).hexdigest()


def _read_member(file: IO[bytes], location: str) -> Any:
    try:
        version = np.lib.format.read_magic(file)
        read_header = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
        if version not in read_header:
            raise UserError(f"format version {version[0]}.{version[1]}, expected 1.0 or 2.0")
        shape, _, dtype = read_header[version](file)
        if dtype.hasobject:
            content = _ArrayUnpickler(file).load()
            if not isinstance(content, np.ndarray) or content.shape != shape or content.dtype != dtype:
                raise UserError(f"its pickle is not the {dtype} array of shape {shape} that its header announces")
        else:
            file.seek(0)
            content = np.lib.format.read_array(file, allow_pickle=False)
    except zipfile.BadZipFile as error:
        raise UserError(f"{location}: {error}: fetch the file again") from error
    except Exception as error:  # a corrupt pickle may raise almost anything
        raise UserError(f"{location}: {type(error).__name__}: {error}") from error
    return content.item() if dtype.hasobject and content.shape == () else np.asarray(content)


class _PickledDtype:
    """`numpy.dtype` while unpickling, whose own `__setstate__` trusts flags from the file."""

    def __init__(self, spec: str, *_: Any) -> None:
        if not isinstance(spec, str) or not DTYPE.fullmatch(spec):
            raise UserError(f"element type {spec!r}, expected numbers, text or objects")
        self.dtype = np.dtype(spec)

    def __setstate__(self, state: tuple) -> None:
        if state[1] not in ("<", ">", "|", "=") or any(part is not None for part in state[2:5]):
            raise UserError(f"element type {self.dtype} with fields or byte order {state[1]!r}")
        self.dtype = self.dtype.newbyteorder(state[1])


class _PickledArray(np.ndarray):
    """An array that checks its content; NumPy's own trusts the length of a list of objects."""

    def __setstate__(self, state: tuple) -> None:
        _, dimensions, pickled, fortran, data = state
        shape = tuple(int(n) for n in dimensions)
        dtype, size = pickled.dtype, int(np.prod(shape, dtype=object))
        if isinstance(data, str):  # written by Python 2
            data = data.encode("latin1")
        of_objects = dtype.hasobject
        if not isinstance(data, list if of_objects else bytes) or min(shape, default=0) < 0:
            raise UserError(f"array of {dtype} with shape {shape} and data of type {type(data).__name__}")
        if len(data) != (size if of_objects else size * dtype.itemsize):
            raise UserError(f"array of {dtype} with shape {shape}, but {len(data)} items or bytes of data")
        state = 1, shape, dtype, bool(fortran), data
        super().__setstate__(state)  # type: ignore[arg-type]  # the stub wants np.bool, which NumPy deprecates here


_NDARRAY = "numpy.ndarray"  # a token: the class itself could be called with the file's buffer and strides


def _reconstruct(kind: Any, *_: Any) -> _PickledArray:
    if kind is not _NDARRAY:
        raise UserError(f"an array of kind {kind!r}, expected numpy.ndarray")
    return np.ndarray.__new__(_PickledArray, (0,))


def _scalar(pickled: _PickledDtype, data: bytes | str) -> Any:
    if pickled.dtype.hasobject:
        raise UserError("a NumPy scalar of an object")
    return np.frombuffer(data.encode("latin1") if isinstance(data, str) else data, pickled.dtype, count=1)[0]


def _encode(text: str, encoding: str = "latin1") -> bytes:
    if encoding not in ("latin1", "latin-1"):
        raise UserError(f"text to be encoded as {encoding!r}, expected latin1")
    return text.encode("latin1")


def _no_bytes() -> bytes:
    return b""


_ADMITTED = {
    ("numpy", "ndarray"): _NDARRAY,
    ("numpy", "dtype"): _PickledDtype,
    ("_codecs", "encode"): _encode,  # bytes in pickles up to protocol 2, and empty ones:
    ("__builtin__", "bytes"): _no_bytes,
    **{(f"numpy.{core}.multiarray", "_reconstruct"): _reconstruct for core in ("core", "_core")},
    **{(f"numpy.{core}.multiarray", "scalar"): _scalar for core in ("core", "_core")},
}


class _ArrayUnpickler(pickle.Unpickler):
    """An unpickler for the globals of NumPy's pickles, each replaced by a checked function."""

    def __init__(self, file: IO[bytes]) -> None:
        super().__init__(file, encoding="latin1")

    def find_class(self, module: str, name: str) -> Any:
        try:
            return _ADMITTED[module, name]
        except KeyError:
            raise pickle.UnpicklingError(
                f"it asks for {module}.{name}, expected NumPy arrays and plain containers only: the file is not what "
                "it should be, do not trust it"
            ) from None
