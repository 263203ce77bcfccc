import cv2
import numpy as np
import pytest

from nanohtnet_ros.samples.clips import CLIPS_DIR
from nanohtnet_ros.samples.video_source import VideoSource


@pytest.fixture
def folder(tmp_path):
    for i in (10, 2, 1):
        cv2.imwrite(str(tmp_path / f"frame_{i:03}.png"), np.full((8, 8, 3), i, np.uint8))
    (tmp_path / "notes.txt").write_text("not an image")
    return tmp_path


def test_a_video_file_gives_all_its_frames_at_its_rate():
    source = VideoSource(str(CLIPS_DIR / "rendered_two.mp4"))
    assert source.frame_rate_hz == 25.0 and not source.live
    first = source.read()
    frames = 1
    while source.read() is not None:
        frames += 1
    assert frames == 85 and source.read() is None
    source.rewind()
    np.testing.assert_array_equal(source.read(), first)


def test_a_folder_is_read_in_the_order_of_names(folder):
    source = VideoSource(str(folder), default_rate_hz=10.0)
    assert source.frame_rate_hz == 10.0
    assert [int(source.read()[0, 0, 0]) for _ in range(3)] == [1, 2, 10]
    assert source.read() is None
    source.rewind()
    assert source.read() is not None


def test_what_cannot_be_read_says_why(folder, tmp_path):
    with pytest.raises(ValueError, match="no source is given"):
        VideoSource("")
    with pytest.raises(ValueError, match="no file or folder"):
        VideoSource(str(tmp_path / "none.mp4"))
    (tmp_path / "broken.mp4").write_bytes(b"not a video")
    with pytest.raises(ValueError, match="no video that OpenCV can read"):
        VideoSource(str(tmp_path / "broken.mp4"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="holds no images"):
        VideoSource(str(tmp_path / "empty"))
    (folder / "frame_000.png").write_bytes(b"torn")
    source = VideoSource(str(folder))
    with pytest.raises(ValueError, match=r"frame_000\.png is no image"):
        source.read()
    assert source.read() is not None  # the next one is fine


def test_a_webcam_that_is_not_there():
    with pytest.raises(ValueError, match="webcam 93 cannot be opened"):
        VideoSource("93")
