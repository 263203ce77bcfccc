"""Tracked keypoints, from one or several cameras, to 3D skeletons."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from nanohtnet_ros.core.body import (
    HIPS_AHEAD_M,
    check_person_height,
    hips_to_centres,
    scale_to_height,
    standing_height,
)
from nanohtnet_ros.core.camera import Camera
from nanohtnet_ros.core.ground import Ground, unrolled_from_camera
from nanohtnet_ros.core.lifter import LiftedPose, WindowLifter, confidence_of_error
from nanohtnet_ros.core.placement import place_root, place_roots, pose_spread
from nanohtnet_ros.core.poses import Keypoints, Person, TrackedKeypoints
from nanohtnet_ros.core.root_depth import root_depth
from nanohtnet_ros.core.rotation import upright_from_optical, upright_rotation
from nanohtnet_ros.core.sides import JOINTS, SideKeeper
from nanohtnet_ros.core.skeleton import H36M_17
from nanohtnet_ros.core.smoothing import SmoothingConfig, TrackSmoother
from nanohtnet_ros.core.stamped_buffer import StampedBuffer, keypoints_at
from nanohtnet_ros.core.stature import Height, Stature
from nanohtnet_ros.core.timing import StageTimes
from nanohtnet_ros.core.turned_view import AHEAD, all_ahead, keypoints_in, rays_of, view_of
from nanohtnet_ros.core.visibility import completed, supported
from nanohtnet_ros.core.window import MAX_GAP_S, NS_PER_S, WindowBuffer
from nanohtnet_ros.runtime.model_store import DEFAULT_MODEL

ONLY_CAMERA = "camera"
"""Name of the camera where there is but one."""

ADULT_M = 1.7
"""Height of poses of which none tells theirs."""

HELD_NS = 300_000_000
"""A keypoint that the detector misses is not made up before it has been away for so long."""

GROUND_HELD_NS = NS_PER_S
"""Where the ground is not known for a moment, as when TF is late, it is where it was before for so long."""

STATURE_KEPT_NS = 60 * NS_PER_S
"""The size of a person who was lost from sight is kept for so long, in case that the tracker finds them again."""

MAX_ERROR_M = 0.2
"""Where the default network expects more it errs by 0.19 m on average, elsewhere by 0.06 m: 0.4 % of the joints of five
tracks in real and rendered clips, and half of the ankles that a table hides."""

MAX_SHIFT = 0.01
"""A calibration that moves pixels by more than this share of the image's diagonal, from one frame to the next, is
another camera's. Windows hold viewing rays, so less, as of an autofocus lens, is taken over and nothing restarts."""


@dataclass(frozen=True, eq=False)
class Frame:
    """What one camera saw at one moment.

    Attributes:
        stamp_ns: of the image.
        camera: its intrinsics, at the image's size.
        people: everybody in it.
        depth_m: (H, W) float32 depth image aligned with it, metres, NaN where unknown; or None.
        ground: where down and the floor are at that moment, or None.
    """

    stamp_ns: int
    camera: Camera
    people: list[TrackedKeypoints]
    depth_m: np.ndarray | None = None
    ground: Ground | None = None


@dataclass(frozen=True)
class LiftingConfig:
    """How skeletons are made of keypoints; may change at any time.

    Attributes:
        max_gap_s: pauses between a person's observations up to this are bridged; a longer one restarts their window.
        person_height_m: how tall the people are, or None where that is not known.
        hips_ahead_m: how far ahead of the joints' centres the 2D detector marks hips.
        image_rotation: degrees by which images are to be turned clockwise to be upright: 0, 90, 180 or 270; None for
            what gravity says, while it is known. What comes in and out is in the image and the axes as they are.
        max_error_m: joints of which the network expects a larger error are not known.
        smoothing: of joints, roots and bones.
    """

    max_gap_s: float = MAX_GAP_S
    person_height_m: float | None = None
    hips_ahead_m: float = HIPS_AHEAD_M
    image_rotation: int | None = 0
    max_error_m: float = MAX_ERROR_M
    smoothing: SmoothingConfig = field(default_factory=SmoothingConfig)

    def __post_init__(self) -> None:
        if self.person_height_m is not None:
            check_person_height(self.person_height_m)


