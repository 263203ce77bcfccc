from dataclasses import replace

import numpy as np
import pytest

from nanohtnet_ros.core.camera import Camera
from nanohtnet_ros.core.poses import Keypoints
from nanohtnet_ros.core.skeleton import Joint
from nanohtnet_ros.core.visibility import completed, supported

LEGS = [Joint.R_KNEE, Joint.R_ANKLE, Joint.L_KNEE, Joint.L_ANKLE]


def known_of(keypoints, camera):
    return supported(keypoints.xy_px, keypoints.confidence, camera)


def test_joints_outside_the_image_are_not_supported_however_sure_the_detector_is(make_keypoints, camera):
    keypoints = make_keypoints((0, 0, 3.0))
    cut = Camera(640, int(keypoints.xy_px[Joint.HIP, 1]) - 20, 600.0, 600.0, 319.5, 239.5)
    known = known_of(keypoints, cut)
    np.testing.assert_array_equal(known, keypoints.xy_px[:, 1] < cut.height - 0.5)
    assert not known[LEGS].any() and known[Joint.THORAX]
    assert known_of(keypoints, camera).all()


def test_a_hidden_limb_is_supported_by_its_counterpart_only(make_keypoints, camera):
    confidence = np.ones(17, np.float32)
    confidence[[Joint.L_ELBOW, Joint.L_WRIST]] = 0.01
    assert known_of(make_keypoints(confidence=confidence), camera).all()
    confidence[LEGS] = 0.01
    known = known_of(make_keypoints(confidence=confidence), camera)
    np.testing.assert_array_equal(known, ~np.isin(np.arange(17), LEGS))


def cut_below(keypoints, camera, joint, beyond_px):
    """A camera whose image ends so far below a joint."""
    return replace(camera, height=int(keypoints.xy_px[joint, 1] + beyond_px))


@pytest.mark.parametrize(("sure", "kept"), [(0.15, False), (0.3, True)])
def test_a_joint_at_the_border_needs_to_be_sure_itself(make_keypoints, camera, sure, kept):
    confidence = np.ones(17, np.float32)
    confidence[Joint.L_ELBOW] = sure
    keypoints = make_keypoints(confidence=confidence)
    known = known_of(keypoints, cut_below(keypoints, camera, Joint.L_ELBOW, 5))
    assert known[Joint.L_ELBOW] == kept and known[[Joint.R_ELBOW, Joint.L_SHOULDER]].all()
    assert known_of(keypoints, cut_below(keypoints, camera, Joint.L_ELBOW, 80))[Joint.L_ELBOW]


@pytest.mark.parametrize(("sure", "kept"), [(0.3, False), (0.7, True)])
def test_a_hand_in_the_image_whose_elbow_is_not_needs_to_be_sure_itself(make_keypoints, camera, sure, kept):
    confidence = np.ones(17, np.float32)
    confidence[Joint.L_WRIST] = sure
    keypoints = make_keypoints(confidence=confidence)
    raised = keypoints.xy_px.copy()
    raised[Joint.L_WRIST] = keypoints.xy_px[Joint.L_SHOULDER] + (30, -10)
    keypoints = Keypoints(raised, confidence)
    assert known_of(keypoints, cut_below(keypoints, camera, Joint.L_ELBOW, -20))[Joint.L_WRIST] == kept
    assert known_of(keypoints, camera)[Joint.L_WRIST]


@pytest.mark.parametrize(("sure", "kept"), [(0.15, False), (0.3, True)])
@pytest.mark.parametrize("joint", [Joint.L_SHOULDER, Joint.L_HIP, Joint.NECK])
def test_trunk_and_face_at_the_border_need_to_be_sure_themselves(make_keypoints, camera, joint, sure, kept):
    confidence = np.ones(17, np.float32)
    confidence[joint] = sure
    keypoints = make_keypoints(confidence=confidence)
    known = known_of(keypoints, cut_below(keypoints, camera, joint, 3))
    assert known[joint] == kept
    assert known_of(keypoints, camera)[joint]


