"""Who is found, followed and lost: with networks that know who is there, and with BlazePose's own on rendered clips."""

from concurrent.futures import wait
from dataclasses import replace

import cv2
import numpy as np
import pytest

from nanohtnet_ros.core.skeleton import BLAZEPOSE_33, blazepose_to_h36m
from nanohtnet_ros.core.tracker import Tracker
from nanohtnet_ros.core.window import NS_PER_S
from nanohtnet_ros.detectors.background import Background
from nanohtnet_ros.detectors.blazepose import FAR_PX, BlazePoseConfig, BlazePoseDetector
from nanohtnet_ros.detectors.blazepose_networks import BlazePoseNetworks, Landmarks, Region
from nanohtnet_ros.detectors.body_shape import GREY
from nanohtnet_ros.detectors.open import open_detector
from nanohtnet_ros.detectors.search import Tile
from nanohtnet_ros.runtime.model_store import find_blazepose
from nanohtnet_ros.runtime.session import open_session
from nanohtnet_ros.samples.clips import packaged_clips

from factories import standing_landmarks

FRAME_NS = 40_000_000


@pytest.fixture(autouse=True)
def _search_ends_with_its_frame(monkeypatch):
    """Networks here change from frame to frame, and count what is asked of them."""
    start = Background.start

    def and_wait(background: Background, work) -> None:
        start(background, work)
        wait([background._work])

    monkeypatch.setattr(Background, "start", and_wait)


def frames(name: str) -> list[np.ndarray]:
    capture = cv2.VideoCapture(str(next(clip.video for clip in packaged_clips() if clip.name == name)))
    images = []
    while (read := capture.read())[0]:
        images.append(read[1])
    return images


def real(config: BlazePoseConfig | None = None) -> BlazePoseDetector:
    networks = BlazePoseNetworks(*(open_session(path, "cpu") for path in find_blazepose("blazepose")))
    return BlazePoseDetector(networks, config)


def matches(people, truth_px: np.ndarray) -> list[float]:
    """Mean distance of each person's keypoints to the true ones, pixels."""
    return [float(np.nanmean(np.linalg.norm(p.xy_px - truth_px, axis=1))) for p in people]


def test_one_person_is_found_in_every_frame():
    (clip,) = (clip for clip in packaged_clips() if clip.name == "rendered_walk")
    detector, errors = real(), []
    for i, (image, truth) in enumerate(zip(frames("rendered_walk")[::3], clip.truth.joints_px[::3, 0], strict=True)):
        people = detector.detect(image, i * 3 * FRAME_NS)
        assert len(people) == 1
        errors += matches(people, truth)
    assert np.mean(errors) < 7.0


def test_two_people_who_cross_are_both_found():
    (clip,) = (clip for clip in packaged_clips() if clip.name == "rendered_two")
    detector = real()
    recall, extra = np.zeros(2), 0
    images = frames("rendered_two")
    for i, (image, truth) in enumerate(zip(images, clip.truth.joints_px, strict=True)):
        people = detector.detect(image, i * FRAME_NS)
        found = [any(px < 40.0 for px in matches(people, truth[p])) for p in range(2)]
        recall += np.array(found) / len(images)
        extra += max(0, len(people) - sum(found))
    assert recall[0] == pytest.approx(1.0) and recall[1] >= 0.9
    assert extra == 0


def test_people_who_cross_keep_their_identities():
    """The farther one is hidden for a third of a second, and comes out on the other side."""
    (clip,) = (clip for clip in packaged_clips() if clip.name == "rendered_two")
    detector, tracker = real(), Tracker()
    ids = [set(), set()]
    for i, (image, truth) in enumerate(zip(frames("rendered_two"), clip.truth.joints_px, strict=True)):
        for track in tracker.update(detector.detect(image, i * FRAME_NS), i * FRAME_NS):
            errors = [matches([track.keypoints], truth[p])[0] for p in range(2)]
            if min(errors) < 12.0:
                ids[int(np.argmin(errors))].add(track.track_id)
    assert [len(i) for i in ids] == [1, 1] and ids[0] != ids[1]


