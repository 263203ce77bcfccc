import cv2
import numpy as np
import pytest

from nanohtnet_ros.core.camera import Camera
from nanohtnet_ros.core.lens import Lens
from nanohtnet_ros.errors import UserError

WIDE = Lens("plumb_bob", (-0.35, 0.14, 0.0007, -0.0004, -0.02))
FOLDING = Lens("plumb_bob", (-0.4, 0.0, 0.0, 0.0))  # r - 0.4 r^3: rises up to r = 0.913, where it is 0.609
FISHEYE = Lens("equidistant", (-0.02, 0.005, -0.002, 0.0003))
IDEAL_FISHEYE = Lens("equidistant")


def directions(widest_deg: float, count: int = 500) -> np.ndarray:
    random = np.random.default_rng(0)
    off, around = np.radians(random.uniform(0, widest_deg, count)), random.uniform(0, 2 * np.pi, count)
    return np.stack((np.sin(off) * np.cos(around), np.sin(off) * np.sin(around), np.cos(off)), axis=-1)


@pytest.mark.parametrize(
    "lens",
    [
        WIDE,
        Lens("rational_polynomial", (0.5, -0.2, 0.001, 0.0004, 0.05, 0.8, -0.1, 0.02)),
        Lens("rational_polynomial", (0.1, -0.05, 1e-3, 1e-3, 0.0, 0.1, 0.0, 0.0, 1e-3, -1e-3, 1e-3, 0.0, 0.01, -0.02)),
    ],
)
def test_a_pinhole_is_opencvs_and_comes_back(lens):
    rays = directions(35)
    plane = lens.distort(rays)
    theirs = cv2.projectPoints(rays[:, None], np.zeros(3), np.zeros(3), np.eye(3), np.array(lens.coefficients))[0][:, 0]
    np.testing.assert_allclose(plane, theirs, atol=1e-12)
    np.testing.assert_allclose(lens.undistort(plane), rays, atol=1e-7)


@pytest.mark.parametrize("lens", [FISHEYE, IDEAL_FISHEYE])
def test_a_fisheye_is_opencvs_and_comes_back_from_beyond_90_degrees(lens):
    coefficients = np.array(lens.coefficients or (0.0,) * 4)
    ahead = directions(80)
    theirs = cv2.fisheye.projectPoints(ahead[:, None], np.zeros(3), np.zeros(3), np.eye(3), coefficients)[0][:, 0]
    np.testing.assert_allclose(lens.distort(ahead), theirs, atol=1e-9)
    around = directions(110)
    assert (around[:, 2] < 0).any()
    np.testing.assert_allclose(lens.undistort(lens.distort(around)), around, atol=1e-9)


def test_equidistant_without_coefficients_is_still_a_fisheye():
    np.testing.assert_allclose(IDEAL_FISHEYE.distort(np.array((1.0, 0.0, 1.0))), (np.pi / 4, 0.0))
    np.testing.assert_allclose(IDEAL_FISHEYE.undistort(np.array((np.pi / 2, 0.0))), (1.0, 0.0, 0.0), atol=1e-12)


def test_what_no_ray_projects_to_is_missing():
    radius = np.array((0.3, 0.6, 0.62, 0.9, 3.0))
    rays = FOLDING.undistort(np.stack((radius, np.zeros(5)), axis=-1))
    assert np.isfinite(rays).all(axis=-1).tolist() == [True, True, False, False, False]
    circle = FISHEYE.distort(np.array((np.sin(3.0), 0.0, np.cos(3.0))))
    assert np.isfinite(FISHEYE.undistort(circle)).all() and np.isnan(FISHEYE.undistort(2 * circle)).all()


def test_beyond_the_fold_nothing_is_seen():
    tangents = np.array(((0.9, 0.0, 1.0), (0.95, 0.0, 1.0), (1.4, 0.0, 1.0), (0.1, 0.1, -1.0)))
    seen = np.isfinite(FOLDING.distort(tangents)).all(axis=-1)
    assert seen.tolist() == [True, False, False, False]  # OpenCV puts 1.4 at 0.30, in the middle of the image


def test_where_opencvs_iteration_finds_nothing_there_is_nothing():
    plane = np.array(((0.70, 0.48),))
    theirs = cv2.undistortPoints(plane[None], np.eye(3), np.array(FOLDING.coefficients))[0]
    back = cv2.projectPoints(
        np.append(theirs, 1.0).reshape(1, 1, 3), np.zeros(3), np.zeros(3), np.eye(3), np.array(FOLDING.coefficients)
    )[0]
    assert np.linalg.norm(back - plane) > 0.05  # it answers all the same
    assert np.isnan(FOLDING.undistort(plane)).all()


def test_property_a_ray_either_projects_back_or_is_missing():
    random = np.random.default_rng(1)
    for _ in range(200):
        model = random.choice(("plumb_bob", "rational_polynomial", "equidistant"))
        count = {"plumb_bob": 5, "rational_polynomial": 8, "equidistant": 4}[model]
        lens = Lens(model, tuple((random.normal(size=count) * random.choice((0.01, 0.3, 3.0, 1e3))).tolist()))
        plane = random.uniform(-2, 2, (30, 2))
        rays = lens.undistort(plane)
        known = np.isfinite(rays).all(axis=-1)
        np.testing.assert_array_equal(np.isnan(rays).all(axis=-1), ~known)
        np.testing.assert_allclose(lens.distort(rays[known]), plane[known], atol=1e-5)
        np.testing.assert_allclose(np.linalg.norm(rays[known], axis=-1), 1.0)


@pytest.mark.parametrize(
    ("model", "coefficients", "expected"),
    [
        ("", (0.1, 0.2, 0.0, 0.0), ("plumb_bob", (0.1, 0.2, 0.0, 0.0))),
        ("radtan", (0.1, 0.2, 0.0, 0.0), ("plumb_bob", (0.1, 0.2, 0.0, 0.0))),
        ("none", (), ("plumb_bob", ())),
        ("NONE", (0.0,) * 5, ("plumb_bob", ())),
        ("pinhole", (0.0,) * 5, ("plumb_bob", ())),
        ("fisheye", (0.1, 0.0, 0.0, 0.0), ("equidistant", (0.1, 0.0, 0.0, 0.0))),
        ("equidistant", (0.1, 0.0, 0.0, 0.0, 0.0), ("equidistant", (0.1, 0.0, 0.0, 0.0))),
        ("equidistant", (0.0,) * 4, ("equidistant", ())),
    ],
)
def test_other_names_of_the_models(model, coefficients, expected):
    lens = Lens(model, coefficients)
    assert (lens.model, lens.coefficients) == expected


@pytest.mark.parametrize(
    ("model", "coefficients"),
    [("pinhole", (0.1, 0.0, 0.0, 0.0)), ("omni", (1.0,)), ("plumb_bob", (0.1,)), ("equidistant", (0.1,) * 5)],
)
def test_unusable_models_are_refused(model, coefficients):
    with pytest.raises(UserError, match="expected"):
        Lens(model, coefficients)


def test_a_camera_of_any_lens_says_where_it_does_not_see():
    camera = Camera(640, 480, 420.0, 420.0, 319.5, 239.5, FOLDING.model, FOLDING.coefficients)
    corner, centre = camera.normalise(np.array(((0.0, 0.0), (320.0, 240.0))))
    assert np.isnan(corner).all() and np.isfinite(centre).all()
