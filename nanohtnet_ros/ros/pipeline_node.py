"""What the nodes of the pipeline share: lifecycle, parameters, a worker thread, services, diagnostics."""

from __future__ import annotations

import time
import traceback
from abc import ABC, abstractmethod
from collections.abc import Callable
from threading import Lock
from typing import Any, Generic, Protocol, TypeVar

from lifecycle_msgs.srv import ChangeState
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from std_srvs.srv import SetBool, Trigger

from nanohtnet_ros.core.keypoint_tracking import StaleFrameError
from nanohtnet_ros.core.timing import StageTimes
from nanohtnet_ros.errors import UserError
from nanohtnet_ros.ros.diagnostics import ERROR, OK, WARN, Diagnostics, Rate
from nanohtnet_ros.ros.logs import NodeLogHandler
from nanohtnet_ros.ros.parameters import NodeParameters, PipelineNodeParameters
from nanohtnet_ros.ros.worker import NewestWorker
from nanohtnet_ros.samples.image_messages import ImageError

IMAGE = "image"
"""Name of the source of images in the worker's items."""

SUCCESS, FAILURE = TransitionCallbackReturn.SUCCESS, TransitionCallbackReturn.FAILURE

P = TypeVar("P", bound=PipelineNodeParameters)
Q = TypeVar("Q")
C = TypeVar("C", bound="Closable")
N = TypeVar("N", bound="Input")


class Closable(Protocol):
    """What is held while the node is configured."""

    def close(self) -> None:
        """Let go."""


class Input(Closable, Protocol):
    """A subscription, held while the node is active."""

    def refresh(self, stale_after_s: float) -> None:
        """Bring its conditions in the diagnostics up to date."""


class Processor(ABC, Generic[P, Q]):
    """What a configured node holds, networks and publishers, and what it does with its inputs.

    A subclass's constructor takes the node and its parameters, loads the networks and makes the publishers
    (`PipelineNode.keep_output`).

    Attributes:
        title: what is used, for the diagnostics.
    """

    title: str

    @abstractmethod
    def apply(self, p: P) -> None:
        """Take over changed parameters; called while nothing is processed."""

    @abstractmethod
    def subscribe(self, p: P) -> Q:
        """Subscribe (`PipelineNode.keep_input`); returns the inputs."""

    @abstractmethod
    def process(self, items: dict[str, Any], inputs: Q) -> int:
        """Turn the newest item of each source into output; returns how many messages of results were published."""

    @abstractmethod
    def reset(self) -> None:
        """Forget all people."""

    @property
    @abstractmethod
    def stage_times(self) -> list[StageTimes]:
        """Where the stages' durations are kept."""


