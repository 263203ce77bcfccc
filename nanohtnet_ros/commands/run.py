"""`nanohtnet run`: recordings to skeletons."""

from __future__ import annotations

import sys
from pathlib import Path

from nanohtnet_ros.config import EstimatorSettings
from nanohtnet_ros.core.camera import DEFAULT_HORIZONTAL_FOV_DEG
from nanohtnet_ros.errors import UserError
from nanohtnet_ros.recording.batch import one_by_one, output_names, run_batch
from nanohtnet_ros.recording.loop import Job, Summary
from nanohtnet_ros.recording.sources import SourceOptions


def run(
    *inputs: str,
    out: Path = Path("nanohtnet_output"),
    write: str = "mcap,csv",
    report: bool = False,
    topic: str = "",
    camera_info: Path | None = None,
    horizontal_fov_deg: float = DEFAULT_HORIZONTAL_FOV_DEG,
    frame_rate: float = 25.0,
    ground_frame: str = "",
    camera_height_m: float = 0.0,
    camera_pitch_deg: float = 0.0,
    camera_roll_deg: float = 0.0,
    jobs: int = 1,
    cluster: str = "",
    through_nodes: bool = False,
    speed: float = 0.0,
    settings: EstimatorSettings | None = None,
) -> None:
    """3D skeletons of recordings: every frame, as fast as this machine can.

    After an interruption the same command goes on where it was, with the same results.

    Args:
        inputs: video file, folder of images, rosbag2 (folder, or .mcap or .db3 file), or a webcam's number.
        out: folder to write, with a folder in it for each of several inputs; a former run's files in it are replaced,
            nothing else is.
        write: formats, separated by commas: mcap (a rosbag2 in OUT/recording), mcap_images (the same
            with the images), csv and parquet (tables of joints and
            people), trc, c3d and bvh (motion capture, a file for each person), mp4 (the images with people drawn on),
            rrd (a recording for 'nanohtnet view'), html (as --report).
        report: write OUT/report.html as well: key frames, who is seen when, confidence, joint angles, warnings.
        topic: image topic of a bag; needed where it has several.
        camera_info: the camera's calibration (camera_calibration's YAML); without it a bag's CameraInfo is taken, or a
            field of view assumed.
        horizontal_fov_deg: field of view along the longer side, assumed without a calibration, degrees.
        ground_frame: frame of a bag's TF with z up and the floor at z = 0, as base_footprint.
        camera_height_m: height of the camera above the floor without ground_frame, metres; 0 if not known.
        camera_pitch_deg: how far a fixed camera looks down, degrees.
        camera_roll_deg: how far it is turned clockwise, seen from behind, degrees.
        jobs: inputs that are processed at a time, in processes of their own.
        cluster: 'ray': those processes are a Ray cluster's (RAY_ADDRESS), which sees the same paths; without an address
            it is started on this machine.
        frame_rate: of a folder of images, and of a video that states none, Hz.
        through_nodes: play a video through the ROS nodes instead, against the clock, to test them; writes what
            'nanohtnet demo' does.
        speed: playback speed through the nodes; 0 chooses real time, or less where this machine is too slow for it.
        settings: of the estimator.
    """
    if through_nodes:
        from nanohtnet_ros.demo.run import run as play

        if len(inputs) != 1:
            raise UserError(f"--through_nodes has {len(inputs)} inputs, expected one")
        play(Path(inputs[0]), out, camera_info, speed)
        return

    settings, out = settings or EstimatorSettings(), out.expanduser().absolute()
    source = SourceOptions(
        topic,
        camera_info,
        horizontal_fov_deg,
        frame_rate,
        ground_frame,
        camera_height_m,
        camera_pitch_deg,
        camera_roll_deg,
    )
    names = tuple(name.strip() for name in write.split(",") if name.strip()) + ("html",) * report
    if len(inputs) == 1 and not cluster:
        for _, summary in one_by_one([Job(inputs[0], out, names, source, settings)]):
            tell([summary])
        return
    folders = output_names(list(inputs))
    paths = [str(Path(name).absolute()) if Path(name).exists() else name for name in inputs]
    todo = [Job(path, out / folder, names, source, settings) for path, folder in zip(paths, folders, strict=True)]
    tell(run_batch(todo, out, jobs, cluster))


def tell(summaries: list[Summary]) -> None:
    """Print what was done.

    Raises:
        UserError: there are results that are missing or not of the whole input.
    """
    if any(s.frames for s in summaries):
        print_table(summaries)
    for s in summaries:
        for sentence in (*s.problems, *s.warnings):
            print(f"warning: {s.input}: {sentence}", file=sys.stderr)
    if errors := [f"{s.input}: {s.error}" for s in summaries if s.error]:
        raise UserError("; ".join(errors))


def print_table(summaries: list[Summary]) -> None:
    """What was done, a line for each input, and where the results are."""
    columns = ("frames", "with people", "skipped", "people", "frames/s")
    width = max(len(summary.input) for summary in summaries)
    print(f"\n{'':{width}}" + "".join(f"{name:>13}" for name in columns))
    for s in summaries:
        cells = (s.frames, s.frames_with_people, s.skipped, len(s.track_ids), f"{s.frames_per_s:.1f}")
        print(f"{s.input:{width}}" + "".join(f"{cell:>13}" for cell in cells))
    for s in summaries:
        if s.frames:
            print(f"results of {s.input} are in {s.out}")
