"""Videos through the real nodes in processes of their own: bag, table, picture."""

from __future__ import annotations

import json
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import rclpy
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.signals import SignalHandlerOptions
from tqdm import tqdm

from nanohtnet_ros.core.camera import Camera
from nanohtnet_ros.core.window import NS_PER_S
from nanohtnet_ros.demo.picture import draw_demo
from nanohtnet_ros.demo.processes import Value, end, isolate, log_end, start
from nanohtnet_ros.demo.recorder import Bag, Recorder, bag_files
from nanohtnet_ros.demo.scoring import Recording, report
from nanohtnet_ros.errors import UserError
from nanohtnet_ros.estimator import PoseEstimator
from nanohtnet_ros.ros.shared_memory import shared_memory_problem
from nanohtnet_ros.runtime.interrupt import Interrupted, interruptible
from nanohtnet_ros.runtime.output_folder import OutputFolder, writing
from nanohtnet_ros.samples.clips import Clip, packaged_clips
from nanohtnet_ros.samples.video_source import VideoSource

QUIET_S = 1.0
TIMEOUT_S = 60.0
SPEEDS = (1.0, 0.5, 0.25, 0.1, 0.05, 0.02)
ROOM = 1.25  # between two frames, in units of a frame's time; where that is too little the clips are played once more
MAX_DROPS = 0.05
VIDEO_NODE = "video_node"


def demo(out: Path = Path("demo_output"), speed: float = 0.0) -> None:
    """Play this package's two rendered clips through the nodes and compare with their ground truth.

    Writes a bag of all topics (`OUT/*.mcap`, `ros2 bag play OUT`), `OUT/report.json` and `OUT/demo.png`.

    Args:
        out: folder to write; a former run's files in it are replaced, nothing else is.
        speed: playback speed; 0 chooses real time, or less where this machine is too slow for it.
    """
    play(packaged_clips(), out, speed)


def run(video: Path, out: Path = Path("nanohtnet_output"), camera_info: Path | None = None, speed: float = 0.0) -> None:
    """Play a video file through the nodes.

    Writes a bag of all topics (`OUT/*.mcap`, `ros2 bag play OUT`), `OUT/report.json` and `OUT/demo.png`.

    Args:
        video: the file, or a folder of images.
        out: folder to write; a former run's files in it are replaced, nothing else is.
        camera_info: the camera's calibration (camera_calibration's YAML); without it a field of view is assumed.
        speed: playback speed; 0 chooses real time, or less where this machine is too slow for it.
    """
    # What is wrong with the files is said before anything starts.
    with closing(open_video(video)) as source:
        first = source.read()
    if first is None:
        raise UserError(f"{video} holds no frame that can be read")
    if camera_info is not None:
        height, width = first[0].shape[:2]
        try:
            Camera.from_yaml(camera_info).scaled_to(width, height)
        except UserError as error:
            raise UserError(f"--camera_info {camera_info} cannot be used for {video}: {error}") from error
    play([Clip("video", video, camera_info)], out, speed)


def open_video(path: Path) -> VideoSource:
    """A video file or folder; one that is named like a webcam's number is still a file."""
    return VideoSource(str(path.expanduser().absolute()))


def play(clips: list[Clip], out: Path, speed: float = 0.0) -> None:
    """Play clips one after the other, record everything, score and draw it.

    Raises:
        UserError: there is no result, or it is not of the whole clips; the message says what is missing.
    """
    inputs = [path for clip in clips for path in (clip.video, clip.camera_info) if path is not None]
    files = ["logs/*.log", "logs/*.yaml", *bag_files(out), "report.json", "demo.png"]
    with closing(OutputFolder(out, files, inputs)) as folder, interruptible():
        isolate(folder.path / "logs")
        if problem := shared_memory_problem():
            print(f"warning: {problem}")
        try:
            problems = play_into(folder, clips, speed)
        except Interrupted as error:
            raise Interrupted(f"{error}; {folder.path} holds no report or picture of this run") from error
    if problems:
        raise UserError("; ".join(problems))