@dataclass
class _Track:
    """What is remembered of one person."""

    window: WindowBuffer
    keypoints: StampedBuffer[Keypoints]
    smoother: TrackSmoother
    sides: SideKeeper = field(default_factory=SideKeeper)
    seen_ns: np.ndarray = field(default_factory=lambda: np.zeros(len(H36M_17), np.int64))  # each joint
    turn: np.ndarray = field(default_factory=lambda: AHEAD)  # (3, 3) towards the person, see `WindowBuffer.window`
    last_ns: int = 0
    rays: np.ndarray = field(default_factory=lambda: np.full((len(H36M_17), 3), np.nan))  # of the newest keypoints

    def see(self, stamp_ns: int, keypoints: Keypoints, rays: np.ndarray) -> None:
        """Remember a frame's keypoints, those that the image supports, and their (17, 3) rays."""
        self.last_ns = stamp_ns
        self.seen_ns[keypoints.valid] = stamp_ns
        self.keypoints.push(stamp_ns, keypoints)
        self.rays = np.where(keypoints.valid[:, None], rays, np.nan)


@dataclass(frozen=True, eq=False)
class _Placed:
    """A person's pose as large as the network made it, and where it would stand."""

    keypoints: Keypoints
    rays: np.ndarray  # (17, 3) of the keypoints
    joints_rel_m: np.ndarray
    confidence: np.ndarray  # (17,) of the joints
    root_m: np.ndarray | None
    spread: float  # of the distance's logarithm, see `pose_spread`
    height_m: float  # of the person's poses on average


@dataclass(frozen=True, eq=False)
class _Sized:
    """A person's pose at its size, and where it stands; see `Person`."""

    joints_rel_m: np.ndarray
    root_m: np.ndarray | None
    root_sigma_m: float
    height: Height
    measured: bool  # is it the person's, or that of the network's poses


@dataclass
class _View:
    """What is remembered of one camera; `frames` without people."""

    camera: Camera
    last_ns: int
    frames: StampedBuffer[Frame]
    ground: Ground | None = None  # the last that was known
    ground_ns: int = 0
    level: np.ndarray | None = None  # (3, 3) from the camera to a level, or unrolled, one in the newest frame
    rotation: int = 0  # of the image, degrees
    upright: np.ndarray = field(default_factory=lambda: AHEAD)  # (3, 3) from the camera to one turned so
    tracks: dict[int, _Track] = field(default_factory=dict)
    statures: dict[int, Stature] = field(default_factory=dict)


