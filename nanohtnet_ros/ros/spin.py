"""The life of a node's process."""

from __future__ import annotations

import signal
import sys
import traceback
from collections.abc import Callable
from types import FrameType

import rclpy
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions, install_signal_handlers

from nanohtnet_ros.errors import UserError
from nanohtnet_ros.ros.shared_memory import shared_memory_problem

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)
WAKE_S = 1.0
"""An executor that waits for longer may sleep through a signal: Fast DDS loses the wake-up once in a hundred times."""


def spin(make_node: Callable[[], Node], args: list[str] | None = None) -> None:
    """Start ROS, make a node, spin it until the process is told to end, and clean up.

    Ctrl-C and SIGTERM end it cleanly, with exit code 0, whenever they come and however often. A `UserError`, as of a
    parameter's value, ends the process with one line and exit code 1. An exception in a callback is logged
    and the node lives on; rclpy raises one for a request of a lifecycle transition that the state does not allow, for
    example.
    """
    starting = True

    def on_signal(number: int, frame: FrameType | None) -> None:
        nonlocal starting
        if starting:  # once: whatever comes later must not disturb the end
            starting = False
            raise KeyboardInterrupt

    for number in STOP_SIGNALS:
        signal.signal(number, on_signal)
    node = None
    try:
        try:
            rclpy.init(args=args, signal_handler_options=SignalHandlerOptions.NO)
        except RuntimeError as error:  # a params_file or command line that cannot be parsed
            sys.exit(f"cannot start: {str(error).partition(', at /')[0]}")  # less the lines of its C sources
        node = make_node()
        problem = shared_memory_problem()
        if problem:
            node.get_logger().warning(problem)
        executor = SingleThreadedExecutor()
        executor.add_node(node)
        install_signal_handlers(SignalHandlerOptions.ALL)  # these wake the executor
        if not starting:
            return
        starting = False
        while rclpy.ok():
            try:
                executor.spin_once(timeout_sec=WAKE_S)
            except (KeyboardInterrupt, ExternalShutdownException):
                raise
            except Exception as error:
                if rclpy.ok():  # else it is told to end, and nothing can be published any more
                    node.get_logger().error(f"{type(error).__name__}: {error}\n{traceback.format_exc()}")
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    except UserError as error:  # a parameter's value, of the command line or a params_file
        sys.exit(f"cannot start: {error}")
    finally:
        starting = False
        if node is not None:
            node.destroy_node()
        if rclpy.ok():
            rclpy.shutdown()
        for number in STOP_SIGNALS:  # Python takes its own handlers away before the process has ended
            signal.signal(number, signal.SIG_IGN)
