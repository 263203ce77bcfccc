"""The `nanohtnet` command: a table from words to functions, whose signatures and docstrings are the help."""

from __future__ import annotations

import importlib
import sys

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


def main(argv: list[str] | None = None) -> int:
    """Run one command.

    Returns:
        0 if it went well, 1 after an error that the message says how to mend, 2 for an unknown command.
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
    try:
        from jsonargparse import auto_cli

        command = getattr(importlib.import_module(module), function)
        options = [respelled(words, option) for option in argv[len(words.split()):]]
        auto_cli(command, args=options, prog=f"nanohtnet {words}", allow_abbrev=False)
    except ModuleNotFoundError as error:
        print(f"nanohtnet {words}: {error}: install it, or the extra of this package that holds it (train, viz, onnx)",
              file=sys.stderr)
        return 1
    except BrokenPipeError:  # the reader of our output has seen enough
        return 0
    except (UserError, OSError, ImportError) as error:
        print(f"nanohtnet {words}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
