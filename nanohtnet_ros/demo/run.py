"""Videos through the real nodes in processes of their own: bag, table, picture."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import rclpy
from ament_index_python.packages import get_package_share_directory
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from tqdm import tqdm

from nanohtnet_ros.core.camera import Camera
from nanohtnet_ros.core.window import NS_PER_S
from nanohtnet_ros.demo.picture import draw_demo
from nanohtnet_ros.demo.recorder import Recorder, new_bag
from nanohtnet_ros.demo.scoring import Recording, report
from nanohtnet_ros.errors import UserError
from nanohtnet_ros.estimator import PoseEstimator
from nanohtnet_ros.samples.clips import Clip, packaged_clips
from nanohtnet_ros.samples.video_source import VideoSource

QUIET_S = 1.0
TIMEOUT_S = 60.0
SPEEDS = (1.0, 0.5, 0.25, 0.1)
MAX_DROPS = 0.05


def demo(out: Path = Path("demo_output"), speed: float = 0.0) -> None:
    """Play this package's two rendered clips through the nodes and compare with their ground truth.

    Writes a bag of all topics (`OUT/*.mcap`, `ros2 bag play OUT`), `OUT/report.json` and `OUT/demo.png`.

    Args:
        out: folder to write; a former run's is replaced.
        speed: playback speed; 0 chooses real time, or less where this machine is too slow for it.
    """
    play(packaged_clips(), out, speed)


def run(video: Path, out: Path = Path("nanohtnet_output"), camera_info: Path | None = None, speed: float = 0.0) -> None:
    """Play a video file through the nodes.

    Writes a bag of all topics (`OUT/*.mcap`, `ros2 bag play OUT`), `OUT/report.json` and `OUT/demo.png`.

    Args:
        video: the file.
        out: folder to write; a former run's is replaced.
        camera_info: the camera's calibration (camera_calibration's YAML); without it a field of view is assumed.
        speed: playback speed; 0 chooses real time, or less where this machine is too slow for it.
    """
    VideoSource(str(video)).close()  # says what is wrong with the file before anything starts
    if camera_info is not None and not camera_info.is_file():
        raise UserError(f"there is no calibration {camera_info}")
    play([Clip("video", video, camera_info)], out, speed)


def play(clips: list[Clip], out: Path, speed: float = 0.0) -> None:
    """Play clips one after the other, record everything, score and draw it."""
    prepare_folder(out)
    isolate(out)
    chosen = speed or fitting_speed(clips[-1])
    recordings, reports = record(clips, out, chosen)
    while not speed and chosen > SPEEDS[-1] and any(r["drops"] > MAX_DROPS * r["frames"] for r in reports.values()):
        chosen = max(s for s in SPEEDS if s < chosen)
        print("this machine did not keep up, so once more, slower")
        prepare_folder(out)
        recordings, reports = record(clips, out, chosen)
    (out / "report.json").write_text(json.dumps({"speed": chosen, "clips": reports}, indent=2) + "\n")
    print_table(reports)
    draw_demo(recordings, out / "demo.png")
    bag = next(out.glob("*.mcap"))
    print(f"\nbag      {bag}  ({bag.stat().st_size / 1e6:.0f} MB; ros2 bag play {out}, or open it in Foxglove)")
    print(f"report   {out / 'report.json'}\npicture  {out / 'demo.png'}")


def record(clips: list[Clip], out: Path, speed: float) -> tuple[list[tuple[Clip, Recording]], dict[str, dict]]:
    """Play clips into a new bag; returns what the bag holds of each, and its report."""
    with recording_node(out) as recorder:
        for clip in clips:
            print(f"playing {clip.video.name} at {speed:g} times its rate", flush=True)
            play_clip(clip, recorder, speed, out / "logs")
    recordings = [(clip, Recording.read(out, clip.name)) for clip in clips]
    return recordings, {clip.name: report(recording, clip) for clip, recording in recordings}


def prepare_folder(out: Path) -> None:
    """Remove a former run's folder; the bag's writer makes it anew.

    Raises:
        ValueError: the folder holds something else.
    """
    if out.exists():
        if any(out.iterdir()) and not (out / "report.json").is_file() and not (out / "logs").is_dir():
            raise UserError(f"{out} holds files that are not a former run's: choose another folder")
        shutil.rmtree(out)


def isolate(out: Path) -> None:
    """Keep this run's traffic on this machine and apart from other runs, and its logs in its folder."""
    os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
    os.environ.setdefault("ROS_DOMAIN_ID", str(1 + os.getpid() % 100))
    os.environ["ROS_LOG_DIR"] = str((out / "logs").absolute())
    share = Path(get_package_share_directory("nanohtnet_ros"))
    os.environ.setdefault("FASTRTPS_DEFAULT_PROFILES_FILE", str(share / "config" / "fastdds.xml"))


