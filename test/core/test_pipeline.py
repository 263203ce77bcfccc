from dataclasses import replace

import numpy as np
import pytest

from nanohtnet_ros.core.body import ANKLE_HEIGHT_M, standing_height
from nanohtnet_ros.core.camera import Camera
from nanohtnet_ros.core.ground import Ground
from nanohtnet_ros.core.keypoint_tracking import KeypointTracker, StaleFrameError
from nanohtnet_ros.core.lifter import WindowLifter
from nanohtnet_ros.core.model_card import ModelCard
from nanohtnet_ros.core.pipeline import Pipeline
from nanohtnet_ros.core.pose_estimation import ONLY_CAMERA, Frame, Lifter, LiftingConfig
from nanohtnet_ros.core.poses import Keypoints, TrackedKeypoints
from nanohtnet_ros.core.skeleton import H36M_17, Joint
from nanohtnet_ros.core.smoothing import SmoothingConfig
from nanohtnet_ros.core.tracker import Tracker
from nanohtnet_ros.core.window import NS_PER_S
from nanohtnet_ros.errors import UserError

from factories import STANDING_M, FakeSession, ScriptedDetector

RAW = SmoothingConfig(one_euro=False, constant_bones=False)
EXACT = LiftingConfig(hips_ahead_m=0.0)  # of a detector that marks the joints' centres
IMAGE = np.zeros((480, 640, 3), np.uint8)


def make(frames) -> tuple[Pipeline, FakeSession, ScriptedDetector]:
    session, detector = FakeSession(), ScriptedDetector(frames)
    card = ModelCard(9, 50.0, (-2, -1, 0), 0, "h36m_17", 2.29)
    finder, lifter = KeypointTracker(detector, Tracker()), Lifter(WindowLifter(session, card), EXACT)
    return Pipeline(finder, lifter), session, detector


def ns(seconds: float) -> int:
    return round(seconds * NS_PER_S)


def test_people_come_out_with_pose_place_and_confidence(make_keypoints, camera):
    confidence = np.linspace(0.2, 1.0, 17, dtype=np.float32)
    pipeline, _, _ = make([[make_keypoints((0.5, 0.1, 4.0), confidence)]])
    (person,) = pipeline.step(IMAGE, ns(1.0), camera)
    np.testing.assert_allclose(person.joints_rel_m, STANDING_M)
    np.testing.assert_allclose(person.root_m, (0.5, 0.1, 4.0), atol=1e-3)
    np.testing.assert_allclose(person.confidence, confidence)
    assert person.track_id == 1 and person.age_s == 0.0


def test_a_missing_joint_is_nan_with_confidence_zero(make_keypoints, camera):
    confidence = np.ones(17, np.float32)
    confidence[[3, 13]] = 0.0
    pipeline, session, _ = make([[make_keypoints(confidence=confidence)]])
    (person,) = pipeline.step(IMAGE, ns(1.0), camera)
    assert np.isnan(person.joints_rel_m[[3, 13]]).all() and (person.confidence[[3, 13]] == 0).all()
    assert np.isfinite(person.joints_rel_m[[2, 12]]).all()
    assert np.isfinite(session.batches[0]).all()


def test_whoever_has_left_the_image_is_nobody_until_they_are_back(make_keypoints, camera):
    pipeline, _, _ = make([])
    places = (0.5, 0.0, 3.0), (4.0, 0.0, 3.0), (0.5, 0.0, 3.0)  # a detector goes on outside
    tracked = [TrackedKeypoints(1, 0.1 * i, make_keypoints(place)) for i, place in enumerate(places)]
    before, outside, after = (pipeline.lifter.step([one], ns(1 + one.age_s), camera) for one in tracked)
    assert (len(before), len(outside), len(after)) == (1, 0, 1)


def test_nobody_is_an_empty_list(camera):
    pipeline, _, _ = make([[], []])
    assert pipeline.step(IMAGE, ns(1.0), camera) == []


