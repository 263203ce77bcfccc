"""People drawn on their image."""

from __future__ import annotations

import colorsys

import cv2
import numpy as np

from nanohtnet_ros.core.skeleton import H36M_17, Joint

GOLDEN_RATIO = 0.618034
PALE = 200.0  # grey of a joint of confidence 0
LEFT_RGB, RIGHT_RGB, TRUNK_RGB = (0.2, 0.6, 1.0), (1.0, 0.5, 0.1), (0.9, 0.9, 0.9)  # of skeletons in 3D
FARTHEST_PX = 2**14  # OpenCV's coordinates overflow not far beyond


def track_colour(track_id: int) -> np.ndarray:
    """(3,) RGB in [0, 1] of a track; neighbouring ids get hues far apart."""
    return np.array(colorsys.hsv_to_rgb(track_id * GOLDEN_RATIO % 1.0, 0.85, 1.0))


def side_colour(joint: int) -> tuple[float, float, float]:
    """RGB in [0, 1] of a joint in 3D, and of the bone that leads to it: blue left, orange right, light between."""
    return {"l_": LEFT_RGB, "r_": RIGHT_RGB}.get(H36M_17.joint_names[joint][:2], TRUNK_RGB)


def draw_people(
    image_bgr: np.ndarray, people: list[tuple[int, np.ndarray, np.ndarray]], labels: list[str] | None = None
) -> np.ndarray:
    """Draw bones, joints and labels, each person in the track's colour, paler where confidence is lower.

    Args:
        image_bgr: (H, W, 3) uint8; it is not changed.
        people: for each the track's id, (17, 2) keypoints in pixels and (17,) confidence in [0, 1]. Keypoints that
            are NaN or absurdly far outside the image are left out.
        labels: one for each person, ASCII, shown above the head; None for no labels.
    Returns:
        (H, W, 3) uint8, BGR.
    """
    canvas = image_bgr.copy()
    width = max(1, round(min(canvas.shape[:2]) / 240))  # of a line, pixels
    anchors = [_draw_person(canvas, *person, width) for person in people]
    for (track_id, _, _), anchor, label in zip(people, anchors, labels or [], strict=False):
        if anchor is not None:
            _draw_label(canvas, label, anchor, _bgr(track_id, 1.0), width)
    return canvas


def _bgr(track_id: int, confidence: float) -> tuple[float, float, float]:
    colour = 255.0 * track_colour(track_id)[::-1]
    return tuple((confidence * colour + (1.0 - confidence) * PALE).tolist())


def _draw_person(
    canvas: np.ndarray, track_id: int, xy_px: np.ndarray, confidence: np.ndarray, width: int
) -> tuple[int, int] | None:
    """Draw one person in place, and say where the head is, or the topmost joint; None if nothing could be drawn."""
    known = np.isfinite(xy_px).all(axis=1) & (np.abs(xy_px) < FARTHEST_PX).all(axis=1)
    points = [tuple(point) for point in np.rint(np.where(known[:, None], xy_px, 0)).astype(int).tolist()]
    sure = np.clip(np.nan_to_num(confidence), 0.0, 1.0)
    for parent, child in H36M_17.bones:
        if known[parent] and known[child]:
            shade = _bgr(track_id, min(sure[parent], sure[child]))
            cv2.line(canvas, points[parent], points[child], shade, width, cv2.LINE_AA)
    for joint in np.flatnonzero(known):
        cv2.circle(canvas, points[joint], round(1.5 * width), _bgr(track_id, sure[joint]), -1, cv2.LINE_AA)
    if known[Joint.HEAD]:
        return points[Joint.HEAD]
    return min((points[joint] for joint in np.flatnonzero(known)), key=lambda point: point[1], default=None)


def _draw_label(canvas: np.ndarray, label: str, anchor: tuple[int, int], colour: tuple[float, ...], width: int) -> None:
    """Write above a point, outlined in black, moved as needed to lie inside the image."""
    font, scale = cv2.FONT_HERSHEY_SIMPLEX, 0.2 * (width + 1)
    (text_width, text_height), below = cv2.getTextSize(label, font, scale, width)
    x = min(max(anchor[0] - text_width // 2, 0), max(canvas.shape[1] - text_width, 0))
    y = min(max(anchor[1] - 5 * width, text_height + width), canvas.shape[0] - below)
    for ink, thickness in (((0, 0, 0), width + 2), (colour, width)):
        cv2.putText(canvas, label, (x, y), font, scale, ink, thickness, cv2.LINE_AA)
