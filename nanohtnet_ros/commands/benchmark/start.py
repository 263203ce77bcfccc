"""Time and memory of a start: a process of its own, until the first skeleton."""

from __future__ import annotations

import os
import subprocess
import sys
import time

from nanohtnet_ros.commands.benchmark.timings import Bench, Timing

STARTS = 3
SCRIPT = """
import resource, sys
from nanohtnet_ros import Camera, PoseEstimator
from nanohtnet_ros.samples.clips import packaged_clips
from nanohtnet_ros.samples.video_source import VideoSource
source = VideoSource(str(packaged_clips()[0].video))
with PoseEstimator(model=sys.argv[1], detector=sys.argv[2]) as estimator:
    people, stamp_ns = [], 0
    while not people:
        stamp_ns += 40_000_000
        people = estimator.step(source.read()[0], stamp_ns, packaged_clips()[0].truth.camera)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def bench_start(bench: Bench, model: str, detector: str) -> None:
    """Time a process from its start to the first skeleton, and one that only imports NumPy and OpenCV."""
    for name, script in (("start of NumPy and OpenCV", "import cv2, numpy; print(0)"), ("first skeleton", SCRIPT)):
        taken_ms, most_mb = [], 0.0
        for _ in range(STARTS):
            started = time.perf_counter()
            command = [sys.executable, "-c", script, model, detector]
            done = subprocess.run(command, capture_output=True, text=True, env=dict(os.environ))
            if done.returncode:
                bench.skip(name, done.stderr.strip().splitlines()[-1])
                return
            taken_ms.append(1e3 * (time.perf_counter() - started))
            most_mb = max(most_mb, float(done.stdout) / 1024)
        taken_ms.sort()
        bench.add(name, Timing(taken_ms[STARTS // 2], taken_ms[-1], None, {"MB at most": most_mb} if most_mb else {}))
