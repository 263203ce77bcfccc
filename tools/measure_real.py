"""How well people are found, followed and lifted, with real people first: `python tools/measure_real.py`.

Real clips come out of two public wheels by pip, see `real_clips.py`. No ROS runs. Every frame in which a person is
matched counts, those with left and right exchanged too. A skeleton is a person's where it fits them best and well
enough, mirrored or not; every other one is a ghost. Columns:

- recall: share of the frames in which the person is to be found and is. ids: how many they had. swapped: share of
  frames with arms, legs or both exchanged.
- ghosts: share of the clip's frames with a skeleton that is nobody's.
- px: mean error of keypoints in the image. MPJPE, P-MPJPE (mm): of joints that are published, relative to the hip and
  best aligned. upper (mm): of the joints from thorax up, relative to the thorax. root (m): median error of the place.
- known, invented: shares of the joints inside and outside the image that are published with a position.
- jitter: mean error of the joints' acceleration, mm/frame^2. ms: median time of a frame.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import yaml
from scipy.optimize import linear_sum_assignment

sys.path.insert(0, str(Path(__file__).resolve().parent))

from real_clips import (
    KnownPerson,
    MeasuredClip,
    folder_clips,
    paused,
    real_clips,
    rendered_clips,
    rolled,
    scaled,
    waist_up,
)

from nanohtnet_ros import PoseEstimator
from nanohtnet_ros.core.ground import Ground
from nanohtnet_ros.core.metrics import joint_errors_mm, p_mpjpe_mm
from nanohtnet_ros.core.poses import Person
from nanohtnet_ros.core.skeleton import H36M_17
from nanohtnet_ros.core.window import NS_PER_S

UPPER = [
    H36M_17.joint_names.index(name)
    for name in ("thorax", "neck", "head", "l_shoulder", "l_elbow", "l_wrist", "r_shoulder", "r_elbow", "r_wrist")
]
LIMBS = {"arms": ("elbow", "wrist"), "legs": ("knee", "ankle")}
MATCH = 0.15  # mean distance of keypoints, in units of the person's size, below which a skeleton is a person's
SWAPPED = 0.7  # a limb pair is exchanged where it fits so much better the other way round
APART = 0.05  # of the person's size: nearer to each other than this, left and right cannot be told apart
BOX_MARGIN, BOX_SIZES = 0.3, (0.4, 2.0)


@dataclass
class Score:
    """What was measured of one person."""

    name: str
    required: int = 0
    found: int = 0
    swapped: int = 0
    ids: set[int] = field(default_factory=set)
    frames: list[int] = field(default_factory=list)
    poses_m: list[np.ndarray] = field(default_factory=list)
    true_m: list[np.ndarray] = field(default_factory=list)
    px: list[float] = field(default_factory=list)
    roots_m: list[float] = field(default_factory=list)
    inside: list[np.ndarray] = field(default_factory=list)


@dataclass
class ClipScore:
    """What was measured of one clip."""

    name: str
    frames: int
    people: list[Score]
    ghost_frames: int = 0
    ids: set[int] = field(default_factory=set)
    ms: list[float] = field(default_factory=list)


def size_px(person: KnownPerson, frame: int) -> float:
    box = person.boxes_px[frame]
    return float(max(box[2] - box[0], box[3] - box[1]))


def misfit(person: KnownPerson, frame: int, xy_px: np.ndarray) -> float:
    """How badly a skeleton fits a person: below 1 it may be theirs."""
    if not np.isfinite(person.boxes_px[frame]).all():
        return np.inf
    if person.joints_px is not None:
        truth = person.joints_px[frame]
        ways = [np.nanmean(np.linalg.norm(way - truth, axis=1)) for way in (xy_px, xy_px[H36M_17.flip_order])]
        return min(ways) / (MATCH * size_px(person, frame))
    low, high = person.boxes_px[frame].reshape(2, 2)
    centre, size = np.nanmedian(xy_px, axis=0), np.nanmax(np.ptp(xy_px[np.isfinite(xy_px).all(axis=1)], axis=0))
    margin = BOX_MARGIN * size_px(person, frame)
    inside = (centre > low - margin).all() and (centre < high + margin).all()
    if not inside or not BOX_SIZES[0] < size / size_px(person, frame) < BOX_SIZES[1]:
        return np.inf
    return float(np.linalg.norm(centre - (low + high) / 2) / (2.0 * size_px(person, frame)))


def match(clip: MeasuredClip, frame: int, found: list[Person]) -> dict[int, Person]:
    """Who is who: at most one skeleton a person, by the person's index."""
    if not found:
        return {}
    cost = np.array([[misfit(person, frame, seen.keypoints.xy_px) for seen in found] for person in clip.people])
    cost = np.minimum(cost.reshape(len(clip.people), len(found)), 1.0)
    return {i: found[j] for i, j in zip(*linear_sum_assignment(cost), strict=True) if cost[i, j] < 1.0}


