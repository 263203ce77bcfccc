"""RTMDet: boxes around people (Lyu et al., "RTMDet: An Empirical Study of Designing Real-Time Object Detectors", 2022).

Exports by MMDeploy, with suppression in the graph: `dets` (1, N, 5), boxes in pixels of the input and scores, and
`labels` (1, N), of which 0 is a person. Input as of MMDetection's configuration: BGR; image in the upper left corner.
"""

from __future__ import annotations

import numpy as np

from nanohtnet_ros.detectors.base import ANY, Layout
from nanohtnet_ros.detectors.boxes import confident_boxes
from nanohtnet_ros.detectors.network_input import Letterbox, NetworkInput, PixelNormalisation
from nanohtnet_ros.runtime.session import Session

NORMALISATION = PixelNormalisation(mean=(103.53, 116.28, 123.675), std=(57.375, 57.12, 58.395))
THRESHOLD = 0.3
MAX_IOU = 0.6  # as in the graph, for exports without suppression in it
SUPPRESSED: Layout = {"dets": (ANY, ANY, (5,)), "labels": (ANY, ANY)}
"""MMDeploy's exports of detectors of boxes."""


def people_among(dets: np.ndarray, labels: np.ndarray, letterbox: Letterbox, max_iou: float, limit: int) -> np.ndarray:
    """MMDeploy's outputs for one image to (N, 4) boxes of people in the image's pixels."""
    people = dets[labels == 0]
    return letterbox.boxes_to_image(people[confident_boxes(people, THRESHOLD, max_iou, limit), :4])


class RTMDet:
    """Finds people's boxes with RTMDet."""

    family = "rtmdet"
    layouts: tuple[Layout, ...] = (SUPPRESSED,)

    def __init__(self, session: Session, outputs: dict[str, str], max_people: int) -> None:
        """Take an open network.

        Args:
            outputs: names of the tensors `dets` and `labels`.
        """
        self._session, self._outputs, self._max_people = session, outputs, max_people
        self._input = NetworkInput(session, NORMALISATION)
        self.runtime = session.runtime

    def boxes(self, image_bgr: np.ndarray) -> np.ndarray:
        x, letterbox = self._input.letterboxed(image_bgr, centred=False)
        out = self._session.run_named(x)
        dets, labels = (out[self._outputs[role]][0] for role in ("dets", "labels"))
        return people_among(dets, labels, letterbox, MAX_IOU, self._max_people)