def test_windows_are_never_shared_between_ids(make_keypoints, camera):
    left = [make_keypoints((-1.0, 0, 4.0))] * 6
    right = [make_keypoints((1.0, 0, 4.0))] * 6
    frames = [[a, b] if i % 2 else [b, a] for i, (a, b) in enumerate(zip(left, right, strict=True))]
    pipeline, session, _ = make(frames)
    sides = {}
    for i in range(6):
        people = pipeline.step(IMAGE, ns(1 + i / 25), camera)
        for row, person in enumerate(people):
            x = session.batches[-1][row, :, 0, 0]
            assert np.ptp(x) < 1e-6  # nobody moved, so no window holds both
            assert sides.setdefault(person.track_id, np.sign(x[0])) == np.sign(x[0])
    assert len(sides) == 2


def test_a_new_person_starts_with_a_window_of_their_own(make_keypoints, camera):
    frames = [[make_keypoints((-1.0, 0, 4.0))]] * 3 + [[]] * 60 + [[make_keypoints((-1.0, 0, 4.0))]]
    pipeline, _, _ = make(frames)
    ids = [[p.track_id for p in pipeline.step(IMAGE, ns(1 + i / 25), camera)] for i in range(len(frames))]
    assert ids[0] == [1] and ids[-1] == [2]
    assert len(pipeline.lifter._views[ONLY_CAMERA].tracks) == 1


def test_stale_frames_are_refused_and_change_nothing(make_keypoints, camera):
    pipeline, _, detector = make([[make_keypoints()]] * 3)
    pipeline.step(IMAGE, ns(1.0), camera)
    for stamp in (1.0, 0.9):
        with pytest.raises(StaleFrameError, match="stamp each image"):
            pipeline.step(IMAGE, ns(stamp), camera)
    assert [p.track_id for p in pipeline.step(IMAGE, ns(1.04), camera)] == [1]
    assert detector.resets == 0


def test_a_looped_bag_starts_everything_anew(make_keypoints, camera):
    pipeline, session, detector = make([[make_keypoints((-0.5, 0, 3))], [make_keypoints((0.5, 0, 3))]])
    pipeline.step(IMAGE, ns(100.0), camera)
    (person,) = pipeline.step(IMAGE, ns(10.0), camera)
    assert person.track_id == 2 and detector.resets == 1
    assert np.ptp(session.batches[-1][0, :, 0, 0]) == 0.0


def test_a_camera_that_stalls_and_returns(make_keypoints, camera):
    pipeline, session, detector = make([[make_keypoints((-0.5, 0, 3))], [make_keypoints((0.5, 0, 3))]])
    pipeline.step(IMAGE, ns(1.0), camera)
    (person,) = pipeline.step(IMAGE, ns(60.0), camera)
    assert person.track_id == 2 and detector.resets == 1
    assert np.ptp(session.batches[-1][0, :, 0, 0]) == 0.0


def test_another_calibration_restarts_the_window_another_size_everything(make_keypoints, camera):
    pipeline, session, detector = make([[make_keypoints()]] * 3)
    pipeline.step(IMAGE, ns(1.0), camera)
    other = Camera(640, 480, 500.0, 500.0, 300.0, 200.0)
    (person,) = pipeline.step(IMAGE, ns(1.02), other)
    assert person.track_id == 1 and np.ptp(session.batches[-1][0, :, 0, 0]) == 0.0
    (person,) = pipeline.step(IMAGE[:240, :320], ns(1.04), Camera(320, 240, 300.0, 300.0, 159.5, 119.5))
    assert person.track_id == 2 and detector.resets == 1


@pytest.mark.parametrize("focal_px", [600.0 + 1e-9, 601.0, 603.0])
def test_a_lens_that_focuses_restarts_nothing(make_keypoints, camera, focal_px):
    """Its calibration changes from frame to frame: the window is the same as of one that does not."""
    fixed, session, _ = make([[make_keypoints((0.1 * i, 0, 3))] for i in range(6)])
    focusing, other_session, _ = make([[make_keypoints((0.1 * i, 0, 3))] for i in range(6)])
    breathing = Camera(640, 480, focal_px, focal_px, camera.cx, camera.cy)
    for i in range(6):
        fixed.step(IMAGE, ns(1 + i / 50), camera)
        focusing.step(IMAGE, ns(1 + i / 50), (camera, breathing)[i % 2])
    assert np.ptp(other_session.batches[-1][0, :, 0, 0]) > 0.1
    np.testing.assert_allclose(other_session.batches[-1], session.batches[-1], atol=0.02)


