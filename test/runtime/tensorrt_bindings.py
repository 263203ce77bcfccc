"""TensorRT's real Python bindings of several versions, imported over stub libraries: no GPU, nothing runs."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from functools import lru_cache
from pathlib import Path

import pytest

VERSIONS = {
    "8.6": "tensorrt-bindings==8.6.1",  # JetPack 6.0
    "10.0": "tensorrt-cu12-bindings==10.0.1",
    "10.3": "tensorrt-cu12-bindings==10.3.0",  # JetPack 6.1
    "10.13": "tensorrt-cu13-bindings==10.13.3.9",  # JetPack 7
    "11.0": "tensorrt-cu13-bindings==11.0.0.114",
    "11.4": "tensorrt-cu13-bindings==11.4.0.106",
}
"""Wheels of about 5 MB each, without the libraries of several hundred."""

ROOT = Path(__file__).resolve().parents[2]
OURS = re.compile(r"create\w+_INTERNAL|get\w*PluginRegistry|getNvOnnxParserVersion|initLibNvInferPlugins|_ZN\d+nv\w+")

DUMP = """
import json
import tensorrt_bindings as trt

def members(cls, prefix):
    here = {}
    for name in dir(cls):
        value = getattr(cls, name)
        if isinstance(value, property):
            here[name] = ["property", (value.fget.__doc__ or "") if value.fget else ""]
        elif isinstance(value, type):
            inner = f"{prefix}.{name}"
            here[name] = ["class", inner]
            if not name.startswith("_") and value is not cls:
                classes[inner] = {"doc": value.__doc__ or "", "members": members(value, inner)}
        elif type(value) is cls:
            here[name] = ["value", prefix]
        else:
            here[name] = ["method" if callable(value) else "value", getattr(value, "__doc__", "") or ""]
    return here

classes, names = {}, {}
for name in dir(trt):
    value = getattr(trt, name)
    if isinstance(value, type):
        names[name] = ["class", name]
        classes[name] = {"doc": value.__doc__ or "", "members": members(value, name)}
    else:
        names[name] = ["method" if callable(value) else "value", getattr(value, "__doc__", "") or ""]
print(json.dumps({"version": trt.__version__, "names": names, "classes": classes}))
"""


def api_of(version: str, cache: Path) -> dict:
    """The classes, members and signatures of one version, brought from the package index where they are not cached.

    Skips the test where they cannot be had.
    """
    for tool in ("gcc", "readelf"):
        if not shutil.which(tool):
            pytest.skip(f"{tool}, which makes and reads libraries, is not installed")
    python = f"{sys.version_info[0]}.{sys.version_info[1]}"
    dumped = cache / f"{VERSIONS[version]}-{python}.json"
    if not dumped.is_file():
        folder = cache / f"{VERSIONS[version]}-{python}"
        if reason := install(VERSIONS[version], folder):
            pytest.skip(f"pip cannot download {VERSIONS[version]} here: {reason}")
        make_stubs(folder)
        part = dumped.with_suffix(f".{os.getpid()}")
        part.write_text(run_over_stubs(DUMP, folder))
        part.replace(dumped)
    return {**json.loads(dumped.read_text()), "folder": str(dumped.with_suffix(""))}


def run_over_stubs(code: str, folder: Path | str) -> str:
    """Run Python code in a process where `tensorrt_bindings` can be imported; what it prints."""
    environment = {
        **os.environ,
        "PYTHONPATH": f"{folder}:{ROOT}:{os.environ.get('PYTHONPATH', '')}",
        "LD_LIBRARY_PATH": f"{folder}/stubs:{os.environ.get('LD_LIBRARY_PATH', '')}",
    }
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    assert result.returncode == 0, result.stderr
    return result.stdout


@lru_cache
def install(requirement: str, folder: Path) -> str:
    """Bring a wheel, or several with spaces between, into a folder; why not, or nothing."""
    command = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--no-deps",
        "--upgrade",
        "--only-binary=:all:",
        "--retries=1",
        "--target",
        str(folder),
        *requirement.split(),
    ]
    result = subprocess.run(command, capture_output=True, text=True)
    return result.stderr.strip().splitlines()[-1] if result.returncode else ""


def make_stubs(folder: Path) -> None:
    """Libraries of the names that the bindings ask for, with functions that answer 0."""
    library = folder / "tensorrt_bindings" / "tensorrt.so"
    needed = re.findall(r"\[(libnv\S+?)\]", readelf("-d", library))
    wanted = {line.split()[-1] for line in readelf("--dyn-syms", library).splitlines() if " UND " in line}
    stubs = folder / "stubs"
    stubs.mkdir(exist_ok=True)
    for i, name in enumerate(needed):
        symbols = sorted(s for s in wanted if OURS.fullmatch(s)) if i == 0 else []
        code = "".join(f"void* {symbol}(void) {{ return 0; }}\n" for symbol in symbols)
        command = ["gcc", "-shared", "-fPIC", "-x", "c", "-o", str(stubs / name), "-"]
        subprocess.run(command, input=code, text=True, check=True)


def readelf(option: str, library: Path) -> str:
    return subprocess.run(["readelf", "-W", option, library], capture_output=True, text=True, check=True).stdout
