"""MPI-INF-3DHP in the archives of P-STMO."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from nanohtnet_ros.core.camera import FOCAL_NORM
from nanohtnet_ros.errors import UserError
from nanohtnet_ros.training.data.archives import read_archive, sha256_of
from nanohtnet_ros.training.data.human36m import Normalisation
from nanohtnet_ros.training.data.recordings import RecordedViews, View

TRAIN_FILE, TEST_FILE = "data_train_3dhp.npz", "data_test_3dhp.npz"

H36M_FROM_3DHP = (14, 8, 9, 10, 11, 12, 13, 15, 1, 16, 0, 5, 6, 7, 2, 3, 4)
"""Index of each Human3.6M joint among the archives' 17: head top, neck, right arm, left arm, right leg, left leg,
pelvis, spine, head. Their neck is our thorax, their head our neck (nose), their head top our head."""

MAX_REPROJECTION = 0.005
"""Largest root-mean-square error over the image's width, 10 of 2048 pixels, of 2D and 3D joints that match."""


def load(folder: Path | str, split: str, normalisation: Normalisation = "focal") -> RecordedViews:
    """Read one split of MPI-INF-3DHP.

    Both archives hold pixels and joints in camera axes, millimetres. The joints are the data set's `univ_annot3`,
    people scaled to one height, which is what results are published for. Frames are taken as they are, as is the
    custom: of the training sequences some have 25 and some 50 a second, and the test archive does not say.

    Results are published for the test split's frames that its `valid` flags mark, ground-truth keypoints as input:
    MPJPE, PCK at 150 mm and AUC (thresholds 0 to 150 mm in steps of 5), of root-relative joints. The benchmark's own
    script computes PCK and AUC over the 14 joints that are not pelvis, spine or head (our 0, 7 and 9) and MPJPE over
    all 17; others use all 17 with the pelvis at zero error, which looks better. Each sequence counts by its frames.

    Args:
        folder: with `data_train_3dhp.npz` for `train`, `data_test_3dhp.npz` for `val`.
        split: `train` (eight people, eight cameras) or `val` (the six test sequences).
        normalisation: `focal`, with focal length `FOCAL_NORM`, as of our networks: each sequence's intrinsics are
            fitted to its 2D and 3D joints; or `width`, x/w*2 - 1, y/w*2 - h/w, as published, for images
            of 2048x2048 pixels, 1920x1080 in TS5 and TS6.
    Returns:
        Sequences named by subject (S1 or TS1), sequence (`Seq1`, or the test sequence again) and camera.
    Raises:
        FileNotFoundError: the archive is missing.
        UserError: unknown split, or an archive is not as described: the message says where.
    Source:
        Layout: github.com/paTRICK-swk/P-STMO, common/data_to_npz_3dhp.py and data_to_npz_3dhp_test.py; evaluation:
        3dhp_test/test_util of the same, from the data set's authors.
    """
    if split not in ("train", "val"):
        raise UserError(f"no split '{split}' in MPI-INF-3DHP, expected train or val")
    if normalisation not in ("focal", "width"):
        raise UserError(f"no normalisation '{normalisation}', expected focal or width")
    path = Path(folder) / (TRAIN_FILE if split == "train" else TEST_FILE)
    sequences = read_archive(path, ["data"])["data"]
    if not isinstance(sequences, dict) or not sequences:
        raise UserError(f"{path}: 'data' is a {type(sequences).__name__}, expected a dictionary of sequences")
    reader = _train_views if split == "train" else _test_views
    views = [view for name, content in sequences.items() for view in reader(path, name, content, normalisation)]
    return RecordedViews.join(views, "gt", sha256_of(path))


def _train_views(path: Path, name: str, content: Any, normalisation: str) -> list[View]:
    try:
        subject, sequence = name.split(" ")
        cameras = content[0].items()
    except (ValueError, TypeError, IndexError, KeyError, AttributeError) as error:
        raise UserError(
            f"{path}: sequence '{name}' is not as expected, 'S1 Seq1' with [cameras, frames a second]: {error}"
        ) from error
    return [
        _view(f"{path}: {name}, camera {camera}", arrays, subject, sequence, str(camera), (2048, 2048), normalisation)
        for camera, arrays in cameras
    ]