def test_a_calibration_of_another_resolution_is_scaled_and_of_another_shape_refused(make_keypoints, camera):
    pipeline, _, _ = make([[make_keypoints((0.5, 0.1, 4.0))]] * 2)
    double = Camera(1280, 960, 1200.0, 1200.0, 639.5, 479.5)
    (person,) = pipeline.step(IMAGE, ns(1.0), double)
    np.testing.assert_allclose(person.root_m, (0.5, 0.1, 4.0), atol=1e-3)
    with pytest.raises(UserError, match="calibration is for 640x360"):
        pipeline.step(IMAGE, ns(1.1), Camera(640, 360, 600.0, 600.0, 319.5, 179.5))


FISHEYE = Camera(640, 480, 150.0, 150.0, 319.5, 239.5, "equidistant")


@pytest.mark.parametrize("root", [(1.0, 0.0, 3.0), (3.0, 0.1, 0.2), (-3.0, 0.2, -0.4)])
def test_people_anywhere_in_a_fisheye_get_pose_and_place(root):
    pipeline, session, _ = make([[Keypoints(FISHEYE.project(STANDING_M + root), np.ones(17))]])
    (person,) = pipeline.step(IMAGE, ns(1.0), FISHEYE)
    assert np.isfinite(session.batches[0]).all() and np.abs(session.batches[0]).max() < 2.29 * 5.7
    view = pipeline.lifter._views[ONLY_CAMERA].tracks[1].turn
    np.testing.assert_allclose(person.joints_rel_m @ view.T, STANDING_M, atol=1e-6)  # the network's answer, turned back


def test_a_person_who_walks_past_a_fisheye_is_turned_to_within_one_window():
    roots = [(0.5 * i, 0.0, 0.6) for i in range(5, 12)]
    pipeline, session, _ = make([[Keypoints(FISHEYE.project(STANDING_M + root), np.ones(17))] for root in roots])
    for i in range(len(roots)):
        (person,) = pipeline.step(IMAGE, ns(1 + i / 50), FISHEYE)
    assert person.track_id == 1 and not np.array_equal(pipeline.lifter._views[ONLY_CAMERA].tracks[1].turn, np.eye(3))
    x = session.batches[-1][0, -len(roots) :, 0, 0]
    assert np.isfinite(session.batches[-1]).all() and (np.abs(np.diff(x)) > 0.02).all()  # all frames, none restarted


def test_keypoints_where_the_lens_sees_nothing_are_missing(make_keypoints):
    lens = Camera(640, 480, 420.0, 420.0, 319.5, 239.5, "plumb_bob", (-0.4, 0.0, 0.0, 0.0))
    xy_px = lens.project(STANDING_M + (0.0, 0.0, 3.0))
    xy_px[13] = (5.0, 5.0)  # the corner, where the polynomial has folded back
    pipeline, session, _ = make([[Keypoints(xy_px, np.ones(17))], [Keypoints(np.full((17, 2), 2.0), np.ones(17))]])
    (person,) = pipeline.step(IMAGE, ns(1.0), lens)
    assert np.isnan(person.joints_rel_m[13]).all() and person.confidence[13] == 0
    assert np.isfinite(np.delete(person.joints_rel_m, 13, axis=0)).all()
    np.testing.assert_allclose(person.root_m, (0, 0, 3), atol=1e-3)
    assert np.abs(session.batches[0]).max() < 2.0
    assert pipeline.step(IMAGE, ns(1.02), lens) == []


def test_stage_times_are_kept(make_keypoints, camera):
    pipeline, _, _ = make([[make_keypoints()]] * 2)
    for i in range(2):
        pipeline.step(IMAGE, ns(1 + i), camera)
    latency = {name: stage for times in pipeline.stage_times for name, stage in times.latency_ms().items()}
    assert list(latency) == ["detect", "track", "lift"]
    assert all(0 <= stage["p50"] <= stage["p99"] for stage in latency.values())


def test_a_person_whose_root_cannot_be_placed_has_none(make_keypoints, camera):
    only_head = np.where(np.arange(17) == 10, 1.0, 0.0)
    pipeline, _, _ = make([[make_keypoints(confidence=only_head)]])
    (person,) = pipeline.step(IMAGE, ns(1.0), camera)
    assert person.root_m is None
    assert isinstance(person.keypoints, Keypoints)