def fitting_speed(clip: Clip, frames: int = 20) -> float:
    """The highest playback speed at which this machine keeps up with room to spare.

    Runs the pipeline on a clip's first frames, which takes about a second.
    """
    source = VideoSource(str(clip.video))
    seconds = []
    with PoseEstimator() as estimator:
        for i in range(frames):
            image = source.read()
            if image is None:
                break
            camera = Camera.from_field_of_view(image.shape[1], image.shape[0])
            started = time.perf_counter()
            estimator.step(image, int((i + 1) * NS_PER_S / source.frame_rate_hz), camera)
            seconds.append(time.perf_counter() - started)
    source.close()
    if not seconds:
        raise UserError(f"{clip.video} holds no frame that can be read")
    period = 1.0 / source.frame_rate_hz
    typical = sorted(seconds)[len(seconds) // 2]
    return next((speed for speed in SPEEDS if 2.0 * typical < period / speed), SPEEDS[-1])


@contextmanager
def recording_node(out: Path) -> Iterator[Recorder]:
    """A recorder that spins in a thread of its own; the bag is complete afterwards."""
    bag = new_bag(out)  # before ROS starts, whose log folder lies inside
    (out / "logs").mkdir()
    rclpy.init()
    recorder = Recorder(bag)
    executor = SingleThreadedExecutor()
    executor.add_node(recorder)

    def spin() -> None:
        with suppress(ExternalShutdownException):
            executor.spin()

    thread = threading.Thread(target=spin, daemon=True)
    thread.start()
    try:
        yield recorder
    finally:
        executor.shutdown()
        thread.join(timeout=5.0)
        recorder.destroy_node()
        bag.close()
        if rclpy.ok():
            rclpy.shutdown()


def start(node: str, clip: Clip, logs: Path, *args: str) -> subprocess.Popen:
    """Start one of our nodes in the clip's namespace, its output in a file."""
    command = [sys.executable, "-m", f"nanohtnet_ros.ros.{node}", "--ros-args", "-r", f"__ns:=/{clip.name}", *args]
    with (logs / f"{clip.name}_{node}.log").open("w") as log:
        return subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)


