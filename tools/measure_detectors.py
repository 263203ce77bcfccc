"""Time of decoding and suppression per frame, for 1 to 30 people, as a table for docs/detectors.md.

    python tools/measure_detectors.py [--repeats 200]

Networks are left out: their outputs are generated, of the real sizes and with as many candidates around each person. It
measures what this package does after a network, up to Human3.6M's joints, and before it, for an image of 640x480.
Medians, on one thread.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from nanohtnet_ros.detectors import rtmdet, rtmo, rtmpose, yolo_pose, yolox
from nanohtnet_ros.detectors.base import people_from_coco
from nanohtnet_ros.detectors.network_input import Letterbox, letterbox

PEOPLE = (1, 2, 5, 10, 20, 30)
CANDIDATES = 20  # cells of a YOLO's grids that see one person
SAME = Letterbox(np.ones(2), np.zeros(2))
SIZE = (640, 640)


def median_ms(work: Callable[[], object], repeats: int) -> float:
    """Median time of some work after a few runs to warm up, milliseconds."""
    for _ in range(5):
        work()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return float(np.median(times)) * 1e3


def crowd(people: int, candidates: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """(N, 4) boxes around people who stand in a grid and overlap a little, and (N,) scores."""
    centre = np.stack(np.unravel_index(np.arange(people), (6, 5)), axis=-1)[:, ::-1] * (110, 95) + 70
    middle = np.repeat(centre, candidates, axis=0) + rng.normal(0, 3, (people * candidates, 2))
    size = np.array((60, 110)) * rng.uniform(0.95, 1.05, (len(middle), 1))
    return np.hstack((middle - size / 2, middle + size / 2)).astype(np.float32), rng.uniform(
        0.4, 0.95, len(middle)
    ).astype(np.float32)


def yolo_columns(people: int, rng: np.random.Generator) -> np.ndarray:
    """(56, 8400) as YOLO11-pose gives them."""
    boxes, scores = crowd(people, CANDIDATES, rng)
    raw = rng.uniform(0, 640, (56, 8400)).astype(np.float32)
    raw[4] = rng.uniform(0, 0.05, 8400)
    where = rng.choice(8400, len(boxes), replace=False)
    raw[:4, where] = np.hstack(((boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2])).T
    raw[4, where] = scores
    return raw


def yolo_rows(people: int, rng: np.random.Generator) -> np.ndarray:
    """(300, 57) as YOLO26-pose gives them."""
    raw = np.zeros((300, 57), np.float32)
    raw[:people, :4], raw[:people, 4] = crowd(people, 1, rng)
    raw[:, 6:] = rng.uniform(0.1, 600, (300, 51))
    return raw


def yolox_rows(people: int, rng: np.random.Generator) -> np.ndarray:
    """(8400, 85) as YOLOX gives them."""
    cells, strides = yolox.grid(SIZE)
    boxes, scores = crowd(people, CANDIDATES, rng)
    raw = rng.uniform(0, 0.1, (8400, 85)).astype(np.float32)
    where = rng.choice(8400, len(boxes), replace=False)
    raw[where, :2] = (boxes[:, :2] + boxes[:, 2:]) / 2 / strides[where] - cells[where]
    raw[where, 2:4] = np.log((boxes[:, 2:] - boxes[:, :2]) / strides[where])
    raw[where, 4], raw[where, 5] = 1.0, scores
    return raw


def rows(image: np.ndarray, people: int, repeats: int) -> dict[str, float]:
    """Milliseconds of each piece of work."""
    rng = np.random.default_rng(people)

    def ms(work: Callable[[], object]) -> float:
        return median_ms(work, repeats)

    columns, end_to_end, grids = yolo_columns(people, rng), yolo_rows(people, rng), yolox_rows(people, rng)
    one_stage = crowd(people, 1, rng)
    dets = np.column_stack(one_stage).astype(np.float32)
    keypoints = rng.uniform(0.1, 600, (people, 17, 3)).astype(np.float32)
    simcc = [rng.uniform(0, 1, (people, 17, bins)).astype(np.float32) for bins in (384, 512)]
    crops = rtmpose.Crops(one_stage[0], rtmpose.SIZE)
    crop_room, room = (np.empty((n, 3, *size[::-1]), np.float32) for n, size in ((people, rtmpose.SIZE), (1, SIZE)))
    detector = yolox.YOLOX.__new__(yolox.YOLOX)
    detector._cells, detector._strides = yolox.grid(SIZE)

    def decode_rtmpose() -> None:
        xy, confidence = rtmpose.decode_simcc(*simcc)
        people_from_coco(crops.to_image(xy), confidence)

    def decode_yolox() -> None:
        found = detector.decode(grids)
        SAME.boxes_to_image(found[yolox.confident_boxes(found, 0.3, 0.45, 30), :4])

    return {
        "YOLO11-pose, 8400 cells": ms(lambda: people_from_coco(*yolo_pose.decode(columns, SAME, 30))),
        "YOLO26-pose, 300 rows": ms(lambda: people_from_coco(*yolo_pose.decode(end_to_end, SAME, 30))),
        "RTMO": ms(lambda: people_from_coco(*rtmo.decode(dets, keypoints, SAME, 30))),
        "YOLOX boxes, 8400 cells": ms(decode_yolox),
        "RTMDet boxes, suppressed": ms(lambda: rtmdet.people_among(dets, np.zeros(len(dets)), SAME, 0.6, 30)),
        "RTMPose": ms(decode_rtmpose),
        "before: RTMPose's crops": ms(lambda: rtmpose.NORMALISATION.write(crops.cut(image), crop_room)),
        "before: letterbox to 640x640": ms(
            lambda: yolo_pose.YoloPoseDetector.normalisation.write([letterbox(image, SIZE, centred=True)[0]], room)
        ),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=200)
    repeats = parser.parse_args().repeats
    cv2.setNumThreads(1)
    image = np.random.default_rng(0).integers(0, 256, (480, 640, 3), np.uint8)
    table = [rows(image, people, repeats) for people in PEOPLE]
    print(f"| ms, median of {repeats} | " + " | ".join(f"{people}" for people in PEOPLE) + " |")
    print("|---|" + "---|" * len(PEOPLE))
    for name in table[0]:
        print(f"| {name} | " + " | ".join(f"{row[name]:.3g}" for row in table) + " |")


if __name__ == "__main__":
    main()
