"""Runs from start to end, and interrupted ones."""

import errno
import json
import os
import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from walker import CAMERA, estimator, write_video

from nanohtnet_ros.core.window import NS_PER_S
from nanohtnet_ros.errors import UserError
from nanohtnet_ros.recording.loop import Job, process
from nanohtnet_ros.recording.sources import START_NS
from nanohtnet_ros.runtime.interrupt import Interrupted
from nanohtnet_ros.runtime.output_folder import OutputFolder
from nanohtnet_ros.samples.video_source import VideoSource

from video_files import write_matroska

pd = pytest.importorskip("pandas", reason="pandas, which reads the tables, is not installed")
pytest.importorskip("rosbags", reason="rosbags, which writes the bags, is not installed")

from rosbags.rosbag2 import Reader

FRAMES = 130


@pytest.fixture(scope="module")
def video(tmp_path_factory) -> Path:
    return write_video(tmp_path_factory.mktemp("video") / "walk.avi", FRAMES)


@pytest.fixture(scope="module")
def whole(video, tmp_path_factory) -> Path:
    """The results of a run that was not interrupted."""
    out = tmp_path_factory.mktemp("whole") / "out"
    with estimator(2) as fresh:
        process(Job(str(video), out), fresh, show_progress=False)
    return out


def skeletons_in(bag: Path) -> int:
    """Messages of skeletons that a bag holds, by its index and by reading them."""
    with Reader(bag) as reader:
        connections = [c for c in reader.connections if c.topic == "/pose_node/skeletons"]
        count = sum(1 for _ in reader.messages(connections))
        assert count == connections[0].msgcount
    return count


def contents(out: Path) -> dict[str, bytes]:
    return {
        str(file.relative_to(out)): file.read_bytes()
        for file in sorted(out.rglob("*"))
        if file.is_file() and not file.name.startswith(".") and file.name != "run.json"
    }


def test_the_results_are_the_estimators_own_frame_by_frame(video, whole):
    table = pd.read_csv(whole / "joints.csv")
    source = VideoSource(str(video))
    with estimator(2) as own:
        for i in range(FRAMES):
            image, time_s = source.read()
            people = own.step(image, START_NS + round(time_s * NS_PER_S), CAMERA)
            rows = table[table.frame == i]
            assert set(rows.track_id) == {person.track_id for person in people}
            for person in people:
                written = rows[rows.track_id == person.track_id]
                for names, expected in (
                    (["x_rel_m", "y_rel_m", "z_rel_m"], person.joints_rel_m),
                    (["x_cam_m", "y_cam_m", "z_cam_m"], person.joints_cam_m),
                    (["confidence"], person.confidence[:, None]),
                    (["x_px", "y_px"], person.keypoints_px),
                ):
                    np.testing.assert_allclose(written[names], expected, atol=0.006 if "px" in names[0] else 6e-4)
    assert len(table) == 17 * 2 * FRAMES
    np.testing.assert_allclose(np.sort(table.time_s.unique()), np.arange(FRAMES) / 25, atol=1e-6)


