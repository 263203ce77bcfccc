"""RTMPose: keypoints of one person in a box (Jiang et al., "RTMPose: Real-Time Multi-Person Pose Estimation", 2023).

Input as of MMPose's configuration: the box, a quarter larger and widened to the input's proportions; RGB.
Output (SimCC): for each keypoint a row of responses over x and one over y, `simcc_x` (N, K, 2 W) and `simcc_y`
(N, K, 2 H), two for each pixel of the input. Networks with Halpe's 26 or COCO-WholeBody's 133 keypoints begin with
COCO's 17, which are taken.
"""

from __future__ import annotations

import cv2
import numpy as np

from nanohtnet_ros.core.poses import Keypoints
from nanohtnet_ros.detectors.base import ANY, Layout, PeopleConfig, PersonDetector, people_from_coco
from nanohtnet_ros.detectors.network_input import NetworkInput, PixelNormalisation
from nanohtnet_ros.detectors.schedule import Schedule
from nanohtnet_ros.errors import UserError
from nanohtnet_ros.runtime.session import Session

NORMALISATION = PixelNormalisation(mean=(123.675, 116.28, 103.53), std=(58.395, 57.12, 57.375), rgb=True)
SIZE = (192, 256)  # where the file leaves it open
PADDING = 1.25  # of the box, as in training
BINS_PER_PIXEL = 2.0
JOINTS = (17, 26, 133)  # of COCO, Halpe, COCO-WholeBody

TRACKED_CONFIDENCE = 0.3  # keypoints above it determine a person's next box
TRACKED_PADDING = 1.2  # of their extent, for the crown and the feet
PRESENCE = 0.25  # mean confidence below which a tracked person is dropped
DUPLICATE = 0.06  # mean distance of two people's keypoints below which they are one, in units of the box's larger side


class Crops:
    """Boxes of people as crops of one size."""

    def __init__(self, boxes: np.ndarray, size: tuple[int, int]) -> None:
        """Widen boxes to the network's proportions.

        Args:
            boxes: (N, 4) as x0, y0, x1, y1, pixels.
            size: width and height of a crop.
        """
        extent = np.maximum(boxes[:, 2:] - boxes[:, :2], 1.0) * PADDING
        self.size = size
        self.pixel = (extent / size).max(axis=1)  # (N,) image pixels per pixel of the crop
        self.corner = (boxes[:, :2] + boxes[:, 2:]) / 2 - self.pixel[:, None] * size / 2

    def cut(self, image: np.ndarray) -> list[np.ndarray]:
        """The crops; beyond the image they are black, as in training."""
        maps = (np.array([[pixel, 0, x], [0, pixel, y]]) for pixel, (x, y) in zip(self.pixel, self.corner, strict=True))
        return [cv2.warpAffine(image, m, self.size, flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP) for m in maps]

    def to_image(self, xy: np.ndarray) -> np.ndarray:
        """(N, K, 2) pixels of the crops to pixels of the image."""
        return (xy * self.pixel[:, None, None] + self.corner[:, None]).astype(np.float32)


