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
from pathlib import Path

import cv2
import numpy as np
import pytest

rclpy = pytest.importorskip("rclpy", reason="ROS 2 is not installed")

from diagnostic_msgs.msg import DiagnosticArray
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState, GetState
from nanohtnet_ros.msg import Skeleton2DArray, Skeleton3DArray
from rcl_interfaces.msg import SetParametersResult
from rcl_interfaces.srv import SetParameters
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.parameter import Parameter

from nanohtnet_ros.core.messages import stamp_ns
from nanohtnet_ros.samples.clips import CLIPS_DIR

from streams import GREY, image

PATIENCE_S, ASK_AGAIN_S = 60.0, 10.0


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
        return Path(process.log_path).read_text()

    def end(self) -> None:
        """End all as Ctrl-C does; a process that crashes or does not end fails the test.

        Besides, whoever is killed cannot say goodbye: for 20 s others believe in its services and send it requests.
        """
        for process in self._running:
            process.send_signal(signal.SIGINT)
        for process in self._running:
            try:
                process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        bad = [
            (process.args[1:3], process.returncode)
            for process in self._running
            if process.returncode < 0 and process.returncode != -signal.SIGINT
        ]
        logs = "\n".join(self.log_of(process) for process in self._running)
        assert not bad, f"ended by signals: {bad}\n{logs}"


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
        """A list that grows with each message of a topic."""
        if topic == "/diagnostics" and topic in self.heard:
            return self.heard[topic]
        messages = self.heard.setdefault(topic, [])
        self.node.create_subscription(kind, topic, messages.append, qos)
        return messages

    def publish(self, topic: str, message, qos=10) -> None:
        """Publish once the topic's subscriber is there."""
        if topic not in self._publishers:
            self._publishers[topic] = self.node.create_publisher(type(message), topic, qos)
        if self._publishers[topic].get_subscription_count() == 0:
            wait_for(lambda: self._publishers[topic].get_subscription_count() > 0, f"a subscriber of {topic}")
        self._publishers[topic].publish(message)

    def keep_publishing(self, topic: str, message) -> None:
        """Publish a message ten times a second from now on, in place of what was kept published there before."""
        if topic in self._timers:
            self.node.destroy_timer(self._timers.pop(topic))
        self.publish(topic, message)
        self._timers[topic] = self.node.create_timer(0.1, lambda: self._publishers[topic].publish(message))

    def stop_publishing(self, topic: str) -> None:
        """Take a topic's publisher away."""
        if topic in self._timers:
            self.node.destroy_timer(self._timers.pop(topic))
        self.node.destroy_publisher(self._publishers.pop(topic))

    def diagnostics(self) -> Callable[[str], str]:
        """A function that gives all that the latest diagnostics of a node say."""
        messages = self.listen("/diagnostics", DiagnosticArray)

        def latest(node: str) -> str:
            statuses = [s for m in list(messages) for s in m.status if s.name.startswith(f"{node}:")]
            return (
                f"{statuses[-1].message}\n" + "\n".join(f"{v.key}={v.value}" for v in statuses[-1].values)
                if statuses
                else ""
            )

        return latest

    def call(self, name: str, kind: type, request):
        """Call a service and wait for its answer; what only asks is asked again.

        rmw_fastrtps drops an answer whose client's reader is not matched after 0.1 s (its pull requests 390 and 467).
        """
        if name not in self._clients:
            self._clients[name] = self.node.create_client(kind, name)
        assert self._clients[name].wait_for_service(timeout_sec=PATIENCE_S), f"nobody offers {name}"
        asked = [self._clients[name].call_async(request)]
        only_asks = kind.__name__.startswith(("Describe", "Get", "List"))
        again_s = time.monotonic() + ASK_AGAIN_S

        def answered() -> bool:
            nonlocal again_s
            if only_asks and time.monotonic() > again_s:
                asked.append(self._clients[name].call_async(request))
                again_s += ASK_AGAIN_S
            return any(future.done() for future in asked)

        wait_for(answered, f"the answer of {name}")
        return next(future.result() for future in asked if future.done())

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


def wait_for(condition: Callable[[], bool], what: str | Callable[[], str], patience_s: float = PATIENCE_S) -> None:
    """Wait until something holds; generous, for slow machines, and never a measure of speed."""
    give_up = time.monotonic() + patience_s
    while not condition():
        if time.monotonic() > give_up:
            pytest.fail(f"waited {patience_s:g} s for {what() if callable(what) else what}")
        time.sleep(0.02)


@pytest.fixture(name="wait_for")
def wait_for_fixture():
    return wait_for


