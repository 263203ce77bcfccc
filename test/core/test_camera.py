import numpy as np
import pytest

from nanohtnet_ros.core.camera import FOCAL_NORM, Camera
from nanohtnet_ros.errors import UserError

LENSES = {
    "ideal": ("plumb_bob", ()),
    "zeros": ("plumb_bob", (0.0,) * 5),
    "plumb_bob": ("plumb_bob", (-0.28, 0.07, 0.0005, -0.0003, 0.01)),
    "rational": ("rational_polynomial", (0.5, -0.2, 0.001, 0.0004, 0.05, 0.8, -0.1, 0.02)),
    "equidistant": ("equidistant", (-0.02, 0.01, -0.003, 0.0005)),
    "ideal equidistant": ("equidistant", ()),
}


def make(lens: str) -> Camera:
    model, distortion = LENSES[lens]
    return Camera(640, 480, 420.0, 430.0, 310.0, 250.0, model, distortion)


@pytest.mark.parametrize("lens", LENSES)
def test_normalise_and_back(lens):
    camera = make(lens)
    pixels = np.random.default_rng(0).uniform((20, 20), (620, 460), (40, 17, 2))
    np.testing.assert_allclose(camera.denormalise(camera.normalise(pixels)), pixels, atol=1e-3)


@pytest.mark.parametrize("lens", LENSES)
def test_tangents_are_the_viewing_ray(lens):
    camera = make(lens)
    points = np.random.default_rng(1).uniform((-1, -0.7, 2.0), (1, 0.7, 5.0), (50, 3))
    np.testing.assert_allclose(camera.tangents(camera.project(points)), points[:, :2] / points[:, 2:], atol=1e-4)


def test_one_person_looks_the_same_through_every_lens():
    points = np.random.default_rng(2).uniform((-0.8, -0.6, 3.0), (0.8, 0.6, 4.0), (17, 3))
    seen = [make(lens).normalise(make(lens).project(points)) for lens in LENSES]
    for other in seen[1:]:
        np.testing.assert_allclose(other, seen[0], atol=3e-4)
    np.testing.assert_allclose(seen[0], FOCAL_NORM * points[:, :2] / points[:, 2:], atol=1e-5)


@pytest.mark.parametrize("lens", LENSES)
def test_missing_keypoints_stay_missing(lens):
    pixels = np.array([(100.0, 100.0), (np.nan, np.nan)])
    out = make(lens).normalise(pixels)
    assert np.isfinite(out[0]).all() and np.isnan(out[1]).all()
    assert np.isnan(make(lens).project(np.array([(0.0, 0.0, -1.0)]))).all()


def test_field_of_view_spans_the_image():
    camera = Camera.from_field_of_view(640, 480, 60.0)
    assert not camera.calibrated
    edges = camera.tangents(np.array([(-0.5, 239.5), (639.5, 239.5)]))
    assert np.rad2deg(np.arctan(edges[:, 0])) == pytest.approx([-30, 30], abs=1e-6)
    with pytest.raises(ValueError, match="1 to 179"):
        Camera.from_field_of_view(640, 480, 0.0)


def test_scaled_camera_sees_the_same_rays():
    camera, half = make("plumb_bob"), make("plumb_bob").scaled_to(320, 240)
    points = np.random.default_rng(3).uniform((-0.5, -0.5, 2.0), (0.5, 0.5, 3.0), (20, 3))
    np.testing.assert_allclose((half.project(points) + 0.5) * 2 - 0.5, camera.project(points), atol=1e-6)
    with pytest.raises(ValueError, match="calibrate at the resolution"):
        camera.scaled_to(640, 360)


def test_a_crop_keeps_the_focal_length_and_the_rays():
    camera, part = make("plumb_bob"), make("plumb_bob").cropped(100, 60, 480, 360)
    assert (part.width, part.height, part.fx, part.fy, part.cx, part.cy) == (480, 360, 420.0, 430.0, 210.0, 190.0)
    pixels = np.array(((100.0, 60.0), (300.0, 200.0)))
    np.testing.assert_allclose(part.rays(pixels - (100, 60)), camera.rays(pixels), atol=1e-12)


