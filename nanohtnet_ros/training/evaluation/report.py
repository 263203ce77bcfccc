"""All measures of a network on an evaluation set, as plain numbers and as tables."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from scipy.stats import spearmanr
from torch import Tensor

from nanohtnet_ros.core.metrics import (
    AUC_THRESHOLDS_MM,
    align_similarity,
    auc,
    joint_errors_mm,
    mpjpe_mm,
    mpjve_mm,
    n_mpjpe_mm,
    p_mpjpe_mm,
    pck,
    pck_curve,
    root_relative,
    size_ratio,
)
from nanohtnet_ros.core.skeleton import H36M_17
from nanohtnet_ros.errors import UserError
from nanohtnet_ros.training.data.windows import EvaluationSet, SlidingWindows
from nanohtnet_ros.training.evaluation.lean import lean_error_deg
from nanohtnet_ros.training.evaluation.predictor import LiftingNetwork, predict

FLIPS = {"both": ("off", "on"), "off": ("off",), "on": ("on",)}

# Label that a breakdown groups by, the borders between its groups, and their unit.
BREAKDOWNS: dict[str, tuple[str | None, tuple[float, ...] | None, str]] = {
    "action": ("action", None, ""),
    "subject": ("subject", None, ""),
    "joint": (None, None, ""),
    "distance": ("distance_m", (2.0, 3.0, 4.0, 5.0, 6.0, 7.0), "m"),
    "height": ("camera_height_m", (0.5, 1.0, 1.5, 2.0), "m"),
    "elevation": ("elevation_deg", (-30.0, -20.0, -10.0, 0.0, 10.0, 20.0), "deg"),
    "roll": ("roll_deg", (2.0, 5.0, 10.0, 20.0), "deg"),
    "cut_off": ("cut_off_percent", (1.0, 20.0, 40.0), "%"),
    "body": ("body_height_m", (1.2, 1.4, 1.5, 1.6, 1.7, 1.8, 1.9), "m"),
}

COLUMNS = {
    "mpjpe_mm": ("MPJPE mm", ".1f"),
    "p_mpjpe_mm": ("P-MPJPE mm", ".1f"),
    "n_mpjpe_mm": ("N-MPJPE mm", ".1f"),
    "mpjve_mm_per_frame": ("MPJVE mm/frame", ".2f"),
    "mpjve_mm_per_s": ("mm/s", ".0f"),
    "pck_150": ("PCK@150 %", ".1f"),
    "auc": ("AUC %", ".1f"),
    "size_ratio": ("size ratio", ".3f"),
    "lean_deg": ("lean deg", ".1f"),
    "lean_abs_deg": ("|lean| deg", ".1f"),
}

SHORT = ("mpjpe_mm", "p_mpjpe_mm", "n_mpjpe_mm", "lean_abs_deg")
"""Columns of the breakdowns, where they have them."""


def measure(
    network: LiftingNetwork,
    data: EvaluationSet,
    motion: EvaluationSet | None = None,
    flip: str = "both",
    per: Sequence[str] | None = None,
) -> dict[str, Any]:
    """Measure a network.

    Breakdowns, look-ahead and curves are those without flip averaging, unless `flip` is `on`.

    Args:
        network: with outputs for all of the set's offsets.
        data: windows to measure on.
        motion: windows of consecutive frames for MPJVE; None: those of `data`, if it has any.
        flip: average with the mirrored window's output: `off`, `on`, or `both` measured.
        per: names out of `BREAKDOWNS`; None for all that the set has labels for.
    Returns:
        The content of the JSON file: `metrics` by condition and flip, `by` breakdown, group and condition,
        `look_ahead` by output, `pck_curve` by condition, and `calibration` by condition for networks with
        uncertainty.
    Raises:
        UserError: set and network do not fit each other, or a breakdown has no label.
    """
    check_fit(network, data)
    per = check_breakdowns(per, data)
    if flip not in FLIPS:
        raise UserError(f"flip is '{flip}', expected one of {', '.join(FLIPS)}")
    flips, rate_hz = FLIPS[flip], network.frame_rate_hz
    targets, used = data.targets_m.numpy(), data.offsets.index(network.offset)
    if motion is not None:
        check_fit(network, motion)
    metrics, first = {}, {}  # first: (N, F, 17, 3 or 4) by condition, of the first flip
    for condition, keypoints in data.keypoints.items():
        outputs = outputs_of(network, keypoints, data, flips)
        first[condition] = outputs[flips[0]]
        moving = outputs if motion is None else outputs_of(network, motion.keypoints[condition], motion, flips)
        metrics[condition] = {
            name: {
                **summary(joints[:, used, :, :3], targets[:, used]),
                **lean(joints[:, used, :, :3], targets[:, used], data.upright),
                **velocity(moving[name], data if motion is None else motion, network.offset, rate_hz),
            }
            for name, joints in outputs.items()
        }

    poses = {condition: joints[:, used, :, :3] for condition, joints in first.items()}
    report = {
        "network": network.name,
        "window_length": network.window_length,
        "frame_rate_hz": rate_hz,
        "offset": network.offset,
        "windows": len(data),
        "levelled": round(float(data.level.mean()), 4),
        "flip": flip,
        "metrics": metrics,
        "by": {name: breakdown(name, poses, targets[:, used], data) for name in per},
        "look_ahead": [
            {
                "frames": -offset,
                "ms": round(1000.0 * -offset / rate_hz, 1),
                **{c: short_summary(joints[:, i, :, :3], targets[:, i]) for c, joints in first.items()},
            }
            for i, offset in enumerate(data.offsets)
        ],
        "pck_curve": {
            "threshold_mm": list(AUC_THRESHOLDS_MM),
            **{c: [round(x, 2) for x in pck_curve(pose, targets[:, used])] for c, pose in poses.items()},
        },
    }
    if all(joints.shape[-1] == 4 for joints in first.values()):
        report["calibration"] = {c: calibration(joints[:, used], targets[:, used]) for c, joints in first.items()}
    return report


def check_fit(network: LiftingNetwork, data: EvaluationSet) -> None:
    """Raise a UserError unless the set is for the network's windows and outputs."""
    if data.window_length != network.window_length:
        raise UserError(
            f"windows have {data.window_length} frames, {network.name} expects {network.window_length}: "
            "build the evaluation set for this network"
        )
    if not set(data.offsets) <= set(network.offsets) or network.offset not in data.offsets:
        raise UserError(
            f"targets are of the frames {list(data.offsets)}, {network.name} gives {list(network.offsets)} and is used "
            f"for {network.offset}: build the evaluation set for this network"
        )
    if not len(data):
        raise UserError("the evaluation set has no windows: its sequences are too short, or none is valid")


