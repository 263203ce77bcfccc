"""TRC, marker trajectories for OpenSim: millimetres, x ahead of the camera, y up, z to the right."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from nanohtnet_ros.core.skeleton import H36M_17
from nanohtnet_ros.recording.writers.motion import Motion, MotionWriter


class TrcWriter(MotionWriter):
    """`person_<id>.trc`; the column of times counts from the source's first frame."""

    suffix = "trc"

    def save(self, path: Path, motion: Motion) -> None:
        names, count, rate = H36M_17.joint_names, len(motion.joints_m), f"{motion.rate_hz:g}"
        x, y, z = np.moveaxis(motion.joints_m * 1000.0, -1, 0)
        rows = np.stack((x, z, -y), axis=-1).reshape(count, -1)
        head = [
            ("PathFileType", "4", "(X/Y/Z)", path.name),
            ("DataRate", "CameraRate", "NumFrames", "NumMarkers", "Units", "OrigDataRate", "OrigDataStartFrame",
             "OrigNumFrames"),
            (rate, rate, str(count), str(len(names)), "mm", rate, "1", str(count)),
            ("Frame#", "Time", *(cell for name in names for cell in (name, "", ""))),
            ("", "", *(f"{axis}{i + 1}" for i in range(len(names)) for axis in "XYZ")),
            ("",),
        ]  # fmt: skip
        with path.open("w", newline="") as file:
            file.writelines("\t".join(cells) + "\n" for cells in head)
            for i, row in enumerate(rows.tolist()):
                time_s = (motion.first + i) / motion.rate_hz
                cells = ("" if value != value else f"{value:.2f}" for value in row)
                file.write(f"{i + 1}\t{time_s:.6f}\t" + "\t".join(cells) + "\n")
