"""Checkpoint files: reading them safely, and comparing their tensors with a network's."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor

from nanohtnet_ros.errors import UserError

Config = TypeVar("Config")


def read_checkpoint(path: Path | str) -> dict[str, Any]:
    """Read a checkpoint's content with `weights_only=True`, so that it cannot run code.

    Raises:
        FileNotFoundError: no such file.
        ValueError: the file is no checkpoint.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"no checkpoint at {path}")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise UserError(f"{path} is not a checkpoint that can be read safely: {error}") from error
    if not isinstance(content, dict):
        raise UserError(f"{path} holds a {type(content).__name__}, expected a dict of tensors")
    return content


def check_trained(content: dict[str, Any], path: Path | str) -> None:
    """Raise a ValueError for a pre-trained encoder, which cannot be used by itself."""
    if content.get("pretrained"):
        raise UserError(f"{path} is pre-trained and has no regression head yet: train with --from {path}")


def config_of(content: dict[str, Any], kind: type[Config], path: Path | str) -> Config:
    """The configuration that a checkpoint holds.

    Raises:
        ValueError: it is another version's, or no such network can be.
    """
    try:
        return kind(**content["config"])
    except TypeError as error:
        raise UserError(
            f"{path}: its configuration is not one of {kind.__name__}: {error}; read it with the version of this "
            "package that wrote it") from error


def tensor_problems(tensors: dict[str, Tensor], expected: dict[str, Tensor]) -> list[str]:
    """What is missing, spare or misshapen, one text each."""
    problems = [f"missing '{name}'" for name in sorted(expected.keys() - tensors.keys())]
    problems += [f"unexpected '{name}'" for name in sorted(tensors.keys() - expected.keys())]
    return problems + [
        f"'{name}' has shape {tuple(tensors[name].shape)}, expected {tuple(expected[name].shape)}"
        for name in sorted(expected.keys() & tensors.keys()) if tensors[name].shape != expected[name].shape]
