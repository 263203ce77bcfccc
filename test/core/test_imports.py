"""The core runs where ROS, PyTorch and the runtimes are not installed."""

import subprocess
import sys
from pathlib import Path

import pytest

BLOCK = """
import sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {blocked!r}:
            raise ModuleNotFoundError(name + " must not be imported here")
sys.meta_path.insert(0, Blocked())
import importlib
for module in {modules!r}:
    importlib.import_module(module)
"""
FOLDER = Path(__file__).resolve().parents[2] / "nanohtnet_ros" / "core"
CORE = tuple(f"nanohtnet_ros.core.{path.stem}" for path in sorted(FOLDER.glob("[!_]*.py")))


@pytest.mark.parametrize(
    ("blocked", "modules"),
    [
        (("rclpy", "torch", "onnxruntime", "tensorrt", "sensor_msgs"), CORE),
        (
            ("rclpy", "torch"),
            ("nanohtnet_ros.detectors.open", "nanohtnet_ros.runtime.onnx_session", "nanohtnet_ros.cli"),
        ),
        (("torch", "onnx"), ("nanohtnet_ros.ros.pose_node", "nanohtnet_ros.demo.run")),
        (("rclpy", "onnxruntime"), ("nanohtnet_ros.model.nanohtnet",)),
    ],
)
def test_imports_stay_within_their_layer(blocked, modules):
    code = BLOCK.format(blocked=blocked, modules=modules)
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
