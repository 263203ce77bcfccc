"""Small archives in the layouts of VideoPose3D and P-STMO, of people who are moved by sines."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from nanohtnet_ros.training.data.human36m import FILE_3D, FILES_2D, KEPT_JOINTS
from nanohtnet_ros.training.data.human36m_camera import Human36mCamera
from nanohtnet_ros.training.data.mpi_inf_3dhp import H36M_FROM_3DHP, TEST_FILE, TRAIN_FILE

from factories import STANDING_M


def people_world_m(frames: int, rng: np.random.Generator) -> np.ndarray:
    """(F, 17, 3) a person who crosses a room and waves; 50 Hz, z up."""
    upright = np.stack((STANDING_M[:, 2], STANDING_M[:, 0], -STANDING_M[:, 1]), axis=-1) + (0, 0, 0.95)
    t = np.arange(frames)[:, None, None] / 50.0
    swing = rng.normal(0, 0.1, (17, 3)) * np.sin(2 * np.pi * (rng.uniform(0.4, 1.2) * t + rng.uniform(0, 1)))
    turn = 2.0 * t[:, 0, 0] + rng.uniform(0, 6)
    rotation = Rotation.from_euler("z", turn).as_matrix()
    path = rng.uniform(-1.5, -0.5, 2) + rng.uniform(0.5, 1.5, 2) * t[..., :2]
    body = np.einsum("tij,tkj->tki", rotation, upright + swing)
    body[..., :2] += path
    return body


def room_camera(rng: np.random.Generator, azimuth: float) -> Human36mCamera:
    """A camera 5 m from the room's middle that looks there, its lens bent like Human3.6M's."""
    position = np.array([5 * np.cos(azimuth), 5 * np.sin(azimuth), 1.5])
    forward = np.array([0, 0, 0.9]) + rng.normal(0, 0.1, 3) - position
    forward /= np.linalg.norm(forward)
    right = np.cross(forward, (0, 0, 1))
    right /= np.linalg.norm(right)
    rotation = np.stack((right, np.cross(forward, right), forward))
    return Human36mCamera(
        rotation,
        -rotation @ position,
        rng.normal(1147, 3, 2),
        rng.normal(510, 6, 2),
        rng.normal((-0.2, 0.24, 0.0), 0.01),
        rng.normal(0, 0.002, 2),
    )


def write_human36m(folder: Path, frames: int = 60, extra: int = 5) -> dict[str, dict]:
    """Archives of all seven subjects; returns `positions_3d`, `positions_2d`, `detected_2d` and `cameras`."""
    rng = np.random.default_rng(0)
    made: dict[str, dict] = {"positions_3d": {}, "positions_2d": {}, "detected_2d": {}, "cameras": {}}
    for subject in ("S1", "S5", "S6", "S7", "S8", "S9", "S11"):
        cameras = [room_camera(rng, azimuth) for azimuth in (0.5, 2.2, 3.9, 5.2)]
        made["cameras"][subject] = cameras
        for table in ("positions_3d", "positions_2d", "detected_2d"):
            made[table][subject] = {}
        for action in ("Walking", "Walking 1", "SittingDown 2"):
            joints = people_world_m(frames, rng)
            full = rng.normal(0, 1, (frames, 32, 3)).astype(np.float32)
            full[:, KEPT_JOINTS] = joints
            exact = [camera.project(camera.view(joints)).astype(np.float32) for camera in cameras]
            made["positions_3d"][subject][action] = full
            made["positions_2d"][subject][action] = exact
            made["detected_2d"][subject][action] = [
                np.concatenate((px + rng.normal(0, 2, px.shape), px[:1].repeat(i * extra, 0))).astype(np.float32)
                for i, px in enumerate(exact)
            ]
    metadata = {"num_joints": 17, "keypoints_symmetry": [[4, 5, 6, 11, 12, 13], [1, 2, 3, 14, 15, 16]]}
    folder.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(folder / FILE_3D, positions_3d=made["positions_3d"])
    np.savez_compressed(folder / FILES_2D["gt"], positions_2d=made["positions_2d"], metadata=metadata)
    np.savez_compressed(folder / FILES_2D["cpn"], positions_2d=made["detected_2d"], metadata=metadata)
    return made


def write_mpi_inf_3dhp(folder: Path, frames: int = 40) -> dict[str, dict]:
    """Archives of two training sequences and three test sequences; returns `train` and `test` as written."""
    rng = np.random.default_rng(1)

    def seen(focal: float, centre: tuple[float, float]) -> dict[str, np.ndarray]:
        camera = room_camera(rng, rng.uniform(0, 6))
        joints = camera.view(people_world_m(frames, rng))
        ordered = np.empty_like(joints)
        ordered[:, H36M_FROM_3DHP] = joints
        pixels = ordered[..., :2] / ordered[..., 2:] * focal + centre
        return {"data_2d": pixels, "data_3d": 1000.0 * ordered}

    train = {
        f"S{subject} Seq1": [{str(number): seen(1500.0 + number, (1020.0, 1040.0)) for number in (0, 2)}, fps]
        for subject, fps in ((1, 25), (2, 50))
    }
    test = {}
    for name, focal, centre in (
        ("TS1", 1500.0, (1017.0, 1043.0)),
        ("TS5", 1684.0, (940.0, 560.0)),
        ("TS6", 1684.0, (940.0, 560.0)),
    ):
        valid = np.ones(frames)
        valid[:: 4 if name == "TS1" else 7] = 0
        test[name] = {**seen(focal, centre), "valid": valid}
    folder.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(folder / TRAIN_FILE, data=train)
    np.savez_compressed(folder / TEST_FILE, data=test)
    return {"train": train, "test": test}