def test_nobody_is_found_in_an_empty_room_and_odd_images_do_no_harm():
    detector = real()
    rng = np.random.default_rng(0)
    for i, shape in enumerate(((480, 640, 3), (1, 1, 3), (30, 1000, 3), (1080, 64, 3))):
        assert detector.detect(np.full(shape, 120, np.uint8), 2 * i * FRAME_NS) == []
        detector.detect(rng.integers(0, 255, shape, np.uint8), (2 * i + 1) * FRAME_NS)


@pytest.mark.slow
@pytest.mark.parametrize(("share", "corner"), [(1 / 2, (320, 240)), (1 / 3, (0, 0)), (1 / 3, (200, 310))])
def test_people_who_are_far_away_are_found(share, corner):
    """The walker at a share of their size: BlazePose alone finds them in 27 % of frames at a half, never at a third."""
    (clip,) = (clip for clip in packaged_clips() if clip.name == "rendered_walk")
    detector, found = real(), 0
    images = frames("rendered_walk")[:60]
    for i, image in enumerate(images):
        small = cv2.resize(image, None, fx=share, fy=share, interpolation=cv2.INTER_AREA)
        (x, y), (height, width) = corner, small.shape[:2]
        image = cv2.copyMakeBorder(small, y, 480 - y - height, x, 640 - x - width, cv2.BORDER_REPLICATE)
        people = detector.detect(image, i * FRAME_NS)
        right = [px < 15.0 for px in matches(people, clip.truth.joints_px[i, 0] * share + corner)]
        assert all(right)
        found += len(right)
    assert found >= 0.85 * len(images)


BLANK = np.zeros((480, 640, 3), np.uint8)
LARGE, SMALL = 2.0, 0.3  # sides of the regions that the person detector knows, in units of the tile's side


class KnowingNetworks:
    """Networks that know where everybody is, see people only at a fitting size, and nobody who is covered.

    Attributes:
        people: who is there.
        clutter: what looks like a person in tiles of a size: landmarks, and least and greatest side of the tile.
        tiles: that were looked at.
        regions_tried: of the landmark network.
    """

    runtime, detector_size, landmark_size = "known", 224, 256

    def __init__(self, *people: Landmarks) -> None:
        self.people = list(people)
        self.clutter: list[tuple[Landmarks, float, float]] = []
        self.tiles: list[Tile] = []
        self.regions_tried = 0

    def regions(self, view_bgr: np.ndarray, tile: Tile, threshold: float) -> list[Region]:
        self.tiles.append(tile)
        there = [p for p in self.people if SMALL < p.next_region.side / tile.side < LARGE]
        there += [thing for thing, least, most in self.clutter if least <= tile.side <= most]
        return [p.next_region for p in there if not self.covered(view_bgr, tile, p)]

    @staticmethod
    def covered(view_bgr: np.ndarray, tile: Tile, person: Landmarks) -> bool:
        x, y = tile.from_image(person.next_region.centre) * view_bgr.shape[0]
        if not (0 <= x < view_bgr.shape[0] and 0 <= y < view_bgr.shape[0]):
            return True
        return tuple(view_bgr[int(y), int(x)]) == GREY

    def landmarks(self, image_bgr: np.ndarray, regions: list[Region], threshold: float) -> list[Landmarks | None]:
        self.regions_tried += len(regions)
        return [self.nearest(region) for region in regions]

    def nearest(self, region: Region) -> Landmarks | None:
        bodies = self.people + [thing for thing, *_ in self.clutter]
        near = [p for p in bodies if np.linalg.norm(p.next_region.centre - region.centre) < 0.3 * region.side]
        return min(near, key=lambda p: np.linalg.norm(p.next_region.centre - region.centre), default=None)


def run(detector: BlazePoseDetector, frames: int, start: int = 0) -> list[int]:
    """How many people are found in each frame."""
    return [len(detector.detect(BLANK, (start + i) * FRAME_NS)) for i in range(frames)]


