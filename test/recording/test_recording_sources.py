from pathlib import Path

import numpy as np
import pytest

from nanohtnet_ros.core.camera import Camera
from nanohtnet_ros.core.window import NS_PER_S
from nanohtnet_ros.errors import UserError
from nanohtnet_ros.recording.frames import Frame
from nanohtnet_ros.recording.sources import START_NS, SourceOptions, open_source, read_ahead
from nanohtnet_ros.samples.clips import CLIPS_DIR

from video_files import greys, write_avi


def test_a_rate_of_29_97_stays_that(tmp_path):
    video = write_avi(tmp_path / "ntsc.avi", greys(50), 30000 / 1001)
    source = open_source(str(video), SourceOptions())
    stamps = [frame.stamp_ns for frame in source]
    np.testing.assert_allclose((np.array(stamps) - START_NS) / NS_PER_S, np.arange(50) * 1001 / 30000, rtol=2e-6)
    assert source.frame_rate_hz == pytest.approx(29.97, abs=1e-3) and source.frame_count == 50


def test_a_file_named_like_a_webcam_is_a_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_avi(Path("7.avi"), greys(3)).rename("7")
    source = open_source("7", SourceOptions())
    assert not source.live and len(list(source)) == 3
    with pytest.raises(UserError, match="webcam 93 cannot be opened"):
        open_source("93", SourceOptions())


def test_a_calibration_and_the_ground_come_with_every_frame(tmp_path):
    options = SourceOptions(camera_info=CLIPS_DIR / "camera.yaml", camera_height_m=1.2, camera_pitch_deg=10.0)
    source = open_source(str(CLIPS_DIR / "rendered_two.mp4"), options)
    frame = next(iter(source))
    image, camera = frame.read()
    assert camera == Camera.from_yaml(CLIPS_DIR / "camera.yaml").scaled_to(image.shape[1], image.shape[0])
    assert source.warnings == [] and frame.ground.height_m == 1.2
    np.testing.assert_allclose(frame.ground.down_cam, (0, np.cos(np.radians(10)), np.sin(np.radians(10))))
    with pytest.raises(UserError, match="--ground_frame is for bags"):
        open_source(str(CLIPS_DIR / "rendered_two.mp4"), SourceOptions(ground_frame="map"))


def test_frames_are_read_ahead_in_order_and_errors_come_out():
    def frames(count: int):
        for i in range(count):
            image = np.full((2, 2, 3), i, np.uint8)

            def read(image=image, i=i):
                if i == 2:
                    raise UserError("torn")
                return image, Camera.from_field_of_view(2, 2)

            yield Frame(i, read)
        raise RuntimeError("the end")

    found = []
    with pytest.raises(RuntimeError, match="the end"):
        for frame in read_ahead(frames(6)):
            shade = None if frame.image_bgr is None else int(frame.image_bgr[0, 0, 0])
            found.append((frame.stamp_ns, shade, frame.problem))
    assert found == [(0, 0, ""), (1, 1, ""), (2, None, "torn"), (3, 3, ""), (4, 4, ""), (5, 5, "")]


def test_reading_ahead_ends_with_its_reader():
    taken = []

    def endless():
        i = 0
        while True:
            taken.append(i)
            yield Frame(i, lambda: (np.zeros((2, 2, 3), np.uint8), Camera.from_field_of_view(2, 2)))
            i += 1

    frames = read_ahead(endless())
    assert next(frames).stamp_ns == 0
    frames.close()
    assert len(taken) <= 6
