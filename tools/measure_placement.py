"""Errors of the root's position and of smoothing on the two rendered clips: `python tools/measure_placement.py`.

No ROS runs: the detector sees the clips' frames, then come tracker, lifter, smoothing and placement. Depth images are
synthetic, see `synthetic_depth.py`; true heights are those of the clips' skeletons, stood upright.
"""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from scipy.optimize import linear_sum_assignment

sys.path.insert(0, str(Path(__file__).parents[1]))

from synthetic_depth import DepthRenderer

from nanohtnet_ros.core.body import HIPS_AHEAD_M, scale_to_height
from nanohtnet_ros.core.detector import Detector
from nanohtnet_ros.core.keypoint_tracking import KeypointTracker
from nanohtnet_ros.core.lifter import WindowLifter
from nanohtnet_ros.core.metrics import mpjpe_mm
from nanohtnet_ros.core.model_card import ModelCard
from nanohtnet_ros.core.placement import place_root
from nanohtnet_ros.core.pose_estimation import ONLY_CAMERA, Frame, Lifter, LiftingConfig
from nanohtnet_ros.core.poses import Keypoints, Person, TrackedKeypoints
from nanohtnet_ros.core.root_depth import root_depth
from nanohtnet_ros.core.smoothing import SmoothingConfig, TrackSmoother, bone_lengths
from nanohtnet_ros.core.tracker import Tracker
from nanohtnet_ros.core.window import NS_PER_S
from nanohtnet_ros.detectors.open import open_detector
from nanohtnet_ros.runtime.model_store import DEFAULT_MODEL, find_model
from nanohtnet_ros.runtime.session import open_session
from nanohtnet_ros.samples.clips import CLIPS_DIR, Clip, packaged_clips
from nanohtnet_ros.samples.video_source import VideoSource

MATCH_PX = 40.0
RAW = SmoothingConfig(one_euro=False, constant_bones=False)
BOTH = SmoothingConfig()
BONES = SmoothingConfig(one_euro=False)


@dataclass(frozen=True)
class Case:
    """One way to get from a pose to a place; `thickness` is that of the synthetic bodies, None without depth."""

    name: str
    smoothing: SmoothingConfig = BOTH
    height: bool = False
    thickness: float | None = None


PLACEMENT = (
    Case("height unknown"),
    Case("true height given", height=True),
    Case("synthetic depth", thickness=1.0),
    Case("synthetic depth and true height", height=True, thickness=1.0),
    Case("synthetic depth, bodies 15 % thinner", thickness=0.85),
    Case("synthetic depth, bodies 15 % thicker", thickness=1.15),
)
SMOOTHING = (
    Case("as the network gives them", RAW),
    Case("constant bones", BONES),
    Case("One Euro", SmoothingConfig(constant_bones=False)),
    Case("both, as by default", BOTH),
    Case("both, half the cutoff", SmoothingConfig(min_cutoff_hz=1.5, beta=2.0)),
    Case("both, twice the cutoff", SmoothingConfig(min_cutoff_hz=6.0, beta=8.0)),
    Case("both, true height given", BOTH, height=True),
)


@dataclass
class Result:
    """What one case gave for one person, one entry per frame in which they were seen."""

    true_height_m: float
    frames: list[int] = field(default_factory=list)
    hips_tangents: list[np.ndarray] = field(default_factory=list)
    joints_rel_m: list[np.ndarray] = field(default_factory=list)
    roots_m: list[np.ndarray] = field(default_factory=list)
    heights_m: list[float] = field(default_factory=list)

    def root_errors_cm(self, truth_m: np.ndarray) -> np.ndarray:
        """(N,) distances to the true roots, NaN where there was none; `truth_m` (F, 17, 3)."""
        return 100 * np.linalg.norm(np.array(self.roots_m) - truth_m[self.frames, 0], axis=1)

    def hips_ahead_cm(self, truth_m: np.ndarray) -> float:
        """How far ahead of the true root the root's keypoint lies, by least squares over all frames.

        The keypoint's error at the root's distance is explained by a lasting offset in the pelvis' axes.
        """
        joints = truth_m[self.frames]
        left, trunk = joints[:, 4] - joints[:, 1], joints[:, 8] - joints[:, 0]
        ahead = np.cross(left, trunk)
        axes = np.stack([x / np.linalg.norm(x, axis=1, keepdims=True) for x in (ahead, left, np.cross(ahead, left))], 2)
        root = joints[:, 0]
        error_m = np.array(self.hips_tangents) * root[:, 2:] - root[:, :2]
        # A step d of the root moves its image by d_xy - tangent * d_z at the root's distance.
        tangents = root[:, :2] / root[:, 2:]
        rows = axes[:, :2] - tangents[:, :, None] * axes[:, 2:]
        return float(100 * np.linalg.lstsq(rows.reshape(-1, 3), error_m.reshape(-1), rcond=None)[0][0])

    def mpjpe_mm(self, truth_m: np.ndarray) -> float:
        return mpjpe_mm(np.array(self.joints_rel_m), truth_m[self.frames])

    def velocity_error_mm(self, truth_m: np.ndarray) -> float:
        """Mean error of the joints' steps from frame to frame, where both were seen."""
        adjacent = np.diff(self.frames) == 1
        true = truth_m - truth_m[:, :1]
        steps = np.diff(np.array(self.joints_rel_m), axis=0) - np.diff(true[self.frames], axis=0)
        return float(1000 * np.linalg.norm(steps[adjacent], axis=-1).mean())


