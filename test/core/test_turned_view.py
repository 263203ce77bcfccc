import numpy as np

from nanohtnet_ros.core.camera import Camera
from nanohtnet_ros.core.turned_view import AHEAD, change_view, keypoints_in, view_of

from factories import STANDING_M

FISHEYE = Camera(1000, 1000, 300.0, 300.0, 499.5, 499.5, "equidistant")


def rays_of(joints_m: np.ndarray) -> np.ndarray:
    return joints_m / np.linalg.norm(joints_m, axis=-1, keepdims=True)


def test_a_person_ahead_is_seen_as_ever():
    rays = rays_of(STANDING_M + (1.0, 0.0, 3.0))
    assert view_of(rays, AHEAD) is AHEAD
    np.testing.assert_allclose(keypoints_in(rays, AHEAD), FISHEYE.normalise(FISHEYE.project(rays)), atol=1e-5)


def test_a_person_beside_is_looked_at():
    for root in ((3.0, 0.0, 0.3), (-3.0, 0.2, -0.8), (0.0, 0.0, -3.0), (0.0, 2.5, -0.1)):
        rays = rays_of(STANDING_M + root)
        view = view_of(rays, AHEAD)
        np.testing.assert_allclose(view @ view.T, np.eye(3), atol=1e-12)
        assert np.linalg.det(view) > 0
        np.testing.assert_allclose(view @ rays.mean(axis=0) / np.linalg.norm(rays.mean(axis=0)), (0, 0, 1), atol=1e-9)
        assert np.isfinite(keypoints_in(rays, view)).all() and view_of(rays, view) is view


def test_beside_a_level_camera_people_stay_upright():
    rays = rays_of(STANDING_M + (3.0, 0.0, 0.0))
    np.testing.assert_allclose(view_of(rays, AHEAD) @ (0, 1, 0), (0, 1, 0), atol=0.05)


def test_keypoints_change_their_view():
    rays = rays_of(STANDING_M + (2.0, 0.0, 1.5))
    view = view_of(rays_of(STANDING_M + (3.0, 0.0, 0.1)), AHEAD)
    np.testing.assert_allclose(change_view(keypoints_in(rays, AHEAD), view), keypoints_in(rays, view), atol=1e-4)
    rays[3] = np.nan
    assert np.isnan(change_view(keypoints_in(rays, AHEAD), view)[3]).all()
