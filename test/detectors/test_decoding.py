"""The decoders' parts against plain loops and formulas."""

import numpy as np
import pytest

from nanohtnet_ros.detectors import rtmo, yolo_pose
from nanohtnet_ros.detectors.boxes import confident_boxes, nms
from nanohtnet_ros.detectors.network_input import Letterbox, PixelNormalisation, letterbox
from nanohtnet_ros.detectors.rtmpose import Crops, boxes_around, decode_simcc, distinct
from nanohtnet_ros.detectors.yolox import grid

SAME = Letterbox(np.ones(2), np.zeros(2))


def plain_nms(boxes: np.ndarray, scores: np.ndarray, max_iou: float) -> list[int]:
    """As written in textbooks."""

    def iou(a, b) -> float:
        width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
        shared = max(width, 0) * max(height, 0)
        both = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared
        return shared / both if both else 0.0

    kept: list[int] = []
    for i in sorted(range(len(boxes)), key=lambda i: (-scores[i], i)):
        if all(iou(boxes[i], boxes[j]) <= max_iou for j in kept):
            kept.append(i)
    return kept


@pytest.mark.parametrize("seed", range(20))
def test_suppression_keeps_what_a_plain_loop_keeps(seed):
    rng = np.random.default_rng(seed)
    people = rng.uniform(0, 600, (rng.integers(1, 12), 2))
    corner = people[rng.integers(0, len(people), 120)] + rng.normal(0, 8, (120, 2))
    boxes = np.hstack((corner, corner + rng.uniform(20, 120, (120, 2))))
    scores = np.round(rng.uniform(0.01, 1, 120), 2)  # some are equal
    for max_iou in (0.0, 0.3, 0.65, 1.0):
        assert nms(boxes, scores, max_iou).tolist() == plain_nms(boxes, scores, max_iou)
    assert nms(boxes, scores, 0.5, limit=3).tolist() == plain_nms(boxes, scores, 0.5)[:3]


def test_suppression_of_nothing_and_of_boxes_that_are_not_numbers():
    assert nms(np.zeros((0, 4)), np.zeros(0), 0.5).tolist() == []
    dets = np.array([[0, 0, 9, 9, 0.9], [0, 0, 9, 9, np.nan], [np.nan, 0, 9, 9, 0.9], [50, 50, 60, 60, 0.2]])
    assert confident_boxes(dets, 0.3, 0.5, 9).tolist() == [0]


def test_normalisation_is_the_formula_in_the_networks_order():
    image = np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)
    mean, std = np.array((123.675, 116.28, 103.53)), np.array((58.395, 57.12, 57.375))
    room = np.zeros((3, 3, 5, 7), np.float32)
    x = PixelNormalisation(tuple(mean), tuple(std), rgb=True).write([image, image[::-1]], room)
    assert x.shape == (2, 3, 5, 7) and np.shares_memory(x, room) and not room[2].any()
    np.testing.assert_allclose(x[0], ((image[..., ::-1] - mean) / std).transpose(2, 0, 1), atol=1e-5)
    np.testing.assert_allclose(x[1], x[0][:, ::-1], atol=1e-6)
    bgr = PixelNormalisation(tuple(mean[::-1]), tuple(std[::-1])).write([image], np.empty((1, 3, 5, 7), np.float32))
    np.testing.assert_allclose(bgr[0], x[0][::-1], atol=1e-5)
    np.testing.assert_array_equal(PixelNormalisation().write([image], room)[0], image.transpose(2, 0, 1))


@pytest.mark.parametrize("centred", [True, False])
@pytest.mark.parametrize("size", [(640, 480), (100, 300), (320, 256), (1, 1), (1001, 37)])
def test_letterbox_keeps_corners_and_fills_with_grey(size, centred):
    image = np.full((size[1], size[0], 3), 255, np.uint8)
    x, placed = letterbox(image, (320, 256), centred)
    assert x.shape == (256, 320, 3)
    rows, columns = np.nonzero(x[..., 0] == 255)
    corners = np.array([(columns.min() - 0.5, rows.min() - 0.5), (columns.max() + 0.5, rows.max() + 0.5)])
    np.testing.assert_allclose(placed.to_image(corners), ((-0.5, -0.5), np.array(size) - 0.5), atol=1e-3)
    assert set(np.unique(x)) <= {114, 255}
    margins = (columns.min(), 319 - columns.max()), (rows.min(), 255 - rows.max())
    assert all(abs(low - high) <= 1 if centred else low == 0 for low, high in margins)


