"""The life of a node's process."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable

import rclpy
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node

from nanohtnet_ros.errors import UserError


def spin(make_node: Callable[[], Node], args: list[str] | None = None) -> None:
    """Start ROS, make a node, spin it until the process is told to end, and clean up.

    What the user can mend, a parameter's value for example, ends the process with one line and exit code 1. An
    exception in a callback is logged and the node lives on; rclpy raises one for a request of a lifecycle transition
    that the state does not allow, for example.
    """
    try:
        rclpy.init(args=args)
    except RuntimeError as error:  # a params_file or command line that cannot be parsed
        sys.exit(f"cannot start: {str(error).partition(', at /')[0]}")  # less the lines of its C sources
    node = None
    try:
        node = make_node()
        executor = SingleThreadedExecutor()
        executor.add_node(node)
        while rclpy.ok():
            try:
                executor.spin_once()
            except (KeyboardInterrupt, ExternalShutdownException):
                raise
            except Exception as error:
                node.get_logger().error(f"{type(error).__name__}: {error}\n{traceback.format_exc()}")
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    except UserError as error:  # a parameter's value, of the command line or a params_file
        sys.exit(f"cannot start: {error}")
    finally:
        if node is not None:
            node.destroy_node()
        if rclpy.ok():
            rclpy.shutdown()
