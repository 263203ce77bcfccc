"""A person, a network and a detector that answer as a test wants."""

from __future__ import annotations

import socket

import numpy as np
from scipy.spatial.transform import Rotation

from nanohtnet_ros.core.poses import Keypoints
from nanohtnet_ros.core.skeleton import BLAZEPOSE_33
from nanohtnet_ros.detectors.blazepose_networks import Landmarks, Region

# A person who stands upright and looks at the camera, metres, optical axes, relative to the hip.
STANDING_M = np.array(
    [
        (0, 0, 0),
        (-0.11, 0.02, 0),
        (-0.12, 0.45, 0.02),
        (-0.12, 0.88, 0.05),
        (0.11, 0.02, 0),
        (0.12, 0.45, 0.02),
        (0.12, 0.88, 0.05),
        (0, -0.24, 0),
        (0, -0.48, 0.02),
        (0, -0.62, -0.08),
        (0, -0.76, 0.02),
        (0.18, -0.46, 0.02),
        (0.22, -0.18, 0.04),
        (0.22, 0.06, -0.02),
        (-0.18, -0.46, 0.02),
        (-0.22, -0.18, 0.04),
        (-0.22, 0.06, -0.02),
    ],
    np.float32,
)


# BlazePose's landmarks of the same person in the image, y downwards, in units of their height, relative to the hips.
_STANDING = {
    "nose": (0, -0.40),
    "mouth_l": (0.02, -0.37),
    "mouth_r": (-0.02, -0.37),
    **{
        f"{side}_{part}": (sign * x, y)
        for side, sign in (("l", 1), ("r", -1))
        for part, x, y in (
            ("eye_inner", 0.01, -0.42),
            ("eye", 0.02, -0.42),
            ("eye_outer", 0.03, -0.42),
            ("ear", 0.04, -0.41),
            ("shoulder", 0.11, -0.30),
            ("elbow", 0.14, -0.12),
            ("wrist", 0.15, 0.02),
            ("pinky", 0.15, 0.06),
            ("index", 0.15, 0.06),
            ("thumb", 0.14, 0.05),
            ("hip", 0.06, 0),
            ("knee", 0.06, 0.25),
            ("ankle", 0.06, 0.48),
            ("heel", 0.06, 0.5),
            ("foot_index", 0.08, 0.5),
        )
    },
}


def standing_landmarks(hips_px: tuple[float, float], height_px: float) -> Landmarks:
    """BlazePose's landmarks of somebody upright."""
    hips = np.asarray(hips_px, np.float64)
    xy = np.array([_STANDING[name] for name in BLAZEPOSE_33.joint_names]) * height_px + hips
    return Landmarks(xy, np.ones(len(xy)), 1.0, Region(hips, 1.3 * height_px, 0.0))


class FakeSession:
    """A lifting network that answers with the standing person, whatever it sees."""

    runtime = "fake"

    def __init__(self, window_length: int = 9, outputs: int = 3) -> None:
        self.input_shape = (-1, window_length, 17, 2)
        self.more_inputs: dict[str, tuple[int, ...]] = {}
        self.outputs = outputs
        self.batches: list[np.ndarray] = []

    def run(self, x: np.ndarray) -> np.ndarray:
        self.batches.append(x)
        return np.broadcast_to(STANDING_M, (len(x), self.outputs, 17, 3)).copy()


class ScriptedDetector:
    """A detector that says what a script has for each frame."""

    def __init__(self, frames: list[list[Keypoints]]) -> None:
        self.frames = list(frames)
        self.resets = 0

    def detect(self, image_bgr: np.ndarray, stamp_ns: int) -> list[Keypoints]:
        return self.frames.pop(0)

    def reset(self) -> None:
        self.resets += 1


def xyzw_to_rotation(xyzw) -> np.ndarray:
    """(4,) quaternion, of any length but zero, to a (3, 3) rotation matrix."""
    return Rotation.from_quat(xyzw).as_matrix()


def free_port() -> int:
    """A TCP port that nobody listens at."""
    with socket.socket() as found:
        found.bind(("", 0))
        return found.getsockname()[1]
