"""PoseCLR against random weights at the same budget of fine-tuning: `python tools/compare_poseclr.py DATA OUT ...`.

For every seed the encoder is pre-trained once, on all of the training split, without 3D joints. Then for every fraction
of the data with 3D joints and every seed two networks are trained by the same recipe, one from the encoder and one from
random weights. Runs are sequential, each in its own folder of OUT; interrupted ones are resumed, finished ones skipped.
Each adds a line to OUT/results.jsonl; the table is printed at the end, and by `--table` alone.
"""

from __future__ import annotations

import argparse
import json
import statistics
from pathlib import Path

from training_runs import option, run_to_end

STARTS = ("random", "poseclr")


def main() -> None:
    arguments = parse()
    arguments.out.mkdir(parents=True, exist_ok=True)
    results = arguments.out / "results.jsonl"
    if not arguments.table:
        for seed in arguments.seeds:
            for fraction in arguments.fractions:
                for start in STARTS:
                    compare(arguments, results, fraction, start, seed)
    print(table(read(results)))


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="motion file (.npz) with the splits train and val")
    parser.add_argument("out", type=Path, help="folder for the runs and results.jsonl")
    parser.add_argument("--pretrain-recipe", type=Path, default=Path("config/train/poseclr_nano_81.yaml"))
    parser.add_argument("--recipe", type=Path, default=Path("config/train/nano_81_streaming.yaml"))
    parser.add_argument("--pretrain-samples", type=int, default=1_000_000, help="moments of each pre-training")
    parser.add_argument("--samples", type=int, default=1_000_000, help="windows of each fine-tuning")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--fractions", type=float, nargs="+", default=[1.0, 0.1], help="of the data with 3D joints")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--table", action="store_true", help="only print the table of what is there")
    parser.add_argument(
        "--set", nargs="*", type=option, default=[], metavar="KEY=VALUE", help="overrides of the fine-tuning recipe"
    )
    parser.add_argument(
        "--set-pretrain", nargs="*", type=option, default=[], metavar="KEY=VALUE", help="the same of the other one"
    )
    return parser.parse_args()


def compare(arguments: argparse.Namespace, results: Path, fraction: float, start: str, seed: int) -> None:
    """Train one of the networks, after its pre-training if it has one, and note its errors."""
    key = {"fraction": fraction, "start": start, "seed": seed}
    if any(all(entry[name] == value for name, value in key.items()) for entry in read(results)):
        return
    encoder, pretraining = None, None
    if start == "poseclr":
        pretrained = arguments.out / f"pretrained_{seed}"
        options = {"samples": arguments.pretrain_samples, "seed": seed, **dict(arguments.set_pretrain)}
        pretraining = run_to_end(
            "pretrain", arguments.data, pretrained, arguments.pretrain_recipe, options, arguments.threads
        )
        encoder = pretrained / "checkpoint.pth"
    options = {"samples": arguments.samples, "seed": seed, **dict(arguments.set), "data_fraction": fraction}
    reached = run_to_end(
        "train",
        arguments.data,
        arguments.out / f"{start}_{fraction:g}_{seed}",
        arguments.recipe,
        options,
        arguments.threads,
        encoder,
    )
    with results.open("a") as file:
        file.write(json.dumps({**key, **reached, "pretraining": pretraining}) + "\n")


def read(results: Path) -> list[dict]:
    return [json.loads(line) for line in results.read_text().splitlines()] if results.is_file() else []


def table(entries: list[dict], measures: tuple[str, ...] = ("clean_mpjpe_mm", "noisy_mpjpe_mm")) -> str:
    """Mean and standard deviation over seeds by fraction and start, and the paired difference between the starts."""
    lines = [f"{'data':>6} {'start':>10} {'runs':>5}" + "".join(f" {measure:>22}" for measure in measures)]

    def row(fraction: float, name: str, groups: list[list[float]]) -> None:
        cells = "".join(
            f" {statistics.mean(values):13.2f} +- {statistics.stdev(values) if len(values) > 1 else 0.0:5.2f}"
            for values in groups
        )
        lines.append(f"{fraction:6.0%} {name:>10} {len(groups[0]):5}{cells}")

    for fraction in sorted({entry["fraction"] for entry in entries}, reverse=True):
        by_seed = {
            start: {
                entry["seed"]: entry for entry in entries if (entry["fraction"], entry["start"]) == (fraction, start)
            }
            for start in STARTS
        }
        for start in STARTS:
            if by_seed[start]:
                row(fraction, start, [[entry[measure] for entry in by_seed[start].values()] for measure in measures])
        both = sorted(by_seed["random"].keys() & by_seed["poseclr"].keys())
        if both:
            row(
                fraction,
                "gain",
                [
                    [by_seed["random"][seed][measure] - by_seed["poseclr"][seed][measure] for seed in both]
                    for measure in measures
                ],
            )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
