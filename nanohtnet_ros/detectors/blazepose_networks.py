"""BlazePose's two networks: people's regions in a part of an image, and one person's landmarks in a region.

Bazarevsky et al., "BlazePose: On-device Real-time Body Pose tracking", 2020; the networks are MediaPipe's
(Apache-2.0), the constants below those of its pose graphs.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

from nanohtnet_ros.core.skeleton import BLAZEPOSE_33
from nanohtnet_ros.detectors.network_input import NetworkInput, PixelNormalisation
from nanohtnet_ros.detectors.search import Tile
from nanohtnet_ros.runtime.session import Session

OVERLAP = 0.3  # of two boxes that mean one person
SMALLEST_PX, LARGEST = 8.0, 8.0  # region's side: pixels, and in units of the image's longer side
# What is beyond the image's border the landmark network often puts inside, and is sure of it. Its heatmap is not: of
# people who are cut off it rises to 0.55 for one in three of these, in units of the region's side so near to the
# border, and for nine in ten of those who are there.
BORDER, LEAST_HEAT, NO_HEAT_CONFIDENCE = 0.08, 0.55, 0.05
# The same of legs behind a table, of which the confidence is 0.1 to 0.8: in photographs the heatmaps of knees and
# ankles stay below this for 14 of 15 people whose legs are hidden; of people who show theirs in 1 % of the frames.
LEAST_LEG_HEAT = 0.45
LEGS = np.arange(BLAZEPOSE_33.joint_names.index("l_knee"), len(BLAZEPOSE_33))  # knees, ankles, then heels and toes
KNEES_ANKLES = LEGS[:4]


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
            image,
            self.image_from_crop(size),
            (size, size),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE,
        )


@dataclass(frozen=True, eq=False)
class Landmarks:
    """The landmark network's result for one region: (33, 2) pixels, (33,) confidences, score, next region."""

    xy_px: np.ndarray
    confidence: np.ndarray
    presence: float
    next_region: Region


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
    """Of any logit, without overflow."""
    return 1.0 / (1.0 + np.exp(-np.clip(x, -80.0, 80.0)))


class BlazePoseNetworks:
    """The person detector and the landmark network."""

    def __init__(self, detector: Session, landmark: Session) -> None:
        """Take open networks.

        Args:
            detector: `pose_detection.onnx`.
            landmark: one of `pose_landmark_*.onnx`.
        """
        self._detector, self._landmark = detector, landmark
        self._detector_input = NetworkInput(detector, PixelNormalisation((127.5,) * 3, (127.5,) * 3, rgb=True))
        self._landmark_input = NetworkInput(landmark, PixelNormalisation(std=(255.0,) * 3, rgb=True))
        self.runtime = landmark.runtime
        self.detector_size = self._detector_input.size[0]
        self._anchors = ssd_anchors(self.detector_size)

    def regions(self, view_bgr: np.ndarray, tile: Tile, threshold: float) -> list[Region]:
        """People in a part of an image.

        Args:
            view_bgr: (S, S, 3) uint8, the tile scaled to the detector's size.
            tile: where the view lies in the image.
            threshold: least score.
        Returns:
            Regions in the image, highest score first.
        """
        out = self._detector.run_named(self._detector_input.batch([view_bgr]))
        scores = sigmoid(out["scores"][0, :, 0])
        likely = np.flatnonzero(scores >= threshold)
        raw, anchors = out["boxes"][0, likely] / self.detector_size, self._anchors[likely]
        middle, half = raw[:, :2] + anchors, raw[:, 2:4] / 2
        points = raw[:, 4:8].reshape(-1, 2, 2) + anchors[:, None]  # hips' middle and body tip, in [0, 1]
        return [
            Region.from_alignment(*tile.to_image(np.average(points[group], axis=0, weights=scores[likely][group])))
            for group in weighted_nms(np.concatenate((middle - half, middle + half), axis=1), scores[likely], OVERLAP)
        ]

    def landmarks(self, image_bgr: np.ndarray, regions: list[Region], threshold: float) -> list[Landmarks | None]:
        """Landmarks of the person in each region, all in one batch.

        Args:
            image_bgr: (H, W, 3) uint8.
            regions: in the image.
            threshold: least score for a person.
        Returns:
            As many; None where there is no person, or the region is too small or too large.
        """
        sound = [SMALLEST_PX <= region.side <= LARGEST * max(image_bgr.shape[:2]) for region in regions]
        if not any(sound):
            return [None] * len(regions)
        size = self._landmark_input.size[0]
        crops = [region.crop(image_bgr, size) for region, good in zip(regions, sound, strict=True) if good]
        out = self._landmark.run_named(self._landmark_input.batch(crops))
        found = iter(zip(out["landmarks"].reshape(-1, 39, 5), out["presence"][:, 0], out["heatmaps"], strict=True))
        return [
            _landmarks(region, size, image_bgr.shape, threshold, *next(found)) if good else None
            for region, good in zip(regions, sound, strict=True)
        ]