@pytest.mark.parametrize("part", [(-1, 0, 10, 10), (0, 0, 641, 10), (200, 0, 441, 480), (0, 0, 0, 480)])
def test_a_crop_beyond_the_image_is_refused(part):
    with pytest.raises(UserError, match="does not lie within the calibrated image of 640x480"):
        make("ideal").cropped(*part)


def test_binning_counts_for_each_axis_on_its_own():
    camera = make("ideal").binned(2, 1)
    assert (camera.width, camera.height, camera.fx, camera.fy) == (320, 480, 210.0, 430.0)
    assert (camera.cx, camera.cy) == (155.0, 250.0)  # image_geometry's rule
    for x, y in ((0, 1), (1, 481), (-1, 2)):
        with pytest.raises(UserError, match="binning"):
            make("ideal").binned(x, y)


def test_the_projection_matrix_counts_where_k_is_zero():
    p = (500.0, 0.0, 320.0, 0.0, 0.0, 510.0, 240.0, 0.0, 0.0, 0.0, 1.0, 0.0)
    camera = Camera.from_matrices(640, 480, (0.0,) * 9, "", (0.1,) * 5, p)
    assert camera == Camera(640, 480, 500.0, 510.0, 320.0, 240.0)
    k = (600.0, 0.0, 300.0, 0.0, 610.0, 200.0, 0.0, 0.0, 1.0)
    assert Camera.from_matrices(640, 480, k, "", (), p).fx == 600.0
    with pytest.raises(UserError, match="not calibrated"):
        Camera.from_matrices(640, 480, (0.0,) * 9)


def test_how_far_a_change_moves_pixels():
    camera = make("ideal")
    assert camera.shift_px(camera) == pytest.approx(0.0, abs=1e-9)
    other = Camera(640, 480, 424.2, 430.0, 310.0, 250.0)
    assert camera.shift_px(other) == pytest.approx(0.01 * 329)  # the right edge
    assert camera.shift_px(make("plumb_bob")) > 10 and camera.shift_px(camera.binned(2, 2)) == np.inf


def test_beyond_80_degrees_there_are_rays_but_no_image_coordinates():
    camera = Camera(1000, 1000, 300.0, 300.0, 499.5, 499.5, "equidistant")
    pixels = 499.5 + 300.0 * np.radians(np.array(((70.0, 0.0), (81.0, 0.0), (95.0, 0.0), (-95.0, 0.0))))
    np.testing.assert_allclose(
        np.degrees(np.arctan2(camera.rays(pixels)[:, 0], camera.rays(pixels)[:, 2])), (70, 81, 95, -95)
    )
    assert np.isnan(camera.normalise(pixels)).all(axis=-1).tolist() == [False, True, True, True]
    np.testing.assert_allclose(camera.project(camera.rays(pixels)), pixels)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"fx": 0.0, "fy": 0.0}, "not calibrated"),
        ({"cx": float("nan")}, "not calibrated"),
        ({"width": 0}, "positive"),
        ({"distortion_model": "pinhole8"}, "expected one of plumb_bob"),
        ({"distortion": (0.1, 0.2, 0.3)}, "4, 5, 8"),
        ({"distortion_model": "equidistant", "distortion": (0.1,) * 5}, "expected 4"),
    ],
)
def test_bad_calibrations_are_refused(change, message):
    good = {"width": 640, "height": 480, "fx": 600.0, "fy": 600.0, "cx": 320.0, "cy": 240.0}
    with pytest.raises(ValueError, match=message):
        Camera(**{**good, **change})


def test_an_assumed_field_of_view_is_that_of_the_longer_side():
    wide, tall = Camera.from_field_of_view(640, 480, 60.0), Camera.from_field_of_view(480, 640, 60.0)
    assert wide.fx == tall.fx == tall.fy == pytest.approx(320 / np.tan(np.radians(30)))
