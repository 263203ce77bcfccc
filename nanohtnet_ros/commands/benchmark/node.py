"""Latency of `pose_node` in a process of its own: from an image's stamp to its skeletons' arrival here."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import rclpy
from rclpy.executors import SingleThreadedExecutor
from sensor_msgs.msg import CameraInfo, Image

from nanohtnet_ros.commands.benchmark.scene import camera_of, clips, images, to_and_fro
from nanohtnet_ros.commands.benchmark.timings import Bench, Timing
from nanohtnet_ros.core.messages import stamp_ns
from nanohtnet_ros.core.window import NS_PER_S
from nanohtnet_ros.demo.processes import end, isolate, log_end, start
from nanohtnet_ros.errors import UserError
from nanohtnet_ros.msg import Skeleton3DArray
from nanohtnet_ros.ros.images import image_to_msg
from nanohtnet_ros.ros.messages import MESSAGES
from nanohtnet_ros.ros.qos import CAMERA

CASES = (
    (1, (640, 480), 15.0),
    (1, (640, 480), 30.0),
    (1, (640, 480), 60.0),
    (2, (640, 480), 30.0),
    (1, (1920, 1080), 30.0),
)
"""People, size of the images, images a second."""

START_S = 60.0
WARM_S = 2.0


def bench_node(bench: Bench, model: str, detector: str, seconds: float) -> None:
    """Measure each of `CASES` for so many seconds."""
    with tempfile.TemporaryDirectory() as folder:
        isolate(Path(folder))
        rclpy.init()
        try:
            for people, size, rate_hz in CASES:
                log = Path(folder) / "pose_node.log"
                settings: dict[str, str | int | float | bool] = {"model": model, "detector": detector}
                node = start("pose_node", "bench", log, parameters=settings)
                try:
                    frames = [image_to_msg(image) for image in images(clips()[people], size)]
                    name = f"node, {people} people, {size[0]}x{size[1]}, {rate_hz:g} Hz"
                    timing = latency(frames, rate_hz, seconds, partial(resident_mb, node.pid))
                    if timing is None:
                        bench.skip(name, f"no skeletons came in time: {log_end(log).splitlines()[-1:]}")
                    else:
                        bench.add(name, timing)
                finally:
                    end({"pose_node": node})
        finally:
            rclpy.try_shutdown()


def latency(frames: list[Image], rate_hz: float, seconds: float, memory_mb: Callable[[], float]) -> Timing | None:
    """Publish images at a rate and listen to skeletons; None where none came in time."""
    node = rclpy.create_node("bench", namespace="bench")
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    arrived: dict[int, float] = {}

    def on_skeletons(msg: Skeleton3DArray) -> None:
        arrived[stamp_ns(msg.header)] = (time.time_ns() - stamp_ns(msg.header)) / 1e6

    subscription = node.create_subscription(Skeleton3DArray, "pose_node/skeletons", on_skeletons, 10)
    publisher = node.create_publisher(Image, "image", CAMERA)
    calibration = node.create_publisher(CameraInfo, "camera_info", CAMERA)
    info = MESSAGES.camera_info(camera_of(frames[0].width, frames[0].height))
    sent: list[int] = []
    first_s = begun_s = None
    next_s, coming, deadline_s = time.monotonic(), to_and_fro(frames), time.monotonic() + START_S
    try:
        while begun_s is None or time.monotonic() < begun_s + seconds:
            now_s = time.monotonic()
            if first_s is None and now_s > deadline_s:
                return None
            if first_s is None and arrived:
                first_s = now_s
            if begun_s is None and first_s is not None and now_s > first_s + WARM_S:
                begun_s = now_s
                sent.clear()
            if now_s < next_s:
                executor.spin_once(timeout_sec=next_s - now_s)
                continue
            next_s = max(next_s + 1.0 / rate_hz, now_s - 1.0 / rate_hz)
            msg, _ = next(coming)
            stamp = time.time_ns()
            msg.header.stamp.sec, msg.header.stamp.nanosec = divmod(stamp, NS_PER_S)
            msg.header.frame_id = info.header.frame_id = "camera"
            info.header.stamp = msg.header.stamp
            calibration.publish(info)
            publisher.publish(msg)
            sent.append(stamp)
        rest_s = time.monotonic() + 0.5
        while time.monotonic() < rest_s:
            executor.spin_once(timeout_sec=0.05)
        found = [arrived[stamp] for stamp in sent if stamp in arrived]
        if not found:
            return None
        more = {"% dropped": 100 * (1 - len(found) / len(sent)), "Hz sent": len(sent) / seconds, "MB": memory_mb()}
        return Timing(float(np.median(found)), float(np.percentile(found, 99)), None, more)
    finally:
        node.destroy_subscription(subscription)
        executor.shutdown()
        node.destroy_node()


def resident_mb(pid: int) -> float:
    """Memory of a process.

    Raises:
        UserError: it has ended.
    """
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError as error:
        raise UserError(f"pose_node has ended: {error}") from error
    return next((float(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmRSS")), np.nan)
