"""The launch files under the real launch and launch_ros."""

import os
import re
import signal
import sys
from pathlib import Path

import pytest
import yaml

rclpy = pytest.importorskip("rclpy", reason="ROS 2 is not installed")
launch = pytest.importorskip("launch", reason="launch is not on PyPI; it comes with ROS from apt")
pytest.importorskip("launch_ros", reason="launch_ros is not on PyPI; it comes with ROS from apt")

from ament_index_python.packages import get_packages_with_prefixes
from launch.launch_description_sources import PythonLaunchDescriptionSource
from lifecycle_msgs.msg import State
from lifecycle_msgs.srv import GetState
from nanohtnet_ros.msg import Skeleton3DArray
from rcl_interfaces.srv import GetParameters
from rclpy.parameter import parameter_value_to_python

from factories import free_port

LAUNCH = Path(__file__).resolve().parents[2] / "launch"
POSE_ARGUMENTS = {
    "namespace",
    "node_name",
    "params_file",
    "image_topic",
    "camera_info_topic",
    "depth_topic",
    "image_transport",
    "use_sim_time",
    "use_rviz",
    "use_viewer",
    "fixed_frame",
    "log_level",
    "autostart",
    "respawn",
}
ARGUMENTS = {
    "pose": POSE_ARGUMENTS,
    "split": POSE_ARGUMENTS - {"node_name"},
    "demo": {"source", "camera_info_file", "loop", "speed"} | POSE_ARGUMENTS,
    "two_cameras": {"first", "second"} | POSE_ARGUMENTS,
}
TWO_INCLUDES = """
from launch import LaunchDescription
from launch.actions import IncludeLaunchDescription
from ament_index_python.packages import get_packages_with_prefixes
from launch.launch_description_sources import PythonLaunchDescriptionSource

def generate_launch_description():
    return LaunchDescription([
        IncludeLaunchDescription(PythonLaunchDescriptionSource({pose!r}), launch_arguments=arguments.items())
        for arguments in ({first!r}, {second!r})])
"""


@pytest.fixture
def run(processes, peer, wait_for):
    """Launches a file of ours and waits for nodes by their full names: `run("pose", {"/pose_node"}, "a:=b")`."""

    def start(name: str | Path, nodes: set[str], *arguments: str):
        file = name if isinstance(name, Path) else LAUNCH / f"{name}.launch.py"
        process = processes.start(str(Path(__file__).with_name("launch_file.py")), str(file), *arguments)

        def running() -> set[str]:
            found = peer.node.get_node_names_and_namespaces()
            return {f"{namespace.rstrip('/')}/{node}" for node, namespace in found if node != peer.node.get_name()}

        wait_for(lambda: running() == nodes or process.poll() is not None, f"{nodes}, only {running()}")
        assert process.poll() is None, processes.log_of(process)
        return process

    return start


@pytest.fixture
def parameters(peer):
    def ask(node: str, *names: str) -> list:
        answer = peer.call(f"{node}/get_parameters", GetParameters, GetParameters.Request(names=names))
        return [parameter_value_to_python(value) for value in answer.values]

    return ask


@pytest.fixture
def state(peer):
    return lambda node: peer.call(f"{node}/get_state", GetState, GetState.Request()).current_state.id


@pytest.mark.parametrize("name", ARGUMENTS)
def test_every_argument_is_there_and_described(name):
    source = PythonLaunchDescriptionSource(str(LAUNCH / f"{name}.launch.py"))
    arguments = source.get_launch_description(launch.LaunchContext()).get_launch_arguments()
    assert {argument.name for argument in arguments} == ARGUMENTS[name]
    assert all(len(argument.description) > 10 and argument.default_value is not None for argument in arguments)
    assert all("no description" not in argument.description for argument in arguments)
    choices = {argument.name: argument.choices for argument in arguments if argument.choices}
    assert choices["image_transport"] == ["", "raw", "compressed"] and "debug" in choices["log_level"]


def test_two_cameras_in_two_namespaces(run, peer, state, wait_for):
    run(
        "two_cameras",
        {"/left/pose_node", "/left/marker_node", "/right/pose_node", "/right/marker_node"},
        "autostart:=false",
    )
    for camera in ("left", "right"):
        # pose_node talks to the marker_node of its own namespace.
        topic = f"/{camera}/pose_node/skeletons"
        wait_for(lambda topic=topic: peer.node.count_subscribers(topic) == 1, f"marker_node at {topic}")
        assert state(f"/{camera}/pose_node") == State.PRIMARY_STATE_UNCONFIGURED


