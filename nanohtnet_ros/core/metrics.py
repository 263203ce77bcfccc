"""Errors of 3D poses in the field's usual measures, over arrays in metres."""

from __future__ import annotations

import numpy as np

from nanohtnet_ros.core.skeleton import H36M_17

PCK_JOINTS = tuple(i for i, name in enumerate(H36M_17.joint_names) if name not in ("hip", "spine", "neck"))
"""The joints that MPI-INF-3DHP's PCK and AUC count: crown, base of the neck, and the three of each limb."""

AUC_THRESHOLDS_MM = tuple(range(0, 151, 5))


def joint_errors_mm(predicted_m: np.ndarray, target_m: np.ndarray) -> np.ndarray:
    """(..., J) distances between predicted and target joints, both (..., J, 3) metres."""
    return 1000.0 * np.linalg.norm(np.asarray(predicted_m, np.float64) - np.asarray(target_m, np.float64), axis=-1)


def root_relative(joints_m: np.ndarray) -> np.ndarray:
    """(..., J, 3) joints relative to joint 0."""
    return joints_m - joints_m[..., :1, :]


def mpjpe_mm(predicted_m: np.ndarray, target_m: np.ndarray) -> float:
    """Mean per-joint position error of root-relative poses (protocol 1).

    Args:
        predicted_m, target_m: (..., J, 3) metres; both are taken relative to their joint 0, which counts in the
            mean with error 0, as is the custom on Human3.6M.
    """
    return float(joint_errors_mm(root_relative(predicted_m), root_relative(target_m)).mean())


def align_similarity(predicted_m: np.ndarray, target_m: np.ndarray) -> np.ndarray:
    """Move each predicted pose onto its target by the best rotation, translation and scale.

    Args:
        predicted_m, target_m: (N, J, 3).
    Returns:
        (N, J, 3) aligned predictions. Reflections are excluded.
    Source:
        Umeyama, "Least-squares estimation of transformation parameters between two point patterns", 1991.
    """
    x, y = np.asarray(predicted_m, np.float64), np.asarray(target_m, np.float64)
    x_mean, y_mean = x.mean(axis=1, keepdims=True), y.mean(axis=1, keepdims=True)
    x, y = x - x_mean, y - y_mean
    u, s, vt = np.linalg.svd(np.einsum("nji,njk->nik", y, x))  # target_from_predicted correlation
    sign = np.sign(np.linalg.det(u @ vt))
    s[:, -1] *= sign
    u[:, :, -1] *= sign[:, None]
    rotation = u @ vt
    scale = s.sum(axis=1) / np.maximum((x**2).sum(axis=(1, 2)), 1e-12)
    return scale[:, None, None] * np.einsum("nij,nkj->nki", rotation, x) + y_mean


def p_mpjpe_mm(predicted_m: np.ndarray, target_m: np.ndarray) -> float:
    """Mean per-joint position error after similarity alignment (protocol 2); (N, J, 3) metres."""
    return float(joint_errors_mm(align_similarity(predicted_m, target_m), target_m).mean())


def align_scale(predicted_m: np.ndarray, target_m: np.ndarray) -> np.ndarray:
    """Give each predicted pose the size that fits its target best.

    Args:
        predicted_m, target_m: (..., J, 3) metres; both are taken relative to their joint 0.
    Returns:
        (..., J, 3) root-relative predictions times `<predicted, target> / <predicted, predicted>`.
    Source:
        Rhodin et al., "Unsupervised Geometry-Aware Representation for 3D Human Pose Estimation", 2018.
    """
    x, y = (root_relative(np.asarray(joints, np.float64)) for joints in (predicted_m, target_m))
    scale = (x * y).sum(axis=(-2, -1), keepdims=True) / np.maximum((x * x).sum(axis=(-2, -1), keepdims=True), 1e-12)
    return scale * x


def n_mpjpe_mm(predicted_m: np.ndarray, target_m: np.ndarray) -> float:
    """Mean per-joint position error after `align_scale` (protocol 3); (..., J, 3) metres."""
    return mpjpe_mm(align_scale(predicted_m, target_m), target_m)


def mpjve_mm(predicted_m: np.ndarray, target_m: np.ndarray) -> float:
    """Mean per-joint velocity error, millimetres per frame.

    The mean distance between the first differences of root-relative positions from frame to frame. Joint 0 counts
    with error 0, as in `mpjpe_mm`.

    Args:
        predicted_m, target_m: (..., F, J, 3) metres, F consecutive frames; times the frame rate it is mm/s.
    Raises:
        ValueError: there are fewer than two frames.
    Source:
        Pavllo et al., "3D human pose estimation in video with temporal convolutions and semi-supervised training",
        2019, section 4.
    """
    frames = np.shape(predicted_m)[-3]
    if frames < 2:
        raise ValueError(f"{frames} frame has no velocity, expected two consecutive frames at the least")
    velocities = [np.diff(root_relative(np.asarray(x, np.float64)), axis=-3) for x in (predicted_m, target_m)]
    return float(joint_errors_mm(*velocities).mean())


def pck(
    predicted_m: np.ndarray, target_m: np.ndarray, threshold_mm: float = 150.0, joints: tuple[int, ...] = PCK_JOINTS
) -> float:
    """Percentage of correct keypoints: of root-relative joints less than a threshold away from where they should be.

    Args:
        predicted_m, target_m: (..., J, 3) metres; both are taken relative to their joint 0.
        threshold_mm: a joint is correct below it.
        joints: that are counted; by default the 14 of MPI-INF-3DHP, without hip, spine and neck/nose.
    Source:
        Mehta et al., "Monocular 3D Human Pose Estimation In The Wild Using Improved CNN Supervision", 2017.
    """
    errors = joint_errors_mm(root_relative(predicted_m), root_relative(target_m))
    return 100.0 * float((errors[..., joints] < threshold_mm).mean())


def pck_curve(
    predicted_m: np.ndarray, target_m: np.ndarray, thresholds_mm: tuple[float, ...] = AUC_THRESHOLDS_MM
) -> list[float]:
    """`pck` at each threshold; (..., J, 3) metres."""
    return [pck(predicted_m, target_m, threshold) for threshold in thresholds_mm]


def auc(predicted_m: np.ndarray, target_m: np.ndarray) -> float:
    """Area under the PCK curve: the mean `pck` at 0, 5, ... 150 mm, as MPI-INF-3DHP's own evaluation takes it.

    0 mm is one of the 31 thresholds and no joint is below it, so a perfect pose has 30/31 = 96.8 %.

    Args:
        predicted_m, target_m: (..., J, 3) metres.
    """
    return float(np.mean(pck_curve(predicted_m, target_m)))


def size_ratio(predicted_m: np.ndarray, target_m: np.ndarray) -> float:
    """Mean over poses of the predicted bones' total length over the target's; below 1, bodies come out too small.

    Args:
        predicted_m, target_m: (..., 17, 3) metres, Human3.6M order.
    """
    parents, children = np.array(H36M_17.bones).T
    lengths = [
        np.linalg.norm(x[..., children, :] - x[..., parents, :], axis=-1).sum(axis=-1)
        for x in (np.asarray(predicted_m, np.float64), np.asarray(target_m, np.float64))
    ]
    return float((lengths[0] / lengths[1]).mean())
