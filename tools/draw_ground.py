"""Draw what knowing the floor brings: a child and a tall adult walk before a camera; from the side, and from above.

`python tools/draw_ground.py DATA docs/ground.png`. People are motion capture that training did not see, keypoints have
a detector's errors, down is known to a degree.
"""

from __future__ import annotations

import argparse
import math
from dataclasses import replace
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import torch
from measure_floor import lift

from nanohtnet_ros.core.body import standing_height
from nanohtnet_ros.core.camera import FOCAL_NORM
from nanohtnet_ros.core.drawing import track_colour
from nanohtnet_ros.core.ground import Ground
from nanohtnet_ros.core.pose_estimation import Lifter, LiftingConfig
from nanohtnet_ros.core.skeleton import H36M_17
from nanohtnet_ros.runtime.model_store import DEFAULT_MODEL
from nanohtnet_ros.training.data.mocap import MotionCapture
from nanohtnet_ros.training.synthesis.definitions import as_detected
from nanohtnet_ros.training.synthesis.evaluation_set import NOISE
from nanohtnet_ros.training.synthesis.virtual_camera import CameraPoses, project

BODIES_M, SIDE_M, AHEAD_M = (1.2, 2.0), (0.9, -0.9), 4.5
CAMERA_M, PITCH_DEG, TOLD_PITCH_DEG = 1.4, 10.0, 10.7
RATE_HZ, FRAMES, SETTLED = 50.0, 200, 100
TRUTH = "0.7"


def walkers(capture: MotionCapture) -> torch.Tensor:
    """(P, F, 17, 3) people of `BODIES_M` who walk ahead of the origin; world frame, z up."""
    long = [i for i, action in enumerate(capture.actions) if action == "walk" and capture.lengths[i] >= FRAMES]
    people = []
    for index, body_m, side_m in zip(long, BODIES_M, SIDE_M, strict=False):
        start = int(capture.starts[index])
        joints = as_detected(capture.joints_world_m[start : start + FRAMES][None])[0]
        joints = joints * (body_m / float(np.mean([standing_height(pose) for pose in joints[::10].numpy()])))
        middle = joints[:, 0].mean(dim=0)
        joints[..., :2] += torch.tensor((AHEAD_M, side_m)) - middle[:2]
        people.append(joints)
    return torch.stack(people)


def lifted(lifter: Lifter, keypoints: np.ndarray, ground: Ground | None) -> np.ndarray:
    """(F, P, 17, 3) joints in the camera's axes of keypoints (P, F, 17, 3); NaN where there is no place."""
    out = np.full((*keypoints.shape[:2], 17, 3), np.nan).swapaxes(0, 1)
    for frame, index, person in lift(lifter, list(keypoints), [ground] * len(keypoints), RATE_HZ):
        out[frame, index] = person.joints_cam_m
    return out


def draw(truth: np.ndarray, found: dict[str, np.ndarray], ground: Ground, path: Path) -> None:
    """Write the picture of (F, P, 17, 3) joints, true and found, in the camera's axes."""

    def on_floor(points: np.ndarray) -> np.ndarray:
        return np.apply_along_axis(ground.place, -1, points)

    figure, axes = plt.subplots(2, 2, figsize=(10, 3.9), sharex=True, sharey="row", layout="constrained")
    for column, (title, joints) in enumerate(found.items()):
        side, plan = axes[:, column]
        side.axhline(0.0, color="0.85", linewidth=1)
        for poses, colour, width in ((truth, None, 5), (joints, "person", 2)):
            for i in range(poses.shape[1]):
                style = dict(color=0.8 * track_colour(i + 1) if colour else TRUTH, linewidth=width)
                ahead, _, up = on_floor(poses[-1, i]).T
                for bone in map(list, H36M_17.bones):
                    side.plot(ahead[bone], up[bone], solid_capstyle="round", **style)
                plan.plot(*on_floor(poses[SETTLED:, i, 0])[:, :2].T, solid_capstyle="round", **style)
        side.plot(0, ground.height_m, marker=">", color="black", markersize=9)
        plan.plot(0, 0, marker=">", color="black", markersize=9)
        side.set(title=title, aspect="equal")
        plan.set(xlabel="ahead of the camera (m)", aspect="equal")
    axes[0, 0].set_ylabel("up (m)")
    axes[1, 0].set_ylabel("left (m)")
    figure.savefig(path, dpi=80)
    plt.close(figure)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="motion file (.npz), or folder of such files")
    parser.add_argument("path", type=Path, help="picture to write (.png)")
    parser.add_argument("--model", default=DEFAULT_MODEL, help="an installed network's name, or an exported file")
    parser.add_argument("--seed", type=int, default=7, help="of the noise")
    arguments = parser.parse_args()
    world = walkers(MotionCapture.load(arguments.data, "val"))
    zero = torch.zeros(len(world), 1)
    centre = torch.tensor((0.0, 0.0, CAMERA_M)).expand(len(world), 1, 3)
    seen = CameraPoses(centre, zero, zero - math.radians(PITCH_DEG), zero).view(world)
    noise = replace(NOISE, entering=0.0)
    keypoints = noise.apply(project(seen, FOCAL_NORM), torch.Generator().manual_seed(arguments.seed)).numpy()
    truth = seen.numpy().swapaxes(0, 1)
    told = Ground.of_angles(TOLD_PITCH_DEG, height_m=CAMERA_M)
    lifter = Lifter.open(arguments.model, config=LiftingConfig(hips_ahead_m=0.0))
    found = {name: lifted(lifter, keypoints, g) for name, g in (("floor not known", None), ("floor known", told))}
    for name, joints in found.items():
        away = [np.linalg.norm(x[SETTLED:, :, 0], axis=-1) for x in (joints, truth)]
        off = 100.0 * np.nanmean(np.abs(away[0] - away[1]) / away[1], axis=0)
        print(f"{name}: distances off by", ", ".join(f"{b} m {o:.1f} %" for b, o in zip(BODIES_M, off, strict=True)))
    draw(truth, found, Ground.of_angles(PITCH_DEG, height_m=CAMERA_M), arguments.path)


if __name__ == "__main__":
    main()
