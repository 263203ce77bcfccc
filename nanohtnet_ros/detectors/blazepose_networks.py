"""BlazePose's two networks: people's regions in a part of an image, and one person's landmarks in a region.

Bazarevsky et al., "BlazePose: On-device Real-time Body Pose tracking", 2020; the networks are MediaPipe's
(Apache-2.0), the constants below those of its pose graphs.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from nanohtnet_ros.core.skeleton import BLAZEPOSE_33
from nanohtnet_ros.detectors.search import Tile
from nanohtnet_ros.runtime.tflite_session import TfliteSession

DETECTOR_FILE = "pose_detection.tflite"
LANDMARK_FILE = "pose_landmark_full.tflite"
OVERLAP = 0.3  # of two boxes that mean one person
SMALLEST_PX, LARGEST = 8.0, 8.0  # region's side: pixels, and in units of the image's longer side


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

    def __init__(self, model_dir: Path | str, threads: int = 2) -> None:
        """Open both.

        Args:
            model_dir: folder that holds `pose_detection.tflite` and `pose_landmark_full.tflite`.
            threads: CPU threads of each.
        Raises:
            FileNotFoundError: a file is missing; the message names the command that gets it.
        """
        try:
            self._detector = TfliteSession(Path(model_dir) / DETECTOR_FILE, threads)
            self._landmark = TfliteSession(Path(model_dir) / LANDMARK_FILE, threads)
        except FileNotFoundError as error:
            raise FileNotFoundError(f"{error}: run 'nanohtnet models get blazepose'") from error
        self.runtime = self._detector.runtime
        self.detector_size, self.landmark_size = self._detector.input_shape[1], self._landmark.input_shape[1]
        self._anchors = ssd_anchors(self.detector_size)

    def regions(self, view_bgr: np.ndarray, tile: Tile, threshold: float) -> list[Region]:
        """People in a part of an image.

        Args:
            view_bgr: (S, S, 3) uint8, the tile scaled to the detector's size.
            tile: where the view lies in the image.
            threshold: least score.
        Returns:
            Regions in the image, the surest first.
        """
        out = self._detector.run(view_bgr[None, ..., ::-1].astype(np.float32) / 127.5 - 1.0)
        scores = sigmoid(out["Identity_1"][0, :, 0])
        likely = np.flatnonzero(scores >= threshold)
        raw, anchors = out["Identity"][0, likely] / self.detector_size, self._anchors[likely]
        middle, half = raw[:, :2] + anchors, raw[:, 2:4] / 2
        points = raw[:, 4:8].reshape(-1, 2, 2) + anchors[:, None]  # hips' middle and body tip, in [0, 1]
        return [
            Region.from_alignment(*tile.to_image(np.average(points[group], axis=0, weights=scores[likely][group])))
            for group in weighted_nms(np.concatenate((middle - half, middle + half), axis=1), scores[likely], OVERLAP)]

    def landmarks(self, image_bgr: np.ndarray, region: Region, threshold: float) -> Landmarks | None:
        """Landmarks of the person in a region, or None if the network's score for a person is below a threshold."""
        if not SMALLEST_PX <= region.side <= LARGEST * max(image_bgr.shape[:2]):
            return None
        size = self.landmark_size
        crop = region.crop(image_bgr, size)
        out = self._landmark.run(crop[None, ..., ::-1].astype(np.float32) / 255.0)
        presence = float(out["Identity_1"][0, 0])
        if not presence >= threshold:
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