def test_people_of_several_cameras_go_through_the_network_together(make_keypoints, camera):
    _, session, _ = make([])
    lifter = Lifter(WindowLifter(session, ModelCard(9, 50.0, (0,), 0, "h36m_17", 2.29)), EXACT)
    session.outputs = 1
    other = Camera(320, 240, 300.0, 300.0, 159.5, 119.5)
    here, there = TrackedKeypoints(1, 0.0, make_keypoints((0.5, 0, 4))), TrackedKeypoints(1, 0.0, make_keypoints())
    both = TrackedKeypoints(2, 0.0, make_keypoints((-0.5, 0, 3)))
    people = lifter.step_cameras({"left": Frame(ns(1), camera, [here, both]), "right": Frame(ns(7), other, [there])})
    assert [len(batch) for batch in session.batches] == [3]
    assert [p.track_id for p in people["left"]] == [1, 2] and [p.track_id for p in people["right"]] == [1]
    np.testing.assert_allclose(people["left"][0].root_m, (0.5, 0, 4), atol=1e-3)
    # Time that jumps for one camera leaves the other's windows alone.
    people = lifter.step_cameras({"left": Frame(ns(0.5), camera, [both]), "right": Frame(ns(7.02), other, [there])})
    assert len(lifter._views["left"].tracks) == 1 and len(lifter._views["right"].tracks[1].window) == 2
    assert lifter.step_cameras({}) == {}


def test_a_person_who_comes_back_after_a_gap_starts_a_window_anew(make_keypoints, camera):
    _, session, _ = make([])
    card = ModelCard(9, 50.0, (-2, -1, 0), 0, "h36m_17", 2.29)
    lifter = Lifter(WindowLifter(session, card), LiftingConfig(0.3, hips_ahead_m=0.0))
    for stamp, x, moved in ((1.0, -0.5, False), (1.25, 0.5, True), (1.6, -0.5, False)):
        lifter.step([TrackedKeypoints(7, 0.0, make_keypoints((x, 0, 3)))], ns(stamp), camera)
        assert (np.ptp(session.batches[-1][0, :, 0, 0]) > 0) == moved


class Unsure(FakeSession):
    """As the fake network; it expects an error of 10 cm of every joint, or what it is told."""

    def __init__(self, error_m: np.ndarray | float = 0.1) -> None:
        super().__init__()
        self.error_m = np.broadcast_to(error_m, 17)

    def run(self, x):
        joints = super().run(x)
        error = np.broadcast_to(np.log(self.error_m).astype(np.float32)[:, None], joints[..., :1].shape)
        return np.concatenate((joints, error), axis=-1)


def test_expected_errors_lower_the_confidence_of_all_but_the_root(make_keypoints, camera):
    card = ModelCard(9, 50.0, (-2, -1, 0), 0, "h36m_17", 2.29, uncertainty=True)
    lifter = Lifter(WindowLifter(Unsure(), card), EXACT)
    seen = make_keypoints((0.5, 0, 4), np.full(17, 0.8, np.float32))
    (person,) = lifter.step_cameras({ONLY_CAMERA: Frame(ns(1), camera, [TrackedKeypoints(1, 0.0, seen)])})[ONLY_CAMERA]
    np.testing.assert_allclose(person.confidence, [0.8] + [0.4] * 16, rtol=1e-5)
    np.testing.assert_allclose(person.keypoints.confidence, 0.8)  # what the detector said stays
    np.testing.assert_allclose(person.root_m, (0.5, 0, 4), atol=1e-3)


def test_joints_of_which_the_network_expects_a_large_error_are_not_known(make_keypoints, camera):
    error_m = np.full(17, 0.1)
    error_m[[Joint.L_WRIST, Joint.R_WRIST]] = 0.2, 0.5
    card = ModelCard(9, 50.0, (-2, -1, 0), 0, "h36m_17", 2.29, uncertainty=True)
    lifter = Lifter(WindowLifter(Unsure(error_m), card), EXACT)
    (person,) = lifter.step([TrackedKeypoints(1, 0.0, make_keypoints())], ns(1), camera)
    assert np.isnan(person.joints_rel_m[Joint.R_WRIST]).all() and person.confidence[Joint.R_WRIST] == 0
    assert np.isfinite(np.delete(person.joints_rel_m, Joint.R_WRIST, axis=0)).all()
    assert person.keypoints.valid.all()
    lifter.config = replace(EXACT, max_error_m=0.15)
    (person,) = lifter.step([TrackedKeypoints(1, 0.0, make_keypoints())], ns(1.02), camera)
    assert (np.flatnonzero(person.confidence == 0) == [Joint.L_WRIST, Joint.R_WRIST]).all()


