"""BlazePose: a region of interest is tracked for each person; new people are detected with known ones masked.

Unlike MediaPipe this tracks several people, and also searches tiles of the image, for people who are far away. The
search goes on in another thread while the known people are lifted: whom it finds is followed from the next frame on.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field, replace

import numpy as np

from nanohtnet_ros.core.poses import Keypoints
from nanohtnet_ros.core.skeleton import blazepose_to_h36m
from nanohtnet_ros.core.window import NS_PER_S
from nanohtnet_ros.detectors.background import Background
from nanohtnet_ros.detectors.base import PeopleConfig
from nanohtnet_ros.detectors.blazepose_networks import BlazePoseNetworks, Landmarks, Region
from nanohtnet_ros.detectors.body_shape import cover, fraction_on_body, is_plausible_person, on_body
from nanohtnet_ros.detectors.schedule import Schedule
from nanohtnet_ros.detectors.search import Search, Tile, around

VELOCITY_MEMORY_S = 0.1  # time constant over which a followed person's velocity is averaged
NEW_S = 0.5  # a region tracked for less is dropped where two regions claim one body
LOST_S = 2.0  # how long a lost person is searched for
LOST_TILE = 1.25  # side of the tile around a lost person, in units of their region's side
DETECTIONS_ALONE = 2  # detections a frame while no person is tracked
MOST_DETECTIONS = 3  # a frame, while tracking
CANDIDATES = 2  # of one detection that landmarks are computed for, while tracking
STALE_S = 0.3  # between two frames: with more a search is waited for, since people will not be there any more
# A new person must be present by so much in the next region, a smaller and a larger one, and have the same landmarks in
# the first two: within so much on average, in units of the region's side, where the mean confidence is so high; ...
SMALLER, LARGER, PRESENT = 0.85, 1.2, 0.7
AGREE_WELL, CONFIDENT = 0.05, 0.78
# ... otherwise within so much, with a presence of so much in the larger one, and be detected again, with a lower score,
# in one of the tiles around them, of so many of the region's sides, at about the same place and size (in units of the
# region's side, and ratio of the sides).
AGREE, PRESENT_IN_LARGER = 0.08, 0.9
VERIFY_TILES, AGAIN_SCORE = (0.9, 1.1), 0.3
FOUND_AGAIN, SIZES = 0.2, (0.6, 1.6)
# Who stays: of people the presence's average over about this time is 0.94 and more, of things that passed for one less.
PRESENCE_MEMORY_S, LASTING_PRESENCE = 1.0, 0.85
MASK = 0.6  # breadth of the mask of those who hide somebody; see `cover`
MISSED = 0.4  # farthest from where they were expected, in units of their region's side
BEHIND = 0.15  # likewise, while others hide a part of them
# A person is still while all but a tenth of the landmarks move by less than this, in units of the region's side a
# second, measured over so long; and far where the region's side is less than half of the landmark network's input.
STILL_PER_S, MEASURED_S, FAR_PX = 0.1, 0.2, 128.0


@dataclass(frozen=True)
class BlazePoseConfig(PeopleConfig):
    """Thresholds and limits, beside those of `PeopleConfig`.

    Attributes:
        detection_threshold: least score of a person detection.
        presence_threshold: the landmark network's person score below which a region is dropped.
        duplicate_distance: two people are one when their landmarks lie closer than this, on average, in
            units of the region's side.
        shared_distance, max_shared: and also when more than this fraction of the landmarks lies closer than that:
            such a skeleton has limbs of two people.
        max_on_body: a new person is refused if a larger fraction of hips, shoulders, knees and nose lies on a known
            body.
        hidden_s: how long an occluded person is predicted and searched for.
        search_s: longest time until the whole image has been searched on every scale; the longer, the smaller the
            people who are found.
        landmark_rate_hz: landmarks a second of a person who is still or far, and apart from others; in between they
            are predicted, over a period of this rate at most.
    """

    detection_threshold: float = 0.5
    presence_threshold: float = 0.5
    duplicate_distance: float = 0.06
    shared_distance: float = 0.05
    max_shared: float = 0.2
    max_on_body: float = 0.5
    hidden_s: float = 0.6
    search_s: float = 2.0
    landmark_rate_hz: float = 1000.0


@dataclass(frozen=True, eq=False)
class Followed:
    """A person who is tracked from frame to frame.

    Attributes:
        landmarks: of the latest observation.
        first_ns, last_ns: stamps of the first and the latest observation.
        apart_ns: stamp at which they last overlapped no other person.
        velocity_px_s: (2,) of their middle, averaged.
        presence: the landmark network's, averaged.
        still: whether they hardly move.
        earlier: stamp and landmarks that their motion is measured from.
    """

    landmarks: Landmarks
    first_ns: int
    last_ns: int
    apart_ns: int
    velocity_px_s: np.ndarray = field(default_factory=lambda: np.zeros(2))
    presence: float = 1.0
    still: bool = False
    earlier: tuple[int, Landmarks] | None = None

    def moved_px(self, stamp_ns: int) -> np.ndarray:
        """(2,) predicted displacement since the latest observation."""
        return self.velocity_px_s * ((stamp_ns - self.last_ns) / NS_PER_S)

    def region(self, stamp_ns: int, period_s: float) -> Region:
        """Predicted region; within one frame a person moves by less than its margin."""
        region = self.landmarks.next_region
        return replace(region, centre=region.centre + self.moved_px(stamp_ns - round(period_s * NS_PER_S)))

    def prediction_error(self, seen: Landmarks, stamp_ns: int) -> float:
        """Mean distance of landmarks from their prediction, in units of the region's side."""
        expected = self.landmarks.xy_px + self.moved_px(stamp_ns)
        return float(np.linalg.norm(seen.xy_px - expected, axis=1).mean() / self.landmarks.next_region.side)

    def advance(self, seen: Landmarks, stamp_ns: int, apart: bool) -> Followed:
        """The track with one more observation."""
        elapsed_s = max((stamp_ns - self.last_ns) / NS_PER_S, 1e-3)
        moved = (seen.xy_px.mean(axis=0) - self.landmarks.xy_px.mean(axis=0)) / elapsed_s
        gain = 1.0 - math.exp(-elapsed_s / VELOCITY_MEMORY_S)
        velocity = self.velocity_px_s + gain * (moved - self.velocity_px_s)
        presence_gain = 1.0 - math.exp(-elapsed_s / PRESENCE_MEMORY_S)
        still, (then_ns, then) = self.still, self.earlier or (self.last_ns, self.landmarks)
        measured_s = (stamp_ns - then_ns) / NS_PER_S
        if measured_s >= MEASURED_S:
            distances = np.sort(np.linalg.norm(seen.xy_px - then.xy_px, axis=1))
            still = bool(distances[len(distances) * 9 // 10] < STILL_PER_S * measured_s * seen.next_region.side)
            then_ns, then = stamp_ns, seen
        return replace(
            self,
            landmarks=seen,
            last_ns=stamp_ns,
            velocity_px_s=velocity,
            presence=self.presence + presence_gain * (seen.presence - self.presence),
            apart_ns=stamp_ns if apart else self.apart_ns,
            still=still,
            earlier=(then_ns, then),
        )


class BlazePoseDetector:
    """Finds people with BlazePose and tracks a region for each."""

    family = "blazepose"

    def __init__(self, networks: BlazePoseNetworks, config: BlazePoseConfig | None = None) -> None:
        self.config = config or BlazePoseConfig()
        self._networks = networks
        self.runtime = networks.runtime
        self._found: Background[tuple[int, list[Landmarks]]] = Background()  # an image's stamp, and new people there
        self.reset()

    def reset(self) -> None:
        self._found.drop()
        self._followed: list[Followed] = []
        self._hidden: list[Followed] = []
        self._lost: list[Followed] = []
        self._search = Search(self.config.search_s)
        self._stamps: deque[int] = deque(maxlen=10)
        config = self.config
        self._schedule = Schedule(config.detect_rate_hz, config.latency_budget_ms, config.landmark_rate_hz)
        self._searches = 0

    @property
    def rates_hz(self) -> dict[str, float]:
        """Person detections a second while tracking, and landmarks of a person who may wait, now."""
        return {"detect": self._schedule.rate_hz, "landmark": self._schedule.landmark_rate_hz}

    def dropped(self, frames: int) -> None:
        """Search less for a while: so many frames before the next one were not seen for want of time."""
        self._schedule.dropped(frames)

    def detect(self, image_bgr: np.ndarray, stamp_ns: int) -> list[Keypoints]:
        with self._schedule.frame():
            return self._detect(image_bgr, stamp_ns)

    def _detect(self, image_bgr: np.ndarray, stamp_ns: int) -> list[Keypoints]:
        self._stamps.append(stamp_ns)
        seen, self._hidden = self._follow(image_bgr, stamp_ns)
        seen += self._newcomers(image_bgr, stamp_ns, seen)
        looks = self._looks(len(seen), stamp_ns)
        if looks:
            self._begin_search(image_bgr, stamp_ns, seen, looks)
        if not seen or self._period_s() > STALE_S:
            seen += self._newcomers(image_bgr, stamp_ns, seen)
        self._followed = seen[: self.config.max_people] + self._hidden
        return [
            Keypoints(
                *blazepose_to_h36m(person.landmarks.xy_px + person.moved_px(stamp_ns), person.landmarks.confidence)
            )
            for person in self._followed
            if person not in self._hidden
        ]

    def _looks(self, known: int, stamp_ns: int) -> int:
        """How many person detections a frame gets; more where frames are fewer than detections are asked for."""
        if not known:
            return DETECTIONS_ALONE
        if known >= self.config.max_people:
            return 0
        due = self._schedule.due(stamp_ns) or bool(self._hidden) or self._is_new(stamp_ns)
        asked = math.floor(self._schedule.rate_hz * self._period_s() + 0.1)
        return due * min(max(asked, 1), MOST_DETECTIONS)

    def _is_new(self, stamp_ns: int) -> bool:
        """Whether the first people have just been found, so that more are likely to be there."""
        return all(stamp_ns - followed.first_ns < NEW_S * NS_PER_S for followed in self._followed)

    def _period_s(self) -> float:
        """Time between two frames, the median of the latest; 0 while it is not known."""
        return float(np.median(np.diff(self._stamps))) / NS_PER_S if len(self._stamps) > 1 else 0.0

    def _follow(self, image_bgr: np.ndarray, stamp_ns: int) -> tuple[list[Followed], list[Followed]]:
        """Find the people of the last frame in this one.

        Returns:
            Those observed or waiting, and those who are occluded.
        """
        config, period_s = self.config, self._period_s()
        limit_ns = round(config.hidden_s * NS_PER_S)
        seen = self._waiting(stamp_ns)
        in_view = [followed for followed in self._followed if followed not in seen and followed not in self._hidden]
        regions = [followed.region(stamp_ns, period_s) for followed in in_view]
        landmarks = self._networks.landmarks(image_bgr, regions, config.presence_threshold)
        found = [*zip(in_view, landmarks, strict=True), *((followed, None) for followed in self._hidden)]
        # Of two regions on one body the older stays, then the one with the smaller prediction error.
        found.sort(
            key=lambda pair: (
                stamp_ns - pair[0].first_ns < NEW_S * NS_PER_S,
                math.inf if pair[1] is None else pair[0].prediction_error(pair[1], stamp_ns),
            )
        )
        hidden: list[Followed] = []
        for followed, person in found:
            was_hidden = followed in self._hidden
            new = stamp_ns - followed.first_ns < NEW_S * NS_PER_S
            others = [other.landmarks for other in seen]
            if was_hidden or (others and not new and (person is None or self._is_one_of(person, others))):
                person = self._behind(image_bgr, followed, others, stamp_ns)
            if person is not None and not any(self._same(person, other) for other in others):
                apart = not any(self._on_body(person, other) for other in others)
                if apart or (not (new or was_hidden) and stamp_ns - followed.apart_ns < limit_ns):
                    now = followed.advance(person, stamp_ns, apart)
                    seen += [now] if now.presence >= LASTING_PRESENCE else []
                    continue
            if (person is not None or was_hidden) and not new and stamp_ns - followed.last_ns < limit_ns:
                hidden.append(followed)
            elif not new:
                self._lost.append(followed)
        return seen, hidden

    def _waiting(self, stamp_ns: int) -> list[Followed]:
        """Those of the last frame who are predicted in this one: still or far, and apart from others."""
        boxes = np.array([(f.landmarks.xy_px.min(axis=0), f.landmarks.xy_px.max(axis=0)) for f in self._followed])
        if not len(boxes):
            return []
        overlap = (boxes[:, None, 0] < boxes[:, 1]).all(axis=2)
        alone = (overlap & overlap.T).sum(axis=1) == 1
        may_wait = [
            followed
            for followed, apart in zip(self._followed, alone, strict=True)
            if apart
            and followed not in self._hidden
            and stamp_ns - followed.first_ns >= NEW_S * NS_PER_S
            and (followed.still or followed.landmarks.next_region.side < FAR_PX)
        ]
        elapsed_s = (stamp_ns - self._stamps[-2]) / NS_PER_S
        looked_ns = [followed.last_ns for followed in may_wait]
        return [may_wait[i] for i in self._schedule.waiting(looked_ns, stamp_ns, elapsed_s)]

    def _is_one_of(self, person: Landmarks, others: list[Landmarks]) -> bool:
        return any(self._same(person, other) or self._on_body(person, other) for other in others)

    def _behind(
        self, image_bgr: np.ndarray, followed: Followed, others: list[Landmarks], stamp_ns: int
    ) -> Landmarks | None:
        """What is seen of a person where others are masked; without, the network takes whom it sees best."""
        masked = image_bgr.copy()
        for other in others:
            cover(masked, Tile(0.0, 0.0, len(masked)), other, MASK)
        region = followed.region(stamp_ns, self._period_s())
        person = self._networks.landmarks(masked, [region], self.config.presence_threshold)[0]
        expected = person and (not others or followed.prediction_error(person, stamp_ns) < BEHIND)
        return person if expected else None

    def _begin_search(self, image_bgr: np.ndarray, stamp_ns: int, known: list[Followed], looks: int) -> None:
        """Begin to search so many tiles for people who are none of the known ones."""
        tiles = [self._next_tile(image_bgr, stamp_ns, bool(known), looks) for _ in range(looks)]
        image = image_bgr.copy() if known else image_bgr  # without, it is waited for
        bodies, networks = [person.landmarks for person in known], self._networks

        def search() -> tuple[int, list[Landmarks]]:
            found: list[Landmarks] = []
            for tile in tiles:
                found += self._new_people(networks, image, tile, bodies + found, CANDIDATES if known else None)
            return stamp_ns, found

        self._found.start(search)

    def _new_people(
        self, networks: BlazePoseNetworks, image_bgr: np.ndarray, tile: Tile, known: list[Landmarks], most: int | None
    ) -> list[Landmarks]:
        """Detect people who are none of the known ones, in one tile, so many at most; of duplicates the best stays."""
        view = tile.view(image_bgr, networks.detector_size)
        for body in known:
            cover(view, tile, body)
        regions = networks.regions(view, tile, self.config.detection_threshold)
        regions = [r for r in regions if not any(on_body(r.centre[None], body)[0] for body in known)]
        people = networks.landmarks(image_bgr, regions[:most], self.config.presence_threshold)
        new: list[Landmarks] = []
        for person in sorted((p for p in people if p), key=lambda p: -p.presence * p.confidence.mean()):
            if self._is_somebody_else(person, known + new):
                confirmed = self._confirmed(networks, image_bgr, person)
                if confirmed is not None and self._is_somebody_else(confirmed, known + new):
                    new.append(confirmed)
        return new

    def _newcomers(self, image_bgr: np.ndarray, stamp_ns: int, known: list[Followed]) -> list[Followed]:
        """Whom the search has found, as they are in this image, and who is none of the known people."""
        then_ns, found = self._found.take() or (stamp_ns, [])
        people: list[Landmarks | None] = [*found]
        if then_ns != stamp_ns:
            late = stamp_ns - then_ns > STALE_S * NS_PER_S
            regions = [] if late else [person.next_region for person in found]
            people = self._networks.landmarks(image_bgr, regions, PRESENT)
        bodies, new = [person.landmarks for person in known], []
        for person in people:
            if person is not None and self._is_somebody_else(person, bodies):
                bodies.append(person)
                new.append(self._missed(person, stamp_ns) or Followed(person, stamp_ns, stamp_ns, stamp_ns))
        return new

    def _is_somebody_else(self, person: Landmarks, bodies: list[Landmarks]) -> bool:
        return is_plausible_person(person) and not self._is_one_of(person, bodies)

    def _confirmed(self, networks: BlazePoseNetworks, image_bgr: np.ndarray, person: Landmarks) -> Landmarks | None:
        """The person as the next region shows them, where that and more agree with what was found, else None."""
        if person.presence < PRESENT:
            return None
        region = person.next_region
        regions = [replace(region, side=scale * region.side) for scale in (1.0, SMALLER, LARGER)]
        again, small, large = networks.landmarks(image_bgr, regions, PRESENT)
        if again is None or small is None or large is None:
            return None
        if np.mean([seen.presence for seen in (person, again, small, large)]) < LASTING_PRESENCE:
            return None
        apart = max(float(np.linalg.norm(a.xy_px - person.xy_px, axis=1).mean()) for a in (again, small)) / region.side
        if apart < AGREE_WELL and person.confidence.mean() >= CONFIDENT:
            return again
        if apart >= AGREE or large.presence < PRESENT_IN_LARGER:
            return None
        height, width = image_bgr.shape[:2]
        for size in VERIFY_TILES:
            tile = around(region.centre, size * region.side, width, height)
            for seen in networks.regions(tile.view(image_bgr, networks.detector_size), tile, AGAIN_SCORE):
                near = np.linalg.norm(seen.centre - region.centre) < FOUND_AGAIN * region.side
                if near and SIZES[0] < seen.side / region.side < SIZES[1]:
                    return again
        return None

    def _missed(self, person: Landmarks, stamp_ns: int) -> Followed | None:
        """The occluded or lost track whose prediction fits a detected person best, or None."""
        missed = [m for m in self._hidden + self._lost if m.prediction_error(person, stamp_ns) < MISSED]
        if not missed:
            return None
        found = min(missed, key=lambda m: m.prediction_error(person, stamp_ns))
        self._hidden, self._lost = ([m for m in group if m is not found] for group in (self._hidden, self._lost))
        return found.advance(person, stamp_ns, apart=True)

    def _next_tile(self, image_bgr: np.ndarray, stamp_ns: int, tracking: bool, looks: int) -> Tile:
        """The next tile to search, of a frame's so many: every other around a lost person, otherwise by schedule."""
        self._lost = [p for p in self._lost if stamp_ns - p.last_ns < LOST_S * NS_PER_S]
        missed = self._hidden + self._lost
        height, width = image_bgr.shape[:2]
        self._searches += 1
        if missed and self._searches % 2:
            one = missed[self._searches // 2 % len(missed)]
            region = one.landmarks.next_region
            return around(region.centre + one.moved_px(stamp_ns), LOST_TILE * region.side, width, height)
        between_s = self._period_s() / looks
        if tracking or not between_s:
            between_s = max(between_s, 1.0 / self._schedule.rate_hz)
        return self._search.next(width, height, between_s)

    def _same(self, a: Landmarks, b: Landmarks) -> bool:
        """Whether two sets of landmarks are of one person, or one of them has limbs of both."""
        side = min(a.next_region.side, b.next_region.side)
        distance = np.linalg.norm(a.xy_px - b.xy_px, axis=1) / side
        shared = float((distance < self.config.shared_distance).mean())
        return distance.mean() < self.config.duplicate_distance or shared > self.config.max_shared

    def _on_body(self, person: Landmarks, body: Landmarks) -> bool:
        return fraction_on_body(person, body) > self.config.max_on_body
