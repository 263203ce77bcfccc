"""Imports run one way, as pyproject.toml has it; and the contract sees an arrow that is turned round."""

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

if importlib.util.find_spec("importlinter") is None:
    pytest.skip("import-linter is not installed", allow_module_level=True)

ROOT = Path(__file__).resolve().parent.parent
LINT = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(no_logo=True, no_cache=True))"


def lint(folder: Path) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, "-c", LINT], capture_output=True, text=True, cwd=folder)


def test_imports_run_one_way():
    result = lint(ROOT)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize(
    ("module", "line", "broken"),
    [
        (
            "core/camera.py",
            "import nanohtnet_ros.detectors.open",
            "core is not allowed to import nanohtnet_ros.detectors",
        ),
        ("runtime/session.py", "from nanohtnet_ros.core import camera", "runtime is not allowed to import"),
        ("ros/messages.py", "from nanohtnet_ros.model import flip", "ros is not allowed to import nanohtnet_ros.model"),
        ("core/camera.py", "import torch", "core is not allowed to import torch"),
        ("stray.py", "", "stray"),  # has no place in the contract yet
    ],
)
def test_an_arrow_that_is_turned_round_breaks_the_contract(tmp_path, module, line, broken):
    shutil.copytree(
        ROOT / "nanohtnet_ros",
        tmp_path / "nanohtnet_ros",
        ignore=lambda folder, names: [
            name for name in names if not name.endswith(".py") and not (Path(folder) / name).is_dir()
        ],
    )
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    with (tmp_path / "nanohtnet_ros" / module).open("a") as file:
        file.write(f"\n{line}\n")
    result = lint(tmp_path)
    assert result.returncode != 0 and broken in " ".join((result.stdout + result.stderr).split()), result.stdout