def test_crops_are_the_images_pixels():
    image = np.random.default_rng(0).integers(0, 256, (400, 600, 3), np.uint8)
    # A box whose crop, a quarter larger, is as large as the network's input: pixels are copied, not resampled.
    crops = Crops(np.array([(200, 100, 200 + 192 / 1.25, 100 + 256 / 1.25)]), (192, 256))
    assert crops.pixel == pytest.approx([1.0])
    whole = Crops(np.array([(204 - 76.8, 128 - 102.4, 204 + 76.8, 128 + 102.4)]), (192, 256))
    np.testing.assert_array_equal(whole.cut(image)[0], image[0:256, 108:300])
    np.testing.assert_allclose(whole.to_image(np.array([[(10.0, 20.0)]]))[0, 0], (118, 20))
    wide = Crops(np.array([(0, 0, 300, 100)], float), (192, 256))
    np.testing.assert_allclose(wide.pixel, 300 * 1.25 / 192)
    np.testing.assert_allclose(wide.to_image(np.array([[(96.0, 128.0)]]))[0, 0], (150, 50))


def test_simcc_takes_the_highest_response_and_the_less_sure_axis():
    simcc_x, simcc_y = np.zeros((2, 17, 384), np.float32), np.zeros((2, 17, 512), np.float32)
    simcc_x[0, 3, 100], simcc_y[0, 3, 301] = 0.8, 0.6
    simcc_x[1, 0, 383], simcc_y[1, 0, 511] = 1.7, 2.0
    simcc_x[1, 1] = -1.0
    xy, confidence = decode_simcc(simcc_x, simcc_y)
    np.testing.assert_allclose(xy[0, 3], (50.0, 150.5))
    np.testing.assert_allclose(xy[1, 0], (191.5, 255.5))
    assert confidence[0, 3] == pytest.approx(0.6) and confidence[1, 0] == 1.0 and confidence[1, 1] == 0.0


def test_the_grids_of_yolox_are_row_by_row_of_each_stride():
    cells, strides = grid((64, 32))
    assert len(cells) == 8 * 4 + 4 * 2 + 2 * 1
    np.testing.assert_array_equal(cells[:9], [*((x, 0) for x in range(8)), (0, 1)])
    assert strides[:, 0].tolist() == [8] * 32 + [16] * 8 + [32] * 2


def test_boxes_around_keypoints_and_people_who_are_one():
    xy = np.zeros((3, 17, 2), np.float32)
    xy[0] = np.linspace((10, 20), (30, 60), 17)
    xy[1] = xy[0] + 1.0
    xy[2] = xy[0] + (200, 0)
    confidence = np.full((3, 17), 0.8)
    confidence[1] = 0.9
    np.testing.assert_allclose(boxes_around(xy, confidence)[0], (8, 16, 32, 64), atol=1e-4)
    assert distinct(xy, confidence, np.full(3, 60.0)).tolist() == [1, 2]
    confidence[2, 1:] = 0.1
    assert len(boxes_around(xy, confidence)) == 2  # one keypoint is no box
    assert boxes_around(xy[:0], confidence[:0]).shape == (0, 4)


def test_rows_and_columns_of_yolo_say_the_same():
    rng = np.random.default_rng(0)
    count = 12
    corners = np.hstack((low := rng.uniform(0, 300, (count, 2)), low + rng.uniform(50, 99, (count, 2))))
    score, keypoints = rng.uniform(0.3, 1, count), rng.uniform(0, 600, (count, 51))
    rows = np.column_stack((corners, score, np.zeros(count), keypoints))
    centred = np.hstack(((corners[:, :2] + corners[:, 2:]) / 2, corners[:, 2:] - corners[:, :2]))
    columns = np.column_stack((centred, score, keypoints)).T
    kept = nms(corners, score, yolo_pose.MAX_IOU)
    for raw, order in ((columns, kept), (rows, np.argsort(-score))):
        xy, confidence = yolo_pose.decode(raw, SAME, 30)
        np.testing.assert_allclose(xy, keypoints.reshape(-1, 17, 3)[order][..., :2], rtol=1e-6)
        np.testing.assert_allclose(confidence, keypoints.reshape(-1, 17, 3)[order][..., 2])
    with pytest.raises(ValueError, match=r"\(1, 84, 8400\), expected \(1, 56, N\) or \(1, N, 57\)"):
        yolo_pose.decode(np.zeros((84, 8400)), SAME, 6)


def test_people_are_limited_to_the_highest_scores():
    dets = np.array([[i * 100, 0, i * 100 + 50, 100, 0.4 + i / 20] for i in range(8)])
    keypoints = np.arange(8)[:, None, None] * np.ones((8, 17, 3))
    xy, _ = rtmo.decode(dets, keypoints, SAME, 3)
    assert xy[:, 0, 0].tolist() == [7, 6, 5]