class Placer:
    """One case over one clip, frame by frame."""

    def __init__(self, case: Case, clip: Clip, heights_m: list[float]) -> None:
        self._case, self._camera = case, clip.truth.camera
        self._smoothers: dict[int, TrackSmoother] = {}
        self.results = [Result(height_m) for height_m in heights_m]

    def step(self, frame: int, stamp_ns: int, people: dict[int, Person], depths: dict[float, np.ndarray]) -> None:
        """Place the people of one frame; `people` by their index in the ground truth, `depths` by thickness."""
        for index, person in people.items():
            result = self.results[index]
            smoother = self._smoothers.setdefault(person.track_id, TrackSmoother(self._case.smoothing))
            joints = smoother.joints(person.joints_rel_m, person.confidence, stamp_ns)
            if self._case.height:
                joints = scale_to_height(joints, result.true_height_m, smoother.mean_height_m)
            z = None
            if self._case.thickness is not None:
                z = root_depth(depths[self._case.thickness], joints, person.keypoints.xy_px, person.confidence)
            root = place_root(joints, self._camera.rays(person.keypoints.xy_px), person.confidence, z)
            root = smoother.root(root, stamp_ns)
            result.frames.append(frame)
            result.hips_tangents.append(self._camera.tangents(person.keypoints.xy_px)[0])
            result.joints_rel_m.append(joints)
            result.roots_m.append(np.full(3, np.nan) if root is None else root)
            result.heights_m.append(smoother.mean_height_m)


def standing_heights_m(clip: Clip, world_to_cam: np.ndarray) -> list[float]:
    """Height of each person of a clip: the crown's highest place, and what bent legs take from it then."""
    heights = []
    for joints in clip.truth.joints_cam_m.swapaxes(0, 1).astype(float):  # (F, 17, 3)
        up_m = (joints - world_to_cam[:3, 3]) @ world_to_cam[:3, 2]  # (F, 17) above the ground
        highest = np.argmax(up_m[:, 10])
        leg = bone_lengths(joints[highest])[[2, 3]].sum()
        straight_hip = up_m[:, [3, 6]].min() + leg
        heights.append(float(up_m[highest, 10] + straight_hip - up_m[highest, 0]))
    return heights


def match(people: list[Person], truth_px: np.ndarray) -> dict[int, Person]:
    """Whom of the ground truth each person is, so that distances add up to the least; `truth_px` (P, 17, 2)."""
    distance = np.array(
        [[np.nanmean(np.linalg.norm(person.keypoints.xy_px - true, axis=1)) for person in people] for true in truth_px]
    ).reshape(len(truth_px), len(people))
    pairs = zip(*linear_sum_assignment(np.minimum(distance, MATCH_PX)), strict=True)
    return {int(i): people[j] for i, j in pairs if distance[i, j] < MATCH_PX}