def is_swapped(xy_px: np.ndarray, truth_px: np.ndarray, size: float) -> bool:
    """Whether arms or legs fit much better with left and right exchanged."""
    for parts in LIMBS.values():
        left, right = ([H36M_17.joint_names.index(f"{side}_{part}") for part in parts] for side in "lr")
        apart = np.linalg.norm(truth_px[left] - truth_px[right], axis=1) > APART * size
        if not apart.any():
            continue
        straight = np.linalg.norm(xy_px[left + right] - truth_px[left + right], axis=1).reshape(2, -1)[:, apart]
        crossed = np.linalg.norm(xy_px[right + left] - truth_px[left + right], axis=1).reshape(2, -1)[:, apart]
        if np.nansum(crossed) < SWAPPED * np.nansum(straight):
            return True
    return False


def measure(clip: MeasuredClip, estimator: PoseEstimator, ground: Ground | None = None) -> ClipScore:
    """Run a clip through the estimator, which may be told the ground."""
    estimator.reset()
    period_ns = NS_PER_S / clip.fps
    score = ClipScore(clip.name, 0, [Score(person.name) for person in clip.people])
    for frame, image in enumerate(clip.frames()):
        started = time.perf_counter()
        found = estimator.step(image, round((frame + 1) * period_ns), clip.camera, ground=ground)
        score.ms.append(1e3 * (time.perf_counter() - started))
        score.frames += 1
        score.ids |= {person.track_id for person in found}
        matched = match(clip, frame, found)
        score.ghost_frames += len(found) > len(matched)
        for index, person in enumerate(clip.people):
            entry = score.people[index]
            entry.required += bool(person.required[frame])
            if index in matched:
                entry.found += bool(person.required[frame])
                enter(entry, clip, person, frame, matched[index])
    return score


def enter(entry: Score, clip: MeasuredClip, person: KnownPerson, frame: int, seen: Person) -> None:
    """Add a frame in which a person was found."""
    entry.ids.add(seen.track_id)
    entry.frames.append(frame)
    if person.joints_px is None:
        return
    truth_px, truth_m = person.joints_px[frame], person.joints_cam_m[frame]
    inside = ((truth_px >= -0.5) & (truth_px < (clip.camera.width - 0.5, clip.camera.height - 0.5))).all(axis=1)
    entry.swapped += is_swapped(seen.keypoints.xy_px, truth_px, size_px(person, frame))
    entry.px.append(float(np.nanmean(np.linalg.norm(seen.keypoints.xy_px - truth_px, axis=1)[inside])))
    entry.poses_m.append(seen.joints_rel_m)
    entry.true_m.append(truth_m)
    entry.inside.append(inside)
    entry.roots_m.append(np.nan if seen.root_m is None else float(np.linalg.norm(seen.root_m - truth_m[0])))


def aligned_mm(pose_m: np.ndarray, true_m: np.ndarray) -> float:
    """P-MPJPE of the joints that are there; NaN where fewer than six are."""
    known = np.isfinite(pose_m).all(axis=1)
    return p_mpjpe_mm(pose_m[None, known], true_m[None, known]) if known.sum() >= 6 else np.nan


