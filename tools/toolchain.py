"""The C++ compiler and Python's headers, for machines that have neither.

Messages are built from C++ and against Python's C headers, and Debian and Ubuntu keep both apart from gcc and python3.
What is missing is taken out of the distribution's own packages into a folder of ours: nothing is installed, and no
rights are needed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sysconfig
from collections.abc import Callable
from pathlib import Path

Run = Callable[..., None]


class MissingToolsError(RuntimeError):
    """Something is missing that could not be brought."""


def include_dir(folder: Path) -> Path:
    """Where this Python's headers are: with it, or in our folder."""
    own = Path(sysconfig.get_path("include"))
    return own if (own / "Python.h").is_file() else folder / "root" / own.relative_to("/")


def missing_packages() -> list[str]:
    """Debian packages that hold what this machine lacks."""
    packages = []
    if not os.environ.get("CXX") and not shutil.which("c++") and not shutil.which("g++"):
        major = subprocess.run(["gcc", "-dumpversion"], capture_output=True, text=True, check=True).stdout.strip()
        major = major.split(".")[0]
        packages += [f"g++-{major}", f"libstdc++-{major}-dev"]
    if not (Path(sysconfig.get_path("include")) / "Python.h").is_file():
        packages.append(f"libpython{sysconfig.get_python_version()}-dev")
    return packages


def prepare(folder: Path, run: Run) -> None:
    """Bring what is missing into a folder.

    Args:
        folder: of ours; made if need be.
        run: called with a title and a command, as `bootstrap.run`.
    Raises:
        MissingToolsError: no gcc, or no apt to bring the rest with; the message says what to install.
    """
    if not shutil.which("gcc"):
        raise MissingToolsError("gcc is missing: sudo apt install build-essential")
    if not Path("/usr/include/stdio.h").is_file():
        raise MissingToolsError("gcc has no C library to build with: sudo apt install libc6-dev")
    packages = missing_packages()
    if not packages:
        return
    print(f"  not on this machine: {', '.join(packages)}; taken into {folder} from the distribution's packages")
    if not shutil.which("apt-get") or not shutil.which("dpkg"):
        raise MissingToolsError("a C++ compiler or Python's headers are missing: install g++ and python3-dev")
    debs = folder / "debs"
    for part in (debs, folder / "lists" / "partial", folder / "cache" / "archives" / "partial"):
        part.mkdir(parents=True, exist_ok=True)
    apt = [
        "apt-get",
        "-o",
        f"Dir::State::Lists={folder / 'lists'}",
        "-o",
        f"Dir::Cache={folder / 'cache'}",
        "-o",
        "Debug::NoLocking=1",
        "-o",
        "APT::Sandbox::User=",
        "-q",
    ]
    run("package lists", [*apt, "update"])
    run("compiler and headers", [*apt, "download", *packages], cwd=debs)
    for deb in sorted(debs.glob("*.deb")):
        subprocess.run(["dpkg", "-x", str(deb), str(folder / "root")], check=True)
    mend_links(folder / "root")
    if any(package.startswith("g++") for package in packages):
        make_compiler(folder)


def mend_links(root: Path) -> None:
    """Links to files of packages that are installed, and so not in our folder, lead to the installed ones."""
    for link in root.rglob("*"):
        if link.is_symlink() and not link.exists():
            target = Path(os.path.normpath(link.parent / link.readlink()))
            if target.is_relative_to(root) and (Path("/") / target.relative_to(root)).exists():
                link.unlink()
                link.symlink_to(Path("/") / target.relative_to(root))


def make_compiler(folder: Path) -> None:
    """A `g++` that finds its own parts in our folder and everything else where the installed gcc has it."""
    (driver,) = (path for path in (folder / "root" / "usr" / "bin").glob("*-linux-gnu-g++-*") if path.is_file())
    library = subprocess.run(["gcc", "-print-libgcc-file-name"], capture_output=True, text=True, check=True).stdout
    script = folder / "bin" / "g++"
    script.parent.mkdir(exist_ok=True)
    script.write_text(f'#!/bin/sh\nexec "{driver}" -B"{Path(library.strip()).parent}/" "$@"\n')
    script.chmod(0o755)


def environment(folder: Path) -> dict[str, str]:
    """Variables that make a build use what `prepare` brought; empty where it brought nothing."""
    variables = {}
    if (folder / "bin" / "g++").is_file():
        variables["CXX"] = str(folder / "bin" / "g++")
    if (folder / "root" / "usr" / "include").is_dir():
        variables["CPATH"] = str(folder / "root" / "usr" / "include")
    return variables