def play_clip(clip: Clip, recorder: Recorder, speed: float, logs: Path) -> None:
    """Play one clip from its first frame until the last skeletons have arrived.

    Raises:
        UserError: a node ended too early, or no skeletons came; the message holds the end of its log.
    """
    video_args = ["-p", f"source:='{clip.video.absolute()}'", "-p", f"speed:={speed}", "-p", "wait_for_subscribers:=2"]
    if clip.camera_info is not None:
        video_args += ["-p", f"camera_info_file:='{clip.camera_info.absolute()}'"]
    nodes = {
        "pose_node": start("pose_node", clip, logs),
        "marker_node": start("marker_node", clip, logs, "-r", "skeletons:=pose_node/skeletons"),
    }
    results = ("pose_node/skeletons", "pose_node/skeletons_2d", "marker_node/markers")
    topics = [f"/{clip.name}/{topic}" for topic in results]
    try:
        # Whatever is published before a recorder's subscription has found its publisher is lost: first all
        # connections, then the video.
        wait_until(lambda: all(topic in recorder.counts for topic in topics), nodes, clip, logs)
        time.sleep(QUIET_S)
        nodes["video_node"] = start("video_node", clip, logs, *video_args)
        wait_for_end(lambda: recorder.counts[topics[0]], nodes, clip, logs)
        time.sleep(1.1)  # the diagnostics come once a second: these hold the last frame's latencies
    finally:
        for process in nodes.values():
            process.send_signal(signal.SIGINT)
        for process in nodes.values():
            try:
                process.wait(timeout=5.0)
            except subprocess.TimeoutExpired:
                process.kill()
    if not recorder.counts[topics[0]]:
        raise UserError(f"no skeletons came out of {clip.video}:\n{log_end(logs, clip, 'pose_node')}")


def wait_until(ready: Callable[[], bool], nodes: dict[str, subprocess.Popen], clip: Clip, logs: Path) -> None:
    """Wait for something that the nodes do; a node that ends meanwhile, or a minute without, is an error."""
    give_up_s = time.monotonic() + TIMEOUT_S
    while not ready():
        for name, process in nodes.items():
            if process.poll():
                raise UserError(f"{name} ended with {process.returncode}:\n{log_end(logs, clip, name)}")
        if time.monotonic() > give_up_s:
            end = log_end(logs, clip, "pose_node")
            raise UserError(f"the nodes of {clip.name} did not answer in {TIMEOUT_S:g} s:\n{end}")
        time.sleep(0.05)


def wait_for_end(count: Callable[[], int], nodes: dict[str, subprocess.Popen], clip: Clip, logs: Path) -> None:
    """Wait until the video has ended and the last skeletons have come, with a bar that counts them."""
    with tqdm(unit=" skeleton messages", bar_format="  {n}{unit} in {elapsed}, {rate_fmt}", mininterval=1.0) as bar:
        while nodes["video_node"].poll() is None or count() > bar.n:
            bar.update(count() - bar.n)
            wait_until(lambda: count() > bar.n or nodes["video_node"].poll() is not None, nodes, clip, logs)
            if nodes["video_node"].poll() is not None:
                time.sleep(QUIET_S)


def log_end(logs: Path, clip: Clip, node: str) -> str:
    """The last lines that a node wrote."""
    return "\n".join((logs / f"{clip.name}_{node}.log").read_text(errors="replace").splitlines()[-15:])


def print_table(reports: dict[str, dict]) -> None:
    """The report on the terminal."""
    def show(value, digits: int = 1) -> str:
        return "-" if value is None else f"{value:.{digits}f}" if isinstance(value, float) else str(value)

    print(f"\n{'':24}" + "".join(f"{name:>14}" for name in reports))
    rows = [("frames in", "frames", 0), ("with skeletons", "skeletons", 0), ("drops", "drops", 0),
            ("keypoint error (px)", "keypoint_error_px", 1), ("MPJPE (mm)", "mpjpe_mm", 1),
            ("P-MPJPE (mm)", "p_mpjpe_mm", 1), ("root error (m)", "root_error_m", 2)]
    for title, key, digits in rows:
        print(f"{title:24}" + "".join(f"{show(entry[key], digits):>14}" for entry in reports.values()))
    print("latency, p50 / p99")
    stages = list(dict.fromkeys(stage for entry in reports.values() for stage in entry["latency_ms"]))
    for stage in stages:
        cells = [entry["latency_ms"].get(stage, {}) for entry in reports.values()]
        texts = [f"{show(c.get('p50'))} / {show(c.get('p99'))}" for c in cells]
        print(f"{stage + ' (ms)':24}" + "".join(f"{text:>14}" for text in texts))
