"""A real training, killed at some steps, against one that runs undisturbed."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
pytest.importorskip("tensorboardX", reason="tensorboardX, which writes the events, is not installed")

from nanohtnet_ros.training.train import train

from killed_training import RECIPE

WALL_CLOCK = ("seconds", "loader_fraction")
SCRIPT = Path(__file__).with_name("killed_training.py")


def outcome(out):
    log = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    state = torch.load(out / "state.pth", weights_only=True)
    weights = {name: state[name] for name in ("module", "average", "optimizer")}
    return [{k: v for k, v in entry.items() if k not in WALL_CLOCK} for entry in log], weights


@pytest.mark.slow
@pytest.mark.timeout(1200)  # on a loaded machine
def test_a_training_killed_again_and_again_ends_with_the_same_bits(mocap_file, tmp_path):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    train(mocap_file, whole, RECIPE, device="cpu", threads=1)
    reached = []
    for steps in (5, 9):  # of this process; the second starts from the state at step 3
        process = subprocess.run([sys.executable, SCRIPT, mocap_file, killed, str(steps)], capture_output=True)
        assert process.returncode == -signal.SIGKILL, process.stderr
        reached.append(torch.load(killed / "state.pth", weights_only=True)["step"])
    assert reached == [3, 12]
    train(mocap_file, killed, RECIPE, device="cpu", threads=1)
    log, weights = outcome(killed)
    expected_log, expected_weights = outcome(whole)
    assert log == expected_log and [entry["samples"] for entry in log] == [32, 64, 96]
    torch.testing.assert_close(weights, expected_weights, rtol=0, atol=0)
