import numpy as np
import pytest

from nanohtnet_ros.core.drawing import draw_people, track_colour
from nanohtnet_ros.core.skeleton import H36M_17

GREY = np.full((480, 640, 3), 90, np.uint8)
HEAD = H36M_17.joint_names.index("head")


@pytest.fixture
def person(make_keypoints):
    def make(track_id: int = 1, root_m=(0.0, 0.0, 4.0), confidence=1.0):
        keypoints = make_keypoints(root_m, confidence)
        return track_id, keypoints.xy_px, keypoints.confidence

    return make


def changed(image: np.ndarray, before: np.ndarray = GREY) -> np.ndarray:
    return (image != before).any(axis=-1)


def saturation(image: np.ndarray) -> float:
    pixels = image[changed(image)].astype(int)
    return float(np.ptp(pixels, axis=-1).mean())


def test_joints_and_bones_are_where_the_keypoints_are_and_the_image_stays(person):
    before = GREY.copy()
    _, xy_px, _ = person()
    drawn = draw_people(before, [person()])
    np.testing.assert_array_equal(before, GREY)
    assert drawn.dtype == np.uint8 and drawn.shape == GREY.shape
    x, y = np.rint(xy_px).astype(int).T
    expected = np.rint(255 * track_colour(1)[::-1])
    assert np.abs(drawn[y, x] - expected).max() <= 1
    parent, child = np.array(H36M_17.bones).T
    x, y = np.rint((xy_px[parent] + xy_px[child]) / 2).astype(int).T
    assert changed(drawn)[y, x].all()


def test_everybody_has_a_colour_and_unsure_ones_are_paler(person):
    colours = np.array([track_colour(i) for i in range(1, 7)])
    differences = np.linalg.norm(colours[:, None] - colours, axis=-1)
    assert differences[~np.eye(6, dtype=bool)].min() > 0.3
    sure, unsure = (saturation(draw_people(GREY, [person(confidence=c)])) for c in (1.0, 0.2))
    assert unsure < 0.5 * sure


def test_labels_lie_above_the_head(person):
    plain, labelled = draw_people(GREY, [person()]), draw_people(GREY, [person()], ["#1 4.0 m"])
    y, x = np.nonzero(changed(labelled, plain))
    head_x, head_y = person()[1][HEAD]
    assert y.max() < head_y + 1 and y.min() > head_y - 40 and x.min() < head_x < x.max()


@pytest.mark.parametrize("root_m", [(-1.5, 0.0, 3.0), (1.5, 0.0, 3.0), (0.0, -1.2, 3.0), (0.0, 2.5, 3.0)])
def test_labels_stay_inside_the_image(person, root_m):
    plain, labelled = draw_people(GREY, [person(root_m=root_m)]), draw_people(GREY, [person(root_m=root_m)], ["#123"])
    centred = draw_people(GREY, [person()], ["#123"])
    expected = changed(centred, draw_people(GREY, [person()])).sum()
    assert changed(labelled, plain).sum() > 0.8 * expected


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e30, -1e30, 2.0**31, 40_000.0, -40_000.0])
@pytest.mark.parametrize("joints", [[HEAD], [0, 5], list(range(17))])
def test_absurd_keypoints_are_left_out(person, value, joints):
    track_id, xy_px, confidence = person()
    spoilt = xy_px.copy()
    spoilt[joints] = value
    drawn = draw_people(GREY, [(track_id, spoilt, confidence)], ["#1"])
    assert changed(drawn).any() == (len(joints) < 17)
    missing = xy_px.copy()
    missing[joints] = np.nan
    np.testing.assert_array_equal(drawn, draw_people(GREY, [(track_id, missing, confidence)], ["#1"]))


def test_a_bone_that_leaves_the_image_is_drawn_up_to_its_edge(person):
    track_id, xy_px, confidence = person()
    xy_px = xy_px.copy()
    xy_px[H36M_17.joint_names.index("l_wrist")] = (5000.0, xy_px[H36M_17.joint_names.index("l_elbow"), 1])
    assert changed(draw_people(GREY, [(track_id, xy_px, confidence)]))[:, -1].any()


def test_confidence_may_be_missing(person):
    track_id, xy_px, _ = person()
    drawn = draw_people(GREY, [(track_id, xy_px, np.full(17, np.nan))])
    assert saturation(drawn) < 5


@pytest.mark.parametrize("shape", [(1, 1, 3), (16, 8, 3), (2160, 3840, 3)])
def test_any_size_of_image(person, shape):
    image = np.zeros(shape, np.uint8)
    assert draw_people(image, [person()], ["#1 2.4 m"]).shape == shape
    assert draw_people(image, []).sum() == 0