def test_unknown_names_are_refused():
    with pytest.raises(ValueError, match="unknown detector 'alphapose', expected blazepose, "):
        open_detector("alphapose")


def test_whoever_is_there_at_first_is_found_at_once():
    networks = KnowingNetworks(standing_landmarks((200, 240), 300), standing_landmarks((450, 240), 280))
    assert run(BlazePoseDetector(networks), 5) == [2] * 5


def test_newcomers_are_found_beside_whoever_is_known():
    networks = KnowingNetworks(standing_landmarks((200, 240), 300))
    detector = BlazePoseDetector(networks)
    assert run(detector, 3) == [1] * 3
    networks.people.append(standing_landmarks((450, 240), 280))
    counts = run(detector, 20, start=3)
    assert counts[-1] == 2 and counts == sorted(counts)


@pytest.mark.parametrize(
    ("moved", "presence", "count"), [(0.0, 0.88, 2), (1.0, 0.88, 1), (0.0, 0.82, 1)], ids=["person", "moves", "unsure"]
)
def test_who_does_not_look_the_same_in_other_regions_is_nobody(moved, presence, count):
    """A thing's landmarks move with the region."""
    thing = replace(standing_landmarks((450, 240), 280), presence=presence)

    class Unsteady(KnowingNetworks):
        def nearest(self, region: Region) -> Landmarks | None:
            seen = super().nearest(region)
            return seen and replace(
                seen, xy_px=seen.xy_px + (seen is thing) * moved * (thing.next_region.side - region.side)
            )

        def landmarks(self, image_bgr: np.ndarray, regions: list[Region], threshold: float) -> list[Landmarks | None]:
            found = super().landmarks(image_bgr, regions, threshold)
            return [seen if seen and seen.presence >= threshold else None for seen in found]

    detector = BlazePoseDetector(Unsteady(standing_landmarks((200, 240), 300), thing))
    assert run(detector, 80)[10:] == [count] * 70


@pytest.mark.parametrize(("confidence", "count"), [(0.55, 1), (0.9, 2)])
def test_who_is_not_detected_again_must_have_sure_landmarks(confidence, count):
    """It looks like a person in the tiles of the search, and not in those around it."""
    networks = KnowingNetworks(standing_landmarks((200, 240), 300))
    thing = replace(standing_landmarks((450, 240), 120), confidence=np.full(33, confidence))
    networks.clutter = [(thing, 250.0, 700.0)]
    assert run(BlazePoseDetector(networks), 80)[-1] == count


def test_a_thing_that_the_network_is_not_sure_of_for_long_is_dropped():
    networks = KnowingNetworks(standing_landmarks((200, 240), 300))
    detector = BlazePoseDetector(networks)
    assert run(detector, 10) == [1] * 10
    networks.people = [replace(networks.people[0], presence=0.7)]
    counts = run(detector, 100, start=10)
    assert counts[:15] == [1] * 15 and counts[-50:] == [0] * 50


def test_landmarks_of_a_tilted_region_give_way_to_those_of_the_next():
    """A tile's border cuts the person: the region found in it is tilted, and what is seen in it is a little off."""
    person = standing_landmarks((320, 240), 300)

    class Cutting(KnowingNetworks):
        def regions(self, view_bgr: np.ndarray, tile: Tile, threshold: float) -> list[Region]:
            return [replace(region, rotation=0.9) for region in super().regions(view_bgr, tile, threshold)]

        def nearest(self, region: Region) -> Landmarks:
            return replace(person, xy_px=person.xy_px + 10.0 * (region.rotation != 0.0))

    (keypoints,) = BlazePoseDetector(Cutting(person)).detect(BLANK, 0)
    np.testing.assert_allclose(keypoints.xy_px, blazepose_to_h36m(person.xy_px, person.confidence)[0])


