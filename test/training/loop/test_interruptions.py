"""A real training, killed at random moments, against one that nobody disturbs."""

import json
import multiprocessing
import random
import time

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
pytest.importorskip("tensorboardX", reason="tensorboardX, which writes the events, is not installed")

from nanohtnet_ros.model.nanohtnet import NanoHTNetConfig
from nanohtnet_ros.training.train import Recipe, train

WALL_CLOCK = ("seconds", "loader_share")
RECIPE = Recipe(
    samples=240, batch_size=4, warmup_steps=5, evaluate_every=80, save_every=16, precision="float32",
    model=NanoHTNetConfig(
        window_length=9, kept_frames=3, channels=48, layers=1, mlp_hidden=8, gcn_hidden=8, person_view=True,
        output_offsets=(-2, -1, 0)))


def train_alone(data, out):
    train(data, out, RECIPE, device="cpu", threads=1)


def outcome(out):
    log = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    state = torch.load(out / "state.pth", weights_only=True)
    weights = {name: state[name] for name in ("module", "average", "optimizer")}
    return [{k: v for k, v in entry.items() if k not in WALL_CLOCK} for entry in log], weights


def test_a_training_killed_again_and_again_ends_with_the_same_bits(mocap_file, tmp_path):
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(  # the last two are loaded when they are first needed, which takes seconds
        ["nanohtnet_ros.training.train", "torch._dynamo", "matplotlib.pyplot"])

    def start(out):
        process = context.Process(target=train_alone, args=(mocap_file, out))
        process.start()
        return process

    random.seed(0)
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    process = start(whole)
    while not (whole / "state.pth").exists():
        time.sleep(0.01)
    began = time.monotonic()
    process.join()
    takes_s = time.monotonic() - began

    reached = []
    for _ in range(3):
        process = start(killed)
        while not (killed / "state.pth").exists():
            time.sleep(0.01)
        process.join(random.uniform(0.2, 0.45) * takes_s)
        if process.exitcode is None:
            process.kill()
            process.join()
            reached.append(torch.load(killed / "state.pth", weights_only=True)["step"])
    process = start(killed)
    process.join()
    assert process.exitcode == 0
    assert len(reached) >= 2 and reached == sorted(reached) and reached[-1] > 0
    log, weights = outcome(killed)
    expected_log, expected_weights = outcome(whole)
    assert log == expected_log and [entry["samples"] for entry in log] == [80, 160, 240]
    torch.testing.assert_close(weights, expected_weights, rtol=0, atol=0)