def figures(entry: Score) -> dict[str, float]:
    """One person's figures; NaN where they are not known."""
    matched = len(entry.frames)
    out = {"recall": entry.found / max(entry.required, 1), "ids": len(entry.ids)}
    if not entry.poses_m:
        return out
    poses, true = np.array(entry.poses_m, np.float64), np.array(entry.true_m, np.float64)
    relative = true - true[:, :1]
    thorax = UPPER[0]
    adjacent = np.diff(entry.frames) == 1
    steps = np.diff(poses - relative, axis=0)
    jerks = 1e3 * np.linalg.norm(np.diff(steps, axis=0)[adjacent[1:] & adjacent[:-1]], axis=-1)
    known, inside = np.isfinite(poses).all(axis=-1), np.array(entry.inside)
    return out | {
        "swapped": entry.swapped / matched,
        "px": np.mean(entry.px),
        "MPJPE": mean(joint_errors_mm(poses, relative)),
        "P-MPJPE": mean([aligned_mm(*pair) for pair in zip(poses, relative, strict=True)]),
        "upper": mean(joint_errors_mm((poses - poses[:, [thorax]])[:, UPPER], (true - true[:, [thorax]])[:, UPPER])),
        "root": float(np.nanmedian(entry.roots_m)) if np.isfinite(entry.roots_m).any() else np.nan,
        "known": known[inside].mean(),
        "invented": mean(known[~inside]),
        "jitter": mean(jerks),
    }


def mean(values: np.ndarray | list[float]) -> float:
    values = np.asarray(values)
    return float(np.nanmean(values)) if np.isfinite(values).any() else np.nan


SHOWN = {
    "recall": "{:.0%}",
    "ids": "{:.0f}",
    "swapped": "{:.0%}",
    "px": "{:.1f}",
    "MPJPE": "{:.1f}",
    "P-MPJPE": "{:.1f}",
    "upper": "{:.1f}",
    "root": "{:.2f}",
    "known": "{:.0%}",
    "invented": "{:.0%}",
    "jitter": "{:.1f}",
}


def show(scores: list[ClipScore]) -> None:
    """Print one table, a line for each person."""
    rows = [["clip", "person", *SHOWN, "ghosts", "all ids", "ms"]]
    for score in scores:
        clip = [f"{score.ghost_frames / score.frames:.0%}", str(len(score.ids)), f"{np.median(score.ms):.0f}"]
        for entry in score.people:
            values = figures(entry)
            cells = [SHOWN[n].format(values[n]) if np.isfinite(values.get(n, np.nan)) else "-" for n in SHOWN]
            rows.append([score.name, entry.name, *cells, *clip])
    wide = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["| " + " | ".join(map(str.rjust, row, wide)) + " |" for row in rows]
    print("\n".join(["", lines[0], "|".join(["", *["-" * (w + 2) for w in wide], ""]), *lines[1:]]))


def chosen_clips(args: argparse.Namespace) -> list[MeasuredClip]:
    """Clips and changed copies that the arguments ask for."""
    clips = folder_clips(args.folder) if args.folder else real_clips() + rendered_clips()
    if args.changed and not args.folder:
        walk, two = clips[3:]
        clips += [waist_up(clip) for clip in (*clips[:2], walk, two)]
        clips += [scaled(walk, 1 / 2), scaled(walk, 1 / 3), scaled(two, 1 / 2)]
        clips += [rolled(clip, 20) for clip in (clips[0], walk)] + [paused(walk, 30)]
    return [clip for clip in clips if not args.clips or any(word in clip.name for word in args.clips.split(","))]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, help="measure the clips of this folder instead; see real_people/README")
    parser.add_argument("--clips", default="", help="only clips with one of these words in their names, commas between")
    parser.add_argument("--changed", action="store_true", help="copies too: cut at the waist, smaller, rolled")
    parser.add_argument("--ground", action="store_true", help="tell the estimator where down and the floor are")
    parser.add_argument(
        "--set",
        nargs="*",
        default=[],
        metavar="NAME=VALUE",
        help="settings of the estimator, as detector=rtmpose-s hips_ahead_m=0 one_euro=false",
    )
    args = parser.parse_args()
    settings = {name: yaml.safe_load(value) for name, _, value in (change.partition("=") for change in args.set)}
    scores = []
    for clip in chosen_clips(args):
        with PoseEstimator(**{"threads": 1, **settings}) as estimator:
            scores.append(measure(clip, estimator, clip.ground if args.ground else None))
        print(f"{clip.name}: {scores[-1].frames} frames", flush=True)
    show(scores)


if __name__ == "__main__":
    main()
