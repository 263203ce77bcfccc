"""What the nodes of the line share: lifecycle, parameters, a worker thread, services, diagnostics."""

from __future__ import annotations

import time
import traceback
from threading import Lock
from types import SimpleNamespace
from typing import Any

from lifecycle_msgs.srv import ChangeState
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from std_srvs.srv import SetBool, Trigger

from nanohtnet_ros.core.keypoint_tracking import StaleFrameError
from nanohtnet_ros.core.timing import StageTimes
from nanohtnet_ros.ros import parameters
from nanohtnet_ros.ros.diagnostics import ERROR, OK, WARN, Diagnostics, Rate
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
        self._change_state = self._service_change_state.callback  # rclpy's own
        self._service_change_state.callback = self._on_change_state
        if self.settings.values.autostart and self.trigger_configure() == SUCCESS:
            self.trigger_activate()

    # What each node says for itself.

    def load(self, p: SimpleNamespace) -> str:
        """Load networks and make publishers (`keep_output`); returns what is used, for the diagnostics."""
        raise NotImplementedError

    def unload(self) -> None:
        """Let go of what `load` made."""
        raise NotImplementedError

    def open_inputs(self, p: SimpleNamespace) -> None:
        """Subscribe (`keep_input`)."""
        raise NotImplementedError

    def process(self, items: dict[str, Any]) -> int:
        """Turn the newest item of each source into output; returns how many messages of results were published."""
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
        if self._enabled and not self._open():
            return FAILURE
        self._active = True
        self._say_if_idle()
        return super().on_activate(state)

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        self._close()
        self._active = False
        self._say_if_idle()
        return super().on_deactivate(state)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        self._let_go()
        self.diagnostics.set("models", OK, "not configured")
        return super().on_cleanup(state)

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        self._let_go()
        self.diagnostics.set("models", OK, "shut down")
        return super().on_shutdown(state)

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        self._let_go()
        self.diagnostics.set("models", ERROR, "let go after an error in a transition: configure again")
        return SUCCESS  # back to unconfigured

    def destroy_node(self) -> None:
        self._let_go()
        super().destroy_node()

    def keep_output(self, output: Any) -> Any:
        """Have an output closed when the node is cleaned up."""
        self._outputs.append(output)
        return output

    def keep_input(self, source: Any) -> Any:
        """Have an input closed and watched, by its `close()` and `refresh(stale_after_s)`, while the node is active."""
        self._inputs.append(source)
        return source

    def _open(self) -> bool:
        """Subscribe and work; where that cannot be done, say why."""
        self.diagnostics.clear("input")
        self._worker = NewestWorker(self._work)
        try:
            self.open_inputs(self.settings.values)
        except Exception as error:  # a QoS override that is no policy, for example
            self._close()
            self.diagnostics.set("input", ERROR, f"cannot subscribe: {error}")
            return False
        return True

    def _close(self) -> None:
        """Finish the frame at work, unsubscribe, forget all people and what was said of them."""
        if self._worker is not None:
            self.counts["dropped"] += self._worker.stop()
            self._worker = None
            self.reset()
        for source in self._inputs:
            source.close()
        self._inputs = []
        for condition in ("input", "stamps", "processing"):
            self.diagnostics.clear(condition)
        self.diagnostics.figures.pop("people", None)

    def _say_if_idle(self) -> None:
        if not self._active or not self._enabled:
            self.diagnostics.set("input", OK, "disabled by ~/enable" if self._active else "not active")

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
                outputs = self.process(items)
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
            self.counts["outputs"] += outputs
            self.output_rate.tick()

    def _refuse(self, count: str, condition: str, level: bytes, sentence: str) -> None:
        self.counts[count] += 1
        self.diagnostics.set(condition, level, sentence)

    # Requests.

    def _on_change_state(self, request: ChangeState.Request, response: ChangeState.Response) -> ChangeState.Response:
        """Refuse what the state does not allow; rclpy raises then, and whoever asked would wait for ever."""
        try:
            return self._change_state(request, response)
        except RuntimeError as error:  # RCLError is one
            self.get_logger().warning(f"transition {request.transition.label or request.transition.id}: {error}")
            response.success = False
            return response

    def _why_locked(self) -> str | None:
        return "the node is configured with it; deactivate and clean it up first" if self._configured else None

    def _on_settings(self, p: SimpleNamespace) -> None:
        if self._configured:
            with self._lock:
                self.apply(p)

    def _on_enable(self, request: SetBool.Request, response: SetBool.Response) -> SetBool.Response:
        if self._active and request.data and not self._enabled and not self._open():
            response.message = "cannot subscribe, see the diagnostics"
            return response
        if self._active and not request.data:
            self._close()
        self._enabled = request.data
        self._say_if_idle()
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