def test_the_spine_is_seen_where_the_shoulders_are_not(make_keypoints, camera):
    confidence = np.ones(17, np.float32)
    confidence[[Joint.SPINE, Joint.THORAX, Joint.L_SHOULDER, Joint.R_SHOULDER]] = 0.01
    known = known_of(make_keypoints(confidence=confidence), camera)
    assert known[Joint.SPINE] and not known[[Joint.THORAX, Joint.L_SHOULDER, Joint.R_SHOULDER]].any()


def test_the_spine_is_seen_where_the_hips_are_not(make_keypoints, camera):
    confidence = np.ones(17, np.float32)
    confidence[[Joint.SPINE, Joint.HIP, Joint.L_HIP, Joint.R_HIP, *LEGS]] = 0.01
    keypoints = make_keypoints(confidence=confidence)
    known = known_of(keypoints, cut_below(keypoints, camera, Joint.SPINE, 10))
    assert known[Joint.SPINE] and not known[[Joint.HIP, Joint.L_HIP, Joint.R_HIP]].any()


def test_several_people_are_judged_as_each_alone(make_keypoints, camera):
    rng, cut = np.random.default_rng(0), replace(camera, width=360, height=280)
    people = [make_keypoints((x, 0, 3.0), confidence=rng.random(17) ** 2) for x in (-0.6, 0.0, 0.3)]
    together = supported(np.array([its.xy_px for its in people]), np.array([its.confidence for its in people]), cut)
    assert together.any(axis=1).all() and not together.all(axis=1).any()
    np.testing.assert_array_equal(together, [known_of(its, cut) for its in people])


def test_what_is_known_stays(make_keypoints):
    points = make_keypoints().xy_px
    np.testing.assert_array_equal(completed(points, np.ones(17, bool)), points)
    known = ~np.isin(np.arange(17), LEGS)
    np.testing.assert_array_equal(completed(points, known)[known], points[known])


@pytest.mark.parametrize("guess", [np.nan, 999.0])
def test_legs_that_nobody_sees_stand_below_the_hips(make_keypoints, guess):
    points = make_keypoints().xy_px
    truth = points.copy()
    points[LEGS] = guess
    known = ~np.isin(np.arange(17), [*LEGS, Joint.HIP, Joint.L_HIP, Joint.R_HIP, Joint.SPINE])
    out = completed(points, known)
    trunk = np.linalg.norm(truth[Joint.HIP] - truth[Joint.THORAX])
    assert np.linalg.norm(out[LEGS] - truth[LEGS], axis=1).max() < 0.3 * trunk


def test_an_upper_body_without_a_guess_gets_hips_and_legs(make_keypoints):
    points = make_keypoints().xy_px
    truth = points.copy()
    missing = [*LEGS, Joint.HIP, Joint.L_HIP, Joint.R_HIP, Joint.SPINE]
    points[missing] = np.nan
    out = completed(points, np.isfinite(points).all(axis=1))
    trunk = np.linalg.norm(truth[Joint.HIP] - truth[Joint.THORAX])
    assert np.linalg.norm(out - truth, axis=1).max() < 0.5 * trunk
    assert out[Joint.L_HIP, 0] > out[Joint.R_HIP, 0]


def test_places_follow_the_persons_size_and_place(make_keypoints):
    points = make_keypoints().xy_px
    known = ~np.isin(np.arange(17), LEGS)
    np.testing.assert_allclose(completed(3 * points + 7, known), 3 * completed(points, known) + 7, atol=1e-2)


def test_without_hips_and_shoulders_nothing_is_made_up(make_keypoints):
    points = make_keypoints().xy_px
    points[:] = np.nan
    points[[Joint.NECK, Joint.HEAD]] = 10.0
    out = completed(points, np.isfinite(points).all(axis=1))
    assert np.isnan(out[LEGS]).all()
