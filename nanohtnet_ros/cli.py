"""The `nanohtnet` command: a table from words to functions, whose signatures and docstrings are the help."""

from __future__ import annotations

import argparse
import importlib
import inspect
import re
import sys
from collections.abc import Callable
from pathlib import Path
from types import NoneType
from typing import Any, get_args, get_type_hints

from nanohtnet_ros import __version__
from nanohtnet_ros.errors import UserError

COMMANDS = {
    "run": ("nanohtnet_ros.demo.run:run", "3D skeletons of a video file through the ROS nodes: bag, table, picture"),
    "demo": ("nanohtnet_ros.demo.run:demo", "the same for the two clips of this package, against their ground truth"),
    "models get": ("nanohtnet_ros.commands.models:get", "download a detector's files into the user's cache"),
    "models list": ("nanohtnet_ros.commands.models:show", "models that are installed: size, errors, speed"),
    "engine build": ("nanohtnet_ros.commands.engine:build", "build a network's TensorRT engine for this machine"),
    "selftest": ("nanohtnet_ros.commands.selftest:selftest", "check and time everything that can run networks here"),
    "data convert": ("nanohtnet_ros.commands.convert:convert", "BVH files to a motion file for training"),
    "train": ("nanohtnet_ros.training.train:train", "train a lifting network on motion capture or recordings"),
    "pretrain": ("nanohtnet_ros.training.pretrain:pretrain", "pre-train its encoder by PoseCLR; then train --from it"),
    "evaluate": ("nanohtnet_ros.training.evaluate:evaluate", "errors of a network: checkpoint, exported or installed"),
    "export": ("nanohtnet_ros.training.export:export", "checkpoint to ONNX and its sidecar"),
}
"""Words of a command to the function behind it and one line of help. Modules load when their command runs."""

SPELLINGS = {("train", "--from"): "--start"}
"""Options of a command that are words of Python, and the parameters that they stand for."""


def usage() -> str:
    """All commands, a line each."""
    lines = [f"  {words:12} {summary}" for words, (_, summary) in COMMANDS.items()]
    return "usage: nanohtnet COMMAND ...\n\n" + "\n".join(lines) + "\n\n'nanohtnet COMMAND --help' says more."


def respelled(words: str, option: str) -> str:
    """An option, `--name` or `--name=value`, by the name of its parameter."""
    name, equals, value = option.partition("=")
    return SPELLINGS.get((words, name), name) + equals + value


def simple_parser(command: Callable, prog: str) -> argparse.ArgumentParser | None:
    """A parser for a command whose parameters are single values, as those that a robot needs.

    Commands with recipes need jsonargparse, which ROS's distributions do not have.

    Args:
        command: a function with a Google docstring; parameters without a default are positional.
        prog: what the user types to get it.
    Returns:
        The parser, or None where a parameter is more than a value.
    """
    summary, _, rest = (inspect.getdoc(command) or "").partition("\nArgs:\n")
    described = dict(re.findall(r"^ {4}(\w+): ((?:.|\n {8})*)", rest, re.MULTILINE))
    parser = argparse.ArgumentParser(
        prog, description=summary, allow_abbrev=False, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    hints = get_type_hints(command)
    for name, parameter in inspect.signature(command).parameters.items():
        kind: Any = next((kind for kind in get_args(hints.get(name)) if kind is not NoneType), hints.get(name))
        if kind not in VALUES or parameter.kind is parameter.VAR_KEYWORD:
            return None
        text = " ".join(described.get(name, "").split()).replace("%", "%%")
        if parameter.default is parameter.empty:
            parser.add_argument(name, type=VALUES[kind], help=text)
        else:
            known = "" if parameter.default in (None, "") else f" (default: {parameter.default})"
            parser.add_argument(
                f"--{name}", type=VALUES[kind], default=parameter.default, metavar=kind.__name__, help=text + known
            )
    return parser


def true_or_false(text: str) -> bool:
    """A switch's value.

    Raises:
        ValueError: it is neither true nor false.
    """
    if text.lower() not in ("true", "yes", "false", "no"):
        raise ValueError(text)
    return text.lower() in ("true", "yes")


VALUES: dict[Any, Callable[[str], Any]] = {str: str, int: int, float: float, Path: Path, bool: true_or_false}
"""Types of single values, and what makes them of text."""


def main(argv: list[str] | None = None) -> int:
    """Run one command.

    Returns:
        0 if it went well, 1 after an error that the user can correct, 2 for an unknown command, 130 after
        Ctrl-C.
    """
    argv = sys.argv[1:] if argv is None else argv
    if argv == ["--version"]:
        print(f"nanohtnet_ros {__version__}")
        return 0
    words = next((words for words in COMMANDS if argv[: len(words.split())] == words.split()), None)
    if words is None:
        asked = not argv or argv[0] in ("-h", "--help")
        print(usage(), file=sys.stdout if asked else sys.stderr)
        return 0 if asked else 2
    module, function = COMMANDS[words][0].split(":")
    prog, options = f"nanohtnet {words}", [respelled(words, option) for option in argv[len(words.split()) :]]
    try:
        command = getattr(importlib.import_module(module), function)
        if parser := simple_parser(command, prog):
            command(**vars(parser.parse_args(options)))
        else:
            from jsonargparse import auto_cli

            auto_cli(command, args=options, prog=prog, allow_abbrev=False)
    except ModuleNotFoundError as error:
        print(
            f"nanohtnet {words}: {error}: install it, or the extra of this package that holds it (train, viz, onnx)",
            file=sys.stderr,
        )
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # the reader of our output has seen enough
        return 0
    except (UserError, OSError, ImportError) as error:
        print(f"nanohtnet {words}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
