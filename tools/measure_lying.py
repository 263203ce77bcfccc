"""Errors on people who lie: `python tools/measure_lying.py DATA NETWORK ...`.

The usual data has no recordings of lying people, so windows of the split are rotated onto the floor
(`PoseAugmentation`), each in one random static camera, and compared with the same windows upright.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from nanohtnet_ros.training.data.mocap import MotionCapture
from nanohtnet_ros.training.data.windows import EvaluationSet, Ground
from nanohtnet_ros.training.evaluate import score
from nanohtnet_ros.training.evaluation.predictor import LiftingNetwork
from nanohtnet_ros.training.synthesis.evaluation_set import build_evaluation_set
from nanohtnet_ros.training.synthesis.pose_augmentation import PoseAugmentation

POSES = {
    "upright": PoseAugmentation(probability=0.0, lying_probability=0.0),
    "lying": PoseAugmentation(probability=0.0, lying_probability=1.0),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="motion file (.npz)")
    parser.add_argument("networks", nargs="+", help="installed ones' names, exported files or checkpoints")
    parser.add_argument("--split", default="val")
    parser.add_argument("--ground", default="withheld", choices=("given", "withheld"))
    arguments = parser.parse_args()
    capture = MotionCapture.load(arguments.data, arguments.split)
    measures = ("clean_mpjpe_mm", "clean_p_mpjpe_mm", "noisy_mpjpe_mm", "noisy_p_mpjpe_mm")
    print(f"{'':40} {'':8} " + " ".join(f"{measure:>16}" for measure in measures))
    for model in arguments.networks:
        network = LiftingNetwork.open(model)
        for name, augmentation in POSES.items():
            errors = score(network.lift, windows(capture, network, augmentation, arguments.ground), network.offsets)
            print(f"{network.name:40} {name:8} " + " ".join(f"{errors[measure]:16.1f}" for measure in measures))


def windows(
    capture: MotionCapture, network: LiftingNetwork, augmentation: PoseAugmentation, ground: Ground = "withheld"
) -> EvaluationSet:
    """Evaluation set of a network, with the same windows and cameras for every augmentation."""
    return build_evaluation_set(
        capture,
        network.window_length,
        (network.offset,),
        stride=20,
        cameras=1,
        augmentation=augmentation,
        ground=ground,
    )


if __name__ == "__main__":
    main()
