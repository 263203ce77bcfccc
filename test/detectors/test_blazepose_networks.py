import cv2
import numpy as np
import pytest

from nanohtnet_ros.core.skeleton import BLAZEPOSE_33
from nanohtnet_ros.detectors.blazepose_networks import (
    LEGS,
    BlazePoseNetworks,
    Landmarks,
    Region,
    _landmarks,
    refine_by_heatmap,
    sigmoid,
    ssd_anchors,
    weighted_nms,
)
from nanohtnet_ros.detectors.search import whole
from nanohtnet_ros.runtime.model_store import BLAZEPOSE, find_blazepose
from nanohtnet_ros.runtime.session import open_session
from nanohtnet_ros.samples.clips import packaged_clips


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


def test_heatmap_refinement_moves_to_the_peak_only_where_it_is_confident():
    heatmap = np.full((2, 64, 64), -20.0, np.float32)
    heatmap[0, 30, 33] = 20.0  # row 30, column 33
    heatmap[1, 10, 10] = -1.0
    xy = np.array([[31.2 / 64, 31.9 / 64], [10.5 / 64, 10.5 / 64]])
    refined = refine_by_heatmap(xy, heatmap)
    np.testing.assert_allclose(refined[0], (33 / 64, 30 / 64), atol=1e-6)
    np.testing.assert_array_equal(refined[1], xy[1])
    outside = np.array([[-0.2, 0.5], [0.5, 1.3]])
    np.testing.assert_array_equal(refine_by_heatmap(outside, heatmap), outside)


def found_of(heat: np.ndarray, y: float) -> Landmarks:
    """What becomes of a network's sureness about 39 landmarks at a height of the image, by the heat of each."""
    raw = np.full((39, 5), 20.0, np.float32)  # sure of everything, by the logits
    raw[:, 0], raw[:, 1] = 100.0, y
    raw[1, 1] = -1.0  # outside the image, where this is not to say
    heatmaps = np.broadcast_to(np.log(heat / (1 - heat)).astype(np.float32)[:, None, None], (39, 64, 64))
    found = _landmarks(Region(np.array([128.0, 128.0]), 256.0, 0.0), 256, (256, 200, 3), 0.5, raw, 1.0, heatmaps)
    assert found is not None
    return found


@pytest.mark.parametrize(("heat", "y", "sure"), [(0.3, 5.0, False), (0.8, 5.0, True), (0.3, 100.0, True)])
def test_what_no_heatmap_shows_is_not_sure_at_the_border(heat, y, sure):
    confidence = found_of(np.full(39, heat), y).confidence
    upper = np.setdiff1d(np.arange(33), [1, *LEGS])
    assert (confidence[upper] > 0.99).all() == sure and confidence[1] > 0.99
    assert sure or (confidence[upper] < 0.1).all()


@pytest.mark.parametrize(("warm", "sure"), [("l_ankle", True), ("r_knee", True), ("l_wrist", False)])
def test_legs_that_no_heatmap_shows_are_not_sure(warm, sure):
    heat = np.full(39, 0.4)
    heat[BLAZEPOSE_33.joint_names.index(warm)] = 0.6
    confidence = found_of(heat, 100.0).confidence
    assert (confidence[LEGS] > 0.99).all() == sure and (np.delete(confidence, LEGS) > 0.99).all()
    assert sure or (confidence[LEGS] < 0.1).all()


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


@pytest.fixture(scope="module")
def walker():
    """A frame, (33, 2) landmarks of the person in it by the default network, and their region."""
    (clip,) = (clip for clip in packaged_clips() if clip.name == "rendered_walk")
    image = cv2.VideoCapture(str(clip.video)).read()[1]
    networks = open_networks("blazepose")
    tile = whole(image.shape[1], image.shape[0])
    (region,) = networks.regions(tile.view(image, networks.detector_size), tile, 0.5)
    (person,) = networks.landmarks(image, [region], 0.5)
    return image, person


def open_networks(name: str) -> BlazePoseNetworks:
    return BlazePoseNetworks(*(open_session(path, "cpu") for path in find_blazepose(name)))


@pytest.mark.parametrize("name", BLAZEPOSE)
def test_every_size_sees_the_same_person(walker, name):
    image, expected = walker
    (person,) = open_networks(name).landmarks(image, [expected.next_region], 0.5)
    assert np.linalg.norm(person.xy_px - expected.xy_px, axis=1).mean() < 0.03 * expected.next_region.side
    assert person.presence > 0.9


def test_people_in_a_batch_are_those_seen_one_by_one(walker):
    image, expected = walker
    networks, region = open_networks("blazepose"), expected.next_region
    beside = Region(region.centre + 5.0, 1.1 * region.side, region.rotation + 0.1)
    nowhere, tiny = Region(np.array([5.0, 5.0]), 20.0, 0.0), Region(region.centre, 2.0, 0.0)
    together = networks.landmarks(image, [region, nowhere, beside, tiny], 0.5)
    assert together[1] is together[3] is None
    for found, one in ((together[0], region), (together[2], beside)):
        np.testing.assert_allclose(found.xy_px, networks.landmarks(image, [one], 0.5)[0].xy_px, atol=0.01)
    assert networks.landmarks(image, [], 0.5) == [] and networks.landmarks(image, [tiny], 0.5) == [None]
