"""One input through the pose estimator into its output folder, frame by frame."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from nanohtnet_ros import __version__
from nanohtnet_ros.config import EstimatorSettings
from nanohtnet_ros.core.keypoint_tracking import StaleFrameError
from nanohtnet_ros.core.window import NS_PER_S
from nanohtnet_ros.errors import UserError
from nanohtnet_ros.estimator import PoseEstimator
from nanohtnet_ros.recording.frames import Frame, FrameResult, RunInfo, Source, Writer
from nanohtnet_ros.recording.sources import ReadFrame, SourceOptions, open_source, read_ahead
from nanohtnet_ros.recording.state import Record, RunState
from nanohtnet_ros.recording.writers import FILES, check_writers, open_writers
from nanohtnet_ros.runtime.files import write_atomically
from nanohtnet_ros.runtime.interrupt import Interrupted, Interruptible, interruptible
from nanohtnet_ros.runtime.output_folder import OutputFolder

CHECKPOINT_FRAMES = 100
STATE, SUMMARY = ".nanohtnet_state", "run.json"
FRAMES_SHOWN = 5
"""Of the frames that could not be processed, the summary names so many."""


@dataclass(frozen=True)
class Job:
    """What is to be run.

    Attributes:
        input: path or webcam's number.
        out: folder of the results.
        write: names of writers.
        source: how the input is read.
        settings: of the estimator.
    """

    input: str
    out: Path
    write: tuple[str, ...] = ("mcap", "csv")
    source: SourceOptions = field(default_factory=SourceOptions)
    settings: EstimatorSettings = field(default_factory=EstimatorSettings)

    @property
    def identity(self) -> dict[str, Any]:
        """What the results depend on: equal for equal results."""
        path = Path(self.input).expanduser()
        files = sorted(path.iterdir()) if path.is_dir() else [path] if path.exists() else []
        told = [(file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in files]
        return {
            "input": str(path.absolute()) if files else self.input,
            "files": told,
            "write": self.write,
            **asdict(self.source),
            **asdict(self.settings),
            "version": __version__,
        }


@dataclass
class Summary:
    """What a run has done; written as `run.json`.

    Attributes:
        input, out: path or webcam's number, and folder of the results.
        frames, frames_with_people, skipped: how many, in all; skipped ones could not be processed.
        resumed_at: frames that a former run had done.
        track_ids: of everybody.
        problems: why frames were skipped, of the first few.
        warnings: what makes the results doubtful.
        frames_per_s: of what this run has done, results written included.
        error: why the results are not of the whole input, or an empty text.
    """

    input: str
    out: str
    frames: int = 0
    frames_with_people: int = 0
    resumed_at: int = 0
    track_ids: list[int] = field(default_factory=list)
    skipped: int = 0
    problems: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    frames_per_s: float = 0.0
    error: str = ""

    def add(self, record: Record) -> None:
        """Count a frame."""
        self.frames += 1
        self.frames_with_people += bool(record.people)
        self.track_ids = sorted({*self.track_ids, *(person.track_id for person in record.people)})
        if record.problem:
            self.skipped += 1
            if len(self.problems) < FRAMES_SHOWN:
                self.problems.append(f"frame {self.frames - 1}: {record.problem}")


def process(job: Job, estimator: PoseEstimator, show_progress: bool = True) -> Summary:
    """Run an input from its first frame to its last, or on from where the same job was interrupted.

    The results are those of `PoseEstimator.step` for each frame in turn, however often it was interrupted.

    Args:
        estimator: of the job's settings, that has seen nothing yet.
    Raises:
        Interrupted: Ctrl-C or SIGTERM; a webcam's run ends well by them.
        UserError, OSError: the input cannot be read or the output not written; what was written can be read.
    """
    check_writers(job.write)
    identity = job.identity
    inputs = [path for path in (Path(job.input), job.source.camera_info) if path is not None and path.exists()]
    with ExitStack() as stack:
        stop = stack.enter_context(interruptible())
        source = stack.enter_context(closing(open_source(job.input, job.source)))
        folder = stack.enter_context(closing(OutputFolder(job.out, [SUMMARY, *FILES], inputs)))
        state = stack.enter_context(closing(RunState(folder.path / STATE, identity, resume=not source.live)))
        if state.frames:
            estimator.restore(state.checkpoint)
        folder.clear()
        run = _Run(job, source, estimator, folder.path, state, stop)
        try:
            run.run(show_progress)
        except (Interrupted, OSError) as error:
            if not (isinstance(error, Interrupted) and source.live):
                raise type(error)(f"{error}; {run.so_far()}; the same command goes on from there") from error
        except UserError:
            if run.summary.skipped == run.summary.frames:  # nothing is worth going on with
                state.remove()
            raise
        state.remove()
        run.summary.warnings += source.warnings
        if source.damage:
            run.summary.error = f"the results are of {run.frames_done()}: {source.damage}"
        content = {"job": identity, **asdict(run.summary)}
        write_atomically(folder.path / SUMMARY, (json.dumps(content, indent=2, default=str) + "\n").encode())
        return run.summary


class _Run:
    """`process` from frame to frame."""

    def __init__(
        self, job: Job, source: Source, estimator: PoseEstimator, folder: Path, state: RunState, stop: Interruptible
    ) -> None:
        self._job, self._source, self._estimator, self._state, self._stop = job, source, estimator, state, stop
        self._folder = folder
        self.summary = Summary(job.input, str(folder), resumed_at=state.frames)
        self._writers: list[Writer] = []
        self._first_ns: int | None = None

    def frames_done(self) -> str:
        """How many frames were processed, of how many."""
        return f"{self.summary.frames}{f' of {self._source.frame_count}' if self._source.frame_count else ''} frames"

    def so_far(self) -> str:
        """A sentence on what was done."""
        return f"the results of {self.frames_done()} are in {self._folder}"

    def run(self, show_progress: bool) -> None:
        """Process all frames."""
        source = self._source
        info = RunInfo(
            source.title,
            source.frame_id,
            source.frame_rate_hz,
            self._estimator.lifter.network,
            self._job.source.ground_frame,
            self._estimator.settings.lifting.image_rotation or 0,
        )
        bar = tqdm(
            desc=source.title, total=source.frame_count, unit=" frames", mininterval=1.0, disable=not show_progress
        )
        with bar, ExitStack() as open_files:
            for writer in open_writers(self._job.write, self._folder, info):
                self._writers.append(open_files.enter_context(closing(writer)))
            frames = iter(source)
            self._repeat(frames, bar)
            self._go_on(frames, bar)
            with self._stop.held():
                open_files.close()
        if self.summary.skipped == self.summary.frames:
            reason = f": {self.summary.problems[0]}" if self.summary.problems else ""
            raise UserError(f"{self._job.input} holds no frame that can be processed{reason}")

    def _repeat(self, frames: Iterator[Frame], bar: tqdm) -> None:
        """Write the results of a former run again."""
        needs_images = any(writer.needs_images for writer in self._writers)
        for record in self._state.done():
            frame = next(frames, None)
            if frame is None or frame.stamp_ns != record.stamp_ns:
                raise UserError(
                    f"frame {self.summary.frames} of {self._job.input} is not what it was when the run was "
                    f"interrupted: remove {self._folder / STATE} to start again"
                )
            self._write(record, frame.read()[0] if needs_images and not record.problem else None)
            bar.update()

    def _go_on(self, frames: Iterator[Frame], bar: tqdm) -> None:
        """Process the frames that are left."""
        started_s, before = time.perf_counter(), self.summary.frames
        bar.unpause()
        try:
            with closing(read_ahead(frames)) as decoded:
                for frame in decoded:
                    with self._stop.held():
                        self._step(frame)
                    bar.update()
        except Interrupted:
            self._save()
            raise
        finally:
            elapsed_s = time.perf_counter() - started_s
            self.summary.frames_per_s = round((self.summary.frames - before) / elapsed_s, 2)

    def _step(self, frame: ReadFrame) -> None:
        record = self._processed(frame)
        if not self._source.live:
            self._state.add(record)
        self._write(record, frame.image_bgr)
        if self.summary.frames % CHECKPOINT_FRAMES == 0:
            self._save()

    def _processed(self, frame: ReadFrame) -> Record:
        if frame.image_bgr is None or frame.camera is None:
            return Record(frame.stamp_ns, problem=frame.problem)
        try:
            people = self._estimator.step(frame.image_bgr, frame.stamp_ns, frame.camera, ground=frame.ground)
        except StaleFrameError as error:
            return Record(frame.stamp_ns, problem=str(error))
        return Record(frame.stamp_ns, frame.camera, frame.ground, tuple(people), tuple(self._estimator.tracked))

    def _save(self) -> None:
        if not self._source.live:
            self._state.save(self._estimator.state())

    def _write(self, record: Record, image_bgr: np.ndarray | None) -> None:
        self._first_ns = record.stamp_ns if self._first_ns is None else self._first_ns
        self.summary.add(record)
        if record.camera is None:
            return
        result = FrameResult(
            index=self.summary.frames - 1,
            time_s=(record.stamp_ns - self._first_ns) / NS_PER_S,
            stamp_ns=record.stamp_ns,
            delay_ns=self._estimator.lifter.delay_ns,
            camera=record.camera,
            ground=record.ground,
            people=list(record.people),
            tracked=list(record.tracked),
            image_bgr=image_bgr,
        )
        for writer in self._writers:
            writer.write(result)
