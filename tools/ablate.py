"""What each choice of our recipe does: `python tools/ablate.py DATA OUT [ROW ...]`.

Every row trains nano-s from random weights with one choice changed, at one budget, and is a command by itself:
`nanohtnet train DATA OUT --recipe config/train/nano_s_81_streaming.yaml` and the row's options. Rows go one after
another, each in its own folder of OUT; one that was interrupted goes on, one that is done is left alone. The table is
printed at the end, and by `--table` alone.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import torch
from training_runs import option, run_to_end

from nanohtnet_ros.model.checkpoints import load_network
from nanohtnet_ros.model.cost import multiply_adds

CENTRED = list(range(-44, -35))
SPREAD = list(range(-40, 1, 5))
CONV = {
    "network": "temporal_conv",
    "precision": "float32",
    "learning_rate": 1e-3,
    "temporal_conv.person_view": "true",
    "temporal_conv.zero_root": "true",
    "temporal_conv.uncertainty": "true",
    "temporal_conv.confidence": "true",
    "temporal_conv.level": "true",
    "temporal_conv.kept_frames": 9,
    "temporal_conv.output_offsets": list(range(-8, 1)),
    "temporal_conv.dropout": 0.0,
}
NANO = {"model.channels": 240, "model.mlp_hidden": 256, "model.gcn_hidden": 384, "learning_rate": 5e-3}
ROWS: dict[str, dict[str, object]] = {
    "recipe": {},
    "every output frame counts alike": {"losses.newest_weight": 0.0},
    "no expected errors": {"losses.likelihood": 0.0, "model.uncertainty": "false"},
    "bone lengths in the loss": {"losses.bone_length": 0.3},
    "velocities in the loss": {"losses.velocity": 3.0},
    "no view of the person": {"model.person_view": "false", "model.level": "false"},
    "arm tokens swapped": {"model.swap_arm_tokens": "true"},
    "no crossover": {"synthesis.crossover.probability": 0.0},
    "arms as recorded": {"synthesis.crossover.arms_probability": 0.0},
    "poses as recorded": {"synthesis.augmentation.probability": 0.0, "synthesis.augmentation.lying_probability": 0.0},
    "still cameras": {"synthesis.motion.moving_probability": 0.0},
    "exact keypoints": {
        f"synthesis.noise.{part}": 0.0
        for part in (
            "amount",
            "jitter_px",
            "jitter_motion",
            "girdle_width",
            "swaps.probability",
            "occlusions.probability",
            "desk_probability",
            "field_of_view.cut_probability",
            "field_of_view.tight_probability",
            "dropped",
            "entering",
            "confidence.calibrated",
            "confidence.insensitive",
        )
    },
    "no confidences": {"model.confidence": "false"},
    "down never known": {"synthesis.gravity.given": 0.0, "model.level": "false"},
    "down always known": {"synthesis.gravity.given": 1.0},
    "27 coefficients": {"model.kept_frames": 27, "model.output_offsets": list(range(-26, 1))},
    "actions by duration": {"synthesis.action_exponent": 1.0},
    "actions alike": {"synthesis.action_exponent": 0.0},
    "centred": {"model.output_offsets": CENTRED, "losses.newest_weight": 0.0},
    "every look-ahead": {"model.output_offsets": SPREAD},
    "temporal convolutions, 512 channels": {**CONV, "temporal_conv.channels": 512},
    "temporal convolutions, 512 channels, four times the rate": {
        **CONV,
        "temporal_conv.channels": 512,
        "learning_rate": 4e-3,
    },
    "nano": NANO,
    "temporal convolutions, 1024 channels": {**CONV, "temporal_conv.channels": 1024},
}
"""Options of the recipe that a row changes."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="motion file (.npz) with the splits train and val")
    parser.add_argument("out", type=Path, help="folder for the runs")
    parser.add_argument("rows", nargs="*", metavar="ROW", help="only these; all without any")
    parser.add_argument("--recipe", type=Path, default=Path("config/train/nano_s_81_streaming.yaml"))
    parser.add_argument("--samples", type=int, default=128_000, help="windows of each row")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--table", action="store_true", help="only print the table of what is there")
    parser.add_argument(
        "--set", nargs="*", type=option, default=[], metavar="KEY=VALUE", help="overrides of the recipe, in every row"
    )
    arguments = parser.parse_intermixed_args()
    unknown = sorted(set(arguments.rows) - ROWS.keys())
    if unknown:
        parser.error(f"unknown rows {unknown}, expected some of {list(ROWS)}")
    rows = arguments.rows or list(ROWS)
    if not arguments.table:
        for seed in arguments.seeds:
            for row in rows:
                options = {"samples": arguments.samples, "evaluate_every": arguments.samples, "seed": seed}
                run_to_end(
                    "train",
                    arguments.data,
                    folder_of(arguments.out, row, seed),
                    arguments.recipe,
                    {**options, **dict(arguments.set), **ROWS[row]},
                    arguments.threads,
                )
    print(table(arguments.out, rows))


def folder_of(out: Path, row: str, seed: int) -> Path:
    return out / f"{row.replace(', ', '_').replace(' ', '_')}-{seed}"


def table(out: Path, rows: list[str]) -> str:
    """A row for each that is done: multiply-adds and errors, and how they differ from the recipe's, mean over seeds.

    Multiply-adds are those of the network as it is trained; an export needs fewer, see `model/folded.py`.
    """
    measures = ("clean_mpjpe_mm", "noisy_mpjpe_mm", "noisy_p_mpjpe_mm")
    head = "row | M multiply-adds | seeds | clean | noisy | noisy, P-MPJPE | against the recipe, noisy"
    lines = [f"| {head} |", "|---" * 7 + "|"]
    means = {}
    for row in rows:
        runs = sorted(path.parent for path in out.glob(f"{folder_of(out, row, 0).name[:-1]}[0-9]*/log.jsonl"))
        reached = {run: json.loads((run / "log.jsonl").read_text().splitlines()[-1]) for run in runs}
        reached = {
            run: entry
            for run, entry in reached.items()
            if entry["samples"] >= json.loads((run / "recipe.json").read_text())["samples"]
        }
        if not reached:
            continue
        entries = list(reached.values())
        means[row] = {measure: sum(entry[measure] for entry in entries) / len(entries) for measure in measures}
        network = load_network(next(iter(reached)) / "checkpoint.pth")
        cost = multiply_adds(network, torch.zeros(1, network.config.window_length, 17, 2)) / 1e6
        difference = means[row]["noisy_mpjpe_mm"] - means.get("recipe", means[row])["noisy_mpjpe_mm"]
        errors = " | ".join(f"{means[row][measure]:.1f}" for measure in measures)
        lines.append(f"| {row} | {cost:.1f} | {len(entries)} | {errors} | {difference:+.1f} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
