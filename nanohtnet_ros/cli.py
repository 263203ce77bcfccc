"""The `nanohtnet` command: a table from words to functions, whose signatures and docstrings are the help."""

from __future__ import annotations

import argparse
import importlib
import inspect
import re
import sys
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from types import NoneType
from typing import Any, get_args, get_type_hints

from nanohtnet_ros import __version__
from nanohtnet_ros.core.settings import Settings, constraint_of, default_of
from nanohtnet_ros.errors import UserError

COMMANDS = {
    "run": ("nanohtnet_ros.commands.run:run", "3D skeletons of videos, images and bags: as a bag, as tables, ..."),
    "demo": ("nanohtnet_ros.demo.run:demo", "two clips of this package through the ROS nodes, against ground truth"),
    "view": ("nanohtnet_ros.commands.view:view", "people in a browser: of a recording, a bag, or live"),
    "models get": ("nanohtnet_ros.commands.models:get", "download a detector's files into the user's cache"),
    "models list": ("nanohtnet_ros.commands.models:show", "models that are installed: size, errors, speed"),
    "engine build": ("nanohtnet_ros.commands.engine:build", "build a network's TensorRT engine for this machine"),
    "bench": ("nanohtnet_ros.commands.bench:bench", "how long everything takes here, compared with older runs"),
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
        command: a function with a Google docstring; parameters without a default are positional. Those of `Settings`
            stand for an option for each setting.
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

    def add_option(name: str, kind: type, default: object, text: str) -> None:
        known = "" if default in (None, "") else f" (default: {default})"
        switch: dict[str, Any] = {"nargs": "?", "const": True} if kind is bool else {}
        parser.add_argument(
            f"--{name}",
            type=VALUES[kind],
            default=default,
            metavar=kind.__name__,
            help=text.replace("%", "%%") + known,
            **switch,
        )

    for name, parameter in inspect.signature(command).parameters.items():
        kind = kind_of(hints.get(name))
        text = " ".join(described.get(name, "").split())
        if isinstance(kind, type) and issubclass(kind, Settings):
            for entry in fields(kind):
                add_option(entry.name, type(default_of(entry)), default_of(entry), constraint_of(entry).description)
        elif kind not in VALUES or parameter.kind is parameter.VAR_KEYWORD:
            return None
        elif parameter.default is parameter.empty:
            nargs = "+" if parameter.kind is parameter.VAR_POSITIONAL else None
            parser.add_argument(name, type=VALUES[kind], nargs=nargs, help=text.replace("%", "%%"))
        else:
            add_option(name, kind, parameter.default, text)
    return parser


def kind_of(hint: Any) -> Any:
    """A parameter's type; that of a value that may also be None."""
    return next((kind for kind in get_args(hint) if kind is not NoneType), hint)


def call(command: Callable, given: dict[str, Any]) -> None:
    """Call a command with what its parser has found."""
    positional: list[Any] = []
    hints = get_type_hints(command)
    for name, parameter in inspect.signature(command).parameters.items():
        kind = kind_of(hints.get(name))
        if isinstance(kind, type) and issubclass(kind, Settings):
            given[name] = kind(**{entry.name: given.pop(entry.name) for entry in fields(kind)})
        elif parameter.kind is parameter.VAR_POSITIONAL:
            positional = given.pop(name)
    command(*positional, **given)


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
            call(command, vars(parser.parse_args(options)))
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
