"""BlazePose: a person detector and a landmark network on a region per person.

Bazarevsky et al., "BlazePose: On-device Real-time Body Pose tracking", 2020; the two networks are MediaPipe's
(Apache-2.0), the constants below those of its pose graphs. Unlike MediaPipe this keeps a region for every person
and looks for newcomers with the known people hidden.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from pathlib import Path

import cv2
import numpy as np

from nanohtnet_ros.core.poses import Keypoints
from nanohtnet_ros.core.skeleton import BLAZEPOSE_33, blazepose_to_h36m
from nanohtnet_ros.runtime.tflite_session import TfliteSession

DETECTOR_FILE = "pose_detection.tflite"
LANDMARK_FILE = "pose_landmark_full.tflite"

GREY = (127, 127, 127)
VELOCITY_GAIN = 0.3  # of a followed person's velocity, a frame
COVERED_WIDTH = 0.6  # of a known person's box is covered; arms and legs that stick out would cover their neighbours


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
        hidden_frames: somebody who goes behind somebody else is looked for, where they should come out, for so many
            frames.
        detect_every: frames between two looks for newcomers while somebody is in view; 1 looks always.
        threads: CPU threads of each network.
    """

    max_people: int = 6
    detection_threshold: float = 0.5
    presence_threshold: float = 0.5
    duplicate_distance: float = 0.06
    shared_distance: float = 0.05
    max_shared: float = 0.2
    hidden_frames: int = 15
    detect_every: int = 1
    threads: int = 2


@dataclass(frozen=True, eq=False)
class Region:
    """A rotated square in the image: centre and side in pixels, rotation in radians, clockwise as seen."""

    centre: np.ndarray
    side: float
    rotation: float

    @classmethod
    def from_alignment(cls, centre: np.ndarray, tip: np.ndarray) -> Region:
        """Region of a person from the two alignment points: the hips' middle and a point a body radius above it."""
        dx, dy = tip - centre
        rotation = math.pi / 2 - math.atan2(-dy, dx)
        rotation -= 2 * math.pi * math.floor((rotation + math.pi) / (2 * math.pi))
        return cls(np.asarray(centre, np.float64), 2.0 * 1.25 * math.hypot(dx, dy), rotation)

    def image_from_crop(self, size: int) -> np.ndarray:
        """(2, 3) affine map from a crop of `size` pixels a side to the image."""
        scale = self.side / size
        c, s = scale * math.cos(self.rotation), scale * math.sin(self.rotation)
        linear = np.array([[c, -s], [s, c]])
        return np.column_stack((linear, self.centre - linear @ (size / 2.0, size / 2.0)))

    def crop(self, image: np.ndarray, size: int) -> np.ndarray:
        """(size, size, 3) image under the region; beyond the image its edge is repeated."""
        return cv2.warpAffine(
            image, self.image_from_crop(size), (size, size), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE)


@dataclass(frozen=True, eq=False)
class Landmarks:
    """What the landmark network says of one region: (33, 2) pixels, (33,) confidences, score, next region."""

    xy_px: np.ndarray
    confidence: np.ndarray
    presence: float
    next_region: Region


@dataclass
class Followed:
    """A person who is followed from frame to frame.

    Attributes:
        landmarks: when last seen.
        velocity_px: (2,) of their middle, pixels a frame, averaged.
        hidden: frames since then, behind somebody else.
    """

    landmarks: Landmarks
    velocity_px: np.ndarray = field(default_factory=lambda: np.zeros(2))
    hidden: int = 0

    @property
    def region(self) -> Region:
        """Where to look in the next frame; one who is visible moves by less than the region's margin."""
        region = self.landmarks.next_region
        return Region(region.centre + self.hidden * self.velocity_px, region.side, region.rotation)

    def surprise(self, seen: Landmarks) -> float:
        """How far landmarks are from where they were to be expected, on average, in units of the region's side."""
        expected = self.landmarks.xy_px + (self.hidden + 1) * self.velocity_px
        return float(np.linalg.norm(seen.xy_px - expected, axis=1).mean() / self.region.side)

    def advance(self, seen: Landmarks) -> Followed:
        """The same person, one frame on."""
        moved = (seen.xy_px.mean(axis=0) - self.landmarks.xy_px.mean(axis=0)) / (self.hidden + 1)
        return Followed(seen, self.velocity_px + VELOCITY_GAIN * (moved - self.velocity_px))


