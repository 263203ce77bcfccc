"""Nodes in processes of their own, and a node of the test's to talk with them."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable

import numpy as np
import pytest

rclpy = pytest.importorskip("rclpy", reason="ROS 2 is not installed")

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor

from nanohtnet_ros.core.poses import Person

from factories import STANDING_M

PATIENCE_S = 60.0


class Processes:
    """Starts our nodes and ends them with the test."""

    def __init__(self, folder) -> None:
        self._folder = folder
        self._running: list[subprocess.Popen] = []

    def node(self, name: str, *args: str, **parameters) -> subprocess.Popen:
        """Start a node by its name; keyword arguments are its parameters."""
        ros_args = [a for k, v in parameters.items() for a in ("-p", f"{k}:={v}")]
        return self.start("-m", f"nanohtnet_ros.ros.{name}", "--ros-args", *ros_args, *args)

    def start(self, *command: str) -> subprocess.Popen:
        """Start a Python process; what it prints is in `log_of(process)`."""
        log = (self._folder / f"{len(self._running)}.log").open("w")
        process = subprocess.Popen([sys.executable, *command], stdout=log, stderr=subprocess.STDOUT)
        process.log_path = log.name
        self._running.append(process)
        return process

    @staticmethod
    def log_of(process: subprocess.Popen) -> str:
        with open(process.log_path) as log:
            return log.read()

    def end(self) -> None:
        for process in self._running:
            process.send_signal(signal.SIGINT)
        for process in self._running:
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()


@pytest.fixture
def processes(tmp_path, monkeypatch):
    monkeypatch.setenv("ROS_LOG_DIR", str(tmp_path / "ros_log"))
    running = Processes(tmp_path)
    yield running
    running.end()


class Peer:
    """The test's own node; it spins in a thread and keeps what it hears."""

    def __init__(self) -> None:
        rclpy.init()
        self.node = rclpy.create_node(f"peer_{os.getpid()}")
        self.heard: dict[str, list] = {}
        self._publishers = {}
        self._timers = {}
        self._clients = {}
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self.node)
        self._thread = threading.Thread(target=self._spin, daemon=True)
        self._thread.start()

    def _spin(self) -> None:
        with contextlib.suppress(ExternalShutdownException):
            self._executor.spin()

    def listen(self, topic: str, kind: type, qos=10) -> list:
        messages = self.heard.setdefault(topic, [])
        self.node.create_subscription(kind, topic, messages.append, qos)
        return messages

    def publish(self, topic: str, message, qos=10) -> None:
        """Publish once the topic's subscriber is there."""
        if topic not in self._publishers:
            self._publishers[topic] = self.node.create_publisher(type(message), topic, qos)
            wait_for(lambda: self._publishers[topic].get_subscription_count() > 0, f"a subscriber of {topic}")
        self._publishers[topic].publish(message)

    def keep_publishing(self, topic: str, message) -> None:
        """Publish a message ten times a second from now on, in place of what was kept published there before."""
        if topic in self._timers:
            self.node.destroy_timer(self._timers.pop(topic))
        self.publish(topic, message)
        self._timers[topic] = self.node.create_timer(0.1, lambda: self.publish(topic, message))

    def diagnostics(self) -> Callable[[str], str]:
        """A function that gives all that the latest diagnostics of a node say."""
        messages = self.listen("/diagnostics", DiagnosticArray)

        def latest(node: str) -> str:
            statuses = [s for m in list(messages) for s in m.status if s.name.startswith(f"{node}:")]
            return f"{statuses[-1].message}\n" + "\n".join(f"{v.key}={v.value}" for v in statuses[-1].values) \
                if statuses else ""

        return latest

    def call(self, name: str, kind: type, request):
        """Call a service and wait for its answer."""
        if name not in self._clients:  # an answer can be lost while a new client is still being discovered
            self._clients[name] = self.node.create_client(kind, name)
            assert self._clients[name].wait_for_service(timeout_sec=PATIENCE_S)
            time.sleep(0.5)
        client = self._clients[name]
        future = client.call_async(request)
        wait_for(future.done, f"the answer of {name}")
        return future.result()

    def close(self) -> None:
        self._executor.shutdown()
        self._thread.join(timeout=5)
        self.node.destroy_node()
        if rclpy.ok():
            rclpy.shutdown()


@pytest.fixture
def peer(processes):
    peer = Peer()
    yield peer
    peer.close()


def wait_for(condition: Callable[[], bool], what: str, patience_s: float = PATIENCE_S) -> None:
    """Wait until something holds; generous, for slow machines, and never a measure of speed."""
    give_up = time.monotonic() + patience_s
    while not condition():
        assert time.monotonic() < give_up, f"waited {patience_s:g} s for {what}"
        time.sleep(0.02)


@pytest.fixture(name="wait_for")
def wait_for_fixture():
    return wait_for


@pytest.fixture
def make_person(make_keypoints):
    """A standing person: `make_person(track_id, root_m=(0.5, 0.0, 4.0), missing=())`, joints by index."""

    def make(track_id: int, root_m=(0.5, 0.0, 4.0), missing=(), joints_rel_m=STANDING_M) -> Person:
        keypoints = make_keypoints((0.5, 0.0, 4.0), np.where(np.isin(np.arange(17), missing), 0.0, 0.8))
        joints = np.where(keypoints.valid[:, None], joints_rel_m, np.nan).astype(np.float32)
        root = None if root_m is None else np.array(root_m)
        return Person(track_id, 0.0, keypoints, joints, keypoints.confidence, root)

    return make