def test_the_fewer_joints_are_known_the_less_sure_is_the_distance(make_keypoints, camera):
    card = ModelCard(9, 50.0, (-2, -1, 0), 0, "h36m_17", 2.29, uncertainty=True)
    head = np.isin(np.arange(17), [Joint.THORAX, Joint.NECK, Joint.HEAD, Joint.L_SHOULDER, Joint.R_SHOULDER])
    sigmas_m = []
    for seen in (np.ones(17), head):
        lifter = Lifter(WindowLifter(Unsure(), card), EXACT)
        (person,) = lifter.step([TrackedKeypoints(1, 0.0, make_keypoints(confidence=seen))], ns(1), camera)
        assert person.root_m is not None
        sigmas_m.append(person.root_sigma_m)
    assert sigmas_m[1] > 1.2 * sigmas_m[0]


def test_with_a_look_ahead_everything_is_of_that_moment(make_keypoints, camera):
    """Somebody walks to the right at 1 m/s before a camera of 40 Hz, in depth images that follow them."""
    card = ModelCard(9, 50.0, (-5, 0), 0, "h36m_17", 2.29)
    lifter = Lifter(WindowLifter(FakeSession(outputs=2), card, 0.1), EXACT)
    assert lifter.delay_ns == 100_000_000
    for i in range(12):
        time_s = 1.0 + i / 40
        depth_m = np.full((camera.height, camera.width), 3.0 + 2.0 * (time_s - 1.0), np.float32)
        tracked = TrackedKeypoints(4, i / 40, make_keypoints((time_s - 1.0, 0, 4)))
        people = lifter.step_cameras({ONLY_CAMERA: Frame(ns(time_s), camera, [tracked], depth_m)})[ONLY_CAMERA]
        assert bool(people) == (i >= 4), "poses of moments before somebody was seen"
        if people:
            (person,) = people
            x = time_s - 1.1
            assert person.track_id == 4 and person.age_s == pytest.approx(i / 40 - 0.1)
            np.testing.assert_allclose(person.keypoints.xy_px, make_keypoints((x, 0, 4)).xy_px, atol=0.01)
            if i == 4:  # before the filter has a past
                assert person.root_m[2] == pytest.approx(3.0, abs=0.25)  # the depth image of 1.0 s, not 3.2 of 1.1 s


def test_depth_images_are_those_of_the_moment(make_keypoints, camera):
    card = ModelCard(9, 50.0, (-5, 0), 0, "h36m_17", 2.29)
    depths = {}
    for look_ahead_s in (0.0, 0.1):
        network = WindowLifter(FakeSession(outputs=2), card, look_ahead_s)
        lifter = Lifter(network, LiftingConfig(hips_ahead_m=0.0, smoothing=RAW))
        for i in range(11):
            depth_m = np.full((camera.height, camera.width), 3.0 + 0.1 * i, np.float32)
            tracked = TrackedKeypoints(4, 0.0, make_keypoints((0, 0, 4)))
            people = lifter.step([tracked], ns(1.0 + i / 50), camera, depth_m)
        depths[look_ahead_s] = people[0].root_m[2]
    assert depths[0.0] - depths[0.1] == pytest.approx(0.5, abs=0.01)  # five frames' worth


def test_exchanged_sides_are_put_right_before_they_reach_the_network(make_keypoints, camera):
    true = make_keypoints((0.2, 0.1, 4.0))
    frames = [true.ordered(H36M_17.flip_order) if 15 <= i < 20 else true for i in range(25)]
    lifter = Lifter(WindowLifter(session := FakeSession(), ModelCard(9, 50.0, (-2, -1, 0), 0, "h36m_17", 2.29)))
    for i, keypoints in enumerate(frames):
        seen = TrackedKeypoints(1, i / 30, keypoints)
        (person,) = lifter.step([seen], ns(1 + i / 30), camera)
        np.testing.assert_array_equal(person.keypoints.xy_px, true.xy_px)
    np.testing.assert_allclose(np.ptp(np.concatenate(session.batches), axis=(0, 1)), 0.0, atol=1e-6)


