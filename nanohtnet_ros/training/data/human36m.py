"""Human3.6M in the archives of VideoPose3D."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np

from nanohtnet_ros.core.camera import FOCAL_NORM
from nanohtnet_ros.errors import UserError
from nanohtnet_ros.training.data.archives import read_archive, sha256_of
from nanohtnet_ros.training.data.human36m_camera import Human36mCamera
from nanohtnet_ros.training.data.recordings import RecordedViews, View

Keypoints = Literal["cpn", "gt"]
Normalisation = Literal["focal", "width"]

SUBJECTS = {"train": ("S1", "S5", "S6", "S7", "S8"), "val": ("S9", "S11")}
"""Protocol 1 and 2: five subjects to train on, two to test on."""

KEPT_JOINTS = (0, 1, 2, 3, 6, 7, 8, 12, 13, 14, 15, 17, 18, 19, 25, 26, 27)
"""The 17 joints among the 32 of the archive; the others are static or duplicates."""

CAMERAS = ("54138969", "55011271", "58860488", "60457274")
"""Serial numbers of the four cameras, in the archives' order."""

IMAGE_SIZES_PX = ((1000, 1002), (1000, 1000), (1000, 1000), (1000, 1002))

FILE_3D = "data_3d_h36m.npz"
FILES_2D = {"gt": "data_2d_h36m_gt.npz", "cpn": "data_2d_h36m_cpn_ft_h36m_dbb.npz"}

MAX_REPROJECTION_PX = 0.5
"""Largest root-mean-square error of archives that belong together; those of VideoPose3D are far below."""


def load(
    folder: Path | str, split: str, keypoints: Keypoints = "cpn", normalisation: Normalisation = "focal"
) -> RecordedViews:
    """Read one split of Human3.6M at 50 Hz, every action in four cameras.

    The archives hold no cameras: each subject's four are calibrated from the ground truth's 2D and 3D joints. A
    detector's keypoints may be some frames longer than the joints and are truncated, as VideoPose3D does.

    Args:
        folder: with `data_3d_h36m.npz`, `data_2d_h36m_gt.npz` and, for `cpn`, `data_2d_h36m_cpn_ft_h36m_dbb.npz`.
        split: `train` (S1 S5 S6 S7 S8) or `val` (S9 S11, the protocol's test subjects).
        keypoints: `cpn` (a fine-tuned detector's) or `gt` (projected joints).
        normalisation: `focal`, undistorted with focal length `FOCAL_NORM`, as of our networks; or `width`, as of
            published checkpoints: x/w*2 - 1, y/w*2 - h/w without undistortion, w 1000 and h the camera's (1002 for
            the first and last, 1000 for the others).
    Returns:
        Sequences named by subject, trial and the camera's number; actions are the protocol's 15: `Walking 1` is
        `Walking`.
    Raises:
        FileNotFoundError: an archive is missing.
        UserError: unknown split, or an archive is not as described: the message says where.
    Source:
        Layout: github.com/facebookresearch/VideoPose3D, DATASETS.md and data/prepare_data_h36m.py.
    """
    folder = Path(folder)
    if split not in SUBJECTS:
        raise UserError(f"no split '{split}' in Human3.6M, expected {' or '.join(SUBJECTS)}")
    if keypoints not in FILES_2D:
        raise UserError(f"no keypoints '{keypoints}' in Human3.6M, expected {' or '.join(FILES_2D)}")
    if normalisation not in ("focal", "width"):
        raise UserError(f"no normalisation '{normalisation}', expected focal or width")
    path_3d, path_gt, path_2d = (folder / name for name in (FILE_3D, FILES_2D["gt"], FILES_2D[keypoints]))
    positions = read_archive(path_3d, ["positions_3d"])["positions_3d"]
    exact = read_archive(path_gt, ["positions_2d"])["positions_2d"]
    seen = exact if keypoints == "gt" else read_archive(path_2d, ["positions_2d"])["positions_2d"]
    views: list[View] = []
    for subject in SUBJECTS[split]:
        actions = _entry(positions, subject, path_3d, "subject")
        exact_px, joints_m = {}, {}
        for action in actions:
            place = f"{path_3d}: {subject} '{action}'"
            joints_m[action] = _joints(actions[action], place)
            exact_px[action] = _keypoints(exact, subject, action, len(joints_m[action]), path_gt)
        for index in range(len(CAMERAS)):
            camera = _camera(joints_m, {action: px[index] for action, px in exact_px.items()}, index, subject, folder)
            for action, joints in joints_m.items():
                xy_px = exact_px[action] if seen is exact else _keypoints(seen, subject, action, len(joints), path_2d)
                views.append(
                    View(
                        _normalise(xy_px[index], camera, index, normalisation),
                        camera.view(joints).astype(np.float32),
                        subject,
                        action.split(" ")[0],
                        CAMERAS[index],
                        action,
                    )
                )
    return RecordedViews.join(views, keypoints, sha256_of(*dict.fromkeys((path_3d, path_gt, path_2d))))


