"""Boxes around people: which of many that overlap are kept."""

from __future__ import annotations

import cv2
import numpy as np


def nms(boxes: np.ndarray, scores: np.ndarray, max_iou: float, limit: int | None = None) -> np.ndarray:
    """Greedy non-maximum suppression.

    Args:
        boxes: (N, 4) as x0, y0, x1, y1.
        scores: (N,), above 0.
        max_iou: boxes with a greater intersection over union than this are of one person.
        limit: boxes kept at most.
    Returns:
        Indices of the boxes that are kept, highest score first; of equal scores, the first.
    """
    corner_size = np.concatenate((boxes[:, :2], boxes[:, 2:] - boxes[:, :2]), axis=1).astype(float)
    return np.array(cv2.dnn.NMSBoxes(corner_size.tolist(), scores.tolist(), 0.0, max_iou), np.intp)[:limit]


def confident_boxes(dets: np.ndarray, threshold: float, max_iou: float, limit: int) -> np.ndarray:
    """Indices of the people among rows of x0, y0, x1, y1, score, highest score first.

    Args:
        dets: (N, 5); rows with NaN are left out.
        threshold: least score.
        max_iou: as for `nms`.
        limit: as for `nms`.
    """
    likely = np.flatnonzero((dets[:, 4] >= threshold) & np.isfinite(dets).all(axis=1))
    return likely[nms(dets[likely, :4], dets[likely, 4], max_iou, limit)]


def centre_to_corners(boxes: np.ndarray) -> np.ndarray:
    """(N, 4) boxes as centre, width, height to x0, y0, x1, y1."""
    return np.concatenate((boxes[:, :2] - boxes[:, 2:] / 2, boxes[:, :2] + boxes[:, 2:] / 2), axis=1)
