"""Small data of the layouts that training reads."""

import numpy as np
import pytest

from nanohtnet_ros.core.skeleton import H36M_17

from factories import STANDING_M
from recorded_archives import write_human36m


@pytest.fixture(scope="session")
def mocap_file(tmp_path_factory):
    """Six people who walk, wave and turn, made by sines; 50 Hz, z up."""
    rng = np.random.default_rng(0)
    upright = np.stack((STANDING_M[:, 2], STANDING_M[:, 0], -STANDING_M[:, 1]), axis=-1) + (0, 0, 0.95)
    sequences = []
    for length in (120, 90, 150, 60, 100, 80):
        t = np.arange(length)[:, None, None] / 50.0
        swing = rng.normal(0, 0.08, (17, 3)) * np.sin(2 * np.pi * (rng.uniform(0.4, 1.2) * t + rng.uniform(0, 1)))
        turn = 0.5 * t[:, 0, 0] + rng.uniform(0, 6)
        rotation = np.stack(
            [
                np.stack((np.cos(turn), -np.sin(turn), 0 * turn), -1),
                np.stack((np.sin(turn), np.cos(turn), 0 * turn), -1),
                np.stack((0 * turn, 0 * turn, 1 + 0 * turn), -1),
            ],
            axis=1,
        )
        body = np.einsum("tij,tkj->tki", rotation, upright + swing) + (0.8, 0.0, 0.0) * t
        sequences.append(body.astype(np.float32))
    lengths = np.array([len(s) for s in sequences])
    path = tmp_path_factory.mktemp("mocap") / "motion.npz"
    np.savez(
        path,
        positions=np.concatenate(sequences),
        starts=np.cumsum(lengths) - lengths,
        lengths=lengths,
        names=np.array([f"p_{i}" for i in range(6)]),
        actions=np.array(["walk", "walk", "wave", "turn", "walk", "wave"]),
        split=np.array(["train"] * 4 + ["val"] * 2),
        fps=50.0,
        parents=np.array(H36M_17.parents),
    )
    return path


@pytest.fixture(scope="session")
def human36m_archives(tmp_path_factory):
    """Folder of archives as VideoPose3D's, and their content; their cameras are calibrated once a session."""
    from nanohtnet_ros.training.data.human36m_camera import Human36mCamera

    calibrate, known = Human36mCamera.fit, {}

    def fit(points, pixels, width):
        key = points.tobytes(), pixels.tobytes(), width
        if key not in known:
            known[key] = calibrate(points, pixels, width)
        return known[key]

    folder = tmp_path_factory.mktemp("h36m")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Human36mCamera, "fit", fit)
        yield folder, write_human36m(folder)
