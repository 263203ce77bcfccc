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
from nanohtnet_ros.core.poses import Keypoints

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
def walking_track(make_keypoints):
    """Keypoints of a person who crosses the view: `walking_track(frames=20, speed_m=0.05)`, metres a frame."""

    def make(frames: int, speed_m: float = 0.05, start_m=(-1.0, 0.0, 3.0)) -> list[Keypoints]:
        start = np.asarray(start_m)
        return [make_keypoints(start + (i * speed_m, 0, 0)) for i in range(frames)]

    return make


@pytest.fixture
def fake_trt(monkeypatch, tmp_path):
    """`fake_trt(version)` puts a TensorRT of a version in place; caches are the test's own."""
    pytest.importorskip("torch", reason="PyTorch, which holds TensorRT's buffers, is not installed")
    import fake_tensorrt

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def patch(target, name, value):
        (monkeypatch.setitem if isinstance(target, dict) else monkeypatch.setattr)(target, name, value)

    return lambda version="10.3.0": fake_tensorrt.install(version, patch)
