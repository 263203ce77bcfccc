import errno
import json
import os
import signal
import struct
from dataclasses import replace

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
pytest.importorskip("tensorboardX", reason="tensorboardX, which writes the events, is not installed")

from nanohtnet_ros.errors import UserError
from nanohtnet_ros.training.loop import run_folder
from nanohtnet_ros.training.loop.batches import StepBatches, load_batches, shards_of
from nanohtnet_ros.training.loop.distributed import Process
from nanohtnet_ros.training.loop.loop import Stopped, run

from toy_task import CONFIG, LineTask

WALL_CLOCK = ("seconds", "loader_fraction")
LAST_STATE = 400  # samples, when the tests below interrupt it


def log_of(out):
    """The log, without what depends on the machine's speed."""
    entries = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    return [{name: value for name, value in entry.items() if name not in WALL_CLOCK} for entry in entries]


def state_of(out):
    return torch.load(out / "state.pth", weights_only=True)


def scalars_of(out):
    """(name, samples) of every scalar that TensorBoard shows: a session's start purges later steps."""
    from tensorboardX.proto.event_pb2 import Event

    found = []
    for file in sorted((out / "tensorboard").iterdir()):
        content = file.read_bytes()
        while content:
            (length,) = struct.unpack("<Q", content[:8])  # TFRecord: length, its checksum, data, its checksum
            event = Event.FromString(content[12 : 12 + length])
            if event.HasField("session_log"):
                found = [(tag, step) for tag, step in found if step < event.step]
            found += [(value.tag, event.step) for value in event.summary.value]
            content = content[16 + length :]
    return found


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    out = tmp_path_factory.mktemp("loop") / "run"
    run(LineTask(), CONFIG, out, {"recipe": 1})
    return out


def assert_same_outcome(out, expected):
    torch.testing.assert_close(state_of(out)["module"], state_of(expected)["module"], rtol=0, atol=0)
    torch.testing.assert_close(state_of(out)["average"], state_of(expected)["average"], rtol=0, atol=0)
    assert torch.equal(state_of(out)["extra"]["steps"], torch.tensor([120.0]))
    assert log_of(out) == log_of(expected)


def test_a_training_writes_its_log_its_checkpoint_and_its_curves(uninterrupted):
    log = log_of(uninterrupted)
    assert [entry["samples"] for entry in log] == [320, 640, 960]
    assert log[-1]["error_mm"] < 0.5 * log[0]["error_mm"] and log[-1]["distance"] < log[0]["distance"]
    checkpoint = torch.load(uninterrupted / "checkpoint.pth", weights_only=True)
    assert checkpoint["training"]["reached"]["error_mm"] == log[-1]["error_mm"]
    assert checkpoint["training"]["recipe"] == json.loads((uninterrupted / "recipe.json").read_text())["recipe"] == 1
    torch.testing.assert_close(checkpoint["state_dict"], state_of(uninterrupted)["average"], rtol=0, atol=0)
    assert (uninterrupted / "curves.png").read_bytes()[:4] == b"\x89PNG"


def test_the_averaged_weights_are_evaluated_and_not_the_last_ones(uninterrupted):
    state = state_of(uninterrupted)
    task = LineTask()
    task.module.load_state_dict(state["average"])
    assert task.evaluate(task.module.eval())["error_mm"] == log_of(uninterrupted)[-1]["error_mm"]
    assert not torch.equal(state["average"]["0.weight"], state["module"]["0.weight"])


def test_events_hold_every_scalar_once(uninterrupted):
    scalars = scalars_of(uninterrupted)
    assert len(scalars) == len(set(scalars))
    assert [samples for name, samples in scalars if name == "evaluation/error_mm"] == [320, 640, 960]
    assert {"train/distance", "train/learning_rate", "train/loader_fraction"} <= {name for name, _ in scalars}