class Lifter:
    """Keypoints of tracked people to 3D skeletons.

    A window per person, one batch through the network for all people of all cameras, placement.

    With a look-ahead everything that comes out (pose, keypoints, confidence, place, age) is of the
    moment that lies so far before the newest frame: `delay_ns` is to be taken off the frame's stamp.
    """

    def __init__(self, lifter: WindowLifter, config: LiftingConfig | None = None) -> None:
        self._lifter = lifter
        self.delay_ns = lifter.delay_ns
        self.config = config or LiftingConfig()
        self._views: dict[str, _View] = {}
        self.times = StageTimes()

    @classmethod
    def open(cls, model: str = DEFAULT_MODEL, look_ahead_s: float = 0.0, config: LiftingConfig | None = None) -> Lifter:
        """Open a lifting network, for keypoints from elsewhere; arguments and errors as of `WindowLifter.open`."""
        return cls(WindowLifter.open(model, look_ahead_s), config)

    @property
    def network(self) -> WindowLifter:
        """The network."""
        return self._lifter

    def reset(self) -> None:
        """Forget everything that was seen."""
        self._views.clear()

    def step(
        self,
        people: list[TrackedKeypoints],
        stamp_ns: int,
        camera: Camera,
        depth_m: np.ndarray | None = None,
        ground: Ground | None = None,
    ) -> list[Person]:
        """Lift everybody in one frame of the only camera; arguments as of `Frame`, returns as of `step_cameras`."""
        return self.step_cameras({ONLY_CAMERA: Frame(stamp_ns, camera, people, depth_m, ground)})[ONLY_CAMERA]

    def step_cameras(self, frames: Mapping[str, Frame]) -> dict[str, list[Person]]:
        """Lift everybody in one frame of each camera.

        Args:
            frames: by the camera's name. A stamp before the camera's last one restarts its windows.
        Returns:
            By the same names, one person for each of the frame's, in their order; with a look-ahead, without those
            who were not seen yet at that moment; without those of whom the image supports no joint.
        """
        with self.times.stage("lift"):
            shown = []
            for name, frame in frames.items():
                self._enter(name, frame)
                shown += [(name, *its) for its in self._see(self._views[name], frame)]
            windows = [track.window.window(track.turn, self._views[name].upright) for name, _, track in shown]
            poses = self._lifter.lift(windows)
            lifted: dict[str, list[tuple[TrackedKeypoints, _Track, LiftedPose]]] = {name: [] for name in frames}
            for (name, person, track), pose in zip(shown, poses, strict=True):
                lifted[name].append((person, track, pose))
            return {name: self._place(self._views[name], theirs) for name, theirs in lifted.items()}

    def _enter(self, name: str, frame: Frame) -> None:
        """Bring what is remembered of a camera up to a frame: forget who is gone, and all after a jump or change."""
        view = self._views.get(name)
        if view is None or frame.stamp_ns <= view.last_ns or _is_another(frame.camera, view.camera):
            view = self._views[name] = _View(frame.camera, frame.stamp_ns, StampedBuffer(self.delay_ns))
        view.camera, view.last_ns = frame.camera, frame.stamp_ns
        if frame.ground is not None and frame.ground.down_cam is not None:
            view.ground, view.ground_ns = frame.ground, frame.stamp_ns
        ground = view.ground if frame.stamp_ns - view.ground_ns <= GROUND_HELD_NS else None
        down_cam = None if ground is None else ground.down_cam
        view.level = None
        if ground is not None and down_cam is not None:
            view.level = ground.level_from_camera if self._lifter.card.level else unrolled_from_camera(down_cam)
        if self.config.image_rotation is not None:
            view.rotation = self.config.image_rotation
        elif down_cam is not None:
            view.rotation = upright_rotation(down_cam, view.rotation)
        view.upright = upright_from_optical(view.rotation)
        view.frames.push(frame.stamp_ns, Frame(frame.stamp_ns, frame.camera, [], frame.depth_m, ground))
        limit_ns = int(self.config.max_gap_s * NS_PER_S)
        view.tracks = {i: track for i, track in view.tracks.items() if frame.stamp_ns - track.last_ns <= limit_ns}
        view.statures = {
            i: stature
            for i, stature in view.statures.items()
            if i in view.tracks or frame.stamp_ns - stature.last_ns <= STATURE_KEPT_NS
        }

    def _track(self, view: _View, track_id: int) -> _Track:
        """What is remembered of a person, smoothed as configured now."""
        if track_id not in view.tracks:
            card = self._lifter.card
            window = WindowBuffer(card.window_length, card.frame_rate_hz, self.config.max_gap_s)
            view.tracks[track_id] = _Track(window, StampedBuffer(self.delay_ns), TrackSmoother(self.config.smoothing))
        if track_id not in view.statures:
            view.statures[track_id] = Stature()
        track = view.tracks[track_id]
        if track.smoother.config != self.config.smoothing:
            track.smoother = TrackSmoother(self.config.smoothing)
        return track

    def _see(self, view: _View, frame: Frame) -> list[tuple[TrackedKeypoints, _Track]]:
        """Add what a frame shows of each person to their track.

        Returns:
            Who is to be lifted; with a look-ahead, their keypoints and age at that moment.
        """
        if not frame.people:
            return []
        xy_px = np.array([person.keypoints.xy_px for person in frame.people])  # (P, 17, 2)
        confidence = np.array([person.keypoints.confidence for person in frame.people])
        rays = frame.camera.rays(xy_px)  # none where no light comes through the lens as it is calibrated
        known = supported(xy_px, np.where(np.isfinite(rays[..., 2]), confidence, 0.0), frame.camera)
        some = np.flatnonzero(known.any(axis=1))
        if not len(some):
            return []
        people = [frame.people[i] for i in some]
        keypoints = [person.keypoints.of(its) for person, its in zip(people, known[some], strict=True)]
        tracks = [self._track(view, person.track_id) for person in people]
        rays = rays[some]
        self._keep_sides(tracks, keypoints, rays, frame.stamp_ns)
        shown = []
        for person, track, its, its_rays in zip(people, tracks, keypoints, rays, strict=True):
            self._advance(track, view, frame.stamp_ns, its, its_rays)
            then = keypoints_at(track.keypoints, frame.stamp_ns - self.delay_ns)
            if then is not None:
                age_s = max(0.0, person.age_s - self.delay_ns / NS_PER_S)
                shown.append((TrackedKeypoints(person.track_id, age_s, then), track))
        return shown

    def _keep_sides(self, tracks: list[_Track], keypoints: list[Keypoints], rays: np.ndarray, stamp_ns: int) -> None:
        """Put left and right of a frame's keypoints and (P, 17, 3) rays right, and of the past where it is wrong."""
        xy_px = np.array([its.xy_px for its in keypoints])
        orders, corrections = SideKeeper.together([track.sides for track in tracks], xy_px, stamp_ns)
        for i in np.flatnonzero((orders != JOINTS).any(axis=1)):
            keypoints[i], rays[i] = keypoints[i].ordered(orders[i]), rays[i, orders[i]]
        for i in np.flatnonzero((corrections != JOINTS).any(axis=1)):
            tracks[i].window.reorder(corrections[i])
            tracks[i].smoother = TrackSmoother(self.config.smoothing)

    def _advance(self, track: _Track, view: _View, stamp_ns: int, keypoints: Keypoints, rays: np.ndarray) -> None:
        """Add a frame's keypoints, those that the image supports, and (17, 3) rays of all to a track."""
        track.see(stamp_ns, keypoints, rays)
        takes_confidence = self._lifter.card.confidence
        if takes_confidence:
            rays = track.rays
        view_from_camera = self._face(track, view, rays)
        if not takes_confidence:
            rays = _filled(rays, track, view_from_camera)
        track.window.push(stamp_ns, rays, keypoints.confidence, view.level)

    def _face(self, track: _Track, view: _View, rays: np.ndarray) -> np.ndarray:
        """Turn a track's view, where it must, to hold (17, 3) rays; the (3, 3) rotation from the camera to it."""
        straight = view.upright if view.level is None else view.level
        ahead = rays @ straight.T
        track.turn = view_of(ahead, AHEAD if view.level is not None and all_ahead(ahead) else track.turn)
        return track.turn @ straight

    def _place(self, view: _View, lifted: list[tuple[TrackedKeypoints, _Track, LiftedPose]]) -> list[Person]:
        """Steady one camera's poses, all of one moment, bring them to their sizes, find where they stand."""
        if not lifted:
            return []
        people, tracks, poses = zip(*lifted, strict=True)
        stamp_ns = poses[0].stamp_ns
        frame = view.frames.nearest(stamp_ns) or Frame(stamp_ns, view.camera, [])
        confidence = np.array([person.keypoints.confidence for person in people])  # (P, 17)
        error_m = np.zeros_like(confidence)
        known = confidence > 0
        if poses[0].error_m is not None:
            error_m = np.array([pose.error_m for pose in poses])
            known &= error_m <= self.config.max_error_m
            confidence = np.where(known, confidence * confidence_of_error(error_m), 0.0)
        joints = np.array([hips_to_centres(pose.joints_rel_m, self.config.hips_ahead_m) for pose in poses])
        smoothers = [track.smoother for track in tracks]
        joints = TrackSmoother.together(smoothers, joints, confidence, stamp_ns)  # (P, 17, 3)
        if self.delay_ns:
            rays = frame.camera.rays(np.array([person.keypoints.xy_px for person in people]))
        else:
            rays = np.array([track.rays for track in tracks])
        roots = place_roots(joints, rays, confidence)
        places = np.array([np.full(3, np.nan) if root is None else root for root in roots])
        spreads = pose_spread(places, joints, confidence, error_m)
        heights_m = [
            its.mean_height_m or standing_height(pose) or ADULT_M for its, pose in zip(smoothers, joints, strict=True)
        ]
        keypoints = [person.keypoints for person in people]
        placed = map(_Placed, keypoints, rays, joints, confidence, roots, spreads, heights_m)
        statures = [view.statures[person.track_id] for person in people]
        sized = [self._size(its, frame, stamp_ns, stature) for its, stature in zip(placed, statures, strict=True)]
        roots = TrackSmoother.roots_together(smoothers, [its.root_m for its in sized], stamp_ns)
        return [
            Person(
                person.track_id,
                person.age_s,
                person.keypoints,
                np.where(shown[:, None], its.joints_rel_m, np.nan).astype(np.float32),
                sure,
                root,
                its.height.median_m if its.measured else math.nan,
                its.height.sigma_m if its.measured else math.nan,
                its.root_sigma_m,
                None if root is None or frame.ground is None else frame.ground.place(root),
            )
            for person, shown, sure, its, root in zip(people, known, confidence, sized, roots, strict=True)
        ]

    def _size(self, pose: _Placed, frame: Frame, stamp_ns: int, stature: Stature) -> _Sized:
        """Bring a placed pose to its size; the floor, a depth image and what is told say which."""
        told_m = self.config.person_height_m
        joints, root, spread = pose.joints_rel_m, pose.root_m, pose.spread
        if frame.ground is not None and root is not None:
            stature.see_feet(joints + root, pose.keypoints.confidence, pose.height_m, frame.ground, stamp_ns)
        height = stature.height(pose.height_m, told_m)
        measured = stature.seen or told_m is not None
        if measured:
            scale = height.median_m / pose.height_m
            joints = scale_to_height(joints, height.median_m, pose.height_m)
            root, spread = None if root is None else root * scale, spread / scale
        root_sigma_m = math.nan if root is None else height.distance_sigma_m(root, float(spread))
        depth_m = None
        if frame.depth_m is not None:
            depth_m = root_depth(frame.depth_m, joints, pose.keypoints.xy_px, pose.confidence)
        if depth_m is not None and root is not None:
            depth_m, root_sigma_m = stature.see_depth(depth_m, float(root[2]), root_sigma_m, height, stamp_ns)
            root = place_root(joints, pose.rays, pose.confidence, depth_m)
        return _Sized(joints, root, root_sigma_m, height, measured)


