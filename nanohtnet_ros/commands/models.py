"""`nanohtnet models list` and `models get`: lifting networks with size, errors and speed; detectors' files."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from nanohtnet_ros.errors import UserError
from nanohtnet_ros.runtime.downloads import SOURCES, download
from nanohtnet_ros.runtime.model_store import BLAZEPOSE, detector_path, find_blazepose, is_here, package_model_dirs
from nanohtnet_ros.runtime.session import open_session

if TYPE_CHECKING:
    from nanohtnet_ros.core.model_card import ModelCard

COLUMNS = (
    "name",
    "MB",
    "parameters",
    "window",
    "look-ahead s",
    "multiply-adds",
    "error mm: clean",
    "noisy",
    "ms a window",
)
SPEED_S = 0.3  # measured for each network
UNKNOWN = "?"
BLAZEPOSE_LICENCE = "Apache-2.0, The MediaPipe Authors"


def show(speed: bool = True) -> None:
    """List the lifting networks of this package and the detectors.

    Errors are the cards': MPJPE on motion that was not trained on, with exact and with noisy keypoints. Speed is
    measured here and now: the median of one person's window in ONNX Runtime on one CPU thread.

    Args:
        speed: measure it, which takes a moment.
    """
    paths = {path.name: path for folder in reversed(package_model_dirs()) for path in folder.glob("*.onnx")}
    print("lifting networks")
    rows: list[tuple[str, ...]] = [COLUMNS]
    broken = []
    for path in sorted(paths.values()):
        try:
            rows.append(row(path, speed))
        except (OSError, UserError) as error:  # the others are shown all the same
            broken.append(f"  {path.stem} cannot be used: {error}")
    print("\n".join((table(rows), *broken)))
    for folder in sorted({path.parent for path in paths.values()}):
        print(f"  in {folder}")
    print("detectors")
    for name in BLAZEPOSE:
        print(f"  {name:24} {BLAZEPOSE_LICENCE}  in this package")
    for name, source in SOURCES.items():
        state = detector_path(name) if is_here(name) else f"not downloaded: nanohtnet models get {name}"
        print(f"  {name:24} {source.licence}  {state}")


def get(name: str) -> None:
    """Download a detector into the user's cache, unless it is there; BlazePose is in this package.

    The address and the licence are shown first; the file is kept if its SHA-256 is the expected one. Nothing is
    installed.

    Args:
        name: one that 'nanohtnet models list' shows.
    Raises:
        UserError: the name is unknown, the download failed, or the file's content is not the expected one.
    """
    if name in BLAZEPOSE:
        print(f"{name} is in this package: {find_blazepose(name)[1]}")
        return
    if name not in SOURCES:
        raise UserError(f"unknown model '{name}', expected one of {', '.join((*BLAZEPOSE, *SOURCES))}")
    source, target = SOURCES[name], detector_path(name)
    if not is_here(name):
        print(f"{name}: licence {source.licence}\ndownloading {source.url}", flush=True)
        try:
            download(source, target)
        except UserError as error:
            raise UserError(
                f"{error}\nCheck the connection and run it again, or put the file at {target} yourself."
            ) from error
    print(f"{name} is at {target}")


def row(path: Path, speed: bool) -> tuple[str, ...]:
    """A lifting network's row of the table, in the order of `COLUMNS`."""
    from nanohtnet_ros.core.model_card import ModelCard

    card = ModelCard.of(path)
    errors: dict[str, float] = card.metrics.get("val") or next(iter(card.metrics.values()), {})
    return (
        path.stem,
        f"{path.stat().st_size / 1e6:.1f}",
        millions(card.parameters),
        f"{card.window_length} frames, {card.window_length / card.frame_rate_hz:.2f} s",
        look_aheads(card),
        millions(card.multiply_adds),
        *(f"{errors[name]:.1f}" if name in errors else UNKNOWN for name in ("clean_mpjpe_mm", "noisy_mpjpe_mm")),
        f"{median_ms(path, card):.2f}" if speed else "",
    )


def millions(count: int | None) -> str:
    """A large number in millions."""
    return UNKNOWN if count is None else f"{count / 1e6:.1f} M"


def look_aheads(card: ModelCard) -> str:
    """The look-aheads that a node can choose, seconds."""
    usable = sorted(-offset / card.frame_rate_hz for offset in card.output_offsets if offset <= -card.look_ahead)
    return f"{usable[0]:g}" if len(usable) == 1 else f"{usable[0]:g} to {usable[-1]:g} ({len(usable)})"


def median_ms(path: Path, card: ModelCard) -> float:
    """Median time of one window on one CPU thread, milliseconds, from array to array."""
    session = open_session(path, "cpu")
    inputs = [np.random.default_rng(0).random((1, *shape), np.float32) for shape in card.input_shapes]
    for _ in range(3):
        session.run(*inputs)
    times_s: list[float] = []
    end = time.perf_counter() + SPEED_S
    while not times_s or time.perf_counter() < end:
        started = time.perf_counter()
        session.run(*inputs)
        times_s.append(time.perf_counter() - started)
    return 1000.0 * float(np.median(times_s))


def table(rows: list[tuple[str, ...]]) -> str:
    """Aligned columns as text; the first row is the header."""
    widths = [max(len(cells[i]) for cells in rows) for i in range(len(rows[0]))]
    return "\n".join(
        "  " + "  ".join([cells[0].ljust(widths[0]), *map(str.rjust, cells[1:], widths[1:])]) for cells in rows
    )