@pytest.fixture
def foreground():
    """Ctrl-C as in a terminal: a shell that starts a job in the background has it ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("foreground")
def test_after_ctrl_c_the_same_call_goes_on_to_the_same_bits(tmp_path, uninterrupted):
    for number, step in ((signal.SIGINT, 17), (signal.SIGTERM, 62)):
        task = LineTask()
        task.before_loss = lambda t, number=number, step=step: t.steps == step and os.kill(os.getpid(), number)
        with pytest.raises(Stopped, match=f"stopped at {(step + 1) * 8} of 960 samples; the same command resumes it"):
            run(task, CONFIG, tmp_path / "run", {"recipe": 1})
    handler = signal.getsignal(signal.SIGINT)
    run(LineTask(), CONFIG, tmp_path / "run", {"recipe": 1})
    assert signal.getsignal(signal.SIGINT) is handler is signal.default_int_handler
    assert_same_outcome(tmp_path / "run", uninterrupted)


def test_what_was_logged_after_the_state_is_not_logged_twice(tmp_path, uninterrupted, monkeypatch):
    """As after a kill between the log and the state that would have held it."""

    class Killed(BaseException):
        pass

    honest = run_folder.RunFolder.save_state

    def dies_at_the_second_evaluation(self, state):
        if state["step"] == 80:
            (self.path / ".state.pth.part").write_bytes(b"half a state")
            raise Killed
        honest(self, state)

    monkeypatch.setattr(run_folder.RunFolder, "save_state", dies_at_the_second_evaluation)
    with pytest.raises(Killed):
        run(LineTask(), CONFIG, tmp_path / "run", {"recipe": 1})
    monkeypatch.undo()
    assert [entry["samples"] for entry in log_of(tmp_path / "run")] == [320, 640]
    assert state_of(tmp_path / "run")["step"] == 70
    run(LineTask(), CONFIG, tmp_path / "run", {"recipe": 1})
    assert_same_outcome(tmp_path / "run", uninterrupted)
    assert sorted(scalars_of(tmp_path / "run")) == sorted(scalars_of(uninterrupted))
    assert not list((tmp_path / "run").glob(".*.pth*"))


def test_a_finished_training_says_so_and_stays_as_it_is(uninterrupted, capsys):
    before = (uninterrupted / "checkpoint.pth").read_bytes()
    run(LineTask(), CONFIG, uninterrupted, {"recipe": 1})
    assert "finished, 960 samples:" in capsys.readouterr().out
    assert (uninterrupted / "checkpoint.pth").read_bytes() == before


def test_another_recipe_does_not_go_on_but_other_versions_do(tmp_path, uninterrupted, capsys):
    with pytest.raises(ValueError, match="holds another training: data_sha256 was null, is 5; recipe was 1, is 2"):
        run(LineTask(), CONFIG, uninterrupted, {"recipe": 2, "data_sha256": 5, "made_with": {"torch": "1"}})
    run(LineTask(), CONFIG, uninterrupted, {"recipe": 1, "made_with": {"torch": "1"}})
    assert "finished" in capsys.readouterr().out


def test_folders_that_cannot_be_gone_on_from_are_errors(tmp_path):
    (tmp_path / "log.jsonl").write_text("{}\n")
    with pytest.raises(FileExistsError, match=r"holds log.jsonl but no state.pth"):
        run(LineTask(), CONFIG, tmp_path, {})
    (tmp_path / "state.pth").write_bytes(b"no state")
    with pytest.raises(ValueError, match=r"state.pth cannot be read"):
        run(LineTask(), CONFIG, tmp_path, {})


def test_two_trainings_do_not_share_a_folder_and_nothing_else_in_it_is_touched(tmp_path):
    (tmp_path / ".notes.pth.txt").write_text("of the user")
    first = run_folder.RunFolder(tmp_path)
    assert first.read_state({}) is None
    with pytest.raises(UserError, match=f"written by another run, process {os.getpid()}"):
        run_folder.RunFolder(tmp_path).read_state({})
    first.begin({}, 0, 0)
    first.close()
    second = run_folder.RunFolder(tmp_path)
    with pytest.raises(FileExistsError):
        second.read_state({})
    second.close()
    assert (tmp_path / ".notes.pth.txt").is_file()


@pytest.mark.parametrize("poison", ["loss", "gradient"])
def test_a_loss_that_is_not_finite_is_an_error_and_the_state_before_is_kept(tmp_path, poison):
    class Poisoned(LineTask):
        def loss(self, module, batch):
            loss, parts = super().loss(module, batch)
            if self.steps == 55:
                loss = loss * float("nan") if poison == "loss" else loss + (0.0 * module[0].bias).abs().sqrt().sum()
            return loss, parts

    with pytest.raises(UserError, match=r"not finite in step 55 \(440 samples\).*state saved before"):
        run(Poisoned(), CONFIG, tmp_path, {})
    state = state_of(tmp_path)
    assert state["step"] * 8 == LAST_STATE
    assert all(tensor.isfinite().all() for tensor in state["module"].values())


def test_a_full_disk_is_an_error_and_the_state_before_is_kept(tmp_path, monkeypatch):
    honest, task = os.fsync, LineTask()

    def full(handle):
        if task.steps > 55:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        honest(handle)

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match=r"No space left on device.*free some space"):
        run(task, CONFIG, tmp_path, {})
    assert state_of(tmp_path)["step"] * 8 == LAST_STATE
    assert not list(tmp_path.glob(".*.pth*"))


def test_batches_are_functions_of_seed_step_and_shard():
    config, task = replace(CONFIG, shards=2), LineTask()
    whole = StepBatches(task.batch, config, 2, Process())
    halves = [StepBatches(task.batch, config, 2, Process(rank=rank, processes=2)) for rank in (0, 1)]
    for step in (0, 7):
        for i in (0, 1):
            assert torch.equal(whole[step][i], torch.cat([half[step][i] for half in halves]))
    assert not torch.equal(whole[0][0], whole[1][0]) and not torch.equal(halves[0][0][0], halves[1][0][0])
    assert not torch.equal(whole[0][0], StepBatches(task.batch, replace(config, seed=4), 2, Process())[0][0])


def test_workers_make_the_same_batches_in_the_same_order():
    config, task = replace(CONFIG, samples=48), LineTask()
    inline, ahead = (list(load_batches(task.batch, config, 1, Process(), 2, workers)) for workers in (0, 2))
    assert len(inline) == len(ahead) == 4
    for (x, _), (y, _) in zip(inline, ahead, strict=True):
        assert torch.equal(x, y)


def test_batches_and_processes_have_to_divide():
    three = Process(processes=3)
    with pytest.raises(ValueError, match="batch_size is 8, expected a multiple of the 3"):
        shards_of(CONFIG, three)
    with pytest.raises(ValueError, match="shards is 4, expected a multiple of the 3 processes"):
        shards_of(replace(CONFIG, shards=4), three)
    assert shards_of(CONFIG, Process(processes=2)) == 2 and shards_of(replace(CONFIG, shards=4), Process()) == 4
    on_gpu = Process(torch.device("cuda"))
    with pytest.raises(ValueError, match="set workers to 0 or batches_on to cpu"):
        next(load_batches(LineTask().batch, replace(CONFIG, batches_on="device"), 1, on_gpu, 0, workers=2))
