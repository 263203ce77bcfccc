"""Factories that the tests share."""

from __future__ import annotations

import contextlib
import fcntl
import os
import tempfile
from pathlib import Path

import numpy as np
import pytest

from nanohtnet_ros.core.camera import Camera
from nanohtnet_ros.core.poses import Keypoints, Person

from factories import STANDING_M

_domain_locks = []


def claim_domain() -> int:
    """A ROS domain that no other test run on this machine uses; it is free again when this process ends."""
    for i in range(100):
        domain = 1 + (os.getpid() + i) % 100
        with contextlib.suppress(OSError):  # another run holds it, or another user's run did
            lock = (Path(tempfile.gettempdir()) / f"nanohtnet_ros_test_domain_{domain}.lock").open("a")
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _domain_locks.append(lock)
            return domain
    raise RuntimeError("no ROS domain is free: do 100 test runs go on?")


# Nothing that a test publishes may leave this machine, and parallel test runs must not hear each other.
os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
os.environ["ROS_DOMAIN_ID"] = str(claim_domain())


with contextlib.suppress(ImportError):  # its tests are skipped then
    import hypothesis

    hypothesis.settings.register_profile("repeatable", deadline=None, derandomize=True, max_examples=60)
    hypothesis.settings.load_profile("repeatable")

MARKED_FOLDERS = {"test/ros/": "ros", "test/demo/": "ros", "test/training/": "training"}
"""Folder of tests to the marker of all that is in it."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        for folder, marker in MARKED_FOLDERS.items():
            if folder in item.nodeid:
                item.add_marker(marker)


@pytest.fixture
def camera() -> Camera:
    """A VGA camera without distortion."""
    return Camera(640, 480, 600.0, 600.0, 319.5, 239.5)


@pytest.fixture
def make_keypoints(camera):
    """Keypoints of a standing person: `make_keypoints(root_m=(0, 0, 3), confidence=1.0)`."""

    def make(root_m=(0.0, 0.0, 3.0), confidence: float | np.ndarray = 1.0) -> Keypoints:
        xy_px = camera.project(STANDING_M + np.asarray(root_m))
        return Keypoints(xy_px.astype(np.float32), np.broadcast_to(np.float32(confidence), 17).copy())

    return make


@pytest.fixture
def make_person(make_keypoints):
    """A standing person: `make_person(track_id, root_m=(0.5, 0.0, 4.0), missing=())`, joints by index."""

    def make(track_id: int, root_m=(0.5, 0.0, 4.0), missing=(), joints_rel_m=STANDING_M) -> Person:
        keypoints = make_keypoints((0.5, 0.0, 4.0), np.where(np.isin(np.arange(17), missing), 0.0, 0.8))
        joints = np.where(keypoints.valid[:, None], joints_rel_m, np.nan).astype(np.float32)
        root = None if root_m is None else np.array(root_m)
        return Person(track_id, 0.0, keypoints, joints, keypoints.confidence, root)

    return make


@pytest.fixture
def walking_track(make_keypoints):
    """Keypoints of a person who crosses the view: `walking_track(frames=20, speed_m=0.05)`, metres a frame."""

    def make(frames: int, speed_m: float = 0.05, start_m=(-1.0, 0.0, 3.0)) -> list[Keypoints]:
        start = np.asarray(start_m)
        return [make_keypoints(start + (i * speed_m, 0, 0)) for i in range(frames)]

    return make


@pytest.fixture
def fake_trt(monkeypatch, tmp_path):
    """`fake_trt(version)` puts a TensorRT of a version in place; caches are the test's own."""
    import fake_tensorrt

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def patch(target, name, value):
        (monkeypatch.setitem if isinstance(target, dict) else monkeypatch.setattr)(target, name, value)

    return lambda version="10.3.0": fake_tensorrt.install(version, patch)


@pytest.fixture
def write_onnx(tmp_path):
    """`write_onnx(nodes, inputs, outputs, weights={}, name="net")`: tensors as name: (type, shape)."""
    onnx = pytest.importorskip("onnx", reason="onnx, which writes the networks, is not installed")

    def write(nodes, inputs, outputs, weights=None, name="net"):
        helper, kinds = onnx.helper, onnx.TensorProto

        def infos(tensors):
            return [
                helper.make_tensor_value_info(n, getattr(kinds, kind), shape) for n, (kind, shape) in tensors.items()
            ]

        initializers = [onnx.numpy_helper.from_array(np.asarray(v), n) for n, v in (weights or {}).items()]
        graph = helper.make_graph(nodes, "g", infos(inputs), infos(outputs), initializers)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        onnx.checker.check_model(model)
        path = tmp_path / f"{name}.onnx"
        onnx.save(model, str(path))
        return path

    return write


@pytest.fixture
def weighted_onnx(write_onnx):
    """x (B, 3) and weight (B) to y (B, 3), their product."""
    from onnx import helper

    nodes = [helper.make_node("Unsqueeze", ["weight", "one"], ["w"]), helper.make_node("Mul", ["x", "w"], ["y"])]
    inputs = {"x": ("FLOAT", ["B", 3]), "weight": ("FLOAT", ["B"])}
    return write_onnx(nodes, inputs, {"y": ("FLOAT", ["B", 3])}, {"one": np.array([1])}, name="weighted")


@pytest.fixture
def small_onnx(write_onnx):
    """x (B, 2, 3) to doubled (B, 2, 3) and total (B, 1)."""
    from onnx import helper

    nodes = [
        helper.make_node("Mul", ["x", "two"], ["doubled"]),
        helper.make_node("ReduceSum", ["x", "axes"], ["sums"], keepdims=0),
        helper.make_node("Unsqueeze", ["sums", "one"], ["total"]),
    ]
    weights = {"two": np.float32(2), "axes": np.array([1, 2]), "one": np.array([1])}
    outputs = {"doubled": ("FLOAT", ["B", 2, 3]), "total": ("FLOAT", ["B", 1])}
    return write_onnx(nodes, {"x": ("FLOAT", ["B", 2, 3])}, outputs, weights)
