"""`nanohtnet view`: people in a browser, by Rerun."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

from nanohtnet_ros.errors import UserError

LIVE = "live"


def view(
    source: str,
    node: str = "pose_node",
    image: str = "image",
    camera_info: str = "camera_info",
    compressed: bool = False,
    web_port: int = 9090,
    grpc_port: int = 9876,
    bind: str = "127.0.0.1",
) -> None:
    """Show people in a browser: image, skeletons in space, joint angles, confidence, rates; until Ctrl-C.

    The page and its 40 MB of WebAssembly come from this machine; no network is needed.

    Args:
        source: recording of 'nanohtnet run --write rrd' (OUT/people.rrd), a bag of the nodes or of 'nanohtnet run', or
            'live' for the topics of a running node.
        node: that publishes the skeletons, with 'live'.
        image: topic of its images, with 'live'.
        camera_info: topic of its calibration, with 'live'.
        compressed: the images come on IMAGE/compressed, with 'live'.
        web_port: of the page.
        grpc_port: of its data.
        bind: address to serve at, of a recording; 0.0.0.0 for browsers on other machines. Live data is served to all.
    """
    if find_spec("rerun") is None:
        raise UserError("the viewer needs rerun: pip install 'nanohtnet_ros[viz]' (Rerun needs NumPy 2)")
    if source == LIVE:
        from nanohtnet_ros.ros.viewer_node import main

        topics = {
            "image": image,
            "image/compressed": f"{image}/compressed",
            "camera_info": camera_info,
            "skeletons": f"{node}/skeletons",
            "skeletons_2d": f"{node}/skeletons_2d",
        }
        transport = "compressed" if compressed else "raw"
        parameters = {"web_port": web_port, "grpc_port": grpc_port, "image_transport": transport}
        arguments = [f"{name}:={topic}" for name, topic in topics.items()]
        arguments = [word for argument in arguments for word in ("-r", argument)]
        arguments += [word for name, value in parameters.items() for word in ("-p", f"{name}:={value}")]
        main(["viewer_node", "--ros-args", *arguments])
        return
    path = Path(source).expanduser()
    if not path.exists():
        raise UserError(f"{path} does not exist: expected a recording (.rrd), a bag, or '{LIVE}' for running nodes")
    with tempfile.TemporaryDirectory() as folder:
        recording = path if path.suffix == ".rrd" else bag_as_rrd(path, Path(folder) / f"{path.stem}.rrd")
        serve(recording, web_port, grpc_port, bind)


def bag_as_rrd(bag: Path, recording: Path) -> Path:
    """Write what a bag shows of people as a recording of Rerun."""
    import rerun as rr

    from nanohtnet_ros.recording.rerun_bag import show_bag
    from nanohtnet_ros.recording.rerun_scene import APPLICATION, Scene

    stream = rr.RecordingStream(APPLICATION)
    stream.save(recording)
    show_bag(bag, Scene(stream))
    stream.flush()
    stream.disconnect()
    return recording


def serve(recording: Path, web_port: int, grpc_port: int, bind: str) -> None:
    """Serve a recording to browsers, until Ctrl-C.

    Raises:
        UserError: a port is taken, for example.
    """
    ports = ("--web-viewer-port", str(web_port), "--port", str(grpc_port), "--bind", bind)
    command = [sys.executable, "-m", "rerun", "--serve-web", *ports, str(recording)]
    proxy = f"rerun%2Bhttp%3A%2F%2Flocalhost%3A{grpc_port}%2Fproxy"
    print(f"open http://localhost:{web_port}/?url={proxy}", flush=True)
    done = subprocess.run(command, env=os.environ | {"RUST_LOG": "warn"})
    if done.returncode not in (0, -2, 130):
        raise UserError(f"Rerun ended with {done.returncode}: is port {web_port} or {grpc_port} taken?")
