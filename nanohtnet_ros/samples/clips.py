"""Videos to play, and what is known about the people in them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nanohtnet_ros.core.camera import Camera

CLIPS_DIR = Path(__file__).parent / "clips"


@dataclass(frozen=True, eq=False)
class GroundTruth:
    """Exact joints of everybody in a clip.

    Attributes:
        joints_cam_m: (F, P, 17, 3) metres, optical axes; the nearest person first.
        joints_px: (F, P, 17, 2) pixels.
        camera: that saw them.
        frame_rate_hz: of the clip.
    """

    joints_cam_m: np.ndarray
    joints_px: np.ndarray
    camera: Camera
    frame_rate_hz: float

    @classmethod
    def load(cls, path: Path) -> GroundTruth:
        """Read a clip's `.npz`."""
        with np.load(path) as archive:
            joints, pixels, k = archive["joints_cam"], archive["joints_px"], archive["K"]
            rate_hz = float(archive["fps"])
            width, height = (int(n) for n in archive["image_size"])
        if joints.ndim == 3:  # one person
            joints, pixels = joints[:, None], pixels[:, None]
        camera = Camera(width, height, float(k[0, 0]), float(k[1, 1]), float(k[0, 2]), float(k[1, 2]))
        return cls(joints, pixels, camera, rate_hz)


@dataclass(frozen=True)
class Clip:
    """A video to play.

    Attributes:
        name: also the ROS namespace of its topics.
        video: the file.
        camera_info: calibration file, or None.
        truth: what is known about the people, or None.
    """

    name: str
    video: Path
    camera_info: Path | None = None
    truth: GroundTruth | None = None


def packaged_clips() -> list[Clip]:
    """The two rendered clips of this package."""
    return [
        Clip(name, CLIPS_DIR / f"{name}.mp4", CLIPS_DIR / "camera.yaml", GroundTruth.load(CLIPS_DIR / f"{name}.npz"))
        for name in ("rendered_walk", "rendered_two")
    ]
