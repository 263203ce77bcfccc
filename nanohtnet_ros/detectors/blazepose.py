"""BlazePose: people are followed with a region each, and newcomers looked for with those who are known covered.

Unlike MediaPipe this follows several people, and looks at parts of the image too, for people who are far away.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field, replace

import numpy as np

from nanohtnet_ros.core.poses import Keypoints
from nanohtnet_ros.core.skeleton import blazepose_to_h36m
from nanohtnet_ros.core.window import NS_PER_S
from nanohtnet_ros.detectors.blazepose_networks import BlazePoseNetworks, Landmarks, Region
from nanohtnet_ros.detectors.body_shape import cover, has_persons_shape, on_body, share_on_body
from nanohtnet_ros.detectors.search import Search, Tile, around

VELOCITY_MEMORY_S = 0.1  # time constant over which a followed person's velocity is averaged
NEW_S = 0.5  # somebody followed for less gives way where two claim one body
LOST_TILE = 1.25  # side of the tile around somebody lost, in units of their region's side
LOOKS_ALONE = 2  # looks a frame while nobody is in view
CANDIDATES = 2  # newcomers that are examined in a look while somebody is in view
# Sides of the tiles around newcomers in which they must be found again, in units of their region's side. Of what was
# found in tiles of the real clips, people were found again in 97 % of looks, things in 4 % and 16 %.
SECOND_LOOKS = (0.9, 1.1)
MISSED = 0.4  # farthest from where they were expected, in units of their region's side
FOUND_AGAIN, SIZES = 0.2, (0.6, 1.6)  # distance in units of the region's side, and ratio of the sides


@dataclass(frozen=True)
class BlazePoseConfig:
    """Thresholds and limits.

    Attributes:
        max_people: regions kept at most.
        detection_threshold: score from which a newcomer's detection is looked at.
        presence_threshold: the landmark network's person score below which a region is given up.
        duplicate_distance: two people are one when their landmarks lie closer than this, on average, in
            units of the region's side.
        shared_distance, max_shared: and also when more than this share of the landmarks lie closer than that; such a
            person has limbs of two.
        max_on_body: and nobody is new of whom a larger share of hips, shoulders, knees and nose lies on a known body.
        hidden_s: somebody who goes behind somebody else is looked for, where they should come out, for so long.
        search_s: longest time until every place has been looked at for newcomers, on every scale; the longer it may
            take, the smaller the people who are found.
        detect_every: frames between two looks for newcomers while somebody is in view; 1 looks always.
    """

    max_people: int = 6
    detection_threshold: float = 0.5
    presence_threshold: float = 0.5
    duplicate_distance: float = 0.06
    shared_distance: float = 0.05
    max_shared: float = 0.2
    max_on_body: float = 0.5
    hidden_s: float = 0.6
    search_s: float = 2.0
    detect_every: int = 1


@dataclass(frozen=True, eq=False)
class Followed:
    """A person who is followed from frame to frame.

    Attributes:
        landmarks: when last seen.
        first_ns, last_ns: stamps of the first and the latest sight.
        apart_ns: stamp at which they were last seen apart from everybody else.
        second_looks: how often they were found again; they count as somebody after `SECOND_LOOKS`.
        velocity_px_s: (2,) of their middle, averaged.
    """

    landmarks: Landmarks
    first_ns: int
    last_ns: int
    apart_ns: int
    second_looks: int = 0
    velocity_px_s: np.ndarray = field(default_factory=lambda: np.zeros(2))

    @property
    def certain(self) -> bool:
        return self.second_looks >= len(SECOND_LOOKS)

    def moved_px(self, stamp_ns: int) -> np.ndarray:
        """(2,) how far they should have come since they were last seen."""
        return self.velocity_px_s * ((stamp_ns - self.last_ns) / NS_PER_S)

    def region(self, stamp_ns: int, period_s: float) -> Region:
        """Where to look; one who was seen a frame ago moves by less than the region's margin."""
        region = self.landmarks.next_region
        return replace(region, centre=region.centre + self.moved_px(stamp_ns - round(period_s * NS_PER_S)))

    def surprise(self, seen: Landmarks, stamp_ns: int) -> float:
        """How far landmarks are from where they were to be expected, on average, in units of the region's side."""
        expected = self.landmarks.xy_px + self.moved_px(stamp_ns)
        return float(np.linalg.norm(seen.xy_px - expected, axis=1).mean() / self.landmarks.next_region.side)

    def advance(self, seen: Landmarks, stamp_ns: int, apart: bool) -> Followed:
        """The same person, some time later."""
        elapsed_s = max((stamp_ns - self.last_ns) / NS_PER_S, 1e-3)
        moved = (seen.xy_px.mean(axis=0) - self.landmarks.xy_px.mean(axis=0)) / elapsed_s
        gain = 1.0 - math.exp(-elapsed_s / VELOCITY_MEMORY_S)
        velocity = self.velocity_px_s + gain * (moved - self.velocity_px_s)
        return replace(self, landmarks=seen, last_ns=stamp_ns, velocity_px_s=velocity,
                       apart_ns=stamp_ns if apart else self.apart_ns)


