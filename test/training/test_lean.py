import numpy as np
from scipy.spatial.transform import Rotation

from nanohtnet_ros.training.evaluation.lean import lean_deg, lean_error_deg

from factories import STANDING_M

UPRIGHT = np.array([[[0.0, 0.0, 1.0], [0.0, -1.0, 0.0]]])  # of a level camera


def tilted(x_deg: float, z_deg: float = 0.0) -> np.ndarray:
    """(1, 17, 3) one who stands, turned about the camera's x axis (feet first: away) and its optical axis."""
    return Rotation.from_euler("xz", (x_deg, z_deg), degrees=True).apply(STANDING_M)[None]


def test_leaning_away_from_the_camera_is_positive():
    standing = lean_deg(tilted(0.0), UPRIGHT)
    for angle in (-30.0, 5.0, 120.0):
        np.testing.assert_allclose(lean_deg(tilted(-angle), UPRIGHT) - standing, angle, atol=1e-4)
    np.testing.assert_allclose(lean_error_deg(tilted(-12.0), tilted(-2.0), UPRIGHT), 10.0, atol=1e-4)
    np.testing.assert_allclose(lean_error_deg(tilted(-170.0), tilted(175.0), UPRIGHT), -15.0, atol=1e-4)


def test_people_who_lie_athwart_do_not_count():
    assert not len(lean_error_deg(tilted(0.0, 80.0), tilted(0.0, 80.0), UPRIGHT))
    assert len(lean_error_deg(tilted(0.0, 80.0), tilted(70.0), UPRIGHT)) == 1
