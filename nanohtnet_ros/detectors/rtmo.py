"""RTMO: all people's keypoints in one stage.

Lu et al., "RTMO: Towards High-Performance One-Stage Real-Time Multi-Person Pose Estimation", 2023. Exports by MMDeploy,
mostly with suppression in the graph: `dets` (1, N, 5), boxes in pixels of the input and scores, and `keypoints`
(1, N, 17, 3), pixels of the input and confidence. Input as of MMPose's configuration: blue, green, red from 0 to 255 as
they are; image in the middle.
"""

from __future__ import annotations

import numpy as np

from nanohtnet_ros.core.poses import Keypoints
from nanohtnet_ros.detectors.base import PeopleConfig, people_from_coco
from nanohtnet_ros.detectors.boxes import sure_boxes
from nanohtnet_ros.detectors.network_input import ImageInput, Letterbox, Normalisation
from nanohtnet_ros.runtime.session import Session

NORMALISATION = Normalisation()
SIZE = (640, 640)  # where the file leaves it open
THRESHOLD = 0.3
MAX_IOU = 0.65  # as in MMPose's configuration


def decode(
    dets: np.ndarray, keypoints: np.ndarray, place: Letterbox, max_people: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Outputs for one image to people.

    Args:
        dets: (N, 5) boxes and scores.
        keypoints: (N, 17, 3).
    Returns:
        (P, 17, 2) pixels of the image, and (P, 17) confidences, the surest person first.
    """
    people = keypoints[sure_boxes(dets, THRESHOLD, MAX_IOU, max_people)]
    return place.to_image(people[..., :2]), people[..., 2]


class RTMODetector:
    """Finds people with RTMO."""

    family = "rtmo"

    def __init__(self, session: Session, outputs: dict[str, str], config: PeopleConfig | None = None) -> None:
        """Take an open network.

        Args:
            outputs: names of the tensors `dets` and `keypoints`.
        """
        self.config = config or PeopleConfig()
        self._session, self._outputs = session, outputs
        self._input = ImageInput(session, NORMALISATION, SIZE)
        self.runtime = session.runtime

    def reset(self) -> None:
        pass  # every image for itself

    def detect(self, image_bgr: np.ndarray) -> list[Keypoints]:
        x, place = self._input.letterboxed(image_bgr, centred=True)
        out = self._session.run_named(x)
        dets, keypoints = (out[self._outputs[role]][0] for role in ("dets", "keypoints"))
        return people_from_coco(*decode(dets, keypoints, place, self.config.max_people))