def play_into(folder: OutputFolder, clips: list[Clip], speed: float) -> list[str]:
    """Play clips into a folder; returns what the results lack."""
    out = folder.path
    PoseEstimator().close()  # says at once what is wrong with the networks' files
    chosen = speed or fitting_speed(clips[-1])
    recordings, reports = record(clips, folder, chosen)
    while not speed and chosen > SPEEDS[-1]:
        drops = max(r["drops"] / max(r["frames"], 1) for r in reports.values())
        if drops <= MAX_DROPS:
            break
        chosen = max((s for s in SPEEDS if s < (1 - drops) * chosen), default=SPEEDS[-1])
        print("this machine did not keep up, so once more, slower")
        recordings, reports = record(clips, folder, chosen)
    with writing(out / "report.json"):
        (out / "report.json").write_text(json.dumps({"speed": chosen, "clips": reports}, indent=2) + "\n")
    print_table(reports)
    with writing(out / "demo.png"):
        draw_demo(recordings, out / "demo.png")
    bag = out / f"{out.name}.mcap"
    print(f"\nbag      {bag}  ({bag.stat().st_size / 1e6:.0f} MB; ros2 bag play {out}, or open it in Foxglove)")
    print(f"report   {out / 'report.json'}\npicture  {out / 'demo.png'}")
    return [problem for clip in clips if (problem := missing(clip, reports[clip.name]))]


def missing(clip: Clip, entry: dict) -> str:
    """What a clip's results lack; empty if nothing."""
    frames, lost = entry["frames"], entry["lost"]
    with closing(open_video(clip.video)) as source:
        stated = source.frame_count
    if source.damage:
        return f"the results are of {frames}{f' of {stated}' if stated else ''} frames: {source.damage}"
    if lost > MAX_DROPS * frames:
        remedy = shared_memory_problem() or "lower --speed"
        return f"{lost} of {frames} frames of {clip.video} were lost between the nodes: {remedy}"
    if stated and frames < (1 - MAX_DROPS) * stated:
        print(f"warning: {clip.video} states {stated} frames, {frames} could be read: it was trimmed, or is damaged")
    return ""


def record(
    clips: list[Clip], folder: OutputFolder, speed: float
) -> tuple[list[tuple[Clip, Recording]], dict[str, dict]]:
    """Play clips into a new bag; returns what the bag holds of each, and its report."""
    out = folder.path
    folder.clear()
    with recording_node(out) as recorder:
        for clip in clips:
            print(f"playing {clip.video.name} at {speed:g} times its rate", flush=True)
            play_clip(clip, recorder, speed, out / "logs")
    recordings = [(clip, Recording.read(out, clip.name)) for clip in clips]
    return recordings, {clip.name: report(recording, clip) for clip, recording in recordings}


