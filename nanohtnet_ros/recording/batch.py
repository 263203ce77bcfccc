"""Many inputs: one after the other, over processes, or over a cluster."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import closing
from dataclasses import asdict, fields
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from nanohtnet_ros.config import EstimatorSettings
from nanohtnet_ros.errors import UserError
from nanohtnet_ros.estimator import PoseEstimator
from nanohtnet_ros.recording.loop import SUMMARY, Job, Summary, process
from nanohtnet_ros.runtime.files import write_atomically
from nanohtnet_ros.runtime.interrupt import Interrupted, end_with_parent, interruptible
from nanohtnet_ros.runtime.output_folder import OutputFolder

BATCH = "summary.json"


class Worker:
    """An estimator that is opened once, and has seen nothing when a job begins."""

    def __init__(self, settings: EstimatorSettings) -> None:
        """Load the networks; errors as of `PoseEstimator`."""
        self._estimator = PoseEstimator.from_settings(settings)
        self._fresh = self._estimator.state()

    def process(self, job: Job, show_progress: bool = False) -> Summary:
        """As `loop.process`, but what goes wrong is in the summary.

        Raises:
            Interrupted: as there.
        """
        self._estimator.restore(self._fresh)
        try:
            return process(job, self._estimator, show_progress)
        except Interrupted:
            raise
        except (UserError, OSError, ImportError) as error:
            return Summary(job.input, str(job.out), error=str(error))

    def close(self) -> None:
        """Free the networks."""
        self._estimator.close()


def output_names(inputs: list[str]) -> list[str]:
    """A folder's name for each input, no two alike."""
    names: list[str] = []
    for source in inputs:
        stem, count = Path(source).stem or "input", 1
        while (name := stem if count == 1 else f"{stem}_{count}") in names:
            count += 1
        names.append(name)
    return names


def run_batch(jobs: list[Job], out: Path, processes: int = 1, cluster: str = "") -> list[Summary]:
    """Run jobs; one that fails does not stop the others.

    Those that a former, interrupted run completed are not repeated.

    Args:
        jobs: of equal settings, each with a folder of its own in `out`.
        out: gets `summary.json`.
        processes: how many run at a time.
        cluster: "ray" for Ray's, which must see the same files under the same paths; empty for this machine.
    Returns:
        A summary for each job, in their order.
    Raises:
        Interrupted: Ctrl-C or SIGTERM; the same goes on later.
        UserError, OSError, ImportError: the folder or the networks cannot be used.
    """
    if processes < 1:
        raise UserError(f"--jobs is {processes}, expected 1 or more")
    if cluster not in ("", "ray"):
        raise UserError(f"--cluster is '{cluster}', expected 'ray' or nothing")
    inputs = [Path(job.input) for job in jobs if Path(job.input).exists()]
    with interruptible(), closing(OutputFolder(out, [BATCH], inputs)) as folder:
        if (folder.path / BATCH).exists():  # a finished batch is run anew
            for job in jobs:
                (job.out / SUMMARY).unlink(missing_ok=True)
            (folder.path / BATCH).unlink()
        found = {job: former for job in jobs if (former := completed(job)) is not None}
        missing = [job for job in jobs if job not in found]
        run = over_ray if cluster else over_processes if processes > 1 else one_by_one
        with closing(run(missing, processes)) as results:
            for job, summary in results:
                found[job] = summary
                print(f"{len(found)} of {len(jobs)}: {job.input}: {summary.error or 'done'}", flush=True)
        summaries = [found[job] for job in jobs]
        content = json.dumps([asdict(summary) for summary in summaries], indent=2)
        write_atomically(folder.path / BATCH, f"{content}\n".encode())
        return summaries


def completed(job: Job) -> Summary | None:
    """The summary of a job that was completed, or None."""
    try:
        content = json.loads((job.out / SUMMARY).read_text())
    except (OSError, ValueError):
        return None
    if content.pop("job", None) != json.loads(json.dumps(job.identity, default=str)):
        return None
    return Summary(**{entry.name: content[entry.name] for entry in fields(Summary)})


def one_by_one(jobs: list[Job], processes: int = 1) -> Generator[tuple[Job, Summary], None, None]:
    """Run jobs in this process."""
    if not jobs:
        return
    with closing(Worker(jobs[0].settings)) as worker:
        for job in jobs:
            yield job, worker.process(job, show_progress=True)


def over_processes(jobs: list[Job], processes: int) -> Generator[tuple[Job, Summary], None, None]:
    """Run jobs in a process each, so that a decoder which crashes over a damaged file takes nobody along."""
    running: set[subprocess.Popen] = set()
    with ThreadPoolExecutor(processes) as threads:
        futures = {threads.submit(in_process, job, running): job for job in jobs}
        try:
            for future in as_completed(futures):
                yield futures[future], future.result()
        except BaseException:
            threads.shutdown(wait=False, cancel_futures=True)
            for child in list(running):
                child.terminate()
            raise


def in_process(job: Job, running: set[subprocess.Popen]) -> Summary:
    """Run a job in a new process, which is in `running` meanwhile."""
    child = subprocess.Popen(
        [sys.executable, "-c", "from nanohtnet_ros.recording.batch import main; main()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,  # Ctrl-C comes from us
        preexec_fn=end_with_parent,
    )
    running.add(child)
    said, errors = child.communicate(pickle.dumps(job))
    running.discard(child)
    if child.returncode == 0:
        return pickle.loads(said)
    last = "\n".join(errors.decode(errors="replace").splitlines()[-15:])
    return Summary(job.input, str(job.out), error=f"its process ended with {child.returncode}: {last}")


def main() -> None:
    """The process of one job: pickled in from stdin, its summary pickled out to stdout."""
    job = pickle.load(sys.stdin.buffer)
    out = sys.stdout.buffer
    sys.stdout = sys.stderr  # whatever is printed meanwhile
    with closing(Worker(job.settings)) as worker:
        out.write(pickle.dumps(worker.process(job)))


def over_ray(jobs: list[Job], processes: int) -> Generator[tuple[Job, Summary], None, None]:
    """Run jobs on a Ray cluster, RAY_ADDRESS's or one of this machine, with the networks loaded once an actor."""
    if find_spec("ray") is None:
        raise UserError("--cluster ray needs Ray: pip install 'nanohtnet_ros[cluster]'")
    ray: Any = import_module("ray")
    if not ray.is_initialized():
        ray.init(log_to_driver=False)
    # An actor that a decoder's crash took along is made anew, and its job has failed.
    make = ray.remote(Worker).options(num_cpus=1, max_restarts=-1, max_task_retries=0).remote
    waiting = list(reversed(jobs))
    actors = [make(jobs[0].settings) for _ in range(min(processes, len(jobs)))]
    running = {}
    try:
        for actor in actors:
            job = waiting.pop()
            running[actor.process.remote(job)] = actor, job
        while running:
            (done,), _ = ray.wait(list(running), num_returns=1)
            actor, job = running.pop(done)
            try:
                summary = ray.get(done)
            except ray.exceptions.RayError as error:
                summary = Summary(job.input, str(job.out), error=f"its actor failed: {error}")
            yield job, summary
            if waiting:
                job = waiting.pop()
                running[actor.process.remote(job)] = actor, job
    finally:
        for actor in actors:
            ray.kill(actor)
