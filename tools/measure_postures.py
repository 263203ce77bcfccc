"""Errors on people who sit, kneel, bend, lie, ...: `python tools/measure_postures.py DATA NETWORK ...`.

The usual data has few recordings of them, so people of the split are given these postures (`Postures`), or are rotated
onto the floor as they are (`PoseAugmentation`), each in one random static camera.
"""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path

from nanohtnet_ros.training.data.mocap import MotionCapture
from nanohtnet_ros.training.data.windows import EvaluationSet, Ground
from nanohtnet_ros.training.evaluate import score
from nanohtnet_ros.training.evaluation.predictor import LiftingNetwork
from nanohtnet_ros.training.synthesis.evaluation_set import build_evaluation_set
from nanohtnet_ros.training.synthesis.pose_augmentation import PoseAugmentation
from nanohtnet_ros.training.synthesis.postures import STANCES, Postures

POSES = {
    "recorded": None,
    "rotated": PoseAugmentation(probability=0.0, lying_probability=1.0).apply,
    "arms": Postures(probability=0.0, arms_probability=1.0).apply,
    **{name: partial(Postures(probability=1.0, arms_probability=0.0).apply, stances=(name,)) for name in STANCES},
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
        for name in POSES:
            errors = score(network.lift, windows(capture, network, name, arguments.ground), network.offsets)
            print(f"{network.name:40} {name:8} " + " ".join(f"{errors[measure]:16.1f}" for measure in measures))


def windows(capture: MotionCapture, network: LiftingNetwork, pose: str, ground: Ground = "withheld") -> EvaluationSet:
    """Evaluation set of a network, with the same windows and, but for their distance, cameras for every pose."""
    return build_evaluation_set(
        capture,
        network.window_length,
        (network.offset,),
        stride=20,
        cameras=1,
        augmentation=POSES[pose],
        ground=ground,
    )


if __name__ == "__main__":
    main()
