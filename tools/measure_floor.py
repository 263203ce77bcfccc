"""Errors of pose, size and place along clips, by what is known of the ground: `python tools/measure_floor.py DATA`.

Each sequence of motion capture is a clip of one person in a still virtual camera, 12.5 frames a second. It goes through
the lifter of the nodes: windows, network, smoothing, size, place. People are as recorded and scaled. Keypoints are
`clean`, or `noisy` as a detector's, with down known to a degree.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from nanohtnet_ros.core.body import standing_height
from nanohtnet_ros.core.camera import FOCAL_NORM, Camera
from nanohtnet_ros.core.ground import Ground
from nanohtnet_ros.core.lifter import WindowLifter
from nanohtnet_ros.core.metrics import mpjpe_mm
from nanohtnet_ros.core.pose_estimation import Frame, Lifter, LiftingConfig
from nanohtnet_ros.core.poses import Keypoints, Person, TrackedKeypoints
from nanohtnet_ros.core.window import NS_PER_S
from nanohtnet_ros.runtime.model_store import DEFAULT_MODEL
from nanohtnet_ros.training.data.mocap import MotionCapture
from nanohtnet_ros.training.evaluation.report import groups, text_table
from nanohtnet_ros.training.synthesis.definitions import as_detected
from nanohtnet_ros.training.synthesis.evaluation_set import CAMERAS, MIN_DEPTH_M, NOISE
from nanohtnet_ros.training.synthesis.gravity import Gravity
from nanohtnet_ros.training.synthesis.virtual_camera import project

LENS = Camera(8000, 8000, 1000.0, 1000.0, 3999.5, 3999.5)  # wide enough for all that the noise lets through
STEP, RATE_HZ = 4, 12.5  # every fourth frame
LONGEST = 400  # frames of a sequence, 8 s


@dataclass(frozen=True)
class Clip:
    """One person in one camera.

    Attributes:
        action: label.
        body_m: the person's height as they stand.
        joints_cam_m: (F, 17, 3).
        keypoints: (F, 17, 3) normalised coordinates and confidence, by condition.
        ground: by condition.
    """

    action: str
    body_m: float
    joints_cam_m: np.ndarray
    keypoints: dict[str, np.ndarray]
    ground: dict[str, Ground]


def clips_of(capture: MotionCapture, body_m: float | None, seed: int) -> list[Clip]:
    """A clip of each sequence with everything before the camera, people scaled to a height if one is given."""
    clips, rng = [], torch.Generator().manual_seed(seed)
    noise = replace(NOISE, entering=0.0)
    for start, length, action in zip(capture.starts.tolist(), capture.lengths.tolist(), capture.actions, strict=True):
        world = as_detected(capture.joints_world_m[start : start + min(length, LONGEST)][None])
        tall_m = float(np.mean([standing_height(joints) for joints in world[0, ::10].numpy()]))
        world = world * (1.0 if body_m is None else body_m / tall_m)
        middle = world.shape[1] // 2
        poses = CAMERAS.place(world[:, middle, 0], rng)
        seen = poses.view(world)
        exact = project(seen, FOCAL_NORM)
        noisy = noise.apply(exact, rng, middle + 1 - world.shape[1])
        down, height_m = poses.down_cam[:, :1], float(poses.centre_m[0, 0, 2])
        known = Gravity(given=1.0).sense(seen[:, :1], down, rng)[2]
        if seen[..., 2].amin() > MIN_DEPTH_M:
            clips.append(
                Clip(
                    action,
                    tall_m if body_m is None else body_m,
                    seen[0].numpy(),
                    {"clean": F.pad(exact, (0, 1), value=1.0)[0].numpy(), "noisy": noisy[0].numpy()},
                    {"clean": Ground(down[0, 0].numpy(), height_m), "noisy": Ground(known[0, 0].numpy(), height_m)},
                )
            )
    return clips


def lift(
    lifter: Lifter, keypoints: Sequence[np.ndarray], grounds: Sequence[Ground | None], rate_hz: float
) -> Iterator[tuple[int, int, Person]]:
    """Lift clips of one person each in `LENS`, all at once, as those of many cameras.

    Args:
        lifter: forgets what it saw before.
        keypoints: of each clip, (F, 17, 3) normalised coordinates and confidence.
        grounds: of each clip.
        rate_hz: frames a second.
    Yields:
        Frame, clip and person, where there is one.
    """
    lifter.reset()
    for frame in range(max(map(len, keypoints))):
        frames = {}
        for clip, (seen, ground) in enumerate(zip(keypoints, grounds, strict=True)):
            if frame < len(seen):
                found = Keypoints(LENS.denormalise(seen[frame, :, :2]), seen[frame, :, 2])
                person = TrackedKeypoints(1, frame / rate_hz, found)
                stamp_ns = NS_PER_S + round(frame / rate_hz * NS_PER_S)
                frames[str(clip)] = Frame(stamp_ns, LENS, [person], ground=ground)
        for name, people in lifter.step_cameras(frames).items():
            yield from ((frame, int(name), person) for person in people)


def run(lifter: Lifter, clips: list[Clip], condition: str, given: bool) -> dict[str, np.ndarray]:
    """Errors of all frames with a person, side by side; all clips at once, as those of many cameras.

    Returns:
        `time_s`, `body_m`, `camera_m`, `action` to group by; `mpjpe_mm`, `root_cm`, `distance` (relative), `height_cm`
        and what is expected of the last two: `distance_sigmas` and `height_sigmas`, errors over standard deviations.
    """
    rows = defaultdict(list)
    keypoints = [clip.keypoints[condition][::STEP] for clip in clips]
    for frame, index, person in lift(
        lifter, keypoints, [c.ground[condition] if given else None for c in clips], RATE_HZ
    ):
        clip = clips[index]
        true_m = clip.joints_cam_m[frame * STEP]
        known = np.isfinite(person.joints_rel_m).all(axis=1)
        if person.root_m is None or not known.any():
            continue
        away_m = float(np.linalg.norm(true_m[0]))
        off_m = float(np.linalg.norm(person.root_m)) - away_m
        taller_m = person.height_m - clip.body_m
        values = {
            "time_s": frame / RATE_HZ,
            "body_m": clip.body_m,
            "camera_m": clip.ground[condition].height_m,
            "action": clip.action,
            "mpjpe_mm": mpjpe_mm(person.joints_rel_m[known], (true_m - true_m[0])[known]),
            "root_cm": 100.0 * float(np.linalg.norm(person.root_m - true_m[0])),
            "distance": abs(off_m) / away_m,
            "height_cm": 100.0 * abs(taller_m),
            "distance_sigmas": abs(off_m) / person.root_sigma_m,
            "height_sigmas": abs(taller_m) / person.height_sigma_m,
        }
        for key, value in values.items():
            rows[key].append(value)
    return {key: np.array(values) for key, values in rows.items()}


def line(label: str, errors: dict[str, np.ndarray], rows: np.ndarray) -> list[str]:
    """One line of a table: means, and shares within two standard deviations."""
    mean = {key: float(np.mean(errors[key][rows])) for key in ("mpjpe_mm", "root_cm", "distance", "height_cm")}
    within = [100.0 * float(np.mean(errors[f"{key}_sigmas"][rows] < 2.0)) for key in ("distance", "height")]
    measured = np.isfinite(mean["height_cm"])
    return [
        label,
        str(len(rows)),
        f"{mean['mpjpe_mm']:.1f}",
        f"{mean['root_cm']:.1f}",
        f"{100.0 * mean['distance']:.1f}",
        f"{within[0]:.0f}",
        f"{mean['height_cm']:.1f}" if measured else "-",
        f"{within[1]:.0f}" if measured else "-",
    ]


HEADER = ["frames", "MPJPE mm", "root cm", "distance %", "within 2 sigma %", "height cm", "within 2 sigma %"]
GROUPS = {"body_m": (1.3, 1.5, 1.7, 1.9), "camera_m": (0.5, 1.0, 1.5, 2.0), "action": None}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="motion file (.npz), or folder of such files")
    parser.add_argument("--model", default=DEFAULT_MODEL, help="an installed network's name, or an exported file")
    parser.add_argument("--split", default="val")
    parser.add_argument(
        "--bodies", type=float, nargs="*", default=[1.2, 2.0], help="heights to scale people to, metres"
    )
    parser.add_argument("--settled", type=float, default=2.0, help="seconds of a clip before those of the breakdowns")
    parser.add_argument("--seed", type=int, default=7, help="of cameras and noise")
    arguments = parser.parse_args()
    capture = MotionCapture.load(arguments.data, arguments.split)
    clips = [c for body_m in (None, *arguments.bodies) for c in clips_of(capture, body_m, arguments.seed)]
    network = WindowLifter.open(arguments.model)
    print(f"{network.name}: {len(clips)} clips")
    for condition in ("clean", "noisy"):
        for given in (False, True):
            errors = run(Lifter(network, LiftingConfig(hips_ahead_m=0.0)), clips, condition, given)
            table = [
                line(name, errors, rows) for name, rows in groups(errors["time_s"], (0.5, 1.0, 2.0, 4.0), "s").items()
            ]
            settled = np.flatnonzero(errors["time_s"] >= arguments.settled)
            for label, borders in GROUPS.items():
                values = errors[label][settled]
                unit = f"m {label.removesuffix('_m')}"
                table += [line(name, errors, settled[rows]) for name, rows in groups(values, borders, unit).items()]
            title = f"{condition}, ground {'given' if given else 'withheld'}"
            print("\n".join(text_table([title, *HEADER], table)))


if __name__ == "__main__":
    main()
