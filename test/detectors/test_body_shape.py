from dataclasses import replace

import numpy as np

from nanohtnet_ros.core.skeleton import BLAZEPOSE_33
from nanohtnet_ros.detectors.blazepose_networks import Region
from nanohtnet_ros.detectors.body_shape import CORE, cover, fraction_on_body, is_plausible_person, on_body, trunk_px
from nanohtnet_ros.detectors.search import Tile, whole

from factories import standing_landmarks

PERSON = standing_landmarks((320, 240), 300)


def moved(person, by):
    return replace(person, xy_px=person.xy_px + by)


def test_a_body_lies_on_itself_and_less_so_the_farther_it_is():
    shares = [fraction_on_body(moved(PERSON, (shift, 0)), PERSON) for shift in (0, 20, 60, 200)]
    assert shares[0] == 1.0 and shares == sorted(shares, reverse=True) and shares[-1] == 0.0


def test_a_small_body_on_a_limb_lies_on_it_and_one_beside_it_does_not():
    knee = PERSON.xy_px[BLAZEPOSE_33.joint_names.index("l_knee")]
    assert fraction_on_body(standing_landmarks(knee, 60), PERSON) > 0.5
    assert fraction_on_body(standing_landmarks(knee + (80, 0), 60), PERSON) == 0.0


def test_the_trunk_is_not_shorter_than_a_share_of_the_region():
    flat = replace(PERSON, xy_px=PERSON.xy_px * (1, 0) + (0, 240))
    assert 0 < trunk_px(flat) < trunk_px(PERSON)


def test_the_middle_of_a_trunk_is_on_the_body():
    assert on_body(np.array([[320.0, 200.0], [320.0, 400.0], [320.0, 20.0]]), PERSON).tolist() == [True, False, False]


def test_a_trunk_that_is_not_to_be_seen_is_no_persons_but_half_of_it_is():
    assert is_plausible_person(PERSON)
    assert not is_plausible_person(replace(PERSON, confidence=np.full(33, 0.3)))
    for half in (np.arange(33) < 17, np.arange(33) >= 23):  # the hips, and the shoulders, are outside the image
        assert is_plausible_person(replace(PERSON, confidence=np.where(half, 0.9, 0.0)))


def test_a_covered_body_is_grey_and_whoever_stands_beside_is_not():
    for tile in (whole(640, 480), Tile(170, 60, 300)):
        view = np.zeros((224, 224, 3), np.uint8)
        cover(view, tile, PERSON)
        at = (tile.from_image(PERSON.xy_px[CORE]) * 224).astype(int)
        assert (view[at[:, 1], at[:, 0]] == 127).all()
        x, y = (tile.from_image(np.array([400.0, 240.0])) * 224).astype(int)
        assert not view[y, x].any()


def test_bodies_far_outside_the_view_do_no_harm():
    view = np.zeros((224, 224, 3), np.uint8)
    cover(view, Tile(0, 0, 10), moved(PERSON, (1e7, -1e7)))
    cover(view, Tile(0, 0, 10), replace(PERSON, next_region=Region(np.zeros(2), 1e9, 0.0)))