def _filled(rays: np.ndarray, track: _Track, view_from_camera: np.ndarray) -> np.ndarray:
    """A track's newest (17, 3) rays for a network that needs all joints; NaN of those that were seen a moment ago."""
    known = np.isfinite(track.rays[:, 2])
    if known.all():
        return rays
    bridged = np.isnan(rays[:, 2]) & (track.last_ns - track.seen_ns <= HELD_NS)  # by the window
    return np.where(bridged[:, None], np.nan, _completed(rays, known, view_from_camera))


def _completed(rays: np.ndarray, known: np.ndarray, view_from_camera: np.ndarray) -> np.ndarray:
    """Put a standing person's joints for those that nothing supports, see `completed`, in a view's image plane.

    Args:
        rays: (17, 3) unit vectors, NaN where missing.
        known: (17,) bool, those that the image supports.
        view_from_camera: (3, 3) of the view.
    Returns:
        (17, 3) unit vectors; NaN where there is not even a guess.
    """
    points = keypoints_in(rays, view_from_camera)
    filled = completed(points, known)
    return np.where((filled == points).all(axis=1, keepdims=True), rays, rays_of(filled, view_from_camera))


def _is_another(camera: Camera, before: Camera) -> bool:
    """Whether a camera's calibration has changed so much that what was seen before it is of no use."""
    return camera != before and before.shift_px(camera) > MAX_SHIFT * math.hypot(camera.width, camera.height)