class PipelineNode(LifecycleNode, Generic[P]):
    """A lifecycle node that turns its newest input into output, in a thread of its own.

    Configured, it holds the networks and publishers; active, also the subscriptions and the worker.
    """

    def __init__(
        self, name: str, kind: type[P], load: Callable[[PipelineNode[P], P], Processor], **options: Any
    ) -> None:
        """Make the node, and start it if `autostart` is set.

        Args:
            name: of the node.
            kind: its parameters.
            load: makes its processor.
            options: of `rclpy.node.Node`, such as namespace and parameter_overrides.
        Raises:
            UserError: a parameter's value cannot be used.
        """
        super().__init__(name, **options)
        self._lock = Lock()  # held while a frame is processed, and while what processes it is changed
        self._load = load
        self._processor: Processor | None = None  # while configured
        self._subscribed: Any = None  # what the processor subscribed to, while active
        self._active = False
        self._enabled = True
        self._worker: NewestWorker | None = None
        self._inputs: list[Input] = []
        self._outputs: list[Closable] = []
        self._last_track_id = 0
        self._dropped_before = 0
        self._log_handler = NodeLogHandler(self)
        self.counts = dict.fromkeys(("inputs", "dropped", "refused", "stale", "failed", "outputs"), 0)
        self.input_rate, self.output_rate = Rate(), Rate()
        self.times = StageTimes()
        self.diagnostics = Diagnostics(self, self._refresh_diagnostics)
        try:
            self.settings: NodeParameters[P] = NodeParameters(
                self, kind, self._why_locked, self._on_settings, "changes while the node is unconfigured only"
            )
        except UserError:
            self.destroy_node()
            raise
        self._enable_service = self.create_service(SetBool, "~/enable", self._on_enable)
        self._reset_service = self.create_service(Trigger, "~/reset", self._on_reset)
        self._change_state = self._service_change_state.callback  # rclpy's own
        self._service_change_state.callback = self._on_change_state
        if self.settings.values.autostart and self.trigger_configure() == SUCCESS:
            self.trigger_activate()

    def next_track_id(self) -> int:
        """Ids outlive the tracker: none comes back after the node is configured again."""
        self._last_track_id += 1
        return self._last_track_id

    # Lifecycle.

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Load the networks; without them the node stays unconfigured and says why."""
        started = time.monotonic()
        p = self.settings.values
        try:
            self._processor = self._load(self, p)
            self._processor.apply(p)
        except Exception as error:  # whatever a file or a library does; the node lives on
            if not isinstance(error, (UserError, OSError, ImportError)):
                self.get_logger().error(traceback.format_exc())
            self._release()
            self.diagnostics.set("models", ERROR, f"cannot load: {error}")
            return FAILURE
        self.diagnostics.set("models", OK, self._processor.title)
        self.get_logger().info(f"configured in {time.monotonic() - started:.1f} s")
        return SUCCESS

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Subscribe."""
        if self._enabled and not self._open():
            return FAILURE
        self._active = True
        self._set_idle_condition()
        return super().on_activate(state)

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Unsubscribe and forget all people."""
        self._close()
        self._active = False
        self._set_idle_condition()
        return super().on_deactivate(state)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Free the networks and destroy the publishers."""
        self._release()
        self.diagnostics.set("models", OK, "not configured")
        return super().on_cleanup(state)

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """As at clean-up."""
        self._release()
        self.diagnostics.set("models", OK, "shut down")
        return super().on_shutdown(state)

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """As at clean-up; the node is unconfigured afterwards."""
        self._release()
        self.diagnostics.set("models", ERROR, "freed after an error in a transition: configure again")
        return SUCCESS  # back to unconfigured

    def destroy_node(self) -> None:
        """As at clean-up, and destroy the node."""
        self._release()
        self._log_handler.close()
        super().destroy_node()

    def keep_output(self, output: C) -> C:
        """Have an output closed when the node is cleaned up."""
        self._outputs.append(output)
        return output

    def keep_input(self, source: N) -> N:
        """Have an input closed and watched, by its `close()` and `refresh(stale_after_s)`, while the node is active."""
        self._inputs.append(source)
        return source

    @property
    def _loaded(self) -> Processor:
        """The processor, which is there while the node is configured."""
        assert self._processor is not None
        return self._processor

    def _open(self) -> bool:
        """Subscribe and work; where that cannot be done, say why."""
        self.diagnostics.clear("input")
        self._worker = NewestWorker(self._work)
        try:
            self._subscribed = self._loaded.subscribe(self.settings.values)
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
            self._loaded.reset()
        for source in self._inputs:
            source.close()
        self._inputs = []
        for condition in ("input", "stamps", "processing"):
            self.diagnostics.clear(condition)
        self.diagnostics.figures.pop("people", None)

    def _set_idle_condition(self) -> None:
        if not self._active or not self._enabled:
            self.diagnostics.set("input", OK, "disabled by ~/enable" if self._active else "not active")

    def _release(self) -> None:
        self._close()
        for output in reversed(self._outputs):
            output.close()
        self._outputs = []
        self._processor, self._active = None, False

    # Processing, in the worker's thread.

    def put(self, item: Any, source: str = IMAGE) -> None:
        """Hand an input over to the worker; called by subscriptions."""
        self.counts["inputs"] += 1
        self.input_rate.tick()
        if self._worker is not None:
            self._worker.put(item, source)

    def newly_dropped(self) -> int:
        """How many inputs were dropped since this was asked last: they waited when a newer one came."""
        dropped = 0 if self._worker is None else self._worker.replaced
        before, self._dropped_before = min(self._dropped_before, dropped), dropped
        return dropped - before

    def _work(self, items: dict[str, Any]) -> None:
        try:
            with self._lock, self.times.stage("total"):
                outputs = self._loaded.process(items, self._subscribed)
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
                self._loaded.reset()
        else:
            self.diagnostics.set("stamps", OK, "monotonic")
            self.diagnostics.set("processing", OK, "ok")
            self.counts["outputs"] += outputs
            self.output_rate.tick()

    def _refuse(self, count: str, condition: str, level: bytes, sentence: str) -> None:
        self.counts[count] += 1
        self.diagnostics.set(condition, level, sentence)

    # Requests.

    def _on_change_state(self, request: ChangeState.Request, response: ChangeState.Response) -> ChangeState.Response:
        """Refuse what the state does not allow; rclpy raises then, and the client would wait for ever."""
        try:
            return self._change_state(request, response)
        except RuntimeError as error:  # RCLError is one
            self.get_logger().warning(f"transition {request.transition.label or request.transition.id}: {error}")
            response.success = False
            return response

    def _why_locked(self) -> str | None:
        return "the node is configured with it; deactivate and clean it up first" if self._processor else None

    def _on_settings(self, p: P) -> None:
        if self._processor is not None:
            with self._lock:
                self._processor.apply(p)

    def _on_enable(self, request: SetBool.Request, response: SetBool.Response) -> SetBool.Response:
        if self._active and request.data and not self._enabled and not self._open():
            response.message = "cannot subscribe, see the diagnostics"
            return response
        if self._active and not request.data:
            self._close()
        self._enabled = request.data
        self._set_idle_condition()
        response.success = True
        response.message = ("enabled" if request.data else "disabled") + ("" if self._active else ", but not active")
        return response

    def _on_reset(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        response.success = self._processor is not None
        response.message = "all tracks deleted" if self._processor else "not configured: no tracks"
        if self._processor is not None:
            with self._lock:
                self._processor.reset()
        return response

    def _refresh_diagnostics(self) -> None:
        for source in self._inputs:
            source.refresh(self.settings.values.stale_after_s)
        figures = self.diagnostics.figures
        self.diagnostics.set_rates({"input": self.input_rate.hz(), "output": self.output_rate.hz()})
        waiting = self._worker.replaced if self._worker is not None else 0
        figures.update(self.counts | {"dropped": self.counts["dropped"] + waiting})
        for times in (self.times, *(self._processor.stage_times if self._processor else [])):
            for stage, latency in times.latency_ms().items():
                figures.update({f"{stage} {percentile} ms": f"{ms:.2f}" for percentile, ms in latency.items()})