def _entry(table: Any, key: str, path: Path, kind: str) -> Any:
    if not isinstance(table, dict) or key not in table:
        found = f"it has {', '.join(map(str, table))}" if isinstance(table, dict) else f"but a {type(table).__name__}"
        raise UserError(f"{path}: no {kind} '{key}', {found}: prepare the archives again (docs/data.md)")
    return table[key]


def _joints(array: Any, place: str) -> np.ndarray:
    """(F, 17, 3) float32 of an archive's (F, 32 or 17, 3)."""
    joints = _numbers(array, place)
    if joints.ndim != 3 or joints.shape[1] not in (32, 17) or joints.shape[2] != 3 or not len(joints):
        raise UserError(f"{place} has shape {joints.shape}, expected (frames, 32 or 17 joints, 3)")
    joints = joints[:, KEPT_JOINTS] if joints.shape[1] == 32 else joints
    if not np.isfinite(joints).all():
        raise UserError(f"{place} is not finite in frame {np.flatnonzero(~np.isfinite(joints).all(axis=(1, 2)))[0]}")
    return joints


def _keypoints(table: Any, subject: str, action: str, frames: int, path: Path) -> list[np.ndarray]:
    """Four arrays (frames, 17, 2), pixels."""
    cameras = _entry(_entry(table, subject, path, "subject"), action, path, f"action of {subject}")
    place = f"{path}: {subject} '{action}'"
    if len(cameras) != len(CAMERAS):
        raise UserError(f"{place} has {len(cameras)} cameras, expected {len(CAMERAS)}")
    out = []
    for index, array in enumerate(cameras):
        xy_px = _numbers(array, f"{place}, camera {index}")
        if xy_px.ndim != 3 or xy_px.shape[1:] not in ((17, 2), (17, 3)):
            raise UserError(f"{place}, camera {index} has shape {xy_px.shape}, expected (frames, 17, 2)")
        if len(xy_px) < frames:
            raise UserError(
                f"{place}, camera {index} has {len(xy_px)} frames, expected the {frames} of the 3D joints or more: "
                "fetch both archives from the same place"
            )
        out.append(xy_px[:frames, :, :2])
    return out


def _numbers(array: Any, place: str) -> np.ndarray:
    try:
        return np.asarray(array, np.float32)
    except (TypeError, ValueError) as error:
        raise UserError(f"{place} is no array of numbers: {error}") from error


def _camera(
    joints_m: dict[str, np.ndarray], xy_px: dict[str, np.ndarray], index: int, subject: str, folder: Path
) -> Human36mCamera:
    points = np.concatenate([joints.reshape(-1, 3) for joints in joints_m.values()])
    pixels = np.concatenate([xy_px[action].reshape(-1, 2) for action in joints_m])
    place = f"{folder}: {subject}, camera {index}"
    if not np.isfinite(pixels).all():
        raise UserError(f"{place}: ground-truth keypoints are not finite: fetch {FILES_2D['gt']} again")
    try:
        camera, error_px = Human36mCamera.fit(points, pixels, IMAGE_SIZES_PX[index][0])
    except ValueError as error:
        raise UserError(f"{place}: {error}") from error
    if not error_px <= MAX_REPROJECTION_PX:
        raise UserError(
            f"{place}: no camera sees the 3D joints where {FILES_2D['gt']} has them: {error_px:.2f} pixels off, "
            f"expected {MAX_REPROJECTION_PX} at the most: the 2D and 3D archives differ, prepare both again "
            "(docs/data.md)"
        )
    return camera


def _normalise(xy_px: np.ndarray, camera: Human36mCamera, index: int, normalisation: str) -> np.ndarray:
    if normalisation == "focal":
        return (FOCAL_NORM * camera.normalise(xy_px)).astype(np.float32)
    width, height = IMAGE_SIZES_PX[index]
    return (xy_px / (width / 2) - (1.0, height / width)).astype(np.float32)
