"""The training loop: steps, evaluations, and a state to resume from after any interruption."""

from __future__ import annotations

import copy
import json
import signal
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Generic, Protocol, TypeVar

import torch
from torch import Tensor, nn
from tqdm import tqdm

from nanohtnet_ros.errors import UserError
from nanohtnet_ros.training.loop.batches import load_batches, seed_of, shards_of
from nanohtnet_ros.training.loop.curves import draw_curves
from nanohtnet_ros.training.loop.distributed import Process
from nanohtnet_ros.training.loop.optimisation import LoopConfig, learning_rate_factor, optimizer_for, update_average
from nanohtnet_ros.training.loop.precision import chosen_precision, run_mixers_in_half
from nanohtnet_ros.training.loop.run_folder import RunFolder

REPORT_STEPS = 50
"""Steps between two reports of the loss, which synchronise with the device and between processes."""

Module = TypeVar("Module", bound=nn.Module)


class Stopped(UserError):
    """A training was stopped by a signal; its state is saved."""


class StopFlag:
    """Whether a signal asked to stop."""

    def __init__(self) -> None:
        self.asked = False

    def __call__(self, number: int, frame: object) -> None:
        """Handle a signal; the next one has its default effect."""
        self.asked = True
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)


@contextmanager
def stop_on_signals() -> Iterator[StopFlag]:
    """Turn the first SIGINT or SIGTERM into a flag that is read between two steps; only the main thread gets any."""
    flag = StopFlag()
    if threading.current_thread() is not threading.main_thread():
        yield flag
        return
    before = {number: signal.signal(number, flag) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield flag
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class Task(Protocol[Module]):
    """A module, its data, its loss and its evaluation.

    Attributes:
        module: to train, on the process's device. Every parameter that requires a gradient contributes to the loss.
    """

    module: Module

    def batch(self, size: int, rng: torch.Generator) -> tuple[Tensor, ...]:
        """Draw samples; the first dimension of every tensor counts them.

        All randomness comes from `rng`, on whose device the tensors are. It may run in worker processes and ahead of
        time, so it must not depend on anything that training changes.
        """
        ...

    def loss(self, module: nn.Module, batch: tuple[Tensor, ...]) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss of a batch and values to log; `module` is the task's, perhaps wrapped for several processes."""
        ...

    def after_step(self) -> None:
        """Called after the optimiser's step, as for momentum encoders."""
        ...

    def evaluate(self, average: Module) -> dict[str, float]:
        """Measure the averaged module; called in process 0."""
        ...

    def extra_state(self) -> dict[str, Tensor]:
        """What else the state must hold; tensors and plain containers."""
        ...

    def load_extra_state(self, state: dict[str, Tensor]) -> None:
        """Restore `extra_state`."""
        ...

    def checkpoint(self, average: Module) -> dict:
        """The content of `checkpoint.pth`; tensors and plain containers."""
        ...


def run(
    task: Task[Module],
    config: LoopConfig,
    out: Path,
    provenance: dict,
    process: Process | None = None,
    workers: int = 0,
) -> None:
    """Train, or resume a training that was interrupted; on one CPU thread with bit-identical results.

    Writes into OUT: `checkpoint.pth` (averaged weights), `log.jsonl` and TensorBoard events at every evaluation,
    `state.pth` to resume from, `recipe.json`, and `curves.png` at the end.

    Args:
        task: what to train.
        config: settings of the loop.
        out: the folder.
        provenance: recipe and data checksum, and under `made_with` versions; plain containers. It is saved with every
            checkpoint.
        process: device and rank; by default the CPU and a single process.
        workers: processes that prefetch batches.
    Raises:
        FileExistsError: the folder holds something else, see `RunFolder.read_state`.
        UserError: likewise; or batch size and processes do not divide; or the loss is not finite.
        Stopped: Ctrl-C or SIGTERM; the state is saved.
        OSError: a file cannot be written; the state saved before is kept.
    """
    process = process or Process()
    shards = shards_of(config, process)
    provenance = json.loads(json.dumps({**provenance, "shards": shards}, default=str))  # paths become texts
    with closing(RunFolder(out)) as folder:
        state = process.from_first(folder.read_state(provenance) if process.is_first else None)
        training = Training(task, config, process, folder, provenance)
        if state is not None:
            training.load(state)
        if training.step == config.steps:
            training.say(f"{out}: finished, {config.samples} samples: the result is {folder.checkpoint}")
        else:
            if process.is_first:
                folder.begin(provenance, state["log_bytes"] if state else 0, training.samples)
            if state is None:
                training.save()
            training.train(shards, workers)
        if process.is_first:
            draw_curves(folder.log, out / "curves.png")


class Training(Generic[Module]):
    """State of a training, and its loop."""

    def __init__(
        self, task: Task[Module], config: LoopConfig, process: Process, folder: RunFolder, provenance: dict
    ) -> None:
        self.task, self.config, self.process, self.folder, self.provenance = task, config, process, folder, provenance
        self.average = copy.deepcopy(task.module).eval().requires_grad_(False)
        precision = chosen_precision(config.precision, process.device)
        run_mixers_in_half(task.module, precision)
        self.optimizer = optimizer_for(task.module, config)
        self.scaler = torch.amp.GradScaler(process.device.type, enabled=precision == "float16")
        self.step = 0
        self.seconds = 0.0  # in total, over interruptions
        self.since_evaluation: dict[str, float] = defaultdict(float)  # sums over steps
        self._since_report: dict[str, Tensor] = {}
        self._loading_s = 0.0
        self._reported_step, self._reported_s = 0, 0.0
        self._diverged = torch.tensor(-1, device=process.device)  # first step whose loss or gradient is not finite

    @property
    def samples(self) -> int:
        return self.step * self.config.batch_size

    def train(self, shards: int, workers: int) -> None:
        """Train from the current step to the last."""
        config, process = self.config, self.process
        evaluate_steps = config.steps_between(config.evaluate_every)
        save_steps = config.steps_between(config.save_every)
        module = process.distribute(self.task.module)
        batches = load_batches(self.task.batch, config, shards, process, self.step, workers)
        self._reported_step, self._reported_s = self.step, time.perf_counter()
        with stop_on_signals() as flag, self._progress() as progress:
            while self.step < config.steps:
                started = time.perf_counter()
                batch = next(batches)
                self._loading_s += time.perf_counter() - started
                self._step(module, batch)
                self.step += 1
                progress.update(config.batch_size)
                evaluate = self.step % evaluate_steps == 0 or self.step == config.steps
                save = evaluate or self.step % save_steps == 0
                if save or self.step % REPORT_STEPS == 0 or (flag.asked and process.processes == 1):
                    stop, values = self._report(flag.asked)
                    progress.set_postfix(values, refresh=False)
                    if evaluate:
                        self._evaluate(progress)
                    if save or stop:
                        self.save()
                    if stop and self.step < config.steps:
                        raise Stopped(
                            f"stopped at {self.samples} of {config.samples} samples; the same command resumes it"
                        )

    def _step(self, module: nn.Module, batch: tuple[Tensor, ...]) -> None:
        config, parameters = self.config, self.task.module.parameters()
        torch.manual_seed(seed_of("dropout", config.seed, self.step, self.process.rank))
        module.train()
        for group in self.optimizer.param_groups:
            group["lr"] = config.learning_rate * learning_rate_factor(self.step, config)
        loss, parts = self.task.loss(module, batch)
        self.optimizer.zero_grad(set_to_none=True)
        self.scaler.scale(loss).backward()
        self.scaler.unscale_(self.optimizer)
        norm = nn.utils.clip_grad_norm_(parameters, config.clip_norm)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        update_average(self.average, self.task.module, min(config.ema_decay, (1 + self.step) / (10 + self.step)))
        self.task.after_step()
        finite = loss.detach().isfinite()
        if not self.scaler.is_enabled():  # it skips steps whose gradient overflows float16
            finite = finite & norm.isfinite()
        self._diverged = torch.where((self._diverged < 0) & ~finite, self.step, self._diverged)
        for name, value in {"loss": loss, **parts}.items():
            value = value.detach().double()
            self._since_report[name] = self._since_report[name] + value if name in self._since_report else value

    def _report(self, stop: bool) -> tuple[bool, dict[str, str]]:
        """Report the steps since the last report, over all processes.

        Returns:
            Whether any process was asked to stop, and the means of the logged values as text.
        Raises:
            UserError: a step's loss or gradient was not finite.
        """
        device = self.process.device
        flags = torch.stack((self._diverged, torch.tensor(int(stop), device=device)))
        diverged, stop = self.process.highest(flags).tolist()
        if diverged >= 0:
            raise UserError(
                f"the loss or its gradient is not finite in step {diverged} ({diverged * self.config.batch_size} "
                f"samples): lower learning_rate or clip_norm, or set precision to float32; {self.folder.state} is "
                "the state saved before"
            )
        sums = {**self._since_report, "loading_s": torch.tensor(self._loading_s, dtype=torch.float64, device=device)}
        summed = dict(zip(sums, self.process.mean(torch.stack(list(sums.values()))).tolist(), strict=True))
        now = time.perf_counter()  # the values have waited for the device
        steps, seconds = self.step - self._reported_step, now - self._reported_s
        self.seconds += seconds
        for name, value in {**summed, "steps": steps, "seconds": seconds}.items():
            self.since_evaluation[name] += value
        self._since_report, self._loading_s = {}, 0.0
        self._reported_step, self._reported_s = self.step, now
        means = {name: value / steps for name, value in summed.items() if name != "loading_s"} if steps else {}
        if self.process.is_first and steps:
            speed = {
                "samples_per_s": steps * self.config.batch_size / seconds,
                "loader_fraction": summed["loading_s"] / seconds,
            }
            rate = {"learning_rate": self.optimizer.param_groups[0]["lr"]}
            values = {f"train/{name}": value for name, value in {**means, **rate, **speed}.items()}
            self.folder.scalars(values, self.samples)
        return bool(stop), {name: f"{value:.4g}" for name, value in means.items()}

    def _evaluate(self, progress: tqdm) -> None:
        """Measure and save the averaged weights; the other processes wait."""
        sums, self.since_evaluation = self.since_evaluation, defaultdict(float)
        if self.process.is_first:
            scores = self.task.evaluate(self.average)
            steps, seconds, loading_s = (sums.pop(name) for name in ("steps", "seconds", "loading_s"))
            entry = {
                "samples": self.samples,
                "seconds": round(self.seconds),
                **{name: float(f"{value / steps:.6g}") for name, value in sums.items()},
                "learning_rate": self.optimizer.param_groups[0]["lr"],
                "loader_fraction": round(loading_s / seconds, 3),
                **scores,
            }
            self.folder.append(entry)
            self.folder.scalars({f"evaluation/{name}": value for name, value in scores.items()}, self.samples)
            content = self.task.checkpoint(self.average)
            self.folder.save_checkpoint({**content, "training": {**self.provenance, "reached": entry}})
            progress.write(json.dumps(entry))
        self.process.from_first(None)
        self._reported_s = time.perf_counter()

    def save(self) -> None:
        """Save the state; right after a report, so that no sums are lost."""
        state = {
            "provenance": self.provenance,
            "step": self.step,
            "seconds": self.seconds,
            "since_evaluation": dict(self.since_evaluation),
            "module": self.task.module.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.scaler.state_dict(),
            "extra": self.task.extra_state(),
        }
        if self.process.is_first:
            self.folder.save_state(state)

    def load(self, state: dict) -> None:
        """Restore a saved state."""
        self.step, self.seconds = state["step"], state["seconds"]
        self.since_evaluation = defaultdict(float, state["since_evaluation"])
        self.task.module.load_state_dict(state["module"])
        self.average.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.scaler.load_state_dict(state["scaler"])
        self.task.load_extra_state(state["extra"])

    def say(self, text: str) -> None:
        """Print in process 0."""
        if self.process.is_first:
            print(text)

    def _progress(self) -> tqdm:
        return tqdm(
            total=self.config.steps * self.config.batch_size,
            initial=self.samples,
            unit=" samples",
            unit_scale=True,
            mininterval=5.0,
            disable=not self.process.is_first,
        )
