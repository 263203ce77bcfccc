"""Boxes around people: which of many that overlap are kept."""

from __future__ import annotations

import numpy as np


def nms(boxes: np.ndarray, scores: np.ndarray, max_iou: float, limit: int | None = None) -> np.ndarray:
    """Greedy suppression: the surest box stays, those that overlap it go, and so on.

    One step of NumPy for each box that stays; a person has tens of candidates, so there are few.

    Args:
        boxes: (N, 4) as x0, y0, x1, y1.
        scores: (N,).
        max_iou: boxes with a greater intersection over union than this are of one person.
        limit: boxes kept at most.
    Returns:
        Indices of those that stay, the surest first; of equally sure ones, the first.
    """
    order = np.argsort(-scores, kind="stable")
    x0, y0, x1, y1 = boxes[order].T
    area = np.maximum(x1 - x0, 0) * np.maximum(y1 - y0, 0)
    left, kept = np.arange(len(order)), []
    while len(left) and (limit is None or len(kept) < limit):
        best, left = left[0], left[1:]
        kept.append(order[best])
        width = np.minimum(x1[left], x1[best]) - np.maximum(x0[left], x0[best])
        height = np.minimum(y1[left], y1[best]) - np.maximum(y0[left], y0[best])
        shared = np.maximum(width, 0) * np.maximum(height, 0)
        left = left[shared <= max_iou * (area[left] + area[best] - shared)]
    return np.array(kept, np.intp)


def sure_boxes(dets: np.ndarray, threshold: float, max_iou: float, limit: int) -> np.ndarray:
    """Indices of the people among rows of x0, y0, x1, y1, score, the surest first.

    Args:
        dets: (N, 5); NaN rows are nobody.
        threshold: least score.
        max_iou, limit: as for `nms`.
    """
    likely = np.flatnonzero((dets[:, 4] >= threshold) & np.isfinite(dets).all(axis=1))
    return likely[nms(dets[likely, :4], dets[likely, 4], max_iou, limit)]


def centre_to_corners(boxes: np.ndarray) -> np.ndarray:
    """(N, 4) boxes as centre, width, height to x0, y0, x1, y1."""
    return np.concatenate((boxes[:, :2] - boxes[:, 2:] / 2, boxes[:, :2] + boxes[:, 2:] / 2), axis=1)
