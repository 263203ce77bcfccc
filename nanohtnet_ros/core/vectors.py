"""Vectors of three numbers, for which NumPy's own functions take ten times as long."""

from __future__ import annotations

import math

import numpy as np


def cross(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(3,) product of two vectors."""
    (a0, a1, a2), (b0, b1, b2) = a.tolist(), b.tolist()
    return np.array((a1 * b2 - a2 * b1, a2 * b0 - a0 * b2, a0 * b1 - a1 * b0))


def norm(a: np.ndarray) -> float:
    """Length; NaN where a number is."""
    return math.sqrt(a @ a)