@pytest.fixture(scope="session")
def picture() -> np.ndarray:
    """An image with one person in it."""
    ok, frame = cv2.VideoCapture(str(CLIPS_DIR / "rendered_walk.mp4")).read()
    assert ok
    return frame


class RunningNode:
    """One of our lifecycle nodes in a process of its own."""

    def __init__(self, processes: Processes, peer: Peer, name: str, *args: str, **parameters) -> None:
        self.name, self.peer = name, peer
        self._latest = peer.diagnostics()
        self.process = processes.node(name, *args, **parameters)

    def diagnostics(self) -> str:
        """All that its latest message says."""
        assert self.process.poll() is None, Processes.log_of(self.process)
        return self._latest(self.name)

    def says(self, *texts: str) -> None:
        """Wait until the diagnostics contain all of these."""
        wait_for(lambda: all(text in self.diagnostics() for text in texts), lambda: f"{texts} in {self.diagnostics()}")

    def says_no_more(self, text: str) -> None:
        """Wait until the diagnostics do not contain this."""
        wait_for(
            lambda: self.diagnostics() and text not in self.diagnostics(), lambda: f"no '{text}': {self.diagnostics()}"
        )

    def change(self, transition: int | str) -> bool:
        """Ask for a lifecycle transition, by its number or label, and get whether it was made."""
        asked = Transition(label=transition) if isinstance(transition, str) else Transition(id=transition)
        return self.call("change_state", ChangeState, ChangeState.Request(transition=asked)).success

    def state(self) -> str:
        return self.call("get_state", GetState, GetState.Request()).current_state.label

    def set(self, **values) -> SetParametersResult:
        """Set parameters, the last one's answer counts."""
        messages = [Parameter(name, value=value).to_parameter_msg() for name, value in values.items()]
        return self.call("set_parameters", SetParameters, SetParameters.Request(parameters=messages)).results[-1]

    def call(self, service: str, kind: type, request):
        assert self.process.poll() is None, Processes.log_of(self.process)
        return self.peer.call(f"/{self.name}/{service}", kind, request)


class RunningPoseNode(RunningNode):
    """A pose_node: `send(image)` publishes, `skeletons` and `skeletons_2d` are what came."""

    def __init__(self, processes: Processes, peer: Peer, *args: str, connect: bool = True, **parameters) -> None:
        super().__init__(processes, peer, "pose_node", *args, **parameters)
        self.skeletons = peer.listen("/pose_node/skeletons", Skeleton3DArray)
        self.skeletons_2d = peer.listen("/pose_node/skeletons_2d", Skeleton2DArray)
        self._empty_images = 0
        if connect:
            self.connect()

    def connect(self) -> None:
        """A single image, sent before both sides have found each other, is lost: first until one came through."""
        del self.skeletons[:], self.skeletons_2d[:]
        self.send_empty_until(lambda: self.skeletons and self.skeletons_2d, "the connection")

    def send_empty_until(self, condition: Callable[[], bool], what: str) -> None:
        """Send images without anybody until something holds and the last one was answered."""

        def sent_and_met() -> bool:
            self._empty_images += 1
            self.send(image(GREY, 0.05 * self._empty_images))
            return condition()

        wait_for(sent_and_met, what)
        wait_for(lambda: stamp_ns(self.skeletons[-1].header) == round(0.05 * self._empty_images * 1e9), "the last")

    def send(self, msg) -> None:
        self.peer.publish("image", msg)

    def send_and_wait(self, msg) -> Skeleton3DArray:
        before = len(self.skeletons)
        self.send(msg)
        wait_for(lambda: len(self.skeletons) > before, f"skeletons; {self.diagnostics()}")
        return self.skeletons[-1]

    def send_info(self, msg, says: str) -> None:
        """Publish a calibration from now on, and wait until the diagnostics say this of it."""
        self.peer.keep_publishing("camera_info", msg)
        self.send_empty_until(lambda: says in self.diagnostics(), says)


@pytest.fixture
def start_node(processes, peer):
    """`start_node("lifter_node", one_euro="true")` starts one of our lifecycle nodes."""
    return lambda name, *args, **parameters: RunningNode(processes, peer, name, *args, **parameters)


@pytest.fixture
def start_pose(processes, peer):
    """`start_pose(use_depth="true")` starts a pose_node and waits until it answers images."""
    return lambda *args, **parameters: RunningPoseNode(processes, peer, *args, **parameters)


@pytest.fixture
def pose(start_pose) -> RunningPoseNode:
    """A running pose_node."""
    return start_pose()