def test_parts_of_a_known_body_are_nobody():
    """A leg of theirs looks like a person, wherever it is seen."""
    person = standing_landmarks((320, 240), 420)
    knee = person.xy_px[BLAZEPOSE_33.joint_names.index("l_knee")]
    networks = KnowingNetworks(person)
    networks.clutter = [(standing_landmarks(knee, 110), 0.0, np.inf)]
    networks.covered = lambda *_: False
    assert run(BlazePoseDetector(networks), 60) == [1] * 60


def test_known_people_cost_no_landmarks_in_looks():
    networks = KnowingNetworks(standing_landmarks((320, 240), 420))
    networks.covered = lambda *_: False
    detector = BlazePoseDetector(networks, BlazePoseConfig(detect_rate_hz=10.0))
    run(detector, 30)
    networks.regions_tried, networks.tiles = 0, []
    run(detector, 50, start=30)
    assert networks.regions_tried == 50 and len(networks.tiles) == 20


def test_somebody_far_away_is_found_within_the_time_stated():
    for search_s, height, found in ((6.5, 60, True), (1.5, 60, False), (1.5, 110, True)):
        networks = KnowingNetworks(standing_landmarks((150, 240), 320), standing_landmarks((520, 100), height))
        counts = run(BlazePoseDetector(networks, BlazePoseConfig(search_s=search_s)), round(search_s / 0.04) + 6)
        assert (counts[-1] == 2) == found, (search_s, height)


def test_while_nobody_is_tracked_there_is_time_for_smaller_tiles():
    near, far = standing_landmarks((600, 1200), 1500), standing_landmarks((2400, 1200), 160)
    image = np.zeros((2160, 3840, 3), np.uint8)
    for people, expected in (((far,), [far]), ((near, far), [near])):
        detector = BlazePoseDetector(KnowingNetworks(*people), BlazePoseConfig(detect_rate_hz=10.0, search_s=6.5))
        for i in range(round(detector.config.search_s / 0.04)):
            found = detector.detect(image, i * FRAME_NS)
        assert len(found) == len(expected)
        truth_px = blazepose_to_h36m(expected[0].xy_px, expected[0].confidence)[0]
        assert matches(found, truth_px) == pytest.approx([0.0], abs=1e-2)


def test_two_regions_on_one_body_become_one():
    a, b = standing_landmarks((200, 240), 300), standing_landmarks((450, 240), 300)
    networks = KnowingNetworks(a, b)
    detector = BlazePoseDetector(networks)
    assert run(detector, 3) == [2] * 3
    networks.people = [a, replace(a, xy_px=a.xy_px + 2.0)]
    networks.landmarks = lambda image, regions, threshold: [a] * len(regions)
    assert run(detector, 3, start=3) == [1] * 3


def test_a_newcomer_who_drifts_onto_somebody_known_is_dropped():
    """Half of its body lies on the other's: too little to be the same, too much to be somebody else."""
    a = standing_landmarks((200, 240), 300)
    networks = KnowingNetworks(a)
    detector = BlazePoseDetector(networks)
    run(detector, 20)
    b = standing_landmarks((300, 240), 290)
    networks.people.append(b)
    for i in range(20, 40):
        if len(detector.detect(BLANK, i * FRAME_NS)) == 2:
            break
    else:
        pytest.fail("the newcomer was not found")
    networks.people[1] = standing_landmarks((206, 262), 290)
    assert run(detector, 3, start=i + 1)[-1] == 1


def test_somebody_lost_is_found_again_in_a_few_frames():
    """They come back where they should have got to, among others, though the search is elsewhere."""
    known, far = standing_landmarks((100, 240), 300), standing_landmarks((400, 100), 60)
    networks = KnowingNetworks(known, far)
    detector = BlazePoseDetector(networks)
    assert run(detector, 50)[-1] == 2
    networks.people = [known]
    assert run(detector, 12, start=50) == [1] * 12
    networks.people = [known, standing_landmarks((405, 102), 60)]
    assert 2 in run(detector, 8, start=62)


