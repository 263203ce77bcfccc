"""C3D, marker trajectories of motion capture: millimetres, x ahead of the camera, y to the left, z up."""

from __future__ import annotations

from pathlib import Path

import ezc3d
import numpy as np

from nanohtnet_ros.core.skeleton import H36M_17
from nanohtnet_ros.recording.writers.motion import Motion, MotionWriter


class C3dWriter(MotionWriter):
    """`person_<id>.c3d`; a missing joint has a residual of -1."""

    suffix = "c3d"

    def save(self, path: Path, motion: Motion) -> None:
        points = np.moveaxis(motion.joints_m.astype(np.float64) * 1000.0, 0, -1).transpose(1, 0, 2)  # (3, J, F)
        missing = np.isnan(points).any(axis=0)
        file = ezc3d.c3d()
        point = file["parameters"]["POINT"]
        point["RATE"]["value"] = [motion.rate_hz]
        point["LABELS"]["value"] = list(H36M_17.joint_names)
        point["UNITS"]["value"] = ["mm"]
        file["data"]["points"] = np.concatenate((points, np.ones((1, *points.shape[1:]))))
        file["data"]["meta_points"]["residuals"] = np.where(missing, -1.0, 0.0)[None]
        file.add_parameter("NANOHTNET", "FIRST_TIME_S", [motion.first / motion.rate_hz])
        file.write(str(path))
