import numpy as np
import pytest

from nanohtnet_ros.core.poses import Keypoints
from nanohtnet_ros.core.tracker import OKS_KAPPA, Tracker, TrackerConfig, object_keypoint_similarity

FRAME_NS = 40_000_000


def ids_over(tracker: Tracker, frames, start: int = 0) -> list[list[int]]:
    return [
        [track.track_id for track in tracker.update(people, (start + i) * FRAME_NS)] for i, people in enumerate(frames)
    ]


def test_similarity_is_one_for_itself_and_falls_with_distance(make_keypoints):
    person, weight = make_keypoints().xy_px, np.ones((1, 5, 17))
    shifted = np.array([person + shift for shift in (0, 5, 20, 80, 300)])
    (values,) = object_keypoint_similarity(person[None], shifted, weight)
    assert values[0] == pytest.approx(1.0) and (np.diff(values) < 0).all() and values[-1] < 0.01
    upper, lower = (
        np.where(np.arange(17)[:, None] < 8, person, np.nan),
        np.where(np.arange(17)[:, None] < 8, np.nan, person),
    )
    assert object_keypoint_similarity(upper[None], lower[None], weight[:, :1]) == 0.0


def test_similarity_of_many_is_that_of_each_pair(make_keypoints):
    """By COCO's formula, pair by pair."""
    rng = np.random.default_rng(0)
    a_px, b_px = (make_keypoints().xy_px + rng.normal(0, 30, (n, 17, 2)).astype(np.float32) for n in (3, 4))
    weight = rng.uniform(0, 1, (3, 4, 17))
    a_px[rng.random((3, 17)) < 0.3], b_px[rng.random((4, 17)) < 0.3] = np.nan, np.nan
    found = object_keypoint_similarity(a_px, b_px, weight)
    for i, j in np.ndindex(3, 4):
        both = np.isfinite(a_px[i] + b_px[j]).all(axis=1)
        area = np.prod(np.nanmax(a_px[i], axis=0) - np.nanmin(a_px[i], axis=0))
        similarity = np.exp(-((a_px[i] - b_px[j])[both] ** 2).sum(axis=1) / (2 * area * OKS_KAPPA[both] ** 2))
        assert found[i, j] == pytest.approx(np.average(similarity, weights=weight[i, j, both]), rel=1e-5)


def test_the_same_shift_matters_less_on_a_larger_person(make_keypoints):
    near, far = make_keypoints((0, 0, 2)).xy_px, make_keypoints((0, 0, 8)).xy_px
    values = [object_keypoint_similarity(one[None], one[None] + 10, np.ones((1, 1, 17))) for one in (near, far)]
    assert values[0] > values[1]


def test_a_walking_person_keeps_their_id_and_ages(walking_track):
    tracker = Tracker()
    people = walking_track(40)
    assert ids_over(tracker, [[p] for p in people]) == [[1]] * 40
    assert tracker.tracks[0].age_s == pytest.approx(39 * 0.04)


def test_two_people_who_cross_keep_their_ids(walking_track):
    right = walking_track(60, speed_m=0.04, start_m=(-1.2, 0, 3.0))
    left = walking_track(60, speed_m=-0.04, start_m=(1.2, 0, 4.0))
    tracker = Tracker()
    rng = np.random.default_rng(0)
    for i, (a, b) in enumerate(zip(right, left, strict=True)):
        people = [a, b] if rng.random() < 0.5 else [b, a]  # detectors give no order
        if 26 <= i <= 31:
            people = [a]  # the farther one is hidden behind the nearer
        by_id = {track.track_id: track.keypoints for track in tracker.update(people, i * FRAME_NS)}
        if i == 0:
            id_a, id_b = (next(k for k, v in by_id.items() if v is x) for x in (a, b))
        assert by_id[id_a] is a
        if b in people:
            assert by_id[id_b] is b


def test_an_id_never_comes_back(make_keypoints):
    tracker = Tracker(TrackerConfig(max_missed_s=0.5))
    here = [make_keypoints()]
    ids = ids_over(tracker, [here] * 5 + [[]] * 20 + [here] * 5)
    assert ids == [[1]] * 5 + [[]] * 20 + [[2]] * 5
    tracker.reset()
    assert ids_over(tracker, [here], start=30) == [[3]]
    assert ids_over(tracker, [here], start=0) == [[4]]  # a looped bag: time went back


def test_a_short_absence_is_forgiven(walking_track):
    people = [[p] for p in walking_track(30)]
    people[10:16] = [[]] * 6
    ids = ids_over(Tracker(), people)
    assert ids == [[1]] * 10 + [[]] * 6 + [[1]] * 14


