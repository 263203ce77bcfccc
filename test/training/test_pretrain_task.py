import dataclasses
import math

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

import torch.distributed as dist
import torch.multiprocessing as mp

from nanohtnet_ros.model.nanohtnet import NanoHTNet, NanoHTNetConfig
from nanohtnet_ros.model.poseclr import PoseCLRConfig
from nanohtnet_ros.model.temporal_conv import TemporalConv, TemporalConvConfig
from nanohtnet_ros.training.data.recordings import RecordedViews, View
from nanohtnet_ros.training.evaluation.contrastive_probe import ContrastiveProbe, probe_rows
from nanohtnet_ros.training.pretrain import PretrainTask
from nanohtnet_ros.training.synthesis.virtual_camera import optical_from_world, project

from factories import STANDING_M

NANO = NanoHTNetConfig(
    window_length=9,
    kept_frames=3,
    channels=48,
    layers=1,
    mlp_hidden=32,
    gcn_hidden=32,
    drop_path=(0.0, 0.0),
    dropout_spatial=0.0,
    dropout_temporal=0.0,
    output_offsets=(-2, -1, 0),
)
CONV = TemporalConvConfig(window_length=9, kernel_sizes=(3, 3), channels=64, dropout=0.0)
CLR = PoseCLRConfig(views=3, bank_size=512, temperature=0.1, momentum=0.99)


