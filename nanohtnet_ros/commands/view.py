"""`nanohtnet view`: people in a browser, by Rerun."""

from __future__ import annotations

import threading
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
    web_address: str = "127.0.0.1",
    web_port: int = 9090,
    grpc_port: int = 9876,
) -> None:
    """Show people in a browser: image, skeletons in space, joint angles, confidence, rates; until Ctrl-C.

    The page and its 40 MB of WebAssembly come from this machine: no network is needed.

    Args:
        source: recording of 'nanohtnet run --write rrd' (OUT/people.rrd), a bag of the nodes or of 'nanohtnet run', or
            'live' for the topics of a running node.
        node: that publishes the skeletons, with 'live'.
        image: topic of its images, with 'live'.
        camera_info: topic of its calibration, with 'live'.
        compressed: the images come on IMAGE/compressed, with 'live'.
        web_address: IP address that page and data are served at; 0.0.0.0: whoever reaches this machine can look.
        web_port: of the page.
        grpc_port: of its data.
    """
    if find_spec("rerun") is None:
        raise UserError("the viewer needs rerun, which needs NumPy 2: pip install 'nanohtnet_ros[viz]'")
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
        parameters = {"web_address": web_address, "web_port": web_port, "grpc_port": grpc_port}
        parameters |= {"image_transport": transport}
        arguments = [f"{name}:={topic}" for name, topic in topics.items()]
        arguments = [word for argument in arguments for word in ("-r", argument)]
        arguments += [word for name, value in parameters.items() for word in ("-p", f"{name}:={value}")]
        main(["viewer_node", "--ros-args", *arguments])
        return
    path = Path(source).expanduser()
    if not path.exists():
        raise UserError(f"{path} does not exist: expected a recording (.rrd), a bag, or '{LIVE}' for running nodes")
    import rerun as rr

    from nanohtnet_ros.recording.rerun_bag import show_bag
    from nanohtnet_ros.recording.rerun_page import open_page
    from nanohtnet_ros.recording.rerun_scene import Scene

    stream, page = open_page(web_port, grpc_port, address=web_address)
    if path.suffix == ".rrd":
        rr.log_file_from_path(path, recording=stream)
    else:
        show_bag(path, Scene(stream))
    stream.flush()
    print(f"open {page}", flush=True)
    threading.Event().wait()  # until Ctrl-C