def test_two_cameras_in_one_namespace(run, peer, state, wait_for, tmp_path):
    common = {"namespace": "robot", "camera_info_topic": "info"}
    file = tmp_path / "two.launch.py"
    file.write_text(
        TWO_INCLUDES.format(
            pose=str(LAUNCH / "pose.launch.py"),
            first={**common, "node_name": "front", "image_topic": "front/image"},
            second={**common, "node_name": "back", "image_topic": "/rear/image"},
        )
    )
    run(file, {"/robot/front", "/robot/front_markers", "/robot/back", "/robot/back_markers"})
    for topic, subscribers in (
        ("/robot/front/image", 1),
        ("/rear/image", 1),
        ("/robot/info", 2),
        ("/robot/front/skeletons", 1),
        ("/robot/back/skeletons", 1),
    ):
        wait_for(lambda t=topic, n=subscribers: peer.node.count_subscribers(t) == n, f"{subscribers} at {topic}")
    assert state("/robot/front") == state("/robot/back") == State.PRIMARY_STATE_ACTIVE


def test_arguments_that_are_not_given_leave_the_params_file_its_say(run, parameters, processes, state, tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text("/**:\n  ros__parameters: {autostart: false, use_sim_time: true, max_people: 3}\n")
    process = run("pose", {"/eye", "/eye_markers"}, f"params_file:={file}", "node_name:=eye")
    assert parameters("/eye", "autostart", "use_sim_time", "max_people") == [False, True, 3]
    assert parameters("/eye_markers", "use_sim_time") == [True]
    assert state("/eye") == State.PRIMARY_STATE_UNCONFIGURED
    assert "has no section" not in processes.log_of(process)


def test_arguments_that_are_given_override_the_params_file(run, parameters, tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text("/robot/pose_node:\n  ros__parameters: {autostart: true, use_sim_time: true, max_people: 3}\n")
    run(
        "pose",
        {"/robot/pose_node", "/robot/marker_node"},
        f"params_file:={file}",
        "namespace:=robot",
        "autostart:=False",
        "use_sim_time:=false",
    )
    assert parameters("/robot/pose_node", "autostart", "use_sim_time", "max_people") == [False, False, 3]


def test_our_params_file_fits_any_name(run, processes):
    process = run("pose", {"/eye", "/eye_markers"}, "node_name:=eye", "autostart:=false")
    assert "has no section" not in processes.log_of(process) and "unknown" not in processes.log_of(process)


def test_what_would_be_ignored_in_silence_is_said(run, processes, wait_for, tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text("/**/pose_node:\n  ros__parameters: {max_people: 3}\n/**:\n  ros__parameters: {max_peple: 3}\n")
    process = run(
        "pose",
        {"/eye", "/eye_markers"},
        "node_name:=eye",
        "autostart:=false",
        "image_topik:=/camera",
        "mine:=1",
        f"params_file:={file}",
    )
    log = processes.log_of(process)
    assert "launch argument 'image_topik' is not known: do you mean 'image_topic'?" in log
    assert "'mine'" not in log  # may be an argument of a launch file that includes ours
    says = "[eye]: parameter 'max_peple' is unknown and ignored: do you mean 'max_people'?"
    wait_for(lambda: says in processes.log_of(process), says)
    file.write_text("/**/pose_node:\n  ros__parameters: {max_people: 3}\n")
    process = run(
        "pose",
        {"/ear", "/ear_markers", "/eye", "/eye_markers"},
        "node_name:=ear",
        "autostart:=false",
        f"params_file:={file}",
    )
    assert "mine.yaml has no section /**/ear" in processes.log_of(process)


@pytest.mark.parametrize("arguments", [("person_height_m: 9",), ("threads: [1, two]",)])
def test_the_launch_ends_where_a_node_cannot_start(processes, tmp_path, arguments):
    file = tmp_path / "mine.yaml"
    file.write_text(f"/**:\n  ros__parameters: {{{arguments[0]}}}\n")
    process = processes.start(
        str(Path(__file__).with_name("launch_file.py")), str(LAUNCH / "pose.launch.py"), f"params_file:={file}"
    )
    assert process.wait(timeout=60) == 1
    log = processes.log_of(process)
    assert "cannot start: " in log and "so the launch ends" in log and "Traceback" not in log


def test_respawn_starts_a_node_again(run, processes, peer, wait_for):
    process = run("pose", {"/pose_node", "/marker_node"}, "autostart:=false", "respawn:=true")
    started = re.compile(r"\[marker_node-\d\]: process started with pid \[(\d+)\]")
    os.kill(int(started.findall(processes.log_of(process))[0]), signal.SIGKILL)
    wait_for(lambda: len(started.findall(processes.log_of(process))) == 2, "the second start")
    assert process.poll() is None


FAKE_RVIZ = """#!{python}
import pathlib, sys, time
pathlib.Path({out!r}).write_text("\\n".join(sys.argv))
time.sleep(60)
"""


@pytest.fixture
def rviz(tmp_path, monkeypatch):
    """A package rviz2 that writes its arguments to the file that is returned."""
    prefix, out = tmp_path / "fake", tmp_path / "rviz_arguments"
    (prefix / "share" / "ament_index" / "resource_index" / "packages").mkdir(parents=True)
    (prefix / "share" / "ament_index" / "resource_index" / "packages" / "rviz2").touch()
    executable = prefix / "lib" / "rviz2" / "rviz2"
    executable.parent.mkdir(parents=True)
    executable.write_text(FAKE_RVIZ.format(python=sys.executable, out=str(out)))
    executable.chmod(0o755)
    monkeypatch.setenv("AMENT_PREFIX_PATH", f"{prefix}{os.pathsep}{os.environ['AMENT_PREFIX_PATH']}")
    return out


@pytest.mark.parametrize(
    ("arguments", "frame", "upright", "image"),
    [
        (("namespace:=left",), "left_camera_upright", "left_camera_upright", "image"),
        (("namespace:=left", "fixed_frame:=map"), "map", "", "image"),
        (
            ("namespace:=left", "image_transport:=compressed"),
            "left_camera_upright",
            "left_camera_upright",
            "image/compressed",
        ),
        (
            ("namespace:=left", "params_file:={compressed}"),
            "left_camera_upright",
            "left_camera_upright",
            "image/compressed",
        ),
    ],
)
def test_rviz_shows_the_right_frame_and_image(
    run, parameters, rviz, wait_for, tmp_path, arguments, frame, upright, image
):
    """And the node broadcasts that frame, so that people stand with any camera."""
    file = tmp_path / "compressed.yaml"
    file.write_text(
        "/**:\n  ros__parameters: {image_transport: raw}\n"
        "left:\n  pose_node:\n    ros__parameters: {image_transport: compressed}\n"
        "/right/pose_node:\n  ros__parameters: {image_transport: raw}\n"
    )
    run(
        "pose",
        {"/left/pose_node", "/left/marker_node"},
        "use_rviz:=true",
        "autostart:=false",
        "image_topic:=/camera/image_raw",
        *(a.format(compressed=file) for a in arguments),
    )
    wait_for(lambda: rviz.is_file() and "-d" in rviz.read_text(), "RViz")
    given = rviz.read_text().splitlines()
    view = yaml.safe_load(Path(given[given.index("-d") + 1]).read_text())["Visualization Manager"]
    assert view["Global Options"]["Fixed Frame"] == frame
    assert image in [d["Topic"]["Value"] for d in view["Displays"] if "Topic" in d]
    assert {
        "image:=/camera/image_raw",
        "image/compressed:=/camera/image_raw/compressed",
        "markers:=marker_node/markers",
        "debug_image:=pose_node/debug_image",
    } <= set(given)
    assert parameters("/left/pose_node", "upright_frame") == [upright]


def test_without_rviz_everything_else_runs(run, processes):
    if "rviz2" in get_packages_with_prefixes():
        pytest.skip("rviz2 is installed")
    process = run("pose", {"/pose_node", "/marker_node"}, "use_rviz:=true", "autostart:=false")
    assert "RViz is not installed" in processes.log_of(process) and "-rviz2" in processes.log_of(process)


def test_the_viewer_is_served_and_hears_the_nodes(run, processes, peer, wait_for, tmp_path):
    pytest.importorskip("rerun", reason="rerun is not installed (extra viz)")
    file, web, grpc = tmp_path / "viewer.yaml", free_port(), free_port()
    file.write_text(f"/**/viewer_node:\n  ros__parameters: {{web_port: {web}, grpc_port: {grpc}}}\n")
    nodes = {f"/left/{name}" for name in ("detector_node", "lifter_node", "marker_node", "viewer_node")}
    camera = ("namespace:=left", "image_topic:=/camera/image_raw", "image_transport:=compressed", "autostart:=false")
    process = run("split", nodes, "use_viewer:=true", f"params_file:={file}", *camera)
    wait_for(lambda: f"open http://localhost:{web}/" in processes.log_of(process), lambda: processes.log_of(process))
    heard = dict(peer.node.get_subscriber_names_and_types_by_node("viewer_node", "/left"))
    assert {
        "/camera/image_raw/compressed",
        "/left/camera_info",
        "/left/lifter_node/skeletons",
        "/left/detector_node/skeletons_2d",
        "/diagnostics",
    } <= heard.keys()


def test_transport_and_depth_reach_the_node(run, parameters, peer, wait_for):
    run(
        "pose",
        {"/pose_node", "/marker_node"},
        "image_transport:=compressed",
        "image_topic:=/camera/image_raw",
        "depth_topic:=/camera/depth",
    )
    assert parameters("/pose_node", "image_transport", "use_depth") == ["compressed", True]
    for topic in ("/camera/image_raw/compressed", "/camera/depth"):
        wait_for(lambda topic=topic: peer.node.count_subscribers(topic) == 1, f"pose_node at {topic}")
    assert peer.node.count_subscribers("/camera/image_raw") == 0


def test_depth_is_not_used_by_itself(run, parameters):
    run("pose", {"/pose_node", "/marker_node"}, "autostart:=false")
    assert parameters("/pose_node", "image_transport", "use_depth") == ["raw", False]


def test_detector_and_lifter_in_processes_of_their_own(run, parameters, peer, state, wait_for):
    run(
        "split",
        {"/left/detector_node", "/left/lifter_node", "/left/marker_node"},
        "namespace:=left",
        "image_topic:=/camera/image_raw",
        "camera_info_topic:=/camera/camera_info",
        "image_transport:=compressed",
    )
    for topic, subscribers in (
        ("/camera/image_raw/compressed", 1),
        ("/camera/camera_info", 1),
        ("/left/detector_node/skeletons_2d", 1),
        ("/left/lifter_node/skeletons", 1),
    ):
        wait_for(lambda t=topic, n=subscribers: peer.node.count_subscribers(t) == n, f"{subscribers} at {topic}")
    assert state("/left/detector_node") == state("/left/lifter_node") == State.PRIMARY_STATE_ACTIVE
    assert parameters("/left/detector_node", "image_transport") == ["compressed"]


def test_the_demo_shows_a_person(run, processes, peer, wait_for):
    skeletons = peer.listen("/show/pose_node/skeletons", Skeleton3DArray)
    process = run(
        "demo",
        {"/show/video_node", "/show/pose_node", "/show/marker_node"},
        "namespace:=show",
        "use_rviz:=false",
        "sourc:=0",
    )
    wait_for(lambda: any(msg.skeletons for msg in skeletons), "a person")
    log = processes.log_of(process)
    assert [line.partition("launch argument ")[2] for line in log.splitlines() if "launch argument" in line] == [
        "'sourc' is not known: do you mean 'source'?"
    ]


@pytest.mark.parametrize(
    ("argument", "says"),
    [
        ("log_level:=loud", "Valid options are: ['debug', 'info', 'warn', 'error', 'fatal']"),
        ("image_transport:=theora", "Valid options are: ['', 'raw', 'compressed']"),
        ("autostart:=perhaps", "Cannot convert value 'perhaps' to '<class 'bool'>'"),
        ("params_file:=/nowhere/mine.yaml", "No such file or directory: '/nowhere/mine.yaml'"),
        ("params_file:={tmp}/broken.yaml", "broken.yaml cannot be read: mapping values are not allowed here"),
        ("params_file:={tmp}/empty.yaml", "empty.yaml holds no parameters, expected node names above"),
        ("respawn:=often", "Valid options are: ['true', 'false'"),
    ],
)
def test_wrong_values_start_nothing_and_are_named(processes, tmp_path, argument, says):
    (tmp_path / "broken.yaml").write_text("/**:\n  ros__parameters: a: b\n")
    (tmp_path / "empty.yaml").write_text("threads: 3\n")
    argument = argument.format(tmp=tmp_path)
    process = processes.start(str(Path(__file__).with_name("launch_file.py")), str(LAUNCH / "pose.launch.py"), argument)
    assert process.wait(timeout=60) == 1
    assert says in processes.log_of(process) and "process started" not in processes.log_of(process)
