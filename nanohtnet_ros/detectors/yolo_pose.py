"""YOLOv8-pose, YOLO11-pose and YOLO26-pose: all people's keypoints in one stage.

From Ultralytics' documentation of their exports. Input: RGB, 0 to 1; image centred. The output
is in pixels of the input, and either (1, 56, N), a column for each cell, to be suppressed here: box as centre, width
and height, score, 17 times x, y, confidence (YOLOv8, YOLO11, and YOLO26 with `end2end=False`); or (1, N, 57), a row
for each person: box as corners, score, class, 17 times x, y, confidence (YOLO26, and the others with `nms=True`).
Their networks and weights are AGPL-3.0, with that licence's duties; this file has none of their code.
"""

from __future__ import annotations

import numpy as np

from nanohtnet_ros.detectors.base import ANY, OneStageDetector
from nanohtnet_ros.detectors.boxes import centre_to_corners, confident_boxes
from nanohtnet_ros.detectors.network_input import Letterbox, PixelNormalisation
from nanohtnet_ros.errors import UserError

THRESHOLD, MAX_IOU = 0.25, 0.7  # Ultralytics' defaults
COLUMNS, ROWS = 56, 57


def decode(raw: np.ndarray, letterbox: Letterbox, max_people: int) -> tuple[np.ndarray, np.ndarray]:
    """Output for one image to people.

    Args:
        raw: (56, N) columns of all cells, or (N, 57) rows of people.
        letterbox: where the image lies in the input.
        max_people: people kept at most.
    Returns:
        (P, 17, 2) pixels of the image, and (P, 17) confidences, highest score first.
    Raises:
        ValueError: another shape.
    """
    if raw.shape[0] == COLUMNS:
        raw = raw[:, raw[4] >= THRESHOLD].T  # of 8400 cells a few
        dets = np.column_stack((centre_to_corners(raw[:, :4]), raw[:, 4]))
        kept, keypoints = confident_boxes(dets, THRESHOLD, MAX_IOU, max_people), raw[:, 5:]
    elif raw.shape[1] == ROWS:
        dets, keypoints = raw[:, :5], raw[:, 6:]
        kept = confident_boxes(dets, THRESHOLD, 1.0, max_people)  # one person, one row: nothing is left to suppress
    else:
        raise UserError(f"output has shape (1, {raw.shape[0]}, {raw.shape[1]}), expected (1, 56, N) or (1, N, 57)")
    people = keypoints[kept].reshape(-1, 17, 3)
    return letterbox.to_image(people[..., :2]), people[..., 2]


class YoloPoseDetector(OneStageDetector):
    """Finds people with one of the YOLO-pose networks; its output is `output0`."""

    family = "yolo_pose"
    layouts = ({"output0": (ANY, (COLUMNS,), ANY)}, {"output0": (ANY, ANY, (ROWS,))})
    normalisation = PixelNormalisation(std=(255.0, 255.0, 255.0), rgb=True)

    def _decode(self, outputs: dict[str, np.ndarray], letterbox: Letterbox) -> tuple[np.ndarray, np.ndarray]:
        return decode(outputs["output0"][0], letterbox, self.config.max_people)