def with_confidence(keypoints: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.pad(keypoints, (0, 1), value=1.0)


class Turntable:
    """Twenty recordings of people who move by sines, seen by cameras all around, from above and from below."""

    def __init__(self, seed: int) -> None:
        rng = torch.Generator().manual_seed(seed)
        upright = torch.from_numpy(STANDING_M)
        self.mean = torch.stack((upright[:, 2], upright[:, 0], -upright[:, 1]), dim=-1)  # z up
        self.swing = 0.15 * torch.randn(20, 17, 3, generator=rng)
        self.phase = math.tau * torch.rand(20, 17, 3, generator=rng)

    def joints(self, size: int, length: int, rng: torch.Generator) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        sequence = torch.randint(20, (size,), generator=rng)
        newest = torch.randint(1000, (size,), generator=rng)
        time = (newest[:, None] + torch.arange(1 - length, 1))[..., None, None] / 50.0
        swing = self.swing[sequence][:, None] * torch.sin(math.tau * time + self.phase[sequence][:, None])
        return self.mean + swing, sequence, newest

    def seen(self, joints: torch.Tensor, rng: torch.Generator) -> torch.Tensor:
        size = len(joints)
        yaw, pitch, roll = (torch.rand(size, generator=rng) - 0.5 for _ in range(3))
        rotation = optical_from_world(math.tau * yaw, 1.5 * pitch, 0.5 * roll)
        distance = torch.tensor([0.0, 0.0, 1.0]) * (3.0 + 3.0 * torch.rand(size, 1, 1, 1, generator=rng))
        return joints @ rotation.transpose(1, 2)[:, None] + distance

    def views(self, size, views, window_length, rng):
        joints, sequence, newest = self.joints(size, window_length, rng)
        seen = torch.stack([with_confidence(project(self.seen(joints, rng), 2.29)) for _ in range(views)])
        return seen, torch.zeros(views, size), sequence, newest

    def batch(self, size, window_length, offsets, rng):
        seen = self.seen(self.joints(size, window_length, rng)[0], rng)
        targets = seen[:, [window_length - 1 + offset for offset in offsets]]
        return with_confidence(project(seen, 2.29)), torch.zeros(size), targets - targets[:, :, :1]


def task_of(network: str, config: PoseCLRConfig = CLR, seed: int = 0, **changes) -> PretrainTask:
    torch.manual_seed(seed)
    sizes = dataclasses.replace(NANO if network == "nanohtnet" else CONV, **changes)
    encoder = NanoHTNet(sizes) if network == "nanohtnet" else TemporalConv(sizes)
    source, held_out = Turntable(0), Turntable(1)
    probe = ContrastiveProbe.draw(source, held_out, sizes, config.exclusion_for(sizes.window_length), moments=64)
    return PretrainTask(encoder, config, source, probe)


def steps(task: PretrainTask, count: int, first: int = 0, size: int = 32) -> list[dict[str, float]]:
    """A plain loop over a task, whose batches are functions of the step."""
    optimizer = torch.optim.AdamW([p for p in task.module.parameters() if p.requires_grad], lr=1e-3)
    log = []
    for step in range(first, first + count):
        task.module.train()
        loss, parts = task.loss(task.module, task.batch(size, torch.Generator().manual_seed(step)))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        task.after_step()
        log.append({"loss": loss.item(), **{name: value.item() for name, value in parts.items()}})
    return log


@pytest.mark.slow
@pytest.mark.parametrize(
    ("network", "momentum_encoders"),
    [("nanohtnet", "shared"), ("temporal_conv", "shared"), ("temporal_conv", "per_view")],
)
def test_any_encoder_learns_to_know_a_moment_from_another_side(network, momentum_encoders):
    task = task_of(network, dataclasses.replace(CLR, momentum_encoders=momentum_encoders))
    before = task.evaluate(task.module)
    log = steps(task, 100)
    after = task.evaluate(task.module)
    assert after["view_top1"] > max(1.5 * before["view_top1"], 10 / 64), (before, after)  # chance is 1 / 64
    assert log[-1]["bank_filled"] == 1.0 and log[-1]["loss"] < log[20]["loss"]
    assert log[-1]["positive_similarity"] > log[20]["positive_similarity"]


def test_a_step_puts_its_keys_and_moments_into_the_bank():
    task = task_of("nanohtnet")
    batch = task.batch(4, torch.Generator().manual_seed(0))
    keypoints, level, sequence, frame = batch
    assert keypoints.shape == (4, 3, 9, 17, 3) and level.shape == (4, 3)
    task.loss(task.module, batch)
    others = [view for view in range(3) if view != task.query_view()]
    expected = task.momentum.keys(keypoints.transpose(0, 1), level.T, others).flatten(0, 1)
    assert task.bank.filled == 0  # the own moment's keys are not there while its loss is made
    task.after_step()
    torch.testing.assert_close(task.bank.keys[:8], expected)
    assert task.bank.sequence[:8].tolist() == sequence.tolist() * 2
    assert task.bank.frame[:8].tolist() == frame.tolist() * 2
    assert task.bank.filled == 8 / 512 and task.bank.next == 8
    with pytest.raises(RuntimeError, match="before loss"):
        task.after_step()


def test_recorded_cameras_give_views_too():
    """A camera's windows differ from another's, but all views of a batch are of the same frames of a recording."""
    rng = np.random.default_rng(0)
    recorded = RecordedViews.join(
        [
            View(
                np.float32(0.1 * camera + 0.01 * rng.normal(size=(30, 17, 2))),
                np.zeros((30, 17, 3), np.float32),
                "S1",
                "walk",
                f"c{camera}",
                f"walk {trial}",
            )
            for trial in range(2)
            for camera in range(4)
        ],
        "gt",
        "0" * 64,
    )
    probe = ContrastiveProbe.draw(recorded, recorded, CONV, 9, moments=16)
    task = PretrainTask(TemporalConv(CONV), CLR, recorded, probe)
    keypoints, _, sequence, _ = task.batch(8, torch.Generator().manual_seed(0))
    assert keypoints.shape == (8, 3, 9, 17, 3)
    for b in range(8):
        cameras = {round(10 * view[..., :2].mean().item()) for view in keypoints[b]}
        assert len(cameras) == 3 and cameras < {0, 1, 2, 3}
    steps(task, 2, size=8)
    assert set(task.bank.sequence.tolist()) == {-1, *sequence.tolist()} and task.evaluate(task.module)
    with pytest.raises(ValueError, match="take fewer views"):
        PretrainTask(TemporalConv(CONV), PoseCLRConfig(views=5), recorded, probe).batch(8, torch.Generator())


def test_a_moment_that_comes_again_is_no_negative():
    task = task_of("nanohtnet")
    batch = task.batch(1, torch.Generator().manual_seed(0))
    for _ in range(3):
        loss, parts = task.loss(task.module, batch)
        assert loss == 0.0 and parts["top1"] == 1.0
        task.after_step()
    near, far = ((*batch[:3], batch[3] + gap) for gap in (9, 10))  # a window's length, and one more
    assert task.loss(task.module, near)[0] == 0.0
    assert task.loss(task.module, far)[0] > 0.0
    wider = task_of("nanohtnet", dataclasses.replace(CLR, exclusion_frames=10))
    wider.load_extra_state(task.extra_state())
    assert wider.loss(wider.module, far)[0] == 0.0


def test_every_camera_is_the_query_now_and_then():
    task, chosen = task_of("nanohtnet"), []
    for step in range(60):
        task.step.fill_(step)
        chosen.append(task.query_view())
    assert all(chosen.count(view) > 10 for view in range(3))


@pytest.mark.parametrize("momentum_encoders", ["shared", "per_view"])
def test_going_on_from_a_state_changes_nothing(momentum_encoders, tmp_path):
    config = dataclasses.replace(CLR, momentum_encoders=momentum_encoders)
    whole = task_of("temporal_conv", config)
    steps(whole, 3)
    torch.save({"module": whole.module.state_dict(), "extra": whole.extra_state()}, tmp_path / "state.pth")
    state = torch.load(tmp_path / "state.pth", weights_only=True)
    resumed = task_of("temporal_conv", config, seed=5)
    resumed.module.load_state_dict(state["module"])
    resumed.load_extra_state(state["extra"])
    expected, log = steps(whole, 3, first=3), steps(resumed, 3, first=3)
    assert log == expected
    for name, tensor in whole.extra_state().items():
        assert torch.equal(tensor, resumed.extra_state()[name]), name
    with pytest.raises(RuntimeError, match=r"bank\.keys"):
        task_of("temporal_conv", dataclasses.replace(config, bank_size=99)).load_extra_state(state["extra"])


@pytest.mark.parametrize("network", ["nanohtnet", "temporal_conv"])
def test_the_checkpoint_is_the_averaged_encoder_without_its_heads(network, tmp_path):
    task, average = task_of(network), task_of(network, seed=3).module
    torch.save(task.checkpoint(average), tmp_path / "checkpoint.pth")
    content = torch.load(tmp_path / "checkpoint.pth", weights_only=True)
    assert content["network"] == network and content["pretrained"] is True
    encoder = average.encoder
    assert type(encoder.config)(**content["config"]) == encoder.config
    assert content["state_dict"].keys() == encoder.state_dict().keys() - {"fc.weight", "fc.bias"}
    for name, tensor in content["state_dict"].items():
        assert torch.equal(tensor, encoder.state_dict()[name]), name


def test_top1_finds_the_moment_from_another_side_and_leaves_its_neighbours_out():
    """An encoder whose keys are the moments themselves finds them all; one that sees no difference finds one."""

    def score(keys: torch.Tensor, sequence: list[int], frame: list[int], exclusion_frames: int) -> float:
        class Given(torch.nn.Linear):
            def forward(self, views, level):
                return keys

        nothing = (torch.zeros(1, 9, 17, 3), torch.zeros(1), torch.zeros(1, 3, 17, 3))
        probe = ContrastiveProbe(
            torch.zeros(2, 3, 9, 17, 3),
            torch.zeros(2, 3),
            torch.tensor(sequence),
            torch.tensor(frame),
            exclusion_frames,
            nothing,
            nothing,
        )
        return probe._view_top1(Given(1, 1))

    assert score(torch.eye(3), [0, 0, 0], [0, 1, 2], 0) == 1.0
    assert score(torch.ones(3, 3), [0, 1, 2], [0, 0, 0], 9) == pytest.approx(1 / 3)
    assert score(torch.ones(3, 3), [0, 0, 0], [0, 1, 9], 1) == pytest.approx(2 / 3)  # the first two are one moment


def test_the_probe_fits_what_is_linear_and_cannot_fit_noise():
    task, rng = task_of("nanohtnet"), torch.Generator().manual_seed(0)
    keypoints = with_confidence(0.3 * torch.randn(64, 9, 17, 2, generator=rng))
    with torch.no_grad():
        linear = task.module.encoder.encode(keypoints)[0][..., :3] * 0.5 + 0.1
    noise = torch.randn(64, 3, 17, 3, generator=rng)
    for joints, low, high in ((linear, 0.0, 20.0), (noise, 1000.0, 2000.0)):
        probe = dataclasses.replace(
            task.probe, fit=(keypoints, torch.zeros(64), joints), test=(keypoints, torch.zeros(64), joints)
        )
        assert low <= probe.score(task.module)["probe_mpjpe_mm"] < high


def test_the_probe_sees_joints_where_the_regression_head_does():
    """With joints for features, a linear layer finds them exactly, whichever way the person's view is turned."""
    task = task_of("nanohtnet", person_view=True)
    keypoints, level, joints = Turntable(0).batch(16, 9, (-2, -1, 0), torch.Generator().manual_seed(0))
    x, y = probe_rows(task.module, keypoints, level, joints)
    assert x.shape == (16 * 3 * 16, 17) and (x[:, -1] == 1).all() and y.shape == (16 * 3 * 16, 3)
    with torch.no_grad():
        encoder = task.module.encoder
        encoder.fc.weight.normal_()
        predicted = x @ torch.cat((encoder.fc.weight, encoder.fc.bias[:, None]), dim=1).T.double()
        ours = (predicted - y).norm(dim=-1).mean()
        theirs = (encoder(keypoints) - joints)[:, :, 1:].norm(dim=-1).mean()
    assert ours.item() == pytest.approx(theirs.item(), rel=1e-4)


def process(rank: int, folder: str) -> None:
    dist.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2)
    task = task_of("nanohtnet")
    task.loss(task.module, task.batch(2, torch.Generator().manual_seed(rank)))
    task.after_step()
    torch.save(task.extra_state(), f"{folder}/{rank}.pth")
    dist.destroy_process_group()


@pytest.mark.slow
def test_two_processes_share_one_bank(tmp_path):
    mp.spawn(process, (str(tmp_path),), nprocs=2)
    first, second = (torch.load(tmp_path / f"{rank}.pth", weights_only=True) for rank in (0, 1))
    assert all(torch.equal(first[name], second[name]) for name in first)
    moments = []
    for rank in (0, 1):
        *_, sequence, frame = Turntable(0).views(2, 3, 9, torch.Generator().manual_seed(rank))
        moments += list(zip(sequence.tolist(), frame.tolist(), strict=True)) * 2
    there = list(zip(first["bank.sequence"].tolist(), first["bank.frame"].tolist(), strict=True))
    assert there[:8] == moments and there[8:] == [(-1, 0)] * 504
    assert first["bank.next"] == 8
