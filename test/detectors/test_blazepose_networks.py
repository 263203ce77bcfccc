import numpy as np
import pytest

from nanohtnet_ros.detectors.blazepose_networks import (
    BlazePoseNetworks,
    Region,
    refine_by_heatmap,
    sigmoid,
    ssd_anchors,
    weighted_nms,
)


def test_anchors_are_mediapipes():
    anchors = ssd_anchors()
    assert anchors.shape == (2254, 2)  # 28*28*2 + 14*14*2 + 7*7*6
    np.testing.assert_allclose(anchors[:2], 0.5 / 28)
    np.testing.assert_allclose(anchors[2], (1.5 / 28, 0.5 / 28))
    np.testing.assert_allclose(anchors[-1], 6.5 / 7, rtol=1e-6)


def test_weighted_nms_groups_by_overlap_best_first():
    boxes = np.array([[0, 0, 10, 10], [1, 0, 11, 10], [50, 50, 60, 60], [0, 0, 3, 3]], float)
    groups = weighted_nms(boxes, np.array([0.6, 0.9, 0.7, 0.8]))
    assert [sorted(group.tolist()) for group in groups] == [[0, 1], [3], [2]]
    assert groups[0][0] == 1
    assert weighted_nms(np.zeros((0, 4)), np.zeros(0)) == []


def test_heatmap_refinement_moves_to_the_peak_only_where_it_is_sure():
    heatmap = np.full((64, 64, 2), -20.0, np.float32)
    heatmap[30, 33, 0] = 20.0  # row 30, column 33
    heatmap[10, 10, 1] = -1.0
    xy = np.array([[31.2 / 64, 31.9 / 64], [10.5 / 64, 10.5 / 64]])
    refined = refine_by_heatmap(xy, heatmap)
    np.testing.assert_allclose(refined[0], (33 / 64, 30 / 64), atol=1e-6)
    np.testing.assert_array_equal(refined[1], xy[1])
    outside = np.array([[-0.2, 0.5], [0.5, 1.3]])
    np.testing.assert_array_equal(refine_by_heatmap(outside, heatmap), outside)


def test_sigmoid_survives_any_logit():
    with np.errstate(all="raise"):
        np.testing.assert_allclose(sigmoid(np.float32([-1e4, 0, 1e4])), [0, 0.5, 1], atol=1e-30)


@pytest.mark.parametrize("degrees", [0, 30, -75, 180])
def test_a_region_turns_the_person_upright(degrees):
    angle = np.deg2rad(degrees)
    centre = np.array([200.0, 150.0])
    up = np.array([np.sin(angle), -np.cos(angle)])  # in the image, for a person turned clockwise
    region = Region.from_alignment(centre, centre + 40.0 * up)
    assert region.side == pytest.approx(100.0)
    affine = region.image_from_crop(256)
    crop_centre, crop_up = np.array([128.0, 128.0]), np.array([128.0, 128.0 - 256 * 40 / 100])
    np.testing.assert_allclose(affine[:, :2] @ crop_centre + affine[:, 2], centre, atol=1e-9)
    np.testing.assert_allclose(affine[:, :2] @ crop_up + affine[:, 2], centre + 40.0 * up, atol=1e-9)


def test_missing_files_name_the_command(tmp_path):
    with pytest.raises(FileNotFoundError, match="nanohtnet models get blazepose"):
        BlazePoseNetworks(tmp_path)
