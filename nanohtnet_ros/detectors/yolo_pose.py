"""YOLOv8-pose, YOLO11-pose and YOLO26-pose: all people's keypoints in one stage.

From Ultralytics' documentation of their exports. Input: red, green, blue from 0 to 1; image in the middle. The output
is in pixels of the input, and either (1, 56, N), a column for each cell, to be suppressed here: box as centre, width
and height, score, 17 times x, y, confidence (YOLOv8, YOLO11, and YOLO26 with `end2end=False`); or (1, N, 57), a row
for each person: box as corners, score, class, 17 times x, y, confidence (YOLO26, and the others with `nms=True`).
Their networks and weights are AGPL-3.0, and bring their duties with them; this file has none of their code.
"""

from __future__ import annotations

import numpy as np

from nanohtnet_ros.core.poses import Keypoints
from nanohtnet_ros.detectors.base import PeopleConfig, people_from_coco
from nanohtnet_ros.detectors.boxes import centre_to_corners, sure_boxes
from nanohtnet_ros.detectors.network_input import ImageInput, Letterbox, Normalisation
from nanohtnet_ros.errors import UserError
from nanohtnet_ros.runtime.session import Session

NORMALISATION = Normalisation(std=(255.0, 255.0, 255.0), rgb=True)
SIZE = (640, 640)  # where the file leaves it open
THRESHOLD, MAX_IOU = 0.25, 0.7  # Ultralytics' defaults
COLUMNS, ROWS = 56, 57


def decode(raw: np.ndarray, place: Letterbox, max_people: int) -> tuple[np.ndarray, np.ndarray]:
    """Output for one image to people.

    Args:
        raw: (56, N) columns of all cells, or (N, 57) rows of people.
    Returns:
        (P, 17, 2) pixels of the image, and (P, 17) confidences, the surest person first.
    Raises:
        ValueError: another shape.
    """
    if raw.shape[0] == COLUMNS:
        raw = raw[:, raw[4] >= THRESHOLD].T  # of 8400 cells a few
        dets = np.column_stack((centre_to_corners(raw[:, :4]), raw[:, 4]))
        kept, keypoints = sure_boxes(dets, THRESHOLD, MAX_IOU, max_people), raw[:, 5:]
    elif raw.shape[1] == ROWS:
        dets, keypoints = raw[:, :5], raw[:, 6:]
        kept = sure_boxes(dets, THRESHOLD, 1.0, max_people)  # one person, one row: nothing is left to suppress
    else:
        raise UserError(f"output has shape (1, {raw.shape[0]}, {raw.shape[1]}), expected (1, 56, N) or (1, N, 57)")
    people = keypoints[kept].reshape(-1, 17, 3)
    return place.to_image(people[..., :2]), people[..., 2]


class YoloPoseDetector:
    """Finds people with one of the YOLO-pose networks."""

    family = "yolo_pose"

    def __init__(self, session: Session, outputs: dict[str, str], config: PeopleConfig | None = None) -> None:
        """Take an open network.

        Args:
            outputs: name of the tensor `output0`.
        """
        self.config = config or PeopleConfig()
        self._session, self._output = session, outputs["output0"]
        self._input = ImageInput(session, NORMALISATION, SIZE)
        self.runtime = session.runtime

    def reset(self) -> None:
        pass  # every image for itself

    def detect(self, image_bgr: np.ndarray) -> list[Keypoints]:
        x, place = self._input.letterboxed(image_bgr, centred=True)
        out = self._session.run_named(x)[self._output]
        return people_from_coco(*decode(out[0], place, self.config.max_people))
