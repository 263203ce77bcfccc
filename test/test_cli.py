"""The `nanohtnet` command's front."""

import subprocess
import sys
from pathlib import Path

import pytest

from nanohtnet_ros.cli import COMMANDS, main, simple_parser

ROBOT = ("run", "demo", "models get", "models list", "engine build", "selftest")
"""Commands that a robot needs, and that therefore run without jsonargparse, which has no rosdep key."""


def command(
    video: Path,
    out: Path = Path("out"),
    camera: Path | None = None,
    speed: float = 0.5,
    loud: bool = False,
    count: int = 3,
    name: str = "",
) -> None:
    """Play a video.

    At 100 % of its speed.

    Args:
        video: the file,
            of any kind.
        speed: how fast; 1: as it is.
        loud: with sound.
    """


def with_options(folder: Path, **options: int) -> None:
    """More than single values."""


def test_values_have_their_types_and_defaults():
    parser = simple_parser(command, "nanohtnet play")
    assert vars(parser.parse_args(["a.mp4"])) == {
        "video": Path("a.mp4"),
        "out": Path("out"),
        "camera": None,
        "speed": 0.5,
        "loud": False,
        "count": 3,
        "name": "",
    }
    given = parser.parse_args(
        ["a.mp4", "--camera", "c.yaml", "--speed=2", "--loud", "true", "--count", "1", "--name", "x"]
    )
    assert (given.camera, given.speed, given.loud, given.count, given.name) == (Path("c.yaml"), 2.0, True, 1, "x")


def test_the_help_is_the_docstring():
    text = simple_parser(command, "nanohtnet play").format_help()
    for part in (
        "Play a video.",
        "At 100 % of its speed.",
        "the file, of any kind.",
        "how fast; 1: as it is. (default: 0.5)",
    ):
        assert part in " ".join(text.split())
    assert "Args:" not in text


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ([], "required: video"),
        (["a", "--speed", "fast"], "argument --speed: invalid float value: 'fast'"),
        (["a", "--loud", "perhaps"], "argument --loud: invalid true_or_false value: 'perhaps'"),
        (["a", "--spe", "1"], "unrecognized arguments"),
    ],
)
def test_what_cannot_be_is_named(capsys, options, says):
    with pytest.raises(SystemExit) as ended:
        simple_parser(command, "nanohtnet play").parse_args(options)
    assert ended.value.code == 2 and says in capsys.readouterr().err


def test_options_of_options_are_left_to_jsonargparse():
    assert simple_parser(with_options, "nanohtnet play") is None


@pytest.mark.parametrize("words", ROBOT)
def test_a_robots_commands_run_without_jsonargparse(words):
    if words == "demo":
        pytest.importorskip("rclpy", reason="ROS 2 is not installed")
    code = (
        "import sys; sys.modules['jsonargparse'] = sys.modules['docstring_parser'] = None\n"
        f"from nanohtnet_ros.cli import main; sys.exit(main({[*words.split(), '--help']!r}))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert f"usage: nanohtnet {words}" in result.stdout


def test_an_unknown_command_is_refused_and_none_shows_all(capsys):
    assert main(["fly"]) == 2
    assert main([]) == 0
    shown = capsys.readouterr().out
    assert all(words in shown for words in COMMANDS)