def ssd_anchors(size: int = 224, strides: tuple[int, ...] = (8, 16, 32, 32, 32)) -> np.ndarray:
    """(N, 2) anchor centres of the person detector in [0, 1]: two per cell and layer of equal stride."""
    anchors = []
    for stride in sorted(set(strides)):
        cells = size // stride
        y, x = np.mgrid[:cells, :cells]
        centres = np.stack((x, y), axis=-1).reshape(-1, 1, 2) + 0.5
        anchors.append(np.repeat(centres / cells, 2 * strides.count(stride), axis=1).reshape(-1, 2))
    return np.concatenate(anchors).astype(np.float32)


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1.0 / (1.0 + np.exp(-np.clip(x, -80.0, 80.0)))


class BlazePoseDetector:
    """Finds people with BlazePose and follows each with a region of their own."""

    family = "blazepose"

    def __init__(self, model_dir: Path | str, config: BlazePoseConfig | None = None) -> None:
        """Open the two networks.

        Args:
            model_dir: folder that holds `pose_detection.tflite` and `pose_landmark_full.tflite`.
        Raises:
            FileNotFoundError: a file is missing; the message names the command that gets it.
        """
        self.config = config or BlazePoseConfig()
        try:
            self._detector = TfliteSession(Path(model_dir) / DETECTOR_FILE, self.config.threads)
            self._landmark = TfliteSession(Path(model_dir) / LANDMARK_FILE, self.config.threads)
        except FileNotFoundError as error:
            raise FileNotFoundError(f"{error}: run 'nanohtnet models get blazepose'") from error
        self.runtime = self._detector.runtime
        self._detector_size = self._detector.input_shape[1]
        self._landmark_size = self._landmark.input_shape[1]
        self._anchors = ssd_anchors(self._detector_size)
        self.reset()

    def reset(self) -> None:
        self._followed: list[Followed] = []
        self._frames_since_detection = 0

    def detect(self, image_bgr: np.ndarray) -> list[Keypoints]:
        image = cv2.cvtColor(image_bgr, cv2.COLOR_BGR2RGB)
        seen, hidden = self._follow(image)
        people = [person.landmarks for person in seen]
        self._frames_since_detection += 1
        due = not people or self._frames_since_detection >= self.config.detect_every
        if due and len(people) < self.config.max_people:
            self._frames_since_detection = 0
            for newcomer in self._newcomers(image, people)[: self.config.max_people - len(people)]:
                people.append(newcomer)
                seen.append(Followed(newcomer))
        self._followed = seen + hidden
        return [Keypoints(*blazepose_to_h36m(person.xy_px, person.confidence)) for person in people]

    def _follow(self, image_rgb: np.ndarray) -> tuple[list[Followed], list[Followed]]:
        """Find the people of the last frame in this one.

        Returns:
            Those seen, and those who are behind somebody else.
        """
        found = [(followed, self.landmarks(image_rgb, followed.region)) for followed in self._followed]
        # Where two claim the same body, it is the one's who was to be expected there.
        found.sort(key=lambda pair: math.inf if pair[1] is None else pair[0].surprise(pair[1]))
        seen, hidden = [], []
        for followed, person in found:
            if person is not None and not any(self._same(person, other.landmarks) for other in seen):
                seen.append(followed.advance(person))
            elif (person is not None or followed.hidden) and followed.hidden < self.config.hidden_frames:
                hidden.append(replace(followed, hidden=followed.hidden + 1))
        return seen, hidden

    def _newcomers(self, image_rgb: np.ndarray, known: list[Landmarks]) -> list[Landmarks]:
        """People that are none of the known ones; the surer of two duplicates stays."""
        candidates = [self.landmarks(image_rgb, region) for region in self.newcomer_regions(image_rgb, known)]
        new: list[Landmarks] = []
        for candidate in sorted((c for c in candidates if c), key=lambda c: -c.presence * c.confidence.mean()):
            if not any(self._same(candidate, person) for person in known + new):
                new.append(candidate)
        return new

    def _same(self, a: Landmarks, b: Landmarks) -> bool:
        """Whether two sets of landmarks are of one person, or one of them has limbs of both."""
        side = min(a.next_region.side, b.next_region.side)
        distance = np.linalg.norm(a.xy_px - b.xy_px, axis=1) / side
        shared = float((distance < self.config.shared_distance).mean())
        return distance.mean() < self.config.duplicate_distance or shared > self.config.max_shared

    def newcomer_regions(self, image_rgb: np.ndarray, known: list[Landmarks]) -> list[Region]:
        """Regions of people in the image that are none of the known ones."""
        height, width = image_rgb.shape[:2]
        size = self._detector_size
        scale = size / max(height, width)
        pad = (size - width * scale) / 2, (size - height * scale) / 2
        to_input = np.array([[scale, 0, pad[0]], [0, scale, pad[1]]])
        x = cv2.warpAffine(image_rgb, to_input, (size, size), flags=cv2.INTER_LINEAR)
        for person in known:
            low, high = (xy * scale + pad for xy in (person.xy_px.min(axis=0), person.xy_px.max(axis=0)))
            narrower = (0.5 - 0.5 * COVERED_WIDTH) * (high - low) * (1, 0)
            corners = np.rint((low + narrower, high - narrower)).astype(int).tolist()
            cv2.rectangle(x, *corners, GREY, -1)
        out = self._detector.run(x[None].astype(np.float32) / 127.5 - 1.0)
        scores = sigmoid(out["Identity_1"][0, :, 0])
        likely = np.flatnonzero(scores >= self.config.detection_threshold)
        raw, anchors = out["Identity"][0, likely] / size, self._anchors[likely]
        boxes = np.concatenate((raw[:, :2] + anchors - raw[:, 2:4] / 2, raw[:, :2] + anchors + raw[:, 2:4] / 2), axis=1)
        points = raw[:, 4:8].reshape(-1, 2, 2) + anchors[:, None]  # hips' middle and body tip, in [0, 1]
        regions = []
        for group in weighted_nms(boxes, scores[likely]):
            weight = scores[likely][group]
            middle, tip = np.average(points[group], axis=0, weights=weight) * size
            regions.append(Region.from_alignment((middle - pad) / scale, (tip - pad) / scale))
        return regions

    def landmarks(self, image_rgb: np.ndarray, region: Region) -> Landmarks | None:
        """Landmarks of the person in a region, or None if nobody is there."""
        if not 8.0 <= region.side <= 8.0 * max(image_rgb.shape[:2]):
            return None
        size = self._landmark_size
        out = self._landmark.run(region.crop(image_rgb, size)[None].astype(np.float32) / 255.0)
        presence = float(out["Identity_1"][0, 0])
        if presence < self.config.presence_threshold:
            return None
        raw = out["Identity"].reshape(39, 5)
        xy = refine_by_heatmap(raw[:, :2] / size, out["Identity_3"][0])
        affine = region.image_from_crop(size)
        xy_px = (xy * size) @ affine[:, :2].T + affine[:, 2]
        count = len(BLAZEPOSE_33)  # two more landmarks follow, the alignment points of the next region
        confidence = sigmoid(raw[:count, 3]) * sigmoid(raw[:count, 4])
        # MediaPipe's coordinates count from the image's corner, ours from the first pixel's centre.
        return Landmarks(
            xy_px[:count] - 0.5, confidence, presence, Region.from_alignment(xy_px[count], xy_px[count + 1]))


