"""Provenance of a checkpoint: recipe, data, versions."""

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
    """Version of the installed package."""
    try:
        return importlib.metadata.version(PACKAGE)
    except importlib.metadata.PackageNotFoundError:
        return "unknown"


def source_commit(folder: Path) -> str | None:
    """Commit of a folder's git working tree, with -dirty for uncommitted changes; None outside of one."""
    git = ["git", "-C", str(folder)]
    try:
        # An installed copy may lie in an unrelated working tree, such as a workspace's.
        subprocess.run([*git, "ls-files", "--error-unmatch", "provenance.py"], check=True, capture_output=True)
        described = subprocess.run(
            [*git, "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"], check=True, capture_output=True
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return described.stdout.decode().strip()


def difference(before: dict, now: dict) -> list[str]:
    """Differences between the provenance of two trainings, one text each; versions may differ."""
    before, now = flat(before), flat(now)
    return [
        f"{name} was {json.dumps(before.get(name))}, is {json.dumps(now.get(name))}"
        for name in sorted(before.keys() | now.keys())
        if before.get(name) != now.get(name) and not name.startswith(MADE_WITH)
    ]


def flat(nested: dict, prefix: str = "") -> dict[str, object]:
    """Nested keys joined by dots."""
    leaves: dict[str, object] = {}
    for name, value in nested.items():
        leaves.update(flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {prefix + name: value})
    return leaves


def provenance_of(checkpoint: Path) -> dict:
    """A checkpoint's recipe, data checksum and versions; from its file, or else from the files beside it.

    Returns:
        With the last log entry as `reached`; empty if nothing is known.
    Raises:
        FileNotFoundError, UserError: see `read_checkpoint`.
    """
    content = read_checkpoint(checkpoint)
    if "training" in content:
        return content["training"]
    recipe, log = checkpoint.with_name("recipe.json"), checkpoint.with_name("log.jsonl")
    provenance = json.loads(recipe.read_text()) if recipe.is_file() else {}
    if log.is_file():
        provenance["reached"] = json.loads(log.read_text().splitlines()[-1])
    return provenance