def fitting_speed(clip: Clip, frames: int = 20) -> float:
    """The highest playback speed at which this machine should keep up.

    Runs the pipeline on a clip's first frames, which takes about a second.

    Raises:
        UserError, OSError: the clip or a network cannot be read.
    """
    seconds: list[float] = []
    last_s = 0.0
    with PoseEstimator() as estimator, closing(open_video(clip.video)) as source:
        while len(seconds) < frames and (frame := source.read()) is not None:
            image, last_s = frame
            camera = Camera.from_field_of_view(image.shape[1], image.shape[0])
            started = time.perf_counter()
            estimator.step(image, int((last_s + 1.0) * NS_PER_S), camera)
            seconds.append(time.perf_counter() - started)
    if not seconds:
        raise UserError(f"{clip.video} holds no frame that can be read")
    period_s = last_s / (len(seconds) - 1) if len(seconds) > 1 else 1.0
    typical_s = sorted(seconds)[len(seconds) // 2]
    return next((speed for speed in SPEEDS if ROOM * typical_s < period_s / speed), SPEEDS[-1])


@contextmanager
def recording_node(out: Path) -> Iterator[Recorder]:
    """A recorder that spins in a thread of its own; the bag is complete afterwards."""
    (out / "logs").mkdir(exist_ok=True)  # before ROS starts, which writes there
    bag = Bag(out)
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
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
        rclpy.shutdown()
        if recorder.error is None:
            bag.close()


def play_clip(clip: Clip, recorder: Recorder, speed: float, logs: Path) -> None:
    """Play one clip from its first frame until the last skeletons have arrived.

    Raises:
        UserError: a node ended too early, or no skeletons came; the message holds the end of its log.
        Interrupted: the message says how much was played.
        OSError: the bag cannot be written.
    """
    parameters: dict[str, Value] = {
        "source": str(clip.video.expanduser().absolute()),
        "speed": float(speed),
        "wait_for_subscribers": 2,
    }
    if clip.camera_info is not None:
        parameters["camera_info_file"] = str(clip.camera_info.expanduser().absolute())

    def log(node: str) -> Path:
        return logs / f"{clip.name}_{node}.log"

    nodes = {
        "pose_node": start("pose_node", clip.name, log("pose_node")),
        "marker_node": start("marker_node", clip.name, log("marker_node"), "-r", "skeletons:=pose_node/skeletons"),
    }
    results = ("pose_node/skeletons", "pose_node/skeletons_2d", "marker_node/markers")
    topics = [f"/{clip.name}/{topic}" for topic in results]
    try:
        # Whatever is published before a recorder's subscription has found its publisher is lost: first all
        # connections, then the video.
        wait_until(lambda: all(topic in recorder.counts for topic in topics), recorder, nodes, log)
        time.sleep(QUIET_S)
        nodes[VIDEO_NODE] = start(VIDEO_NODE, clip.name, log(VIDEO_NODE), parameters=parameters)
        wait_for_end(lambda: recorder.counts[topics[0]], recorder, nodes, log)
        time.sleep(1.1)  # the diagnostics come once a second: these hold the last frame's latencies
    except Interrupted as error:
        raise Interrupted(
            f"{error}: {recorder.counts.get(f'/{clip.name}/image', 0)} of {frames_of(clip)} frames of "
            f"{clip.video.name} were played"
        ) from error
    finally:
        end(nodes)
    if not recorder.counts[topics[0]]:
        ends = "\n".join(f"{node}:\n{log_end(log(node))}" for node in nodes)
        raise UserError(f"no skeletons came out of {clip.video}:\n{ends}")


def frames_of(clip: Clip) -> str:
    """How many frames a clip states to have."""
    with closing(open_video(clip.video)) as source:
        return str(source.frame_count or "an unknown number of")


def wait_until(
    ready: Callable[[], bool], recorder: Recorder, nodes: dict[str, subprocess.Popen], log: Callable[[str], Path]
) -> None:
    """Wait for something that the nodes do; a node that ends meanwhile, or a minute without, is an error."""
    give_up_s = time.monotonic() + TIMEOUT_S
    while not ready():
        if recorder.error is not None:
            raise recorder.error
        for name, process in nodes.items():
            if process.poll() and name != VIDEO_NODE:
                raise UserError(f"{name} ended with {process.returncode}:\n{log_end(log(name))}")
        if time.monotonic() > give_up_s:
            raise UserError(f"the nodes did not answer in {TIMEOUT_S:g} s:\n{log_end(log('pose_node'))}")
        time.sleep(0.05)


def wait_for_end(
    count: Callable[[], int], recorder: Recorder, nodes: dict[str, subprocess.Popen], log: Callable[[str], Path]
) -> None:
    """Wait until the video has ended and the last skeletons have come, with a bar that counts them."""
    with tqdm(unit=" skeleton messages", bar_format="  {n}{unit} in {elapsed}, {rate_fmt}", mininterval=1.0) as bar:
        while nodes[VIDEO_NODE].poll() is None or count() > bar.n:
            bar.update(count() - bar.n)
            wait_until(lambda: count() > bar.n or nodes[VIDEO_NODE].poll() is not None, recorder, nodes, log)
            if nodes[VIDEO_NODE].poll() is not None:
                time.sleep(QUIET_S)


def print_table(reports: dict[str, dict]) -> None:
    """The report on the terminal."""

    def show(value, digits: int = 1) -> str:
        return "-" if value is None else f"{value:.{digits}f}" if isinstance(value, float) else str(value)

    print(f"\n{'':24}" + "".join(f"{name:>14}" for name in reports))
    rows = [
        ("frames in", "frames", 0),
        ("with skeletons", "skeletons", 0),
        ("drops", "drops", 0),
        ("keypoint error (px)", "keypoint_error_px", 1),
        ("MPJPE (mm)", "mpjpe_mm", 1),
        ("P-MPJPE (mm)", "p_mpjpe_mm", 1),
        ("root error (m)", "root_error_m", 2),
    ]
    for title, key, digits in rows:
        print(f"{title:24}" + "".join(f"{show(entry[key], digits):>14}" for entry in reports.values()))
    print("latency, p50 / p99")
    stages = list(dict.fromkeys(stage for entry in reports.values() for stage in entry["latency_ms"]))
    for stage in stages:
        cells = [entry["latency_ms"].get(stage, {}) for entry in reports.values()]
        texts = [f"{show(c.get('p50'))} / {show(c.get('p99'))}" for c in cells]
        print(f"{stage + ' (ms)':24}" + "".join(f"{text:>14}" for text in texts))
