"""The package as colcon installs it."""

import ast
import importlib
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from dataclasses import asdict
from pathlib import Path

import pytest
import yaml

rclpy = pytest.importorskip("rclpy", reason="ROS 2 is not installed")

import nanohtnet_ros.msg

import nanohtnet_ros

ROOT = Path(__file__).resolve().parent.parent
EXECUTABLES = ("pose_node", "detector_node", "lifter_node", "marker_node", "video_node", "viewer_node", "nanohtnet")
SHARED = (
    "launch/pose.launch.py",
    "launch/split.launch.py",
    "launch/two_cameras.launch.py",
    "launch/demo.launch.py",
    "config/pose.yaml",
    "config/fastdds.xml",
    "config/foxglove_layout.json",
    "rviz/pose.rviz",
    "models/nano_81_streaming.onnx",
    "models/nano_81_streaming.json",
    "msg/Skeleton3D.msg",
    "package.xml",
)
IMPORTS = """
import nanohtnet_ros.msg, nanohtnet_ros.core.pipeline, nanohtnet_ros.samples.clips
from nanohtnet_ros.runtime.model_store import find_model
assert nanohtnet_ros.__file__.startswith({prefix!r}), nanohtnet_ros.__file__
assert str(find_model("nano_81_streaming")).startswith({prefix!r})
assert nanohtnet_ros.samples.clips.packaged_clips()
print(nanohtnet_ros.msg.Skeleton3D.R_WRIST)
"""


def assert_installed(prefix: Path) -> None:
    for executable in EXECUTABLES:
        assert os.access(prefix / "lib" / "nanohtnet_ros" / executable, os.X_OK)
    for file in SHARED:
        assert (prefix / "share" / "nanohtnet_ros" / file).is_file(), file


def test_foxgloves_layout_shows_our_topics_in_all_its_panels():
    layout = json.loads((ROOT / "config" / "foxglove_layout.json").read_text())

    def panels(part) -> set[str]:
        return {part} if isinstance(part, str) else panels(part["first"]) | panels(part["second"])

    assert panels(layout["layout"]) == set(layout["configById"])
    code = "".join(file.read_text() for file in (ROOT / "nanohtnet_ros" / "ros").glob("*.py"))
    topics = set(re.findall(r'"/(?:pose_node|marker_node)/(\w+)', json.dumps(layout)))
    assert topics == {"markers", "debug_image", "skeletons", "person_states"}
    assert [topic for topic in topics if f'{topic}"' not in code] == []
    assert {"track_id", "confidence", "root"} <= set(nanohtnet_ros.msg.Skeleton3D.get_fields_and_field_types())


@pytest.mark.skipif(not (ROOT / "install").is_dir(), reason="this checkout was not built by 'make setup'")
def test_the_set_up_by_links_gives_the_whole_package():
    assert_installed(ROOT / "install" / "nanohtnet_ros")


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("colcon"), reason="colcon is not installed")
def test_colcon_build_gives_the_whole_package(tmp_path, monkeypatch):
    source = tmp_path / "src" / "nanohtnet_ros"
    ignored = shutil.ignore_patterns(".git", ".venv", "build", "install", "log", "demo_output", "__pycache__")
    shutil.copytree(ROOT, source, ignore=ignored)
    command = [
        "colcon",
        "--log-base",
        str(tmp_path / "log"),
        "build",
        "--base-paths",
        str(tmp_path / "src"),
        "--build-base",
        str(tmp_path / "build"),
        "--install-base",
        str(tmp_path / "install"),
        "--cmake-args",
        f"-DPython3_EXECUTABLE={sys.executable}",
        f"-DPYTHON_EXECUTABLE={sys.executable}",
        "-Wno-dev",
    ]
    # As the set-up does, on a machine without a C++ compiler or Python's headers.
    brought = Path(sys.prefix) / "toolchain"
    monkeypatch.syspath_prepend(str(ROOT / "tools"))
    toolchain = importlib.import_module("toolchain")
    command.append(f"-DPython3_INCLUDE_DIR={toolchain.include_dir(brought)}")
    built = subprocess.run(
        command, capture_output=True, text=True, cwd=tmp_path, env={**os.environ, **toolchain.environment(brought)}
    )
    assert built.returncode == 0, built.stdout[-3000:] + built.stderr[-3000:]
    prefix = tmp_path / "install" / "nanohtnet_ros"
    assert_installed(prefix)
    script = f'. {tmp_path / "install" / "local_setup.sh"} && cd / && exec {sys.executable} -c "$CODE"'
    environment = {
        **os.environ,
        "CODE": IMPORTS.format(prefix=str(prefix)),
        "COLCON_CURRENT_PREFIX": str(tmp_path / "install"),
    }
    environment.pop("PYTHONPATH", None)
    environment["AMENT_PREFIX_PATH"] = os.pathsep.join(
        p for p in environment["AMENT_PREFIX_PATH"].split(os.pathsep) if not p.endswith("nanohtnet_ros")
    )
    result = subprocess.run(["sh", "-c", script], capture_output=True, text=True, env=environment)
    assert result.stdout.strip() == "16", result.stderr
    # The executables start by themselves, as `ros2 run` starts them.
    help_text = subprocess.run(
        ["sh", "-c", f". {tmp_path / 'install' / 'local_setup.sh'} && {prefix}/lib/nanohtnet_ros/nanohtnet"],
        capture_output=True,
        text=True,
        env=environment,
    )
    assert "models get" in help_text.stdout, help_text.stderr