def check_breakdowns(per: Sequence[str] | None, data: EvaluationSet) -> list[str]:
    """The names, or all with a label; a UserError for one without."""
    possible = [name for name, (label, *_) in BREAKDOWNS.items() if label is None or label in data.labels]
    impossible = [name for name in per or () if name not in possible]
    if impossible:
        raise UserError(f"no errors per {', '.join(impossible)} on this data, expected some of {', '.join(possible)}")
    return possible if per is None else list(per)


def outputs_of(
    network: LiftingNetwork, keypoints: Tensor | SlidingWindows, data: EvaluationSet, flips: Sequence[str]
) -> dict[str, np.ndarray]:
    """(N, F, 17, 3 or 4) outputs at a set's offsets, without (`off`) and with flip averaging (`on`)."""
    outputs = [network.offsets.index(offset) for offset in data.offsets]
    plain = predict(network.lift, keypoints, data.level, outputs, len(network.offsets))
    if "on" not in flips:
        return {"off": plain}
    averaged = (plain + predict(network.lift, keypoints, data.level, outputs, flip=True)) / 2
    return {name: averaged if name == "on" else plain for name in flips}


def short_summary(predicted_m: np.ndarray, target_m: np.ndarray) -> dict[str, float]:
    """MPJPE, P-MPJPE and N-MPJPE of (N, 17, 3) poses."""
    return {
        "mpjpe_mm": round(mpjpe_mm(predicted_m, target_m), 2),
        "p_mpjpe_mm": round(p_mpjpe_mm(predicted_m, target_m), 2),
        "n_mpjpe_mm": round(n_mpjpe_mm(predicted_m, target_m), 2),
    }