class BlazePoseDetector:
    """Finds people with BlazePose and follows each with a region of their own."""

    family = "blazepose"

    def __init__(self, networks: BlazePoseNetworks, config: BlazePoseConfig | None = None) -> None:
        self.config = config or BlazePoseConfig()
        self._networks = networks
        self.runtime = networks.runtime
        self.reset()

    def reset(self) -> None:
        self._followed: list[Followed] = []
        self._hidden: list[Followed] = []
        self._lost: list[Followed] = []
        self._search = Search(self.config.search_s)
        self._stamps: deque[int] = deque(maxlen=10)
        self._frames_since_look = 0
        self._looks = 0

    def detect(self, image_bgr: np.ndarray, stamp_ns: int) -> list[Keypoints]:
        self._stamps.append(stamp_ns)
        seen, self._hidden = self._follow(image_bgr, stamp_ns)
        if not seen:
            for _ in range(LOOKS_ALONE):
                seen += [replace(person, second_looks=len(SECOND_LOOKS))
                         for person in self._newcomers(image_bgr, stamp_ns, seen)
                         if all(self._found_again(image_bgr, person, [], share)
                                for share in SECOND_LOOKS[person.second_looks:])]
        elif doubtful := next((person for person in seen if not person.certain), None):
            others = [person for person in seen if person is not doubtful]
            share = SECOND_LOOKS[doubtful.second_looks]
            if self._found_again(image_bgr, doubtful, others, share):
                others.append(replace(doubtful, second_looks=doubtful.second_looks + 1))
            seen = others
        elif self._due() and len(seen) < self.config.max_people:
            seen += self._newcomers(image_bgr, stamp_ns, seen)
        self._followed = seen[: self.config.max_people] + self._hidden
        return [Keypoints(*blazepose_to_h36m(person.landmarks.xy_px, person.landmarks.confidence))
                for person in self._followed if person.certain and person.last_ns == stamp_ns]

    def _due(self) -> bool:
        """Whether this frame is one to look for newcomers in."""
        self._frames_since_look = (self._frames_since_look + 1) % self.config.detect_every
        return self._frames_since_look == 0

    def _period_s(self) -> float:
        """Time between two frames, the median of the latest; 0 while it is not known."""
        return float(np.median(np.diff(self._stamps))) / NS_PER_S if len(self._stamps) > 1 else 0.0

    def _follow(self, image_bgr: np.ndarray, stamp_ns: int) -> tuple[list[Followed], list[Followed]]:
        """Find the people of the last frame in this one.

        Returns:
            Those seen, and those who are behind somebody else.
        """
        config, period_s = self.config, self._period_s()
        limit_ns = round(config.hidden_s * NS_PER_S)
        found = []
        for followed in self._followed:
            region = followed.region(stamp_ns, period_s)
            found.append((followed, self._networks.landmarks(image_bgr, region, config.presence_threshold)))
        # Where two claim the same body, it is the one's who was known before and was to be expected there.
        found.sort(key=lambda pair: (
            stamp_ns - pair[0].first_ns < NEW_S * NS_PER_S,
            math.inf if pair[1] is None else pair[0].surprise(pair[1], stamp_ns)))
        seen: list[Followed] = []
        hidden: list[Followed] = []
        for followed, person in found:
            was_hidden = followed.last_ns < self._stamps[-2]
            new = stamp_ns - followed.first_ns < NEW_S * NS_PER_S
            if person is not None and not any(self._same(person, other.landmarks) for other in seen):
                apart = not any(self._on_body(person, other.landmarks) for other in seen)
                if apart or (not (new or was_hidden) and stamp_ns - followed.apart_ns < limit_ns):
                    seen.append(followed.advance(person, stamp_ns, apart))
                    continue
            if (person is not None or was_hidden) and not new and stamp_ns - followed.last_ns < limit_ns:
                hidden.append(followed)
            elif not new:
                self._lost.append(followed)
        return seen, hidden

    def _newcomers(self, image_bgr: np.ndarray, stamp_ns: int, known: list[Followed]) -> list[Followed]:
        """Look once for people who are none of the known ones; the surer of two duplicates stays."""
        bodies = [person.landmarks for person in known]
        regions = self._regions(image_bgr, self._next_tile(image_bgr, stamp_ns), bodies)
        regions = [r for r in regions if not any(on_body(r.centre[None], body)[0] for body in bodies)]
        found = [self._networks.landmarks(image_bgr, region, self.config.presence_threshold)
                 for region in regions[: CANDIDATES if known else None]]
        new: list[Followed] = []
        for person in sorted((p for p in found if p), key=lambda p: -p.presence * p.confidence.mean()):
            if has_persons_shape(person) and not any(
                    self._same(person, other) or self._on_body(person, other) for other in bodies):
                bodies.append(person)
                # What looks like somebody is seldom large, and who is near is often cut off: one second look will do.
                large = person.next_region.side > min(image_bgr.shape[:2])
                new.append(self._missed(person, stamp_ns) or Followed(
                    person, stamp_ns, stamp_ns, stamp_ns, second_looks=int(large)))
        return new

    def _missed(self, person: Landmarks, stamp_ns: int) -> Followed | None:
        """Whoever was hidden or lost and should be where somebody was found, found again; None if there is nobody."""
        missed = [m for m in self._hidden + self._lost if m.surprise(person, stamp_ns) < MISSED]
        if not missed:
            return None
        found = min(missed, key=lambda m: m.surprise(person, stamp_ns))
        self._hidden, self._lost = ([m for m in group if m is not found] for group in (self._hidden, self._lost))
        return found.advance(person, stamp_ns, apart=True)

    def _found_again(self, image_bgr: np.ndarray, person: Followed, others: list[Followed], share: float) -> bool:
        """Whether the person detector finds somebody in a tile around them, its side so many of their region's."""
        region = person.landmarks.next_region
        height, width = image_bgr.shape[:2]
        tile = around(region.centre, share * region.side, width, height)
        return any(
            np.linalg.norm(seen.centre - region.centre) < FOUND_AGAIN * region.side
            and SIZES[0] < seen.side / region.side < SIZES[1]
            for seen in self._regions(image_bgr, tile, [other.landmarks for other in others]))

    def _regions(self, image_bgr: np.ndarray, tile: Tile, known: list[Landmarks]) -> list[Region]:
        """Regions of people in a tile, with those who are known covered."""
        view = tile.view(image_bgr, self._networks.detector_size)
        for person in known:
            cover(view, tile, person)
        return self._networks.regions(view, tile, self.config.detection_threshold)

    def _next_tile(self, image_bgr: np.ndarray, stamp_ns: int) -> Tile:
        """Where to look: every other time where somebody was lost, otherwise wherever the search is."""
        self._lost = [p for p in self._lost if stamp_ns - p.last_ns < self.config.search_s * NS_PER_S]
        missed = self._hidden + self._lost
        height, width = image_bgr.shape[:2]
        self._looks += 1
        if missed and self._looks % 2:
            one = missed[self._looks // 2 % len(missed)]
            region = one.landmarks.next_region
            return around(region.centre + one.moved_px(stamp_ns), LOST_TILE * region.side, width, height)
        return self._search.next(width, height, self.config.detect_every * self._period_s())

    def _same(self, a: Landmarks, b: Landmarks) -> bool:
        """Whether two sets of landmarks are of one person, or one of them has limbs of both."""
        side = min(a.next_region.side, b.next_region.side)
        distance = np.linalg.norm(a.xy_px - b.xy_px, axis=1) / side
        shared = float((distance < self.config.shared_distance).mean())
        return distance.mean() < self.config.duplicate_distance or shared > self.config.max_shared

    def _on_body(self, person: Landmarks, body: Landmarks) -> bool:
        return share_on_body(person, body) > self.config.max_on_body
