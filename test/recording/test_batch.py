"""Many inputs, by the real detector: its processes cannot be given another."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("rosbags", reason="rosbags, which writes the bags, is not installed")

from bags import START_NS, jpeg, write_bag
from test_recording_loop import contents

from nanohtnet_ros.config import EstimatorSettings
from nanohtnet_ros.errors import UserError
from nanohtnet_ros.recording.batch import output_names, run_batch
from nanohtnet_ros.recording.loop import Job
from nanohtnet_ros.runtime.interrupt import Interrupted
from nanohtnet_ros.samples.clips import CLIPS_DIR
from nanohtnet_ros.samples.video_source import VideoSource

from video_files import write_avi

pytestmark = pytest.mark.slow

SETTINGS = EstimatorSettings(detector="blazepose_lite", model="nano_s_81_streaming", threads=1)
FRAMES = 12


@pytest.fixture(scope="module")
def inputs(tmp_path_factory) -> list[Path]:
    """A video, two bags with JPEG images and a bag that is corrupt."""
    folder = tmp_path_factory.mktemp("inputs")
    source = VideoSource(str(CLIPS_DIR / "rendered_walk.mp4"))
    images = [source.read()[0] for _ in range(FRAMES)]
    found = [write_avi(folder / "walk.avi", images)]
    for name, step in (("slow", 2), ("fast", 1)):
        messages = [jpeg(image, START_NS + i * 40_000_000) for i, image in enumerate(images[::step])]
        found.append(write_bag(folder / name, {"/front/image/compressed": messages}))
    found.insert(2, write_bag(folder / "corrupt", {"/front/image/compressed": messages}))
    (folder / "corrupt" / "corrupt.mcap").write_bytes(b"\x89MCAP" + bytes(5000))
    return found


def jobs_of(inputs: list[Path], out: Path) -> list[Job]:
    names = output_names([str(path) for path in inputs])
    return [Job(str(p), out / name, settings=SETTINGS) for p, name in zip(inputs, names, strict=True)]


@pytest.fixture(scope="module")
def alone(inputs, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("alone") / "out"
    check(run_batch(jobs_of(inputs, out), out), out)
    return out


def check(summaries, out: Path) -> None:
    assert [s.frames for s in summaries] == [FRAMES, FRAMES // 2, 0, FRAMES]
    assert [bool(s.error) for s in summaries] == [False, False, True, False]
    assert "cannot be read" in summaries[2].error
    assert all(s.frames_with_people == s.frames for s in summaries)
    assert [entry["frames"] for entry in json.loads((out / "summary.json").read_text())] == [
        FRAMES,
        FRAMES // 2,
        0,
        FRAMES,
    ]


def test_processes_give_the_results_of_one(inputs, alone, tmp_path):
    out = tmp_path / "out"
    check(run_batch(jobs_of(inputs, out), out, processes=2), out)
    assert contents(out) | {"summary.json": b""} == contents(alone) | {"summary.json": b""}
    assert len(contents(out)) == 1 + 3 * 4  # mcap, metadata.yaml, joints.csv, people.csv


def test_ray_gives_the_results_of_one_process(inputs, alone, tmp_path):
    ray = pytest.importorskip("ray", reason="Ray (the extra `cluster`) is not installed")
    out = tmp_path / "out"
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, configure_logging=False)
    try:
        check(run_batch(jobs_of(inputs, out), out, processes=2, cluster="ray"), out)
    finally:
        ray.shutdown()
    assert contents(out) | {"summary.json": b""} == contents(alone) | {"summary.json": b""}


def test_a_process_that_crashes_takes_nobody_along(inputs, tmp_path, monkeypatch):
    crashing = "import os, pickle, sys; job = pickle.load(sys.stdin.buffer); os.kill(os.getpid(), 11)"
    popen = subprocess.Popen

    def crash_over_the_corrupt_one(command, **options):
        crash_over_the_corrupt_one.calls += 1
        return popen([command[0], "-c", crashing] if crash_over_the_corrupt_one.calls == 1 else command, **options)

    crash_over_the_corrupt_one.calls = 0
    monkeypatch.setattr(subprocess, "Popen", crash_over_the_corrupt_one)
    out = tmp_path / "out"
    first, second = run_batch(jobs_of([inputs[0], inputs[1]], out), out, processes=2)
    assert {f"its process ended with {-signal.SIGSEGV}: ", ""} == {first.error, second.error}


def test_sigterm_ends_the_processes_and_the_batch_goes_on_later(inputs, alone, tmp_path, monkeypatch):
    interrupting = "import os; os.kill(os.getppid(), 15); from nanohtnet_ros.recording.batch import main; main()"
    popen, children = subprocess.Popen, []

    def interrupt(command, **options):
        children.append(popen([command[0], "-c", interrupting], **options))
        return children[-1]

    out = tmp_path / "out"
    with monkeypatch.context() as patched, pytest.raises(Interrupted, match="SIGTERM"):
        patched.setattr(subprocess, "Popen", interrupt)
        run_batch(jobs_of(inputs, out), out, processes=2)
    assert 0 < len(children) <= 2 and all(child.poll() is not None for child in children)
    assert not (out / "summary.json").exists()
    check(run_batch(jobs_of(inputs, out), out), out)
    assert contents(out) | {"summary.json": b""} == contents(alone) | {"summary.json": b""}


def test_completed_inputs_of_an_interrupted_batch_are_not_repeated(inputs, tmp_path):
    out = tmp_path / "out"
    jobs = jobs_of([inputs[0], inputs[1]], out)
    run_batch(jobs, out)
    (out / "summary.json").unlink()  # as if it had been interrupted
    told = (jobs[0].out / "run.json").stat().st_mtime_ns
    (jobs[1].out / "run.json").unlink()
    run_batch(jobs, out)
    assert (jobs[0].out / "run.json").stat().st_mtime_ns == told and (jobs[1].out / "run.json").exists()
    run_batch(jobs, out)  # a finished batch is run anew
    assert (jobs[0].out / "run.json").stat().st_mtime_ns != told


def test_the_command(inputs, alone, tmp_path):
    command = [sys.executable, "-m", "nanohtnet_ros.cli", "run", *map(str, inputs), "--out", str(tmp_path / "out")]
    options = ["--detector", "blazepose_lite", "--model", "nano_s_81_streaming", "--threads", "1"]
    path = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    result = subprocess.run([*command, *options], capture_output=True, text=True, env=path)
    assert result.returncode == 1 and "Traceback" not in result.stderr
    assert "corrupt" in result.stderr.splitlines()[-1] and "cannot be read" in result.stderr.splitlines()[-1]
    assert f"{inputs[0]}" in result.stdout and "frames/s" in result.stdout and "3 of 4" in result.stdout
    assert contents(tmp_path / "out") | {"summary.json": b""} == contents(alone) | {"summary.json": b""}


def test_what_cannot_be_is_said(inputs, tmp_path):
    with pytest.raises(UserError, match="--jobs is 0"):
        run_batch(jobs_of(inputs, tmp_path), tmp_path, 0)
    with pytest.raises(UserError, match="--cluster is 'slurm', expected 'ray'"):
        run_batch(jobs_of(inputs, tmp_path), tmp_path, 1, "slurm")


def test_names_of_folders_differ():
    assert output_names(["a/x.mp4", "b/x.avi", "x_2.mp4", "0"]) == ["x", "x_2", "x_2_2", "0"]