def summary(predicted_m: np.ndarray, target_m: np.ndarray) -> dict[str, float]:
    """All measures of single (N, 17, 3) poses."""
    return {
        **short_summary(predicted_m, target_m),
        "pck_150": round(pck(predicted_m, target_m), 2),
        "auc": round(auc(predicted_m, target_m), 2),
        "size_ratio": round(size_ratio(predicted_m, target_m), 4),
    }


def lean(predicted_m: np.ndarray, target_m: np.ndarray, upright: np.ndarray | None) -> dict[str, float | None]:
    """By how many degrees (N, 17, 3) poses lean away from the camera more than the truth: mean, and mean amount."""
    error = np.empty(0) if upright is None else lean_error_deg(predicted_m, target_m, upright)
    if not len(error):
        return {"lean_deg": None, "lean_abs_deg": None}
    return {"lean_deg": round(float(error.mean()), 2), "lean_abs_deg": round(float(np.abs(error).mean()), 2)}


def velocity(joints: np.ndarray, data: EvaluationSet, offset: int, frame_rate_hz: float) -> dict[str, float | None]:
    """MPJVE of (N, F, 17, 3 or 4) outputs over consecutive rows; None without any."""
    row, used = data.neighbours(), data.offsets.index(offset)
    if not len(row):
        return {"mpjve_mm_per_frame": None, "mpjve_mm_per_s": None}
    predicted, target = (
        np.stack((x[row, used], x[row + 1, used]), axis=1) for x in (joints[..., :3], data.targets_m.numpy())
    )
    per_frame = mpjve_mm(predicted, target)
    return {"mpjve_mm_per_frame": round(per_frame, 3), "mpjve_mm_per_s": round(per_frame * frame_rate_hz, 1)}


def breakdown(
    name: str, poses: dict[str, np.ndarray], target_m: np.ndarray, data: EvaluationSet
) -> dict[str, dict[str, Any]]:
    """Errors of each group of windows, or of each joint; (N, 17, 3) poses by condition."""
    label, borders, unit = BREAKDOWNS[name]
    if label is None:
        errors = {c: joint_errors_mm(root_relative(pose), root_relative(target_m)) for c, pose in poses.items()}
        aligned = {c: joint_errors_mm(align_similarity(pose, target_m), target_m) for c, pose in poses.items()}
        return {
            joint: {
                c: {
                    "mpjpe_mm": round(float(errors[c][:, i].mean()), 2),
                    "p_mpjpe_mm": round(float(aligned[c][:, i].mean()), 2),
                }
                for c in poses
            }
            for i, joint in enumerate(H36M_17.joint_names)
        }

    def errors_of(pose: np.ndarray, row: np.ndarray) -> dict[str, float | None]:
        upright = None if data.upright is None else data.upright[row]
        return {**short_summary(pose[row], target_m[row]), **lean(pose[row], target_m[row], upright)}

    return {
        group: {"windows": len(row), **{c: errors_of(pose, row) for c, pose in poses.items()}}
        for group, row in groups(data.labels[label], borders, unit).items()
    }


def groups(values: np.ndarray, borders: Sequence[float] | None, unit: str = "m") -> dict[str, np.ndarray]:
    """Rows of each category, or of each range between borders in a unit; empty groups are left out."""
    if borders is None:
        return {str(value): np.flatnonzero(values == value) for value in sorted(set(values))}
    names = [f"below {borders[0]:g} {unit}"]
    names += [f"{low:g} to {high:g} {unit}" for low, high in pairwise(borders)]
    names += [f"over {borders[-1]:g} {unit}"]
    group = np.digitize(values, borders)
    rows = {name: np.flatnonzero(group == i) for i, name in enumerate(names)}
    return {name: row for name, row in rows.items() if len(row)}