def test_a_wrong_start_is_mended_in_the_whole_window(make_keypoints, camera):
    true = make_keypoints((0.2, 0.1, 4.0))
    frames = [true.ordered(H36M_17.flip_order) if i < 5 else true for i in range(20)]
    lifter = Lifter(WindowLifter(session := FakeSession(25), ModelCard(25, 50.0, (-2, -1, 0), 0, "h36m_17", 2.29)))
    for i, keypoints in enumerate(frames):
        (person,) = lifter.step([TrackedKeypoints(1, i / 30, keypoints)], ns(1 + i / 30), camera)
    np.testing.assert_array_equal(person.keypoints.xy_px, true.xy_px)
    expected = camera.normalise(true.xy_px)
    np.testing.assert_allclose(session.batches[-1][0], np.broadcast_to(expected, (25, 17, 2)), atol=1e-6)


def test_of_a_person_cut_at_the_waist_only_what_is_seen_is_published(make_keypoints, camera):
    keypoints = make_keypoints((0.1, 0.0, 3.0))
    confidence = np.where(keypoints.xy_px[:, 1] > 200, 0.01, 0.9)
    cut = Camera(640, 200, 600.0, 600.0, 319.5, 239.5)
    pipeline, session, _ = make([[Keypoints(keypoints.xy_px, confidence)]])
    (person,) = pipeline.step(IMAGE[:200], ns(1.0), cut)
    seen = keypoints.xy_px[:, 1] < 199.5
    np.testing.assert_array_equal(np.isfinite(person.joints_rel_m).all(axis=1), seen)
    np.testing.assert_array_equal(person.confidence > 0, seen)
    assert not seen[Joint.HIP] and seen[Joint.L_SHOULDER]
    assert np.isfinite(session.batches[0]).all()
    np.testing.assert_allclose(person.root_m, (0.1, 0.0, 3.0), atol=0.02)


LENSES = (
    Camera(640, 480, 600.0, 600.0, 319.5, 239.5),
    FISHEYE,
    Camera(640, 480, 420.0, 420.0, 319.5, 239.5, "plumb_bob", (-0.4, 0.0, 0.0, 0.0)),
)


@pytest.mark.parametrize("lens", LENSES, ids=["pinhole", "fisheye", "folding"])
def test_any_keypoints_give_people_or_none(lens):
    """Keypoints from elsewhere may lie anywhere: what comes out is finite or missing, and nothing is raised."""
    random, (_, session, _) = np.random.default_rng(0), make([])
    lifter = Lifter(WindowLifter(session, ModelCard(9, 50.0, (-2, -1, 0), 0, "h36m_17", 2.29)))
    for i in range(300):
        spread = random.choice((1.0, 100.0, 1e4, 1e30))
        xy_px = random.normal((320, 240), spread, (17, 2))
        xy_px[random.random(17) < random.choice((0.0, 0.5, 0.95))] = random.choice((np.nan, np.inf, 1e30))
        keypoints = Keypoints(xy_px, random.choice((0.0, 0.05, 0.5, 1.0, np.nan), 17))
        for person in lifter.step([TrackedKeypoints(1, 0.0, keypoints)], ns(1 + i / 50), lens):
            missing = np.isnan(person.joints_rel_m).all(axis=1)
            np.testing.assert_array_equal(missing, person.confidence == 0)
            assert person.root_m is None or np.isfinite(person.root_m).all()
    assert np.isfinite(np.concatenate([batch.ravel() for batch in session.batches])).all()


def test_places_on_the_floor_come_with_a_known_ground(make_keypoints, camera):
    pipeline, _, _ = make([[make_keypoints((0.5, 0.1, 4.0))]] * 2)
    (person,) = pipeline.step(IMAGE, ns(1.0), camera, ground=Ground.of_angles(height_m=1.05))  # feet on the floor
    np.testing.assert_allclose(person.root_ground_m, (4.0, -0.5, 0.95), rtol=0.02)
    (person,) = pipeline.step(IMAGE, ns(1.02), camera, ground=Ground.of_angles())
    assert person.root_ground_m is None