def test_somebody_hidden_is_looked_for_further_on():
    """The farther of two walks behind the nearer and comes out on the other side."""
    near, detector = standing_landmarks((320, 240), 300), None
    counts = []
    for i in range(50):
        x = 120 + 8 * i
        networks = KnowingNetworks(near)
        if abs(x - 320) > 60:
            networks.people.append(standing_landmarks((x, 230), 240))
        else:  # what is seen of them looks like the nearer one
            networks.people.append(replace(near, xy_px=near.xy_px + 1.0))
        detector = detector or BlazePoseDetector(networks)
        detector._networks = networks
        counts.append(len(detector.detect(BLANK, i * FRAME_NS)))
    assert counts[:17] == [2] * 17 and counts[20:30] == [1] * 10 and counts[36:] == [2] * 14


class FrontFirst(KnowingNetworks):
    """Landmark network that sees the first of people who overlap, unless they are masked."""

    def landmarks(self, image_bgr: np.ndarray, regions: list[Region], threshold: float) -> list[Landmarks | None]:
        image = Tile(0.0, 0.0, len(image_bgr))
        everybody, self.people = self.people, [p for p in self.people if not self.covered(image_bgr, image, p)]
        found = super().landmarks(image_bgr, regions, threshold)
        self.people = everybody
        return found

    def nearest(self, region: Region) -> Landmarks | None:
        near = (p for p in self.people if np.linalg.norm(p.next_region.centre - region.centre) < 0.3 * region.side)
        return next(near, None)


def test_somebody_partly_hidden_is_seen_where_the_one_before_them_is_masked():
    near, detector = standing_landmarks((200, 240), 300), None
    for i in range(30):
        far = standing_landmarks((max(400 - 8 * i, 265), 230), 240)
        networks = FrontFirst(near, far)
        detector = detector or BlazePoseDetector(networks)
        detector._networks = networks
        people = detector.detect(BLANK, i * FRAME_NS)
        expected = [blazepose_to_h36m(p.xy_px, p.confidence)[0] for p in (near, far)]
        assert sorted(min(matches(people, truth)) for truth in expected) == pytest.approx([0.0, 0.0], abs=1e-3)
        assert len(people) == 2


@pytest.mark.parametrize(
    ("camera_hz", "rate_hz", "expected_hz"),
    [(hz, 10.0, 10) for hz in (10, 15, 25, 30, 60)]
    + [(5, 30.0, 15), (10, 30.0, 30), (15, 30.0, 30), (25, 30.0, 25), (30, 30.0, 30), (60, 30.0, 30)],
)
def test_looks_keep_their_rate_at_any_rate_of_frames_while_somebody_is_there(camera_hz, rate_hz, expected_hz):
    """No more than three a frame, and as many in each."""
    networks = KnowingNetworks(standing_landmarks((200, 240), 300))
    detector = BlazePoseDetector(networks, BlazePoseConfig(detect_rate_hz=rate_hz))
    for i in range(6 * camera_hz):
        if i == 2 * camera_hz:  # at first, every frame is searched
            networks.tiles.clear()
        detector.detect(BLANK, round(i * NS_PER_S / camera_hz))
    assert len(networks.tiles) == pytest.approx(4 * expected_hz, abs=1)


@pytest.mark.parametrize(("camera_hz", "later"), [(2, 0), (10, 1), (30, 1)])
def test_newcomers_are_in_the_frame_that_shows_them_of_a_slow_camera_else_in_the_next(camera_hz, later):
    networks = KnowingNetworks(standing_landmarks((200, 240), 300), standing_landmarks((450, 240), 280))
    # In white images both are seen, whatever the tile, else the first.
    networks.regions = lambda view, *_: [person.next_region for person in networks.people[: 1 + (view.max() == 255)]]
    detector, counts = BlazePoseDetector(networks), []
    for i in range(5 * camera_hz):
        image = BLANK if i < 4 * camera_hz else np.full_like(BLANK, 255)
        counts.append(len(detector.detect(image, round(i * NS_PER_S / camera_hz))))
    assert counts == [1] * (4 * camera_hz + later) + [2] * (camera_hz - later)


