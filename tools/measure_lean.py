"""How far standing people lean in a network's poses: `python tools/measure_lean.py DATA NETWORK ...`.

Frames of the split in which people stand, from four sides by still, level-mounted cameras of several heights, 3 m
away. Lean is towards (negative) or away from the camera, more than the truth's.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from nanohtnet_ros.core.skeleton import Joint
from nanohtnet_ros.training.data.mocap import MotionCapture
from nanohtnet_ros.training.data.windows import EvaluationSet, Ground
from nanohtnet_ros.training.evaluation.lean import lean_error_deg
from nanohtnet_ros.training.evaluation.predictor import LiftingNetwork, predict
from nanohtnet_ros.training.synthesis.evaluation_set import build_evaluation_set
from nanohtnet_ros.training.synthesis.virtual_camera import RobotCameras

HEIGHTS_M = (0.3, 0.8, 1.3, 1.8, 2.2, 2.5)
GROUNDS: tuple[Ground, ...] = ("withheld", "given")
UPRIGHT_COS = np.cos(np.deg2rad(15.0))
UPWARDS = ((Joint.HIP, Joint.THORAX), (Joint.R_ANKLE, Joint.R_HIP), (Joint.L_ANKLE, Joint.L_HIP))
"""Lines that are within 15 degrees of the vertical where somebody stands."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="motion file (.npz)")
    parser.add_argument("networks", nargs="+", help="installed ones' names, exported files or checkpoints")
    parser.add_argument("--split", default="val")
    arguments = parser.parse_args()
    capture = MotionCapture.load(arguments.data, arguments.split)
    for network in map(LiftingNetwork.open, arguments.networks):
        for ground in GROUNDS:
            print(f"\n{network.name}, ground {ground}: degrees of lean, mean (of the amount)")
            sides = ("from ahead", "from the side", "from behind", "all")
            print("camera, m  keypoints" + "".join(f"{side:>18}" for side in sides) + "  windows")
            for height_m in HEIGHTS_M:
                data = standing_people(capture, network, height_m, ground)
                for condition in data.keypoints:
                    cells = [f"{x.mean():9.1f} ({np.abs(x).mean():5.1f})" for x in leans(network, data, condition)]
                    print(f"{height_m:9.1f}  {condition:9}" + "".join(f"{x:>18}" for x in cells) + f"{len(data):9}")


def standing_people(capture: MotionCapture, network: LiftingNetwork, height_m: float, ground: Ground) -> EvaluationSet:
    """Windows in whose used frame people stand, from cameras at one height."""
    cameras = RobotCameras(
        height_m=(height_m, height_m),
        distance_m=(3.0, 3.0),
        aim_m=(0.0, 0.0),
        tilt_deg=0.0,
        pan_deg=0.0,
        roll_deg=0.0,
        rolled_probability=0.0,
    )
    data = build_evaluation_set(
        capture, network.window_length, (network.offset,), 20, 4, ground=ground, placement=cameras
    )
    assert data.upright is not None
    joints = data.targets_m[:, 0].numpy()
    lines = np.stack([joints[:, top] - joints[:, bottom] for bottom, top in UPWARDS], axis=1)  # (N, 3, 3)
    rise = np.einsum("nli,ni->nl", lines, data.upright[:, 1]) / np.linalg.norm(lines, axis=2)
    rows = np.flatnonzero((rise > UPRIGHT_COS).all(axis=1))
    return EvaluationSet(
        {name: keypoints[rows] for name, keypoints in data.keypoints.items()},  # type: ignore[index]
        data.level[rows],
        data.targets_m[rows],
        data.offsets,
        upright=data.upright[rows],
    )


def leans(network: LiftingNetwork, data: EvaluationSet, condition: str) -> list[np.ndarray]:
    """Degrees of lean of people who face the camera, stand side on, have their backs to it, and of all."""
    assert data.upright is not None
    output = network.offsets.index(network.offset)
    poses = predict(network.lift, data.keypoints[condition], data.level, [output])[:, 0, :, :3]
    truth = data.targets_m[:, 0].numpy()
    error = lean_error_deg(poses, truth, data.upright)
    ahead = np.cross(truth[:, Joint.R_HIP] - truth[:, Joint.L_HIP], data.upright[:, 1])
    away = (ahead * data.upright[:, 0]).sum(axis=1) / np.linalg.norm(ahead, axis=1)
    return [error[away < -0.7], error[np.abs(away) <= 0.7], error[away > 0.7], error]


if __name__ == "__main__":
    main()