def _landmarks(
    region: Region,
    size: int,
    image_shape: tuple[int, ...],
    threshold: float,
    raw: np.ndarray,
    presence: float,
    heatmaps: np.ndarray,
) -> Landmarks | None:
    """The network's outputs for one crop: (39, 5) landmarks in its pixels, the score, (39, H, W) heatmaps."""
    if not presence >= threshold:
        return None
    affine = region.image_from_crop(size)
    xy_px = (refine_by_heatmap(raw[:, :2] / size, heatmaps) * size) @ affine[:, :2].T + affine[:, 2]
    count = len(BLAZEPOSE_33)  # two more landmarks follow, the alignment points of the next region
    confidence = sigmoid(raw[:count, 3]) * sigmoid(raw[:count, 4])
    inside = border_distance(xy_px[:count], image_shape) / region.side
    at_border = np.flatnonzero((inside >= 0) & (inside < BORDER))
    cold = at_border[sigmoid(heatmaps[at_border].max(axis=(1, 2))) < LEAST_HEAT]
    if sigmoid(heatmaps[KNEES_ANKLES[inside[KNEES_ANKLES] >= 0]].max(initial=-np.inf)) < LEAST_LEG_HEAT:
        cold = np.concatenate((cold, LEGS))
    confidence[cold] = np.minimum(confidence[cold], NO_HEAT_CONFIDENCE)
    # MediaPipe's coordinates count from the image's corner, ours from the first pixel's centre.
    return Landmarks(
        xy_px[:count] - 0.5, confidence, float(presence), Region.from_alignment(xy_px[count], xy_px[count + 1])
    )


def border_distance(xy_px: np.ndarray, image_shape: tuple[int, ...]) -> np.ndarray:
    """(K,) distance of points, (K, 2) from the image's corner, from the nearest border; negative outside."""
    return np.minimum(xy_px, image_shape[1::-1] - xy_px).min(axis=1)


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


def refine_by_heatmap(xy: np.ndarray, heatmaps: np.ndarray, kernel: int = 7, threshold: float = 0.5) -> np.ndarray:
    """Move landmarks to the centre of mass of their heatmap's neighbourhood, where that is confident enough.

    Args:
        xy: (K, 2) in [0, 1] of the crop.
        heatmaps: (K, H, W) logits.
        kernel: side of the neighbourhood, pixels of the heatmap.
        threshold: least confidence of its maximum.
    Returns:
        (K, 2).
    """
    count, height, width = heatmaps.shape
    offsets = np.arange(kernel) - kernel // 2
    column, row = (xy * (width, height)).astype(int).T
    columns, rows = column[:, None] + offsets, row[:, None] + offsets  # (K, kernel)
    values = heatmaps[
        np.arange(count)[:, None, None], rows.clip(0, height - 1)[..., None], columns.clip(0, width - 1)[:, None]
    ]
    in_map = ((rows >= 0) & (rows < height))[..., None] & ((columns >= 0) & (columns < width))[:, None]
    weight = sigmoid(values) * in_map  # (K, kernel, kernel)
    mass = weight.sum(axis=(1, 2)).clip(1e-9)
    centre = np.column_stack(
        (
            (weight.sum(axis=1) * columns).sum(axis=1) / mass / width,
            (weight.sum(axis=2) * rows).sum(axis=1) / mass / height,
        )
    )
    inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
    return np.where((inside & (weight.max(axis=(1, 2)) >= threshold))[:, None], centre, xy)
