"""RTMO: all people's keypoints in one stage.

Lu et al., "RTMO: Towards High-Performance One-Stage Real-Time Multi-Person Pose Estimation", 2023. Exports by MMDeploy,
mostly with suppression in the graph: `dets` (1, N, 5), boxes in pixels of the input and scores, and `keypoints`
(1, N, 17, 3), pixels of the input and confidence. Input as of MMPose's configuration: BGR, 0 to 255; image centred.
"""

from __future__ import annotations

import numpy as np

from nanohtnet_ros.detectors.base import ANY, OneStageDetector
from nanohtnet_ros.detectors.boxes import confident_boxes
from nanohtnet_ros.detectors.network_input import Letterbox

THRESHOLD = 0.3
MAX_IOU = 0.65  # as in MMPose's configuration


def decode(
    dets: np.ndarray,
    keypoints: np.ndarray,
    letterbox: Letterbox,
    max_people: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Outputs for one image to people.

    Args:
        dets: (N, 5) boxes and scores.
        keypoints: (N, 17, 3).
        letterbox: where the image lies in the input.
        max_people: people kept at most.
    Returns:
        (P, 17, 2) pixels of the image, and (P, 17) confidences, highest score first.
    """
    people = keypoints[confident_boxes(dets, THRESHOLD, MAX_IOU, max_people)]
    return letterbox.to_image(people[..., :2]), people[..., 2]


class RTMODetector(OneStageDetector):
    """Finds people with RTMO; its outputs are `dets` and `keypoints`."""

    family = "rtmo"
    layouts = ({"dets": (ANY, ANY, (5,)), "keypoints": (ANY, ANY, (17,), (3,))},)

    def _decode(self, outputs: dict[str, np.ndarray], letterbox: Letterbox) -> tuple[np.ndarray, np.ndarray]:
        return decode(outputs["dets"][0], outputs["keypoints"][0], letterbox, self.config.max_people)
