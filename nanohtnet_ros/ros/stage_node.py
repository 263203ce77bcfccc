"""What the nodes of the line share: lifecycle, parameters, a worker thread, services, diagnostics."""

from __future__ import annotations

import time
import traceback
from threading import Lock
from types import SimpleNamespace
from typing import Any

from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from std_srvs.srv import SetBool, Trigger

from nanohtnet_ros.core.finder import StaleFrameError
from nanohtnet_ros.core.stage_times import Rate, StageTimes
from nanohtnet_ros.ros import parameters
from nanohtnet_ros.ros.diagnostics import ERROR, OK, WARN, Diagnostics
from nanohtnet_ros.ros.images import ImageError
from nanohtnet_ros.ros.worker import NewestWorker

SUCCESS, FAILURE = TransitionCallbackReturn.SUCCESS, TransitionCallbackReturn.FAILURE


class StageNode(LifecycleNode):
    """A lifecycle node that turns its newest input into output, in a thread of its own.

    Configured, it holds the networks and publishers; active, also the subscriptions and the worker.
    """

    def __init__(self, name: str, table: tuple[parameters.Parameter, ...]) -> None:
        super().__init__(name)
        self._lock = Lock()  # held while a frame is processed, and while what processes it is changed
        self._configured = self._active = False
        self._enabled = True
        self._worker: NewestWorker | None = None
        self._inputs: list = []
        self._outputs: list = []
        self._last_track_id = 0
        self.settings = parameters.Settings(self, table, self._why_locked, self._on_settings)
        self.counts = dict.fromkeys(("inputs", "dropped", "refused", "stale", "failed", "outputs"), 0)
        self.input_rate, self.output_rate = Rate(), Rate()
        self.times = StageTimes()
        self.diagnostics = Diagnostics(self, self._refresh_diagnostics)
        self._enable_service = self.create_service(SetBool, "~/enable", self._on_enable)
        self._reset_service = self.create_service(Trigger, "~/reset", self._on_reset)
        if self.settings.values.autostart and self.trigger_configure() == SUCCESS:
            self.trigger_activate()

    # What each node says for itself.

    def load(self, p: SimpleNamespace) -> str:
        """Load networks and make publishers (`keep_output`); returns what is used, for the diagnostics."""
        raise NotImplementedError

    def unload(self) -> None:
        """Let go of what `load` made."""
        raise NotImplementedError

    def open_inputs(self, p: SimpleNamespace) -> list:
        """Subscribe; returns inputs with `close()` and `refresh(stale_after_s)`."""
        raise NotImplementedError

    def process(self, items: dict[str, Any]) -> None:
        """Turn the newest item of each source into output."""
        raise NotImplementedError

    def apply(self, p: SimpleNamespace) -> None:
        """Take over changed parameters; called while nothing is processed, with the networks loaded."""
        raise NotImplementedError

    def reset(self) -> None:
        """Forget all people."""
        raise NotImplementedError

    def stage_times(self) -> list[StageTimes]:
        """Where the stages' durations are kept."""
        raise NotImplementedError

    def next_track_id(self) -> int:
        """Ids outlive the tracker: none comes back after the node is configured anew."""
        self._last_track_id += 1
        return self._last_track_id

    # Lifecycle.

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Load the networks; without them the node stays unconfigured and says why."""
        started = time.monotonic()
        p = self.settings.values
        try:
            used = self.load(p)
            self.apply(p)
        except Exception as error:  # whatever a file or a library does; the node lives on
            if not isinstance(error, (OSError, ValueError, ImportError)):
                self.get_logger().error(traceback.format_exc())
            self._let_go()
            self.diagnostics.set("models", ERROR, f"cannot load: {error}")
            return FAILURE
        self._configured = True
        self.diagnostics.set("models", OK, used)
        self.get_logger().info(f"configured in {time.monotonic() - started:.1f} s")
        return SUCCESS

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        self._active = True
        if self._enabled:
            self._open()
        return super().on_activate(state)

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        self._close()
        self._active = False
        self.diagnostics.set("input", OK, "not active")
        return super().on_deactivate(state)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        self._let_go()
        self.diagnostics.set("models", OK, "not configured")
        return super().on_cleanup(state)

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        self._let_go()
        return super().on_shutdown(state)

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        self._let_go()
        return SUCCESS  # back to unconfigured

    def destroy_node(self) -> None:
        self._let_go()
        super().destroy_node()

    def keep_output(self, output: Any) -> Any:
        """Have an output closed when the node is cleaned up."""
        self._outputs.append(output)
        return output

    def _open(self) -> None:
        self._worker = NewestWorker(self._work)
        self._inputs = self.open_inputs(self.settings.values)

    def _close(self) -> None:
        """Unsubscribe, finish the frame at work, forget all people."""
        for source in self._inputs:
            source.close()
        self._inputs = []
        if self._worker is not None:
            self.counts["dropped"] += self._worker.replaced
            self._worker.stop()
            self._worker = None
            self.reset()

    def _let_go(self) -> None:
        self._close()
        for output in reversed(self._outputs):
            output.close()
        self._outputs = []
        self.unload()
        self._configured = self._active = False

    # Processing, in the worker's thread.

    def put(self, item: Any, source: str = "") -> None:
        """Hand an input over to the worker; called by subscriptions."""
        self.counts["inputs"] += 1
        self.input_rate.tick()
        self._worker.put(item, source)

    def _work(self, items: dict[str, Any]) -> None:
        try:
            with self._lock, self.times.stage("total"):
                self.process(items)
        except StaleFrameError as error:
            self._refuse("stale", "stamps", WARN, str(error))
        except ImageError as error:
            self._refuse("refused", "image", ERROR, str(error))
        except Exception as error:  # whatever it is, the next input may be fine, and the node lives on
            if not self.context.ok():  # the process is told to end, nothing can be published any more
                return
            self._refuse("failed", "processing", ERROR, f"{type(error).__name__}: {error}")
            self.get_logger().error(traceback.format_exc(), throttle_duration_sec=10.0)
            with self._lock:
                self.reset()
        else:
            self.diagnostics.set("stamps", OK, "advance")
            self.diagnostics.set("processing", OK, "as it should")
            self.counts["outputs"] += len(items)
            self.output_rate.tick()

    def _refuse(self, count: str, condition: str, level: bytes, sentence: str) -> None:
        self.counts[count] += 1
        self.diagnostics.set(condition, level, sentence)

    # Requests.

    def _why_locked(self) -> str | None:
        return "the node is configured with it; deactivate and clean it up first" if self._configured else None

    def _on_settings(self, p: SimpleNamespace) -> None:
        if self._configured:
            with self._lock:
                self.apply(p)

    def _on_enable(self, request: SetBool.Request, response: SetBool.Response) -> SetBool.Response:
        if self._active and request.data and not self._enabled:
            self._open()
        elif self._active and not request.data and self._enabled:
            self._close()
        self._enabled = request.data
        if not request.data:
            self.diagnostics.set("input", OK, "disabled by ~/enable")
        response.success = True
        response.message = ("enabled" if request.data else "disabled") + ("" if self._active else ", but not active")
        return response

    def _on_reset(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        if self._configured:
            with self._lock:
                self.reset()
        response.success = self._configured
        response.message = "all people forgotten" if self._configured else "not configured, so there is nobody known"
        return response

    def _refresh_diagnostics(self) -> None:
        for source in self._inputs:
            source.refresh(self.settings.values.stale_after_s)
        figures = self.diagnostics.figures
        figures["input rate Hz"] = f"{self.input_rate.hz():.1f}"
        figures["output rate Hz"] = f"{self.output_rate.hz():.1f}"
        waiting = self._worker.replaced if self._worker is not None else 0
        figures.update(self.counts | {"dropped": self.counts["dropped"] + waiting})
        for times in (self.times, *self.stage_times()):
            for stage, latency in times.latency_ms().items():
                figures.update({f"{stage} {percentile} ms": f"{ms:.2f}" for percentile, ms in latency.items()})
