import random

import cv2
import numpy as np
import pytest

from nanohtnet_ros.errors import UserError
from nanohtnet_ros.samples.clips import CLIPS_DIR
from nanohtnet_ros.samples.video_source import VideoSource

from video_files import greys, write_avi, write_matroska

UNEVEN_MS = [0, 40, 80, 120, 320, 520, 560, 1560]


def times(source: VideoSource) -> list[float]:
    found = []
    while (time_s := source.advance()) is not None:
        found.append(time_s)
    return found


def shades(source: VideoSource) -> list[int]:
    found = []
    while (frame := source.read()) is not None:
        found.append(int(frame[0][0, 0, 0]))
    return found


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "frames"
    path.mkdir()
    for i in (100, 10, 2, 1):
        cv2.imwrite(str(path / f"frame {i}.png"), np.full((8, 8, 3), i, np.uint8))
    (path / "notes.txt").write_text("not an image")
    return path


def test_a_video_file_gives_all_its_frames_with_their_times():
    source = VideoSource(str(CLIPS_DIR / "rendered_two.mp4"))
    assert source.frame_rate_hz == 25.0 and source.frame_count == 85 and not source.live and not source.damage
    first, time_s = source.read()
    assert time_s == 0.0
    np.testing.assert_allclose(times(source), np.arange(1, 85) / 25)
    assert source.read() is None
    source.rewind()
    again, time_s = source.read()
    np.testing.assert_array_equal(again, first)
    assert time_s == pytest.approx(85 / 25)  # time goes on


@pytest.mark.parametrize("live", [False, True])
def test_frames_have_their_own_times_and_no_stated_rate_counts(tmp_path, live):
    video = write_matroska(tmp_path / "uneven.webm", greys(8), UNEVEN_MS, live)
    np.testing.assert_allclose(times(VideoSource(str(video))), np.array(UNEVEN_MS) / 1e3)
    late = write_matroska(tmp_path / "late.webm", greys(8), [t + 5000 for t in UNEVEN_MS], live)
    np.testing.assert_allclose(times(VideoSource(str(late))), np.array(UNEVEN_MS) / 1e3)


def test_frames_without_times_follow_at_the_stated_rate(tmp_path):
    video = write_matroska(tmp_path / "timeless.mkv", greys(5), [0] * 5)
    found = times(VideoSource(str(video)))
    assert len(found) == 5 and found[0] == 0.0 and (np.diff(found) > 0).all()
    np.testing.assert_allclose(np.diff(found), np.diff(found)[0])


def test_a_folder_is_read_in_natural_order(folder):
    source = VideoSource(str(folder), default_rate_hz=10.0)
    assert source.frame_rate_hz == 10.0 and source.frame_count == 4
    assert shades(source) == [1, 2, 10, 100]
    assert source.read() is None
    source.rewind()
    assert source.read()[1] == pytest.approx(0.4)


@pytest.mark.parametrize("name", ["Mum's walk.avi", "2024-05-01T12:30:05.avi", "http:x.avi", "a%20b #1.avi", "[1].avi"])
def test_a_path_is_a_path_whatever_it_looks_like(tmp_path, monkeypatch, name):
    write_avi(tmp_path / name, greys(3))
    monkeypatch.chdir(tmp_path)
    assert len(times(VideoSource(name))) == len(times(VideoSource(str(tmp_path / name)))) == 3


def test_what_cannot_be_read_says_why(folder, tmp_path):
    with pytest.raises(UserError, match="no source is given"):
        VideoSource("")
    with pytest.raises(UserError, match="no file or folder"):
        VideoSource(str(tmp_path / "none.mp4"))
    (tmp_path / "broken.mp4").write_bytes(b"not a video")
    with pytest.raises(UserError, match="no video that OpenCV can read"):
        VideoSource(str(tmp_path / "broken.mp4"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="holds no images"):
        VideoSource(str(tmp_path / "empty"))
    (folder / "frame 0.png").write_bytes(b"torn")
    source = VideoSource(str(folder))
    with pytest.raises(UserError, match=r"frame 0\.png is no image"):
        source.read()
    assert source.read() is not None  # the next one is fine


def test_a_webcam_that_is_not_there():
    with pytest.raises(UserError, match="webcam 93 cannot be opened"):
        VideoSource("93")


def test_whole_files_are_not_called_damaged(tmp_path):
    for path in (
        write_avi(tmp_path / "a.avi", greys(5)),
        write_matroska(tmp_path / "b.mkv", greys(5), [0, 40, 80, 120, 160]),
        write_matroska(tmp_path / "c.webm", greys(5), [0, 40, 80, 120, 160], live=True),
        CLIPS_DIR / "rendered_walk.mp4",
    ):
        assert not VideoSource(str(path)).damage, path


@pytest.mark.parametrize("kind", ["avi", "mkv", "mp4"])
def test_files_cut_anywhere_are_refused_or_called_damaged(tmp_path, kind):
    whole = {
        "avi": lambda: write_avi(tmp_path / "whole.avi", greys(20)),
        "mkv": lambda: write_matroska(tmp_path / "whole.mkv", greys(20), list(range(0, 800, 40))),
        "mp4": lambda: CLIPS_DIR / "rendered_two.mp4",
    }[kind]()
    content, frames, rng = whole.read_bytes(), len(times(VideoSource(str(whole)))), random.Random(0)
    played = 0
    for size in sorted({1, 7, 8, 12, 40, len(content) - 1, *(rng.randrange(len(content)) for _ in range(20))}):
        cut = tmp_path / f"cut.{kind}"
        cut.write_bytes(content[:size])
        try:
            source = VideoSource(str(cut))
        except UserError as error:
            assert "copy it again" in str(error) or "no video that OpenCV can read" in str(error)
            continue
        assert "is cut short" in source.damage
        assert len(times(source)) <= frames
        played += 1
    assert played or kind == "mp4"  # whose index is at its end