def weighted_nms(boxes: np.ndarray, scores: np.ndarray, overlap: float = 0.3) -> list[np.ndarray]:
    """Group overlapping boxes, best first.

    Args:
        boxes: (N, 4) as x0, y0, x1, y1.
        scores: (N,).
        overlap: boxes whose intersection over union with a group's best exceeds this belong to it.
    Returns:
        Index arrays, one per group.
    """
    groups, order = [], np.argsort(-scores)
    area = np.prod(np.maximum(boxes[:, 2:] - boxes[:, :2], 0), axis=1)
    while len(order):
        best = order[0]
        shared = np.minimum(boxes[order, 2:], boxes[best, 2:]) - np.maximum(boxes[order, :2], boxes[best, :2])
        inter = np.prod(np.maximum(shared, 0), axis=1)
        same = inter / np.maximum(area[order] + area[best] - inter, 1e-9) > overlap
        same[0] = True
        groups.append(order[same])
        order = order[~same]
    return groups


def refine_by_heatmap(xy: np.ndarray, heatmap: np.ndarray, kernel: int = 7, threshold: float = 0.5) -> np.ndarray:
    """Move landmarks to the centre of mass of their heatmap's neighbourhood, where it is sure enough.

    Args:
        xy: (K, 2) in [0, 1] of the crop.
        heatmap: (H, W, K) logits.
    Returns:
        (K, 2).
    """
    height, width, _ = heatmap.shape
    refined = xy.copy()
    half = kernel // 2
    for k, (column, row) in enumerate((xy * (width, height)).astype(int)):
        if not (0 <= column < width and 0 <= row < height):
            continue
        x0, y0 = max(0, column - half), max(0, row - half)
        weight = sigmoid(heatmap[y0:row + half + 1, x0:column + half + 1, k])
        if weight.max() >= threshold:
            ys, xs = np.mgrid[y0:y0 + weight.shape[0], x0:x0 + weight.shape[1]]
            refined[k] = (xs * weight).sum() / weight.sum() / width, (ys * weight).sum() / weight.sum() / height
    return refined