def measure(
    clip: Clip, lifter: WindowLifter, detector: Detector | None, cases: tuple[Case, ...]
) -> dict[str, list[Result]]:
    """Run all cases over one clip, with true keypoints where no detector is given."""
    with np.load(CLIPS_DIR / f"{clip.name}.npz") as archive:
        world_to_cam, rate_hz = archive["world_to_cam"].astype(float), float(archive["fps"])
    truth, video = clip.truth, VideoSource(str(clip.video))
    finder = None if detector is None else KeypointTracker(detector, Tracker())
    config = LiftingConfig(hips_ahead_m=0.0 if detector is None else HIPS_AHEAD_M, smoothing=RAW)
    people_lifter = Lifter(lifter, config)
    placers = {case.name: Placer(case, clip, standing_heights_m(clip, world_to_cam)) for case in cases}
    thicknesses = {case.thickness for case in cases} - {None}
    renderers = {thickness: DepthRenderer(truth.camera, world_to_cam, thickness) for thickness in thicknesses}
    for frame, true_px in enumerate(truth.joints_px):
        stamp_ns = NS_PER_S + round(frame / rate_hz * NS_PER_S)
        if finder is None:
            keypoints = [Keypoints(person.astype(np.float32), np.ones(17, np.float32)) for person in true_px]
            tracked = [TrackedKeypoints(i, frame / rate_hz, k) for i, k in enumerate(keypoints)]
        else:
            tracked = finder.step(video.read()[0], stamp_ns)
        people = people_lifter.step_cameras({ONLY_CAMERA: Frame(stamp_ns, truth.camera, tracked)})[ONLY_CAMERA]
        depths = {t: renderer.measure(truth.joints_cam_m[frame]) for t, renderer in renderers.items()}
        for placer in placers.values():
            placer.step(frame, stamp_ns, match(people, true_px), depths)
    video.close()
    return {name: placer.results for name, placer in placers.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--model", default=DEFAULT_MODEL, help="name of a lifting network, or path of an .onnx file")
    model = find_model(parser.parse_args().model)
    lifter = WindowLifter(open_session(model, "cpu"), ModelCard.load(model.with_suffix(".json")))
    clips = packaged_clips()
    people = [(clip, index) for clip in clips for index in range(clip.truth.joints_px.shape[1])]
    rows: dict[str, list[str]] = defaultdict(list)
    smoothing: dict[str, list[str]] = defaultdict(list)
    tracks: dict[str, list[str]] = defaultdict(list)
    for source in ("BlazePose", "true keypoints"):
        for clip in clips:
            detector = open_detector("blazepose", threads=1) if source == "BlazePose" else None
            results = measure(clip, lifter, detector, PLACEMENT + SMOOTHING)
            for index, truth_m in enumerate(clip.truth.joints_cam_m.swapaxes(0, 1).astype(float)):
                for case in PLACEMENT:
                    errors = results[case.name][index].root_errors_cm(truth_m)
                    rows[f"{source}: {case.name}"].append(f"{np.nanmean(errors):5.1f} {np.nanmedian(errors):5.1f}")
                for case in SMOOTHING:
                    result = results[case.name][index]
                    smoothing[f"{source}: {case.name}"].append(
                        f"{result.mpjpe_mm(truth_m):5.1f} {result.velocity_error_mm(truth_m):5.1f} "
                        f"{np.nanmean(result.root_errors_cm(truth_m)):5.1f}"
                    )
                tracks[f"{source}: hips ahead of their centres, cm"].append(f"{result.hips_ahead_cm(truth_m):.1f}")
                tracks[f"{source}: frames seen"].append(f"{len(result.frames)} of {len(truth_m)}")
                tracks[f"{source}: height of the poses, m"].append(f"{np.mean(result.heights_m):.3f}")
                if source != "BlazePose":
                    tracks["true height, m"].append(f"{result.true_height_m:.3f}")
    names = [f"{clip.name} {index}" for clip, index in people]
    show(model.name, names, tracks)
    show("root error: mean, median, cm", names, rows)
    show("smoothing: MPJPE mm, error of a frame's step mm, mean root error cm", names, smoothing)


def show(title: str, names: list[str], rows: dict[str, list[str]]) -> None:
    """Print a Markdown table."""
    first = max(map(len, (title, *rows)))
    wide = [max(len(name), *(len(cells[i]) for cells in rows.values())) for i, name in enumerate(names)]
    print()
    print(f"| {title:{first}} | " + " | ".join(f"{n:{w}}" for n, w in zip(names, wide, strict=True)) + " |")
    print("|".join(["", "-" * (first + 2), *("-" * (w + 2) for w in wide), ""]))
    for label, cells in rows.items():
        print(f"| {label:{first}} | " + " | ".join(f"{c:>{w}}" for c, w in zip(cells, wide, strict=True)) + " |")


if __name__ == "__main__":
    main()