def test_somebody_elsewhere_is_somebody_else(make_keypoints):
    frames = [[make_keypoints((-1, 0, 4))]] * 3 + [[make_keypoints((1, 0, 4))]] * 3
    assert ids_over(Tracker(TrackerConfig(confirm_s=0.0)), frames) == [[1]] * 3 + [[2]] * 3


def test_one_detection_is_never_two_tracks(make_keypoints):
    tracker = Tracker()
    a, b = make_keypoints((-0.05, 0, 3)), make_keypoints((0.05, 0, 3))
    tracker.update([a, b], 0)
    seen = tracker.update([make_keypoints((0, 0, 3))], FRAME_NS)
    assert len(seen) == 1


def test_partly_missing_and_empty_detections(make_keypoints):
    half = make_keypoints()
    half = Keypoints(half.xy_px, np.where(np.arange(17) < 7, 0.0, 1.0))  # only above the hips
    nobody = Keypoints(np.full((17, 2), np.nan), np.zeros(17))
    assert ids_over(Tracker(), [[make_keypoints()], [half], [half], [nobody], [make_keypoints()]]) == [
        [1],
        [1],
        [1],
        [],
        [1],
    ]


def test_trackers_can_share_one_numbering(make_keypoints):
    numbers = iter(range(10, 100))
    trackers = [Tracker(next_id=lambda: next(numbers)) for _ in range(2)]
    assert [ids_over(tracker, [[make_keypoints()]]) for tracker in trackers] == [[[10]], [[11]]]


def test_a_newcomer_beside_others_is_confirmed_over_time(make_keypoints):
    here, new = make_keypoints((-1, 0, 4)), make_keypoints((1, 0, 4))
    for confirm_s, frames in ((0.0, 0), (0.1, 3), (0.2, 5)):
        ids = ids_over(Tracker(TrackerConfig(confirm_s=confirm_s)), [[here]] * 3 + [[here, new]] * 8)
        assert ids == [[1]] * (3 + frames) + [[1, 2]] * (8 - frames)


def test_whoever_is_there_alone_is_somebody_at_once(make_keypoints):
    assert ids_over(Tracker(), [[], [make_keypoints()]]) == [[], [1]]
    assert ids_over(Tracker(), [[make_keypoints((-1, 0, 4)), make_keypoints((1, 0, 4))]]) == [[1, 2]]


def test_flashes_are_nobody_and_cost_no_id(make_keypoints):
    here, flash = make_keypoints((-1, 0, 4)), make_keypoints((1, 0, 4))
    frames = [[here]] * 2 + [[here, flash], [here], [here], [here]] * 5 + [[here, flash]] * 6
    ids = ids_over(Tracker(), frames)
    assert ids == [[1]] * 25 + [[1, 2]] * 3


def test_somebody_found_again_in_another_pose_and_place_is_the_same(make_keypoints, walking_track):
    """After 0.8 s unseen they crouch, further on in the direction in which they went."""
    tracker = Tracker()
    people = walking_track(10, speed_m=0.04)
    ids = ids_over(tracker, [[person] for person in people])
    standing = make_keypoints((-1 + 29 * 0.04, 0, 3))
    hip = standing.xy_px[0]
    crouching = Keypoints(hip + (standing.xy_px - hip)[:, ::-1] * 0.8, standing.confidence)  # lies, and is smaller
    ids += ids_over(tracker, [[crouching]], start=29)
    assert ids == [[1]] * 11


def test_an_id_is_not_given_to_somebody_else_who_comes(make_keypoints):
    """Another place, another size, or while the one who has the id is there."""
    gone = [[make_keypoints((-1, 0, 4))]] * 5 + [[]] * 10
    for other in ((1.2, 0, 4), (-1, 0, 12), (-0.4, 0, 1.5)):
        assert ids_over(Tracker(TrackerConfig(confirm_s=0.0)), gone + [[make_keypoints(other)]] * 2)[-1] == [2], other
    both = [make_keypoints((-1, 0, 4)), make_keypoints((-0.4, 0, 4))]
    assert ids_over(Tracker(), [both[:1]] * 3 + [both] * 5)[-1] == [1, 2]


def test_of_two_who_were_lost_each_gets_their_own_id_back(make_keypoints):
    left, right = make_keypoints((-0.5, 0, 4)), make_keypoints((0.5, 0, 4))
    moved = [make_keypoints((0.3, 0, 4)), make_keypoints((-0.3, 0, 4))]
    assert ids_over(Tracker(), [[left, right]] * 3 + [[]] * 10 + [moved])[-1] == [1, 2]
    tracker = Tracker()
    ids_over(tracker, [[left, right]] * 3 + [[]] * 10)
    by_id = {track.track_id: track.keypoints for track in tracker.update(moved, 13 * FRAME_NS)}
    assert by_id[1] is moved[1] and by_id[2] is moved[0]
