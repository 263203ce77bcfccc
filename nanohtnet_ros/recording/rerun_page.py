"""Rerun's page for browsers, served by this process."""

from __future__ import annotations

import socket
from urllib.parse import quote

import rerun as rr

from nanohtnet_ros.errors import UserError

APPLICATION = "nanohtnet_ros"


def open_page(web_port: int, grpc_port: int, memory_mb: int = 1000) -> tuple[rr.RecordingStream, str]:
    """Serve a page and its data until this process ends, to all who reach this machine.

    Args:
        web_port: of the page.
        grpc_port: of its data.
        memory_mb: data kept for browsers that come later; the oldest goes first.
    Returns:
        What is logged into, and the page's address.
    Raises:
        UserError: a port is taken.
    """
    for port in (web_port, grpc_port):  # Rerun itself only logs that it cannot
        with socket.socket() as tried:
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                tried.bind(("", port))
            except OSError as error:
                raise UserError(f"port {port} cannot be served ({error}): set web_port, grpc_port") from error
    stream = rr.RecordingStream(APPLICATION)
    stream.serve_grpc(grpc_port=grpc_port, server_memory_limit=f"{memory_mb}MB")
    data = f"rerun+http://localhost:{grpc_port}/proxy"
    rr.serve_web_viewer(web_port=web_port, open_browser=False, connect_to=data)
    return stream, f"http://localhost:{web_port}/?url={quote(data, safe='')}"
