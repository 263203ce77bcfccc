"""Where to run the person detector: on the whole image and on square tiles of it in turn.

A person detector with a small input sees distant people only in a part of the image. The fractions below were measured
with BlazePose's, whose input is 224 pixels: it finds a person of at least 0.3 to 0.6 of the square's side, depending on
the contrast; the lower half of the body may lie outside the square, the head may not, and a horizontal overlap of a
tenth is enough.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

COARSEST, FINER = 0.6, 0.6  # side of the largest tiles, of the image's shorter side, and of each finer level's
OVERLAP_X, OVERLAP_Y = 0.1, 0.3  # of two neighbouring tiles, at least
WIDE = 2.0  # ratio of the sides from which tiles of the image's shorter side come first
WHOLE_EVERY = 4  # every how many detections the whole image is taken, for people who are near
SMALLEST_PX = 160  # side of a tile: below this there is nothing to gain


@dataclass(frozen=True)
class Tile:
    """A square of the image, pixels; what lies outside the image is black."""

    x0: float
    y0: float
    side: float

    def view(self, image: np.ndarray, size: int) -> np.ndarray:
        """(size, size, 3) image under the tile."""
        scale = size / self.side
        to_view = np.array([[scale, 0, -self.x0 * scale], [0, scale, -self.y0 * scale]])
        return cv2.warpAffine(image, to_view, (size, size), flags=cv2.INTER_LINEAR)

    def to_image(self, points: np.ndarray) -> np.ndarray:
        """(..., 2) pixels of the image from points in [0, 1] of the tile."""
        return points * self.side + (self.x0, self.y0)

    def from_image(self, points_px: np.ndarray) -> np.ndarray:
        """(..., 2) in [0, 1] of the tile from pixels of the image."""
        return (points_px - (self.x0, self.y0)) / self.side


def around(centre: np.ndarray, side: float, width: int, height: int) -> Tile:
    """The square around a point, moved so that no more of it than need be lies outside the image."""
    room = np.array([width, height]) - side
    x0, y0 = np.clip(np.asarray(centre) - side / 2, np.minimum(room, 0), np.maximum(room, 0)).tolist()
    return Tile(x0, y0, side)


def whole(width: int, height: int) -> Tile:
    """The square around the whole image."""
    side = max(width, height)
    return Tile((width - side) / 2, (height - side) / 2, side)


def grid(width: int, height: int, side: float) -> list[Tile]:
    """Tiles of one size that cover the image, row by row."""
    columns, rows = (
        1 + max(0, math.ceil((length - side) / (side * (1 - overlap)) - 1e-6))
        for length, overlap in ((width, OVERLAP_X), (height, OVERLAP_Y))
    )
    return [
        Tile(x, y, side)
        for y in np.linspace(0, height - side, rows).tolist()
        for x in np.linspace(0, width - side, columns).tolist()
    ]


def levels(width: int, height: int, looks: int) -> list[list[Tile]]:
    """As many levels of tiles as a number of detections allows, the largest tiles first.

    Args:
        width, height: of the image, pixels.
        looks: detections for one round, those on the whole image included; the largest tiles are always in it.
    """
    side = COARSEST * min(width, height)
    found = [grid(width, height, min(width, height))] if max(width, height) > WIDE * min(width, height) else []
    while side >= SMALLEST_PX:
        more = [*found, grid(width, height, side)]
        if found and round_looks(more) > looks:
            break
        found, side = more, FINER * side
    return found


def round_looks(found: list[list[Tile]]) -> int:
    """Detections until each tile of all levels has had one, those on the whole image included."""
    on_tiles = max(map(len, found), default=0) * len(found)
    return math.ceil(on_tiles * WHOLE_EVERY / (WHOLE_EVERY - 1)) if found else 1


class Search:
    """Schedules the tiles; each level gets as many looks, so that people near by do not wait for those far away."""

    def __init__(self, round_s: float) -> None:
        """Start with the whole image.

        Args:
            round_s: longest time until every place has been searched with the smallest tiles; how small they are
                follows from it and from the rate of detections.
        """
        self._round_s = round_s
        self._planned: tuple[int, int, int] | None = None
        self._levels: list[list[Tile]] = []
        self._looks = 0

    def next(self, width: int, height: int, period_s: float | None) -> Tile:
        """The next square to search.

        Args:
            width, height: of the image, pixels.
            period_s: time between two detections; None while it is not known.
        """
        self._plan(width, height, 0 if not period_s else math.floor(self._round_s / period_s + 1e-6))
        turn, place = divmod(self._looks, WHOLE_EVERY)
        self._looks += 1
        if place == 0 or not self._levels:
            return whole(width, height)
        number, level = divmod(turn * (WHOLE_EVERY - 1) + place - 1, len(self._levels))
        return self._levels[level][number % len(self._levels[level])]

    def _plan(self, width: int, height: int, looks: int) -> None:
        """Choose tiles for an image's size and a number of detections; a small change of the number changes nothing."""
        if self._planned and self._planned[:2] == (width, height) and 0.7 <= looks / max(self._planned[2], 1) <= 1.4:
            return
        self._levels = levels(width, height, looks)
        self._planned = width, height, looks
