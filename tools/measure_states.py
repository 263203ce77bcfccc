"""What people are told to do on motion capture that has labels: `python tools/measure_states.py DATA ...`.

Gravity is known. A recording has one label, whatever is done in it from second to second.
"""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path

import numpy as np

from nanohtnet_ros.core.person_state import GestureKind, PersonStates
from nanohtnet_ros.core.poses import Keypoints, Person
from nanohtnet_ros.core.postures import Posture
from nanohtnet_ros.core.window import NS_PER_S
from nanohtnet_ros.training.data import FRAME_RATE_HZ
from nanohtnet_ros.training.data.motion_file import MotionSequence, read_motion_file

UP = np.array((0.0, 0.0, 1.0))


def tell(sequence: MotionSequence, rate_hz: float, seconds: float, error_m: float) -> tuple[int, Counter[str]]:
    """How many frames there are, and in how many of them each posture and gesture is told.

    Args:
        sequence: of one person.
        rate_hz: of the frames.
        seconds: at most.
        error_m: mean error of the joints but the hip, of which 1/e is left after a second.
    """
    rng, keep = np.random.default_rng(0), np.exp(-1.0 / rate_hz)
    sigma_m = error_m / np.sqrt(8.0 / np.pi)  # of an axis
    error = rng.normal(0.0, sigma_m, (17, 3))
    states, told = PersonStates(), Counter[str]()
    keypoints = Keypoints(np.zeros((17, 2), np.float32), np.ones(17, np.float32))
    last_s = min(seconds, (len(sequence.joints_m) - 1) / FRAME_RATE_HZ)
    times_s = np.arange(0.0, last_s, 1.0 / rate_hz)
    for time_s in times_s:
        joints = sequence.joints_m[int(time_s * FRAME_RATE_HZ)]
        error = keep * error + np.sqrt(1.0 - keep**2) * rng.normal(0.0, sigma_m, error.shape)
        relative = (joints - joints[0] + error * (np.arange(17) > 0)[:, None]).astype(np.float32)
        person = Person(1, time_s, keypoints, relative, keypoints.confidence, joints[0].astype(np.float64))
        (state,) = states.step([person], round(time_s * NS_PER_S), UP)
        told.update({state.posture.name, *(gesture.kind.name for gesture in state.gestures)})
    return len(times_s), told


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="+", type=Path, help="motion files (.npz)")
    parser.add_argument("--split", nargs="+", default=["train", "val"])
    parser.add_argument("--actions", nargs="+", help="labels; all by default")
    parser.add_argument("--rate_hz", type=float, default=10.0)
    parser.add_argument("--seconds", type=float, default=30.0, help="of a recording at most")
    parser.add_argument("--error_m", type=float, default=0.0, help="mean error of the joints; 0.06 as of lifted ones")
    arguments = parser.parse_args()
    names = [posture.name for posture in Posture] + [kind.name for kind in GestureKind]
    frames, told = Counter[str](), dict[str, Counter[str]]()
    for sequence in (s for path in arguments.data for s in read_motion_file(path)):
        if sequence.split in arguments.split and sequence.action in (arguments.actions or [sequence.action]):
            count, found = tell(sequence, arguments.rate_hz, arguments.seconds, arguments.error_m)
            frames[sequence.action] += count
            told.setdefault(sequence.action, Counter()).update(found)
    print(f"{'label':18} {'frames':>6} " + " ".join(f"{name:>11}" for name in names))
    for action in sorted(told):
        shares = " ".join(f"{told[action][name] / frames[action]:11.1%}" for name in names)
        print(f"{action:18} {frames[action]:6} {shares}")


if __name__ == "__main__":
    main()