def test_a_search_that_fails_is_told_and_the_next_one_works():
    networks = KnowingNetworks(standing_landmarks((200, 240), 300))
    detector = BlazePoseDetector(networks)
    run(detector, 20)

    def failing(view_bgr: np.ndarray, tile: Tile, threshold: float) -> list[Region]:
        raise RuntimeError("out of memory")

    regions, networks.regions = networks.regions, failing
    run(detector, 1, start=20)
    networks.regions = regions
    with pytest.raises(RuntimeError, match="out of memory"):
        run(detector, 1, start=21)
    networks.people.append(standing_landmarks((450, 240), 280))
    assert run(detector, 20, start=22)[-1] == 2


def passes(people_at, frames: int = 50, **config) -> tuple[list[int], list[float]]:
    """Regions for the landmark network in each frame after the first second, and the keypoints' largest error, pixels.

    `people_at(i)` are those of a frame.
    """
    detector, looked, errors = None, [], []
    for i in range(25 + frames):
        networks = KnowingNetworks(*people_at(i))
        detector = detector or BlazePoseDetector(networks, BlazePoseConfig(**config))
        detector._networks = networks
        people = detector.detect(BLANK, i * FRAME_NS)
        if i >= 25:
            truths = [blazepose_to_h36m(person.xy_px, person.confidence)[0] for person in networks.people]
            assert len(people) == len(truths)
            looked.append(networks.regions_tried)
            errors.append(max(min(matches(people, truth)) for truth in truths))
    return looked, errors


def three(i: int) -> list[Landmarks]:
    return [standing_landmarks((x, 240), 200) for x in (100, 320, 540)]


def test_people_who_are_still_have_landmarks_at_a_rate_of_their_own():
    looked, errors = passes(three, landmark_rate_hz=6.25)
    assert sum(looked) == pytest.approx(50 * 3 / 4, abs=2) and max(looked) <= 2
    assert max(errors) < 1e-3


def test_by_default_everybody_has_landmarks_in_every_frame():
    assert passes(three)[0] == [3] * 50


def test_people_who_move_or_overlap_do_not_wait():
    walker = [standing_landmarks((100 + 2 * i, 240), 200) for i in range(75)]
    assert passes(lambda i: [walker[i]], landmark_rate_hz=5.0)[0] == [1] * 50
    pair = [standing_landmarks((300, 240), 200), standing_landmarks((345, 240), 200)]
    assert passes(lambda i: pair, landmark_rate_hz=5.0)[0] == [2] * 50


def test_who_is_far_is_predicted_where_they_go():
    walker = [standing_landmarks((200 + 1.5 * i, 240), 95) for i in range(75)]
    assert walker[0].next_region.side < FAR_PX
    looked, errors = passes(lambda i: [walker[i]], landmark_rate_hz=5.0)
    assert sum(looked) == pytest.approx(10, abs=1) and max(errors) < 0.1


def test_somebody_who_starts_to_move_is_seen_within_the_period():
    def people(i: int) -> list[Landmarks]:
        return [standing_landmarks((200 + 4 * max(0, i - 40), 240), 200)]

    looked, errors = passes(people, landmark_rate_hz=5.0)
    first = next(i for i, error in enumerate(errors) if error > 1.0)
    assert (
        first == 16
        and max(errors) <= 4 * 5
        and errors[first + 5 :] == pytest.approx([0.0] * (50 - first - 5), abs=1e-3)
    )
    assert looked[first + 10 :] == [1] * (50 - first - 10)


def test_limits_are_kept():
    networks = KnowingNetworks(*(standing_landmarks((100 + 200 * i, 240), 300) for i in range(3)))
    detector = BlazePoseDetector(networks, BlazePoseConfig(max_people=2))
    assert run(detector, 3) == [2] * 3
    detector.reset()
    networks.people.clear()
    assert run(detector, 1, start=3) == [0]
