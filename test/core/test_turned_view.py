import numpy as np

from nanohtnet_ros.core.camera import Camera
from nanohtnet_ros.core.turned_view import AHEAD, all_ahead, keypoints_in, rays_of, view_of

from factories import STANDING_M

FISHEYE = Camera(1000, 1000, 300.0, 300.0, 499.5, 499.5, "equidistant")


def unit(joints_m: np.ndarray) -> np.ndarray:
    return joints_m / np.linalg.norm(joints_m, axis=-1, keepdims=True)


def test_a_person_ahead_is_seen_as_ever():
    rays = unit(STANDING_M + (1.0, 0.0, 3.0))
    assert view_of(rays, AHEAD) is AHEAD
    np.testing.assert_allclose(keypoints_in(rays, AHEAD), FISHEYE.normalise(FISHEYE.project(rays)), atol=1e-5)


def test_a_person_beside_is_looked_at():
    for root in ((3.0, 0.0, 0.3), (-3.0, 0.2, -0.8), (0.0, 0.0, -3.0), (0.0, 2.5, -0.1)):
        rays = unit(STANDING_M + root)
        view = view_of(rays, AHEAD)
        np.testing.assert_allclose(view @ view.T, np.eye(3), atol=1e-12)
        assert np.linalg.det(view) > 0
        np.testing.assert_allclose(view @ rays.mean(axis=0) / np.linalg.norm(rays.mean(axis=0)), (0, 0, 1), atol=1e-9)
        assert np.isfinite(keypoints_in(rays, view)).all() and view_of(rays, view) is view


def test_beside_a_level_camera_people_stay_upright():
    rays = unit(STANDING_M + (3.0, 0.0, 0.0))
    np.testing.assert_allclose(view_of(rays, AHEAD) @ (0, 1, 0), (0, 1, 0), atol=0.05)


def test_keypoints_and_rays_of_a_view_are_inverse():
    rays = unit(STANDING_M + (2.0, 0.0, 1.5))
    view = view_of(unit(STANDING_M + (3.0, 0.0, 0.1)), AHEAD)
    np.testing.assert_allclose(rays_of(keypoints_in(rays, view), view), rays, atol=1e-6)
    rays[3] = np.nan
    assert np.isnan(rays_of(keypoints_in(rays, view), view)[3]).all()


def test_each_frame_may_have_a_view_of_its_own():
    rays = unit(STANDING_M + (1.0, 0.0, 3.0))
    views = np.stack([AHEAD, view_of(unit(STANDING_M + (3.0, 0.0, 0.1)), AHEAD)])
    both = keypoints_in(np.stack((rays, rays)), views)
    np.testing.assert_array_equal(both, [keypoints_in(rays, view) for view in views])


def test_who_is_ahead_and_who_at_the_edge():
    assert all_ahead(unit(STANDING_M + (1.0, 0.0, 3.0))) and not all_ahead(unit(STANDING_M + (3.0, 0.0, 1.0)))
    assert not all_ahead(unit(STANDING_M - (0.0, 0.0, 3.0)))