def test_a_killed_run_leaves_a_whole_bag_and_goes_on_to_the_same_results(video, whole, tmp_path):
    out = tmp_path / "out"
    command = [sys.executable, "-c", "import walker; walker.main()", str(video), str(out), "mcap,csv", "117"]
    path = os.pathsep.join(sys.path)
    killed = subprocess.run(command, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert skeletons_in(out / "recording") == 100
    assert len(pd.read_csv(out / "joints.csv").frame.unique()) == 117
    with estimator(2) as fresh:
        summary = process(Job(str(video), out), fresh, show_progress=False)
    assert summary.resumed_at == 100 and summary.frames == FRAMES
    assert contents(out) == contents(whole)
    assert not (out / ".nanohtnet_state").exists()


def test_after_ctrl_c_a_run_goes_on_at_the_very_frame(video, whole, tmp_path):
    job = Job(str(video), tmp_path / "out")
    with estimator(2, (signal.SIGINT, 57)) as stopped, pytest.raises(Interrupted) as ended:
        process(job, stopped, show_progress=False)
    assert "58 of 130 frames" in str(ended.value) and str(job.out) in str(ended.value)
    assert len(pd.read_csv(job.out / "joints.csv").frame.unique()) == 58
    with estimator(2) as fresh:
        assert process(job, fresh, show_progress=False).resumed_at == 58
    assert contents(job.out) == contents(whole)


def test_a_full_disk_ends_the_run_and_it_goes_on_later(video, whole, tmp_path, monkeypatch):
    job = Job(str(video), tmp_path / "out")
    reserve, calls = os.posix_fallocate, []

    def full(*args):
        calls.append(args)
        if len(calls) > 1:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return reserve(*args)

    monkeypatch.setattr(os, "posix_fallocate", full)
    with estimator(2) as stopped, pytest.raises(OSError, match=r"recording\.mcap: No space left.* are in .*out"):
        process(job, stopped, show_progress=False)
    monkeypatch.undo()
    assert skeletons_in(job.out / "recording") == 50
    with estimator(2) as fresh:
        assert process(job, fresh, show_progress=False).frames == FRAMES
    assert contents(job.out) == contents(whole)


def test_an_unfinished_run_is_not_replaced_by_another(video, tmp_path):
    with estimator(1, (signal.SIGINT, 5)) as stopped, pytest.raises(Interrupted):
        process(Job(str(video), tmp_path / "out"), stopped, show_progress=False)
    with estimator() as other, pytest.raises(UserError, match="unfinished run that differs in write"):
        process(Job(str(video), tmp_path / "out", write=("csv",)), other, show_progress=False)


def test_a_folder_in_use_is_refused(video, tmp_path):
    said = pytest.raises(UserError, match=r"out is being written by another run, process \d+")
    with closing(OutputFolder(tmp_path / "out", [])), estimator() as second, said:
        process(Job(str(video), tmp_path / "out"), second, show_progress=False)


def test_a_finished_run_is_replaced(video, tmp_path):
    for _ in range(2):
        with estimator() as fresh:
            summary = process(Job(str(video), tmp_path / "out", write=("csv",)), fresh, show_progress=False)
        assert summary.resumed_at == 0 and summary.frames == FRAMES
    said = json.loads((tmp_path / "out" / "run.json").read_text())
    assert said["frames"] == said["frames_with_people"] == FRAMES and said["track_ids"] == [1]
    assert "no calibration" in said["warnings"][0]


def test_every_frame_has_its_own_time(tmp_path):
    uneven_ms = [0, 40, 80, 120, 320, 520, 560, 1560]
    images = [np.full((480, 640, 3), 4 * i, np.uint8) for i in range(8)]
    video = write_matroska(tmp_path / "uneven.webm", images, uneven_ms, live=True)
    with estimator() as fresh:
        process(Job(str(video), tmp_path / "out", write=("csv",)), fresh, show_progress=False)
    table = pd.read_csv(tmp_path / "out" / "joints.csv")
    np.testing.assert_allclose(table.time_s.unique(), np.array(uneven_ms) / 1e3)


def test_frames_that_cannot_be_read_are_counted_and_left_out(tmp_path):
    frames = tmp_path / "frames"
    frames.mkdir()
    import cv2

    for i in range(6):
        cv2.imwrite(str(frames / f"{i}.png"), np.zeros((480, 640, 3), np.uint8))
    (frames / "3.png").write_bytes(b"torn")
    with estimator() as fresh:
        summary = process(Job(str(frames), tmp_path / "out", write=("csv",)), fresh, show_progress=False)
    assert (summary.frames, summary.skipped) == (6, 1) and "3.png is no image" in summary.problems[0]
    assert pd.read_csv(tmp_path / "out" / "joints.csv").frame.unique().tolist() == [0, 1, 2, 4, 5]
    for i in range(6):
        (frames / f"{i}.png").write_bytes(b"torn")
    with estimator() as fresh, pytest.raises(UserError, match=r"no frame that can be processed: frame 0: .*0\.png"):
        process(Job(str(frames), tmp_path / "out2", write=("csv",)), fresh, show_progress=False)
    assert not (tmp_path / "out2" / ".nanohtnet_state").exists()  # another command may follow


def test_a_video_that_is_cut_short_gives_what_it_has_and_an_error(video, tmp_path):
    cut = tmp_path / "cut.avi"
    content = video.read_bytes()
    cut.write_bytes(content[: len(content) // 2])
    with estimator() as fresh:
        summary = process(Job(str(cut), tmp_path / "out", write=("csv",)), fresh, show_progress=False)
    assert 40 < summary.frames < FRAMES and "is cut short" in summary.error
    assert len(pd.read_csv(tmp_path / "out" / "people.csv")) == summary.frames


def test_what_cannot_be_written_is_said_before_the_work(video, tmp_path, monkeypatch):
    with estimator() as fresh:
        with pytest.raises(UserError, match=r"--write has 'cvs'.*do you mean 'csv'"):
            process(Job(str(video), tmp_path / "out", write=("cvs",)), fresh)
        assert not (tmp_path / "out").exists()
        (tmp_path / "mine").mkdir()
        (tmp_path / "mine" / "thesis.txt").write_text("")
        with pytest.raises(UserError, match="holds files that are not a former run's"):
            process(Job(str(video), tmp_path / "mine"), fresh)