def test_the_checkout_finds_its_messages_too():
    code = "import nanohtnet_ros.msg as m, nanohtnet_ros.core.skeleton as s; print(s.__file__)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert result.stdout.startswith(str(ROOT / "nanohtnet_ros")), result.stderr


def test_set_up_from_an_opened_environment_takes_its_own_ros_for_its_own():
    """Once it took it for the system's, and made the environment anew around it."""
    script = (
        f". {ROOT}/env.sh && python -c \"import sys; sys.path.insert(0, '{ROOT}/tools'); import bootstrap\n"
        'print(bool(bootstrap.SYSTEM_ROS))"'
    )
    result = subprocess.run(["bash", "-c", script], capture_output=True, text=True)
    assert result.stdout.strip() == str((ROOT / ".venv" / "system_ros").exists()), result.stderr


def test_versions_and_licence_agree():
    manifest, project = (ROOT / "package.xml").read_text(), (ROOT / "pyproject.toml").read_text()
    assert f'version = "{nanohtnet_ros.__version__}"' in project
    assert f"<version>{nanohtnet_ros.__version__}</version>" in manifest
    assert yaml.safe_load((ROOT / "CITATION.cff").read_text())["version"] == nanohtnet_ros.__version__
    assert f"\n{nanohtnet_ros.__version__}\n-----" in (ROOT / "CHANGELOG.rst").read_text()
    assert "<license>Apache-2.0</license>" in manifest and "Apache License" in (ROOT / "LICENSE").read_text()


def test_pre_commit_takes_the_pinned_tools():
    pinned = set((ROOT / "requirements" / "test.txt").read_text().split())
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"][0]["hooks"]
    used = {tool for hook in hooks for tool in hook.get("additional_dependencies", ()) if "==" in tool}
    assert {tool.split("==")[0] for tool in used - pinned} == {"pre-commit-hooks"}  # which is not in our environment


def test_the_wheel_holds_networks_clips_recipes_and_message_definitions(tmp_path):
    copied = shutil.ignore_patterns("__pycache__", "*.onnx")
    for name in ("nanohtnet_ros", "config", "msg"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=copied)
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / "nanohtnet_ros" / "models" / "some.onnx").touch()  # in place of the large ones
    build = "from setuptools.build_meta import build_wheel; print(build_wheel('dist'))"
    built = subprocess.run([sys.executable, "-c", build], capture_output=True, text=True, cwd=tmp_path)
    assert built.returncode == 0, built.stderr
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    recipes = {f"nanohtnet_ros/recipes/{file.name}" for file in (ROOT / "config" / "train").iterdir()}
    assert len(recipes) >= 5 and recipes <= names
    assert {
        "nanohtnet_ros/models/some.onnx",
        "nanohtnet_ros/models/nano_81_streaming.json",
        "nanohtnet_ros/py.typed",
        "nanohtnet_ros/samples/clips/rendered_walk.mp4",
        "nanohtnet_ros/ros/pose_node.py",
        "nanohtnet_ros/definitions/Skeleton3DArray.msg",
    } <= names


def test_the_manifest_names_every_ros_package_that_is_imported():
    manifest = (ROOT / "package.xml").read_text()
    imported = set()
    for file in [*(ROOT / "nanohtnet_ros").rglob("*.py"), *(ROOT / "launch").iterdir()]:
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module and not node.level:
                imported.add(node.module.partition(".")[0])
    known = {"ament_index_python", "cv_bridge", "launch", "launch_ros", "rclpy"}
    packages = {name for name in imported if name.endswith(("_msgs", "_srvs", "_interfaces"))} | imported & known
    assert {"sensor_msgs", "std_srvs", *known} <= packages
    assert [name for name in sorted(packages) if f"depend>{name}</" not in manifest] == []


def test_the_parameter_file_holds_every_parameter_at_its_default(monkeypatch):
    from nanohtnet_ros.ros import parameters

    content = yaml.safe_load((ROOT / "config" / "pose.yaml").read_text())
    defaults = {}
    for node, kind in parameters.NODES.items():
        if node != "video_node":  # its source is always given on the command line or in a launch file
            own = {name: parameters.as_parameter(value) for name, value in asdict(kind()).items()}
            assert all(defaults.get(name, value) == value for name, value in own.items()), "one section serves all"
            defaults |= own
    assert content == {"/**": {"ros__parameters": defaults}}
    monkeypatch.syspath_prepend(str(ROOT / "tools"))
    current = importlib.import_module("pose_yaml").content()
    assert (ROOT / "config" / "pose.yaml").read_text() == current, "write it anew: python tools/parameters_table.py"


def test_the_manifest_asks_for_apt_packages_alone():
    """What only pip has is in requirements/robot.txt, and the set-up pins it."""
    assert "-pip</" not in (ROOT / "package.xml").read_text()
    names = [re.split(r"[<>=;]", line)[0] for line in (ROOT / "requirements" / "robot.txt").read_text().splitlines()]
    robot = {name.strip() for name in names if name.strip() and not name.startswith("#")}
    assert "onnxruntime" in robot
    for pins in ("runtime", "system-ros"):
        pinned = {line.split("==")[0] for line in (ROOT / "requirements" / f"{pins}.txt").read_text().splitlines()}
        assert robot <= pinned


def test_rviz_file_is_yaml_and_shows_our_topics():
    content = yaml.safe_load((ROOT / "rviz" / "pose.rviz").read_text())
    displays = content["Visualization Manager"]["Displays"]
    assert {"markers", "image"} <= {d["Topic"]["Value"] for d in displays if "Topic" in d}