def decode_simcc(simcc_x: np.ndarray, simcc_y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Position and height of the highest responses.

    Args:
        simcc_x: (N, K, bins).
        simcc_y: likewise.
    Returns:
        (N, K, 2) pixels of the input, and (N, K) the lower of both maxima as confidence, 0 to 1.
    """
    column, row = simcc_x.argmax(axis=2), simcc_y.argmax(axis=2)
    highest_x = np.take_along_axis(simcc_x, column[..., None], axis=2)[..., 0]
    highest_y = np.take_along_axis(simcc_y, row[..., None], axis=2)[..., 0]
    xy = np.stack((column, row), axis=-1).astype(np.float32) / np.float32(BINS_PER_PIXEL)
    return xy, np.clip(np.minimum(highest_x, highest_y), 0.0, 1.0)


def boxes_around(xy: np.ndarray, confidence: np.ndarray) -> np.ndarray:
    """(P, 4) boxes around the confident keypoints of those of N people who have at least two; (N, K, 2) and (N, K)."""
    confident = confidence > TRACKED_CONFIDENCE
    enough = confident.sum(axis=1) >= 2
    xy, confident = xy[enough], confident[enough][..., None]
    low = np.where(confident, xy, np.inf).min(axis=1)
    high = np.where(confident, xy, -np.inf).max(axis=1)
    grown = (TRACKED_PADDING - 1) / 2 * (high - low)
    return np.concatenate((low - grown, high + grown), axis=1)


def distinct(xy: np.ndarray, confidence: np.ndarray, side: np.ndarray) -> np.ndarray:
    """Indices of de-duplicated people, highest mean confidence first.

    Args:
        xy: (N, K, 2) pixels.
        confidence: (N, K).
        side: (N,) larger side of their boxes, pixels.
    """
    kept: list[int] = []
    for i in np.argsort(-confidence.mean(axis=1), kind="stable"):
        apart = np.linalg.norm(xy[kept] - xy[i], axis=2).mean(axis=1)
        if (apart >= DUPLICATE * np.minimum(side[kept], side[i])).all():
            kept.append(int(i))
    return np.array(kept, np.intp)


class RTMPoseDetector:
    """Finds people with a person detector and their keypoints with RTMPose."""

    family = "rtmpose"
    layouts: tuple[Layout, ...] = ({"simcc_x": (ANY, JOINTS, ANY), "simcc_y": (ANY, JOINTS, ANY)},)

    def __init__(
        self,
        session: Session,
        outputs: dict[str, str],
        persons: PersonDetector,
        config: PeopleConfig | None = None,
    ) -> None:
        """Take open networks.

        Args:
            outputs: names of the tensors `simcc_x` and `simcc_y`.
        Raises:
            ValueError: the rows of responses are not twice as long as the input is wide and high.
        """
        self.config = config or PeopleConfig()
        self._session, self._outputs, self._persons = session, outputs, persons
        self._input = NetworkInput(session, NORMALISATION, SIZE)
        for role, pixels in zip(("simcc_x", "simcc_y"), self._input.size, strict=True):
            bins = session.output_shapes[outputs[role]][2]
            if bins not in (-1, pixels * BINS_PER_PIXEL):
                raise UserError(
                    f"'{outputs[role]}' has {bins} bins, expected {pixels * BINS_PER_PIXEL:g}, two for each of the "
                    f"input's {pixels} pixels"
                )
        self.runtime = session.runtime
        self.reset()

    def reset(self) -> None:
        self._boxes = np.zeros((0, 4))
        self._schedule = Schedule(self.config.detect_rate_hz, self.config.latency_budget_ms)

    @property
    def rates_hz(self) -> dict[str, float]:
        """Person detections a second while tracking, now."""
        return {"detect": self._schedule.rate_hz}

    def dropped(self, frames: int) -> None:
        """Detect people less often for a while: so many frames before the next one were not seen for want of time."""
        self._schedule.dropped(frames)

    def detect(self, image_bgr: np.ndarray, stamp_ns: int) -> list[Keypoints]:
        with self._schedule.frame():
            return self._detect(image_bgr, stamp_ns)

    def _detect(self, image_bgr: np.ndarray, stamp_ns: int) -> list[Keypoints]:
        xy, confidence = np.zeros((0, 17, 2), np.float32), np.zeros((0, 17), np.float32)
        if len(self._boxes) and not self._schedule.due(stamp_ns):
            xy, confidence = self._track(image_bgr)
        if not len(xy):
            xy, confidence = self._keypoints(image_bgr, self._persons.boxes(image_bgr)[: self.config.max_people])
        self._boxes = boxes_around(xy, confidence)
        return people_from_coco(xy, confidence)

    def _track(self, image_bgr: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Keypoints of the last image's people, without those who are gone."""
        boxes = self._boxes
        xy, confidence = self._keypoints(image_bgr, boxes)
        present = confidence.mean(axis=1) >= PRESENCE
        xy, confidence, boxes = xy[present], confidence[present], boxes[present]
        kept = distinct(xy, confidence, (boxes[:, 2:] - boxes[:, :2]).max(axis=1))
        return xy[kept], confidence[kept]

    def _keypoints(self, image_bgr: np.ndarray, boxes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(N, 17, 2) keypoints of the people in (N, 4) boxes, and (N, 17) confidences."""
        if not len(boxes):
            return np.zeros((0, 17, 2), np.float32), np.zeros((0, 17), np.float32)
        crops = Crops(boxes, self._input.size)
        x = self._input.batch(crops.cut(image_bgr))
        batch = self._session.input_shape[0]
        rows = [self._run(x[i : i + batch], batch) for i in range(0, len(x), batch)] if batch > 0 else [self._run(x)]
        simcc_x, simcc_y = (np.concatenate(parts)[:, :17] for parts in zip(*rows, strict=True))
        xy, confidence = decode_simcc(simcc_x, simcc_y)
        return crops.to_image(xy), confidence

    def _run(self, x: np.ndarray, batch: int = -1) -> tuple[np.ndarray, np.ndarray]:
        """Responses for some crops; a fixed batch is padded."""
        count = len(x)
        if count < batch:
            x = np.concatenate((x, np.zeros((batch - count, *x.shape[1:]), x.dtype)))
        out = self._session.run_named(x)
        return out[self._outputs["simcc_x"]][:count], out[self._outputs["simcc_y"]][:count]
