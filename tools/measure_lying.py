"""Errors on people who lie: `python tools/measure_lying.py DATA NETWORK ...`.

No recording of the usual data shows anybody lying, so windows of the split are tipped over onto the floor
(`PostureVariation`), each seen by one random still camera; the same windows upright stand beside them.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from nanohtnet_ros.training.data.mocap import MotionCapture
from nanohtnet_ros.training.data.windows import EvaluationSet
from nanohtnet_ros.training.evaluate import score
from nanohtnet_ros.training.evaluation.predictor import LiftingNetwork
from nanohtnet_ros.training.synthesis.evaluation_set import build_evaluation_set
from nanohtnet_ros.training.synthesis.posture import PostureVariation

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


def windows(capture: MotionCapture, network: LiftingNetwork, posture: PostureVariation) -> EvaluationSet:
    """Windows for a network, of people in a posture; the same windows and the same cameras each time."""
    return build_evaluation_set(
        capture, network.window_length, (network.offset,), stride=20, cameras=1, posture=posture)


if __name__ == "__main__":
    main()