def calibration(joints: np.ndarray, target_m: np.ndarray) -> dict[str, Any]:
    """Calibration of the expected errors of a network.

    Args:
        joints: (N, 17, 4), the fourth value the logarithm of each joint's expected error in metres.
        target_m: (N, 17, 3).
    Returns:
        Mean expected and actual error over all joints but the root, Spearman's rank correlation of the two (None if
        all expected errors are equal), and their means in each decile of the expected error.
    """
    expected = 1000.0 * np.exp(joints[:, 1:, 3].astype(np.float64)).ravel()
    actual = joint_errors_mm(root_relative(joints[..., :3]), root_relative(target_m))[:, 1:].ravel()
    deciles = np.array_split(np.argsort(expected), 10)
    return {
        "expected_mm": round(float(expected.mean()), 2),
        "actual_mm": round(float(actual.mean()), 2),
        "spearman": round(float(spearmanr(expected, actual).statistic), 4) if np.ptp(expected) > 0 else None,
        "deciles": {
            "expected_mm": [round(float(expected[rows].mean()), 2) for rows in deciles],
            "actual_mm": [round(float(actual[rows].mean()), 2) for rows in deciles],
        },
    }


def tables(report: dict[str, Any]) -> str:
    """The report as text."""
    conditions = list(report["metrics"])
    ahead = -report["offset"]
    lines = [
        f"{report['network']}: {report['windows']} windows of {report['window_length']} frames at "
        f"{report['frame_rate_hz']:g} Hz, look-ahead {ahead} frames ({1000 * ahead / report['frame_rate_hz']:.0f} ms), "
        f"down known in {100 * report['levelled']:.0f} %"
    ]

    def shown(errors: dict[str, Any], key: str) -> str:
        return "-" if errors[key] is None else format(errors[key], COLUMNS[key][1])

    rows = [
        [condition + (", flip averaged" if flip == "on" else ""), *(shown(values, key) for key in COLUMNS)]
        for condition, flips in report["metrics"].items()
        for flip, values in flips.items()
    ]
    lines += text_table(["", *(title for title, _ in COLUMNS.values())], rows)

    def errors(header: list[str], labelled: list[tuple[list[str], dict[str, Any]]]) -> list[str]:
        """A table of the errors that all entries have, after their labels."""
        values = [entry[c] for _, entry in labelled for c in conditions]
        keys = [key for key in SHORT if all(value.get(key) is not None for value in values)]
        titles = [f"{c} {COLUMNS[key][0].removesuffix(' mm')}" for c in conditions for key in keys]
        rows = [[*labels, *(shown(entry[c], key) for c in conditions for key in keys)] for labels, entry in labelled]
        return text_table([*header, *titles], rows)

    for name, entries in report["by"].items():
        counted = all("windows" in entry for entry in entries.values())
        labelled = [([group, str(entry["windows"])] if counted else [group], entry) for group, entry in entries.items()]
        if counted and BREAKDOWNS[name][1] is None:
            keys = ("mpjpe_mm", "p_mpjpe_mm", "n_mpjpe_mm")
            means = {
                c: {key: np.mean([entry[c][key] for entry in entries.values()]) for key in keys} for c in conditions
            }
            labelled.append(([f"mean over {name}s", ""], means))
        lines += errors([f"per {name}", "windows"] if counted else [f"per {name}"], labelled)
    if len(report["look_ahead"]) > 1:
        labelled = [([str(entry["frames"]), f"{entry['ms']:.0f}"], entry) for entry in report["look_ahead"]]
        lines += errors(["look-ahead, frames", "ms"], labelled)
    if "calibration" in report:
        rows = [
            [
                c,
                f"{entry['expected_mm']:.1f}",
                f"{entry['actual_mm']:.1f}",
                "-" if entry["spearman"] is None else f"{entry['spearman']:.3f}",
            ]
            for c, entry in report["calibration"].items()
        ]
        lines += text_table(["joints' errors", "expected mm", "actual mm", "rank correlation"], rows)
    return "\n".join(lines)


def text_table(header: list[str], rows: list[list[str]]) -> list[str]:
    """Lines of a table after an empty line; the first column left-aligned, the others right-aligned."""
    widths = [max(len(cell) for cell in column) for column in zip(header, *rows, strict=True)]
    return [
        "",
        *(
            "  ".join([cells[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(cells[1:], widths[1:], strict=True))])
            for cells in [header, *rows]
        ),
    ]
