"""What a checkpoint says of its training."""

from __future__ import annotations

import importlib.metadata
import json
import platform
import subprocess
from pathlib import Path

import numpy
import torch

from nanohtnet_ros.model.checkpoints import read_checkpoint

PACKAGE = "nanohtnet_ros"
MADE_WITH = "made_with"


def made_with() -> dict[str, str]:
    """Versions of this package, as a commit where it runs from its source tree, and of the libraries."""
    versions = {"python": platform.python_version(), "torch": torch.__version__, "numpy": numpy.__version__}
    return {PACKAGE: source_commit(Path(__file__).parent) or installed_version(), **versions}


def installed_version() -> str:
    try:
        return importlib.metadata.version(PACKAGE)
    except importlib.metadata.PackageNotFoundError:
        return "unknown"


def source_commit(folder: Path) -> str | None:
    """Commit of the source tree that a folder is in, with -dirty if files differ from it; None outside of one."""
    git = ["git", "-C", str(folder)]
    try:
        # An installed copy may lie in a tree that has nothing to do with it, such as a workspace's.
        subprocess.run([*git, "ls-files", "--error-unmatch", "provenance.py"], check=True, capture_output=True)
        described = subprocess.run(
            [*git, "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return described.stdout.decode().strip()


def difference(before: dict, now: dict) -> list[str]:
    """In what two records differ, one text each; what they were made with may differ."""
    before, now = flat(before), flat(now)
    return [
        f"{name} was {json.dumps(before.get(name))}, is {json.dumps(now.get(name))}"
        for name in sorted(before.keys() | now.keys())
        if before.get(name) != now.get(name) and not name.startswith(MADE_WITH)
    ]


def flat(record: dict, prefix: str = "") -> dict[str, object]:
    """Nested keys joined by dots."""
    leaves = {}
    for name, value in record.items():
        leaves.update(flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {prefix + name: value})
    return leaves


def record_of(checkpoint: Path) -> dict:
    """A checkpoint's recipe, data, versions and how far it had come; from its file, or else from the files beside it.

    Returns:
        The record, with the last log entry as `reached`; empty if nothing is known.
    Raises:
        FileNotFoundError, ValueError: see `read_checkpoint`.
    """
    content = read_checkpoint(checkpoint)
    if "training" in content:
        return content["training"]
    recipe, log = checkpoint.with_name("recipe.json"), checkpoint.with_name("log.jsonl")
    record = json.loads(recipe.read_text()) if recipe.is_file() else {}
    if log.is_file():
        record["reached"] = json.loads(log.read_text().splitlines()[-1])
    return record
