"""How far people who stand still lean in a network's poses: `python tools/measure_lean.py DATA NETWORK ...`.

Frames of the split in which people stand, as if they kept still, seen from random sides by level cameras of several
heights, 3 m away. Lean is that towards (negative) or away from the camera, more than the truth's.
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path

import numpy as np
import torch

from nanohtnet_ros.core.skeleton import Joint
from nanohtnet_ros.training.data.mocap import MotionCapture
from nanohtnet_ros.training.data.windows import EvaluationSet, Ground
from nanohtnet_ros.training.evaluation.lean import lean_error_deg
from nanohtnet_ros.training.evaluation.predictor import LiftingNetwork, predict
from nanohtnet_ros.training.synthesis.evaluation_set import build_evaluation_set
from nanohtnet_ros.training.synthesis.virtual_camera import RobotCameras

HEIGHTS_M = (0.3, 0.8, 1.3, 1.8, 2.2, 2.5)
GROUNDS: tuple[Ground, ...] = ("withheld", "given")
UPRIGHT_COS = math.cos(math.radians(15.0))
UPWARDS = ((Joint.HIP, Joint.THORAX), (Joint.R_ANKLE, Joint.R_HIP), (Joint.L_ANKLE, Joint.L_HIP))
"""Lines that are within 15 degrees of the vertical where somebody stands."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="motion file (.npz)")
    parser.add_argument("networks", nargs="+", help="installed ones' names, exported files or checkpoints")
    parser.add_argument("--split", default="val")
    arguments = parser.parse_args()
    capture = MotionCapture.load(arguments.data, arguments.split)
    standing = standing_people(capture)
    for network in map(LiftingNetwork.open, arguments.networks):
        for ground in GROUNDS:
            print(f"\n{network.name}, ground {ground}: degrees of lean, mean (of the amount)")
            sides = ("from ahead", "from the side", "from behind", "all")
            print("camera, m  keypoints" + "".join(f"{side:>18}" for side in sides) + "  windows")
            for height_m in HEIGHTS_M:
                data = seen_from(standing, network, height_m, ground)
                for condition in data.keypoints:
                    cells = [f"{x.mean():9.1f} ({np.abs(x).mean():5.1f})" for x in leans(network, data, condition)]
                    print(f"{height_m:9.1f}  {condition:9}" + "".join(f"{x:>18}" for x in cells) + f"{len(data):9}")


def standing_people(capture: MotionCapture, stride: int = 20) -> MotionCapture:
    """Sequences of one frame each, in which people stand."""
    joints = capture.joints_world_m[::stride]
    lines = torch.stack([joints[:, top] - joints[:, bottom] for bottom, top in UPWARDS], dim=1)
    frames = joints[(lines[..., 2] > UPRIGHT_COS * lines.norm(dim=-1)).all(dim=1)]
    number = torch.arange(len(frames))
    names = tuple(map(str, number.tolist()))
    return MotionCapture(frames, number, torch.ones_like(number), names, names, capture.sha256)


def seen_from(people: MotionCapture, network: LiftingNetwork, height_m: float, ground: Ground) -> EvaluationSet:
    """Windows of people, each in two cameras at one height."""
    cameras = RobotCameras(
        height_m=(height_m, height_m),
        distance_m=(3.0, 3.0),
        aim_m=(0.0, 0.0),
        roll_deg=0.0,
        rolled_probability=0.0,
    )
    return build_evaluation_set(
        people, network.window_length, (network.offset,), cameras=2, ground=ground, placement=cameras
    )


def leans(network: LiftingNetwork, data: EvaluationSet, condition: str) -> list[np.ndarray]:
    """Degrees of lean of people who face the camera, stand side on, have their backs to it, and of all."""
    assert data.upright is not None
    output = network.offsets.index(network.offset)
    poses = predict(network.lift, data.keypoints[condition], data.level, [output])[:, 0, :, :3]
    truth = data.targets_m[:, 0].numpy()
    error = lean_error_deg(poses, truth, data.upright)
    return [error[side] for side in (*sides(truth, data.upright), np.ones(len(error), bool))]


def sides(joints_m: np.ndarray, upright: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(N,) bool each: who faces the camera, stands side on to it, and has their back to it."""
    ahead = np.cross(joints_m[:, Joint.L_HIP] - joints_m[:, Joint.R_HIP], upright[:, 1])
    away = (ahead * upright[:, 0]).sum(axis=1) / np.linalg.norm(ahead, axis=1)
    return away < -0.7, np.abs(away) <= 0.7, away > 0.7


if __name__ == "__main__":
    main()
