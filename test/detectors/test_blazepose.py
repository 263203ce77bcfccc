from dataclasses import replace

import cv2
import numpy as np
import pytest

from nanohtnet_ros.core.tracker import Tracker
from nanohtnet_ros.detectors.blazepose import (
    BlazePoseConfig,
    BlazePoseDetector,
    Followed,
    Landmarks,
    Region,
    refine_by_heatmap,
    sigmoid,
    ssd_anchors,
    weighted_nms,
)
from nanohtnet_ros.detectors.open import open_detector
from nanohtnet_ros.runtime.model_store import detector_dir
from nanohtnet_ros.samples.clips import packaged_clips

try:
    MODELS = detector_dir("blazepose")
except FileNotFoundError as error:
    MODELS, WHY = None, str(error)
needs_models = pytest.mark.skipif(MODELS is None, reason=f"BlazePose's files: {'' if MODELS else WHY}")


def frames(name: str) -> list[np.ndarray]:
    capture = cv2.VideoCapture(str(next(clip.video for clip in packaged_clips() if clip.name == name)))
    images = []
    while (read := capture.read())[0]:
        images.append(read[1])
    return images


def matches(people, truth_px: np.ndarray) -> list[float]:
    """Mean distance of each person's keypoints to the true ones, pixels."""
    return [float(np.nanmean(np.linalg.norm(p.xy_px - truth_px, axis=1))) for p in people]


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
        BlazePoseDetector(tmp_path)
    with pytest.raises(ValueError, match="unknown detector 'alphapose', expected blazepose, "):
        open_detector("alphapose")


@needs_models
def test_one_person_is_found_in_every_frame():
    (clip,) = (clip for clip in packaged_clips() if clip.name == "rendered_walk")
    detector, errors = BlazePoseDetector(MODELS), []
    for image, truth in zip(frames("rendered_walk")[::3], clip.truth.joints_px[::3, 0], strict=True):
        people = detector.detect(image)
        assert len(people) == 1
        errors += matches(people, truth)
    assert np.mean(errors) < 7.0


@needs_models
def test_two_people_who_cross_are_both_found():
    (clip,) = (clip for clip in packaged_clips() if clip.name == "rendered_two")
    detector = BlazePoseDetector(MODELS)
    recall, extra = np.zeros(2), 0
    images = frames("rendered_two")
    for image, truth in zip(images, clip.truth.joints_px, strict=True):
        people = detector.detect(image)
        found = [any(px < 40.0 for px in matches(people, truth[p])) for p in range(2)]
        recall += np.array(found) / len(images)
        extra += max(0, len(people) - sum(found))
    assert recall[0] == pytest.approx(1.0) and recall[1] >= 0.9
    assert extra <= 2


@needs_models
def test_people_who_cross_keep_their_identities():
    """The farther one is hidden for a third of a second, and comes out on the other side."""
    (clip,) = (clip for clip in packaged_clips() if clip.name == "rendered_two")
    detector, tracker = BlazePoseDetector(MODELS), Tracker()
    ids = [set(), set()]
    for i, (image, truth) in enumerate(zip(frames("rendered_two"), clip.truth.joints_px, strict=True)):
        for track in tracker.update(detector.detect(image), round(i * 4e7)):
            errors = [matches([track.keypoints], truth[p])[0] for p in range(2)]
            if min(errors) < 12.0:
                ids[int(np.argmin(errors))].add(track.track_id)
    assert [len(i) for i in ids] == [1, 1] and ids[0] != ids[1]


def test_a_body_with_limbs_of_two_is_nobody_new():
    detector = BlazePoseDetector.__new__(BlazePoseDetector)
    detector.config = BlazePoseConfig()
    rng = np.random.default_rng(0)
    region = Region(np.array((320.0, 240.0)), 300.0, 0.0)

    def person(xy_px: np.ndarray) -> Landmarks:
        return Landmarks(xy_px, np.ones(33), 1.0, region)

    left = rng.uniform(100, 300, (33, 2))
    right = left + (120.0, 0.0)
    mixed = np.where(np.arange(33)[:, None] % 3 == 0, left, right + (0.0, 40.0))
    assert not detector._same(person(left), person(right))
    assert detector._same(person(left), person(left + 5.0))
    assert detector._same(person(left), person(mixed)) and not detector._same(person(right), person(mixed))


def test_somebody_hidden_is_looked_for_further_on():
    still = Landmarks(np.full((33, 2), 100.0), np.ones(33), 1.0, Region(np.array((100.0, 100.0)), 200.0, 0.0))
    followed = Followed(still, np.array((10.0, 0.0)), hidden=3)
    np.testing.assert_allclose(followed.region.centre, (130.0, 100.0))
    there = replace(still, xy_px=still.xy_px + (40.0, 0.0))
    assert followed.surprise(there) == 0.0 and followed.surprise(still) == pytest.approx(0.2)
    assert followed.advance(there).hidden == 0
    np.testing.assert_allclose(followed.advance(there).velocity_px, (10.0, 0.0))


@needs_models
def test_nobody_is_found_in_an_empty_room_and_odd_images_do_no_harm():
    detector = BlazePoseDetector(MODELS)
    rng = np.random.default_rng(0)
    for shape in ((480, 640, 3), (1, 1, 3), (30, 1000, 3), (1080, 64, 3)):
        assert detector.detect(np.full(shape, 120, np.uint8)) == []
        detector.detect(rng.integers(0, 255, shape, np.uint8))


@needs_models
def test_limits_are_kept():
    image = frames("rendered_two")[10]
    assert len(BlazePoseDetector(MODELS, BlazePoseConfig(max_people=1)).detect(image)) == 1
    detector = BlazePoseDetector(MODELS, BlazePoseConfig(detect_every=5))
    assert len(detector.detect(image)) == 2
    detector.reset()
    assert detector._followed == []
