"""Where a body's limbs lie in the image: overlap of two bodies, plausibility of one, and masking it."""

from __future__ import annotations

import cv2
import numpy as np

from nanohtnet_ros.core.skeleton import BLAZEPOSE_33
from nanohtnet_ros.detectors.blazepose_networks import Landmarks
from nanohtnet_ros.detectors.search import Tile

GREY = (127, 127, 127)
FARTHEST_PX = 1e4  # OpenCV's coordinates overflow not far beyond
COVERED_WIDTH, COVERED_HEAD = 0.35, 0.45  # of a covered limb, and the head's radius, in trunk lengths
ON_LIMB = 0.15  # trunk lengths from the middle of a limb
LEAST_TRUNK = 0.15  # of the region's side: the trunk is foreshortened where a person bends towards the camera
SURE = 0.5  # mean confidence of shoulders or hips; at close range either may be outside the image


def _index(*names: str) -> list[int]:
    return [BLAZEPOSE_33.joint_names.index(name) for name in names]


SHOULDERS, HIPS = _index("l_shoulder", "r_shoulder"), _index("l_hip", "r_hip")
KNEES, (NOSE,) = _index("l_knee", "r_knee"), _index("nose")
CORE = HIPS + SHOULDERS + KNEES + [NOSE]
HEAD = list(range(11))
LIMBS = np.array(
    [
        _index("l_shoulder", "r_shoulder"),
        _index("l_hip", "r_hip"),
        *(
            _index(f"{side}_{a}", f"{side}_{b}")
            for side in "lr"
            for a, b in (
                ("shoulder", "hip"),
                ("shoulder", "elbow"),
                ("elbow", "wrist"),
                ("wrist", "index"),
                ("hip", "knee"),
                ("knee", "ankle"),
                ("ankle", "foot_index"),
            )
        ),
    ]
)


def trunk_px(body: Landmarks) -> float:
    """Length of the trunk in the image."""
    spine = body.xy_px[SHOULDERS].mean(axis=0) - body.xy_px[HIPS].mean(axis=0)
    return max(float(np.linalg.norm(spine)), LEAST_TRUNK * body.next_region.side)


def on_body(points_px: np.ndarray, body: Landmarks) -> np.ndarray:
    """Which points lie on a body's limbs, trunk or head.

    Args:
        points_px: (N, 2).
    Returns:
        (N,) bool.
    """
    xy = body.xy_px
    shoulders, hips, head = xy[SHOULDERS].mean(axis=0), xy[HIPS].mean(axis=0), xy[HEAD].mean(axis=0)
    start = np.concatenate((xy[LIMBS[:, 0]], [shoulders, shoulders]))
    bone = np.concatenate((xy[LIMBS[:, 1]], [hips, head])) - start
    from_start = points_px[:, None] - start
    along = np.clip((from_start * bone).sum(axis=2) / np.maximum((bone**2).sum(axis=1), 1e-9), 0.0, 1.0)
    distance = np.linalg.norm(from_start - along[..., None] * bone, axis=2)
    return distance.min(axis=1) < ON_LIMB * trunk_px(body)


def fraction_on_body(person: Landmarks, body: Landmarks) -> float:
    """Fraction of a person's hips, shoulders, knees and nose that lies on another body."""
    return float(on_body(person.xy_px[CORE], body).mean())


def is_plausible_person(person: Landmarks) -> bool:
    """Whether landmarks can be a person's."""
    return bool(max(person.confidence[SHOULDERS].mean(), person.confidence[HIPS].mean()) >= SURE)


def cover(view: np.ndarray, tile: Tile, body: Landmarks, breadth: float = 1.0) -> None:
    """Mask a body in the view of a tile, limb by limb, so that people beside it and between its limbs stay visible.

    Args:
        view: (H, W, 3) uint8, changed in place.
        tile: where a square of the view's height lies in the image.
        body: to mask.
        breadth: of limbs and head; 1 hides the body from the person detector.
    """

    def pixels(points: np.ndarray) -> np.ndarray:
        return np.rint(np.clip(points, -FARTHEST_PX, FARTHEST_PX)).astype(np.int32)

    size = view.shape[0]
    xy = tile.from_image(body.xy_px) * size
    thick = breadth * trunk_px(body) / tile.side * size
    width = round(float(np.clip(COVERED_WIDTH * thick, 1, 2 * size)))
    shoulders, hips, head = xy[SHOULDERS].mean(axis=0), xy[HIPS].mean(axis=0), xy[HEAD].mean(axis=0)
    lines = [(xy[a], xy[b]) for a, b in LIMBS] + [(shoulders, hips), (shoulders, head)]
    for line in lines:
        start, end = pixels(np.array(line)).tolist()
        cv2.line(view, start, end, GREY, width)
    cv2.fillConvexPoly(view, pixels(xy[[*SHOULDERS, *HIPS[::-1]]]), GREY)
    cv2.circle(view, pixels(head).tolist(), round(min(COVERED_HEAD * thick, 2 * size)), GREY, -1)
