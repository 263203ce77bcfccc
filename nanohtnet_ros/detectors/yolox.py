"""YOLOX: boxes around people (Ge et al., "YOLOX: Exceeding YOLO Series in 2021", 2021).

Two kinds of export. The authors' own: (1, N, 5 + classes), a row for each cell of the grids of strides 8, 16 and 32,
which holds the box's centre relative to the cell and its size's logarithm, both in strides, the object's score and
each class's. MMDeploy's, as OpenMMLab publishes them: suppressed boxes as RTMDet's. Input of both: BGR, 0 to
255; image in the upper left corner.
"""

from __future__ import annotations

import numpy as np

from nanohtnet_ros.detectors.base import ANY, Layout
from nanohtnet_ros.detectors.boxes import centre_to_corners, confident_boxes
from nanohtnet_ros.detectors.network_input import NetworkInput, PixelNormalisation
from nanohtnet_ros.detectors.rtmdet import SUPPRESSED, THRESHOLD, people_among
from nanohtnet_ros.errors import UserError
from nanohtnet_ros.runtime.session import Session

MAX_IOU = 0.45
STRIDES = (8, 16, 32)


def grid(size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """(N, 2) cells of an input of some width and height, and the (N, 1) stride of each."""
    cells, strides = [], []
    for stride in STRIDES:
        y, x = np.mgrid[: size[1] // stride, : size[0] // stride]
        cells.append(np.stack((x, y), axis=-1).reshape(-1, 2))
        strides.append(np.full((x.size, 1), stride))
    return np.concatenate(cells).astype(np.float32), np.concatenate(strides).astype(np.float32)


class YOLOX:
    """Finds people's boxes with YOLOX."""

    family = "yolox"
    layouts: tuple[Layout, ...] = (SUPPRESSED, {"output": (ANY, ANY, (6, 85))})

    def __init__(self, session: Session, outputs: dict[str, str], max_people: int) -> None:
        """Take an open network.

        Args:
            outputs: names of the tensors `dets` and `labels`, or `output`.
        Raises:
            ValueError: the rows are not those of the input's grids.
        """
        self._session, self._outputs, self._max_people = session, outputs, max_people
        self._input = NetworkInput(session, PixelNormalisation())
        self._cells, self._strides = grid(self._input.size)
        rows = session.output_shapes[outputs["output"]][1] if "output" in outputs else -1
        if rows not in (-1, len(self._cells)):
            raise UserError(
                f"this YOLOX has {rows} rows, expected {len(self._cells)} for an input of "
                f"{self._input.size[0]}x{self._input.size[1]} and the strides {STRIDES}"
            )
        self.runtime = session.runtime

    def boxes(self, image_bgr: np.ndarray) -> np.ndarray:
        x, letterbox = self._input.letterboxed(image_bgr, centred=False)
        out = self._session.run_named(x)
        if "dets" in self._outputs:
            dets, labels = (out[self._outputs[role]][0] for role in ("dets", "labels"))
            return people_among(dets, labels, letterbox, MAX_IOU, self._max_people)
        dets = self.decode(out[self._outputs["output"]][0])
        return letterbox.boxes_to_image(dets[confident_boxes(dets, THRESHOLD, MAX_IOU, self._max_people), :4])

    def decode(self, raw: np.ndarray) -> np.ndarray:
        """(N, 5 + classes) rows of the grids to (M, 5) boxes in pixels of the input and scores, the likely ones."""
        score = raw[:, 4] * raw[:, 5]  # class 0 is the person, of COCO's as of Human-Art's
        likely = np.flatnonzero(score >= THRESHOLD)
        raw, strides = raw[likely], self._strides[likely]
        boxes = np.concatenate(((raw[:, :2] + self._cells[likely]) * strides, np.exp(raw[:, 2:4]) * strides), axis=1)
        return np.column_stack((centre_to_corners(boxes), score[likely]))