HIP_M = float(STANDING_M[:, 1].max()) + ANKLE_HEIGHT_M  # of the standing person, above the floor


def stands_at(scale: float, ahead_m: float, camera: Camera, ground: Ground) -> tuple[np.ndarray, Keypoints]:
    """Root and keypoints of a standing person of another size whose feet are on the floor."""
    root = np.array((0.3, ground.height_m - scale * HIP_M, ahead_m))
    return root, Keypoints(camera.project(scale * STANDING_M + root).astype(np.float32), np.ones(17, np.float32))


def stand(lifter, seconds, scale, camera, ground, start_s=1.0, told=None, depth_m=None):
    """The last person of some seconds of one who stands 4 m away."""
    root, keypoints = stands_at(scale, 4.0, camera, told or ground)
    for i in range(round(25 * seconds)):
        tracked = TrackedKeypoints(1, i / 25, keypoints)
        (person,) = lifter.step([tracked], ns(start_s + i / 25), camera, depth_m, ground)
    return person, root


@pytest.mark.parametrize("scale", [0.7, 1.2])
def test_the_floor_gives_people_their_size_and_place(camera, scale):
    ground, lifter = Ground.of_angles(height_m=1.3), make([])[0].lifter
    person, root = stand(lifter, 2.0, scale, camera, ground)
    np.testing.assert_allclose(person.root_m, root, rtol=0.03, atol=0.02)
    np.testing.assert_allclose(person.joints_rel_m, scale * STANDING_M, rtol=0.03, atol=1e-3)
    true_m = scale * standing_height(STANDING_M)
    assert abs(person.height_m - true_m) < person.height_sigma_m < 0.05 * true_m
    assert np.linalg.norm(person.root_m - root) < person.root_sigma_m < 0.06 * 4.0
    elsewhere = Ground.of_angles()  # the floor is no longer known, and the size is kept
    later, _ = stand(lifter, 3.0, scale, camera, elsewhere, 3.0, ground)
    assert later.height_m == person.height_m
    again, _ = stand(lifter, 0.1, scale, camera, elsewhere, 8.0, ground)  # lost for 2 s, and found by the tracker
    assert again.height_m == person.height_m
    other, _ = stand(lifter, 0.1, scale, camera, elsewhere, 80.0, ground)
    assert np.isnan(other.height_m)


def test_without_a_floor_sizes_are_the_networks_or_what_is_told(camera):
    ground = Ground.of_angles(height_m=1.3)
    for known in (None, Ground.of_angles()):
        for config, height_m in ((EXACT, None), (replace(EXACT, person_height_m=2.0), 2.0)):
            lifter = make([])[0].lifter
            lifter.config = config
            person, root = stand(lifter, 0.2, 1.0, camera, known, told=ground)
            scale = 1.0 if height_m is None else height_m / standing_height(STANDING_M)
            np.testing.assert_allclose(person.root_m, scale * root, rtol=1e-3)
            assert np.isnan(person.height_m) if height_m is None else person.height_m == height_m
            assert (person.root_sigma_m > 0.4) == (height_m is None)


def test_depth_and_floor_are_joined_by_their_uncertainties(camera):
    ground = Ground.of_angles(height_m=1.3)
    deep = np.full((camera.height, camera.width), 4.0 - 0.08, np.float32)  # of a skin that hides 8 cm
    person, _ = stand(make([])[0].lifter, 2.0, 1.0, camera, ground, depth_m=deep)
    assert person.root_m[2] == pytest.approx(4.0, abs=0.05) and person.root_sigma_m < 0.05
    person, _ = stand(make([])[0].lifter, 2.0, 1.0, camera, ground, depth_m=deep - 2.0)  # of a table before them
    assert person.root_m[2] == pytest.approx(4.0, abs=0.1) and person.root_sigma_m > 0.05
    person, _ = stand(make([])[0].lifter, 2.0, 1.0, camera, None, told=ground, depth_m=deep - 2.0)
    assert person.root_m[2] == pytest.approx(2.0, abs=0.1)  # nothing contradicts it
