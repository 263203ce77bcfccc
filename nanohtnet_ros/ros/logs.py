"""Python's logging into a node's log."""

from __future__ import annotations

import logging

from rclpy.node import Node

PACKAGE = "nanohtnet_ros"


class NodeLogHandler(logging.Handler):
    """Hands what the package's modules log over to a node's logger, until it is closed."""

    def __init__(self, node: Node) -> None:
        """Listen from now on, to INFO and above."""
        super().__init__(logging.INFO)
        self._logger = node.get_logger()
        logger = logging.getLogger(PACKAGE)
        logger.setLevel(min(logger.getEffectiveLevel(), logging.INFO))
        logger.addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        """Log one record; rclpy ties a line of code to one severity, so each has its own."""
        text = record.getMessage()
        if record.levelno >= logging.ERROR:
            self._logger.error(text)
        elif record.levelno >= logging.WARNING:
            self._logger.warning(text)
        else:
            self._logger.info(text)

    def close(self) -> None:
        """Listen no longer."""
        logging.getLogger(PACKAGE).removeHandler(self)
        super().close()
