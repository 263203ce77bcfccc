"""Start `nanohtnet train` and `nanohtnet pretrain` as the tools do that compare trainings."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path


def run_to_end(
    command: str,
    data: Path,
    out: Path,
    recipe: Path,
    options: Mapping[str, object],
    threads: int,
    start: Path | None = None,
) -> dict:
    """Train to the end, going on where it stopped, and return the last entry of the log.

    Args:
        command: `train` or `pretrain`.
        data, out, recipe: of the training.
        options: of the recipe, by name as `synthesis.speed`.
        threads: of the CPU.
        start: checkpoint whose weights it begins with.
    Raises:
        subprocess.CalledProcessError: it failed; it has said why.
    """
    words = [
        sys.executable,
        "-m",
        "nanohtnet_ros.cli",
        command,
        str(data),
        str(out),
        "--recipe",
        str(recipe),
        "--threads",
        str(threads),
    ]
    for name, value in options.items():
        words += [f"--recipe.{name}", str(value)]
    if start is not None:
        words += ["--from", str(start)]
    print("$", " ".join(words[2:]), flush=True)
    subprocess.run(words, check=True, env={**os.environ, "OMP_NUM_THREADS": str(threads)})
    return json.loads((out / "log.jsonl").read_text().splitlines()[-1])


def option(pair: str) -> tuple[str, str]:
    """`KEY=VALUE` of the command line, for `argparse`."""
    key, equals, value = pair.partition("=")
    if not (key and equals):
        raise argparse.ArgumentTypeError(f"'{pair}' is no KEY=VALUE, as in learning_rate=0.002")
    return key, value
