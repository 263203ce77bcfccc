"""Rerun's page for browsers."""

from __future__ import annotations

import atexit
import os
import socket
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

import rerun as rr
import rerun_cli

from nanohtnet_ros.errors import UserError
from nanohtnet_ros.runtime.interrupt import end_with_parent

APPLICATION = "nanohtnet_ros"
LOCAL = "127.0.0.1"
ALL = {"0.0.0.0": LOCAL, "::": "::1"}
"""Addresses of all interfaces, and what this machine itself reaches them by."""

SERVERS = (Path("Rerun.app", "Contents", "MacOS", "Rerun"), Path("rerun"))  # of macOS; of others
POLL_S = 0.05


def open_page(
    web_port: int, grpc_port: int, memory_mb: int = 1000, address: str = LOCAL
) -> tuple[rr.RecordingStream, str]:
    """Serve a page and its data until this process ends.

    Args:
        web_port: of the page.
        grpc_port: of its data.
        memory_mb: data kept for browsers that come later; the oldest goes first.
        address: IP address to listen at: this machine alone can look, or with `0.0.0.0` whoever reaches it.
    Returns:
        What is logged into, and the page's address.
    Raises:
        UserError: a port is taken, or the address is not this machine's.
    """
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    for port in (web_port, grpc_port):  # Rerun itself only logs that it cannot
        try:
            socket.create_server((address, port), family=family).close()
        except OSError as error:
            raise UserError(f"port {port} cannot be served at {address} ({error}): set web_port, grpc_port") from error
    # Rerun's SDK listens on all interfaces, its command where it is told to.
    folder = Path(rerun_cli.__file__).parent
    command = [str(next(folder / server for server in SERVERS if (folder / server).exists())), "--serve-web"]
    command += ["--bind", address, "--port", str(grpc_port), "--web-viewer-port", str(web_port)]
    command += ["--server-memory-limit", f"{memory_mb}MB", "--cors-allow-origin", f"http://*:{web_port}"]
    server = subprocess.Popen(
        command,
        env=os.environ | {"RUST_LOG": "warn"},
        start_new_session=True,  # Ctrl-C is ours
        preexec_fn=end_with_parent,
    )
    atexit.register(server.terminate)
    here = ALL.get(address, address)
    for port in (web_port, grpc_port):
        _wait_for(server, here, port)
    stream = rr.RecordingStream(APPLICATION)
    stream.connect_grpc(_proxy(here, grpc_port))
    atexit.register(stream.disconnect)  # before the server ends
    shown = {LOCAL: "localhost", **dict.fromkeys(ALL, socket.gethostname())}.get(address, address)
    return stream, f"http://{_host(shown)}:{web_port}/?url={quote(_proxy(shown, grpc_port), safe='')}"


def _wait_for(server: subprocess.Popen, address: str, port: int) -> None:
    """Wait until a port is served.

    Raises:
        UserError: the server has ended.
    """
    while server.poll() is None:
        with suppress(ConnectionRefusedError):
            socket.create_connection((address, port)).close()
            return
        time.sleep(POLL_S)
    raise UserError(f"Rerun's server has ended with {server.returncode}, its reason is above")


def _proxy(host: str, port: int) -> str:
    return f"rerun+http://{_host(host)}:{port}/proxy"


def _host(address: str) -> str:
    return f"[{address}]" if ":" in address else address