def _test_views(path: Path, name: str, content: Any, normalisation: str) -> list[View]:
    size = (1920, 1080) if name in ("TS5", "TS6") else (2048, 2048)
    return [_view(f"{path}: {name}", content, name, name, "0", size, normalisation, flagged=True)]


def _view(
    place: str,
    arrays: Any,
    subject: str,
    sequence: str,
    camera: str,
    size: tuple[int, int],
    normalisation: str,
    flagged: bool = False,
) -> View:
    expected = ("data_2d", "data_3d", "valid") if flagged else ("data_2d", "data_3d")
    missing = [key for key in expected if not isinstance(arrays, dict) or key not in arrays]
    if missing:
        raise UserError(f"{place}: no {', '.join(missing)}, expected {', '.join(expected)}")
    try:
        xy_px, joints_mm = (np.asarray(arrays[key], np.float64) for key in ("data_2d", "data_3d"))
        valid = np.asarray(arrays["valid"]).ravel().astype(bool) if flagged else None
    except (TypeError, ValueError) as error:
        raise UserError(f"{place} holds no arrays of numbers: {error}") from error
    frames = len(joints_mm) if joints_mm.ndim else 0
    if joints_mm.shape != (frames, 17, 3) or xy_px.shape != (frames, 17, 2) or not frames:
        raise UserError(
            f"{place}: shapes are {xy_px.shape} and {joints_mm.shape}, expected (frames, 17, 2) and (frames, 17, 3)"
        )
    if valid is not None and len(valid) != frames:
        raise UserError(f"{place}: {len(valid)} valid flags for {frames} frames")
    if not (np.isfinite(xy_px).all() and np.isfinite(joints_mm).all()):
        raise UserError(f"{place}: a number is not finite: repair the archive or leave the sequence out")
    joints_m, xy_px = joints_mm[:, H36M_FROM_3DHP] / 1000.0, xy_px[:, H36M_FROM_3DHP]
    if normalisation == "focal":
        norm = FOCAL_NORM * _fit_and_normalise(xy_px, joints_m, valid, size[0], place)
    else:
        norm = xy_px / (size[0] / 2) - (1.0, size[1] / size[0])
    return View(norm.astype(np.float32), joints_m.astype(np.float32), subject, sequence, camera, sequence, valid)


def _fit_and_normalise(
    xy_px: np.ndarray, joints_m: np.ndarray, valid: np.ndarray | None, width_px: int, place: str
) -> np.ndarray:
    """(F, 17, 2) pixels to normalised coordinates, by least-squares intrinsics."""
    used = joints_m[..., 2] > 0.1
    if valid is not None:
        used &= valid[:, None]
    if used.sum() < 17:
        raise UserError(f"{place}: {used.sum()} joints in front of the camera, expected at least a person's 17")
    out, squares = np.empty_like(xy_px), 0.0
    for axis in range(2):
        ratio = joints_m[used][:, axis] / joints_m[used][:, 2]
        design = np.stack((ratio, np.ones_like(ratio)), axis=1)
        (focal, centre), *_ = np.linalg.lstsq(design, xy_px[used][:, axis], rcond=None)
        squares += ((design @ (focal, centre) - xy_px[used][:, axis]) ** 2).mean()
        out[..., axis] = (xy_px[..., axis] - centre) / focal if focal > 0 else np.nan
    error_px = float(np.sqrt(squares))
    if not error_px <= MAX_REPROJECTION * width_px or not np.isfinite(out).all():
        raise UserError(
            f"{place}: no pinhole camera sees the 3D joints where the 2D ones are: {error_px:.1f} pixels off, "
            f"expected {MAX_REPROJECTION * width_px:.0f} at the most: prepare the archive again, or give "
            "normalisation width, which needs no camera"
        )
    return out
