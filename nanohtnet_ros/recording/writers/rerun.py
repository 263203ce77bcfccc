"""A recording for Rerun's viewer."""

from __future__ import annotations

from pathlib import Path

import rerun as rr

from nanohtnet_ros.recording.frames import FrameResult, RunInfo
from nanohtnet_ros.recording.rerun_page import APPLICATION
from nanohtnet_ros.recording.rerun_scene import Scene


class RerunWriter:
    """`people.rrd`: image with people, skeletons in space, angles; readable as far as it is written."""

    needs_images = True

    def __init__(self, folder: Path, info: RunInfo) -> None:
        """Begin."""
        self._stream = rr.RecordingStream(APPLICATION, recording_id=info.title)
        self._stream.save(folder / "people.rrd")
        self._scene = Scene(self._stream)

    def write(self, result: FrameResult) -> None:
        assert result.image_bgr is not None
        scene = self._scene
        scene.at(result.stamp_ns)
        scene.show_camera(result.camera)
        scene.show_image(result.image_bgr)
        scene.show_keypoints(result.tracked)
        scene.at(result.stamp_ns - result.delay_ns)
        scene.show_people(result.people, result.ground)

    def close(self) -> None:
        self._stream.flush()
        self._stream.disconnect()
