"""Errors on people who lie: `python tools/measure_lying.py DATA NETWORK ...`.

No recording of the usual data shows anybody lying, so windows of the split are tipped over onto the floor
(`PostureVariation`), each seen by one random still camera; the same windows upright stand beside them.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from nanohtnet_ros.core.camera import FOCAL_NORM
from nanohtnet_ros.training.evaluate import score
from nanohtnet_ros.training.evaluation_set import EvaluationSet, root_relative
from nanohtnet_ros.training.keypoint_noise import KeypointNoise
from nanohtnet_ros.training.lifting import LiftingNetwork
from nanohtnet_ros.training.mocap import MotionCapture
from nanohtnet_ros.training.posture import PostureVariation
from nanohtnet_ros.training.virtual_camera import RobotCameras, project

STRIDE, SEED = 20, 7
POSTURES = {name: PostureVariation(share=0.0, lying_share=share) for name, share in (("upright", 0.0), ("lying", 1.0))}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="motion file (.npz)")
    parser.add_argument("networks", nargs="+", help="installed ones' names, exported files or checkpoints")
    parser.add_argument("--split", default="val")
    arguments = parser.parse_args()
    capture = MotionCapture.load(arguments.data, arguments.split)
    measures = ("clean_mpjpe_mm", "clean_p_mpjpe_mm", "noisy_mpjpe_mm", "noisy_p_mpjpe_mm")
    print(f"{'':40} {'':8} " + " ".join(f"{measure:>16}" for measure in measures))
    for name in arguments.networks:
        network = LiftingNetwork.open(name)
        for posture, variation in POSTURES.items():
            errors = score(network.lift, windows(capture, network, variation), network.offsets)
            print(f"{network.name:40} {posture:8} " + " ".join(f"{errors[measure]:16.1f}" for measure in measures))


def windows(capture: MotionCapture, network: LiftingNetwork, variation: PostureVariation) -> EvaluationSet:
    """Windows for a network, of people whose posture is varied; the same ones and the same cameras each time."""
    rng = torch.Generator().manual_seed(SEED)
    length = network.window_length
    ends = [
        (i, end) for i, frames in enumerate(capture.lengths.tolist())
        for end in range(min(length, frames) - 1, frames, STRIDE)]
    sequence, newest = torch.tensor(ends).T
    world = variation.apply(capture.windows(sequence, newest, length), rng)
    seen = RobotCameras().view(world, rng.manual_seed(SEED), offset=network.offset)
    clean = project(seen, FOCAL_NORM)
    targets_m = root_relative(seen[:, [length - 1 + network.offset]])
    noisy = KeypointNoise().apply(clean, rng, network.offset)
    return EvaluationSet({"clean": clean, "noisy": noisy}, targets_m, (network.offset,))


if __name__ == "__main__":
    main()
