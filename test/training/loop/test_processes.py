"""Training in two processes on CPUs, which talk by gloo, as torchrun starts them."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
pytest.importorskip("tensorboardX", reason="tensorboardX, which writes the events, is not installed")
if not torch.distributed.is_available() or not torch.distributed.is_gloo_available():
    pytest.skip("this build of PyTorch has no gloo", allow_module_level=True)

from nanohtnet_ros.training.loop.distributed import open_process
from nanohtnet_ros.training.train import train

from two_processes import RECIPE

SCRIPT = Path(__file__).with_name("two_processes.py")


def torchrun(data, out, crash_step):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    return subprocess.run(
        [
            sys.executable,
            "-m",
            "torch.distributed.run",
            "--nproc-per-node",
            "2",
            "--master-addr",
            "127.0.0.1",
            "--master-port",
            str(port),
            str(SCRIPT),
            str(data),
            str(out),
            str(crash_step),
        ],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=1000,
    )


def log_of(out):
    return [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]


@pytest.mark.slow
@pytest.mark.timeout(1200)  # on a loaded machine
def test_two_processes_do_what_one_does_even_if_one_of_them_dies(mocap_file, tmp_path):
    out, alone = tmp_path / "two", tmp_path / "one"
    crashed = torchrun(mocap_file, out, crash_step=15)
    assert crashed.returncode != 0
    assert torch.load(out / "state.pth", weights_only=True)["step"] == 12
    finished = torchrun(mocap_file, out, crash_step=-1)
    assert finished.returncode == 0, finished.stderr

    first, second = (torch.load(tmp_path / f"two_weights_{rank}.pth", weights_only=True) for rank in (0, 1))
    torch.testing.assert_close(first, second, rtol=0, atol=0)

    train(mocap_file, alone, RECIPE, device="cpu", threads=1)
    torch.testing.assert_close(
        first, torch.load(alone / "state.pth", weights_only=True)["module"], rtol=0, atol=1e-4
    )  # of steps of 1e-3
    assert [entry["samples"] for entry in log_of(out)] == [96, 192]
    for two, one in zip(log_of(out), log_of(alone), strict=True):
        assert two["loss_mm"] == pytest.approx(one["loss_mm"], rel=1e-3)
        assert two["clean_mpjpe_mm"] == pytest.approx(one["clean_mpjpe_mm"], rel=1e-3)


def test_a_gpu_that_is_not_there_is_an_error(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    with (
        pytest.raises(ValueError, match="finds 0 GPUs: start no more processes than GPUs, or set --device cpu"),
        open_process("cuda"),
    ):
        pass


def test_without_torchrun_there_is_one_process(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with open_process("auto") as process:
        assert (process.device.type, process.rank, process.processes, process.is_first) == ("cpu", 0, 1, True)
