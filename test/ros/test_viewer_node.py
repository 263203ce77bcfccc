import socket
import urllib.request

import numpy as np
import pytest

rclpy = pytest.importorskip("rclpy", reason="ROS 2 is not installed")
pytest.importorskip("rerun", reason="rerun is not installed (extra viz)")

from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from nanohtnet_ros.msg import Skeleton2DArray
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header

from nanohtnet_ros.recording.rerun_bag import MessageScene
from nanohtnet_ros.ros.images import image_to_msg
from nanohtnet_ros.ros.messages import MESSAGES
from nanohtnet_ros.ros.viewer_node import HELD_IMAGES, AnsweredImages, type_name

from factories import free_port


def header(frame_id="camera_optical_frame") -> Header:
    return Header(stamp=Time(sec=5), frame_id=frame_id)


class Recorder:
    """Keeps what a scene is asked to show."""

    def __init__(self) -> None:
        self.calls: list[tuple] = []

    def __getattr__(self, name):
        return lambda *args: self.calls.append((name, *args))

    def of(self, name: str) -> list[tuple]:
        return [call[1:] for call in self.calls if call[0] == name]


@pytest.fixture
def shown() -> tuple[MessageScene, Recorder]:
    recorder = Recorder()
    return MessageScene(recorder), recorder


@pytest.mark.parametrize(("address", "host"), [("127.0.0.1", "localhost"), ("0.0.0.0", socket.gethostname())])
def test_the_page_is_served_to_this_machine_or_to_all(processes, peer, wait_for, make_person, address, host):
    ports = web, grpc = free_port(), free_port()
    node = processes.node("viewer_node", web_address=address, web_port=web, grpc_port=grpc)
    wait_for(lambda: f"open http://{host}:{web}/" in processes.log_of(node), lambda: processes.log_of(node))
    page = urllib.request.urlopen(f"http://localhost:{web}/", timeout=60).read().decode()
    assert "re_viewer" in page
    for port in ports:  # 127.0.0.2 is as any other address of this machine
        with socket.socket() as outside:
            assert (outside.connect_ex(("127.0.0.2", port)) == 0) == (address == "0.0.0.0")
    asked = {"Origin": f"http://robot:{web}", "Access-Control-Request-Method": "POST"}
    answer = urllib.request.urlopen(urllib.request.Request(f"http://localhost:{grpc}/", None, asked, method="OPTIONS"))
    assert answer.headers["Access-Control-Allow-Origin"] == f"http://robot:{web}"
    peer.publish("skeletons", MESSAGES.skeletons([make_person(1)], header(), up=np.array((0.0, -1, 0))))
    assert node.poll() is None


def test_a_taken_port_is_one_line(processes, peer, wait_for):
    with socket.socket() as taken:
        taken.bind(("", 0))
        taken.listen()
        port = taken.getsockname()[1]
        node = processes.node("viewer_node", web_port=port)
        wait_for(lambda: node.poll() is not None, "the end")
    assert node.returncode == 1 and f"cannot start: port {port} cannot be served" in processes.log_of(node)


def test_an_image_waits_for_its_keypoints_unless_no_node_answers():
    def at(sec: int) -> Header:
        return Header(stamp=Time(sec=sec))

    shown: list[int] = []
    images = AnsweredImages(lambda image: shown.append(image.header.stamp.sec))
    for sec in range(1, HELD_IMAGES):
        images.image(Image(header=at(sec)))
    assert shown == []
    images.keypoints(Skeleton2DArray(header=at(3)))
    images.keypoints(Skeleton2DArray(header=at(HELD_IMAGES + 5)))  # of an image that did not come
    assert shown == [3]
    images.keypoints(Skeleton2DArray(header=at(4)))
    for sec in range(HELD_IMAGES, HELD_IMAGES + 4):
        images.image(Image(header=at(sec)))
    assert shown == [3, 4]
    for sec in (HELD_IMAGES + 4, HELD_IMAGES + 5):  # the node was stopped
        images.image(Image(header=at(sec)))
    assert shown == [3, 4, HELD_IMAGES + 4, HELD_IMAGES + 5]


def test_messages_are_shown_at_their_stamps(shown, make_person, camera):
    messages, recorder = shown
    people = [make_person(1), make_person(2, None)]
    image = image_to_msg(np.full((480, 640, 3), 90, np.uint8))
    image.header = header()
    info = MESSAGES.camera_info(camera)
    info.header = header()
    for message in (
        image,
        info,
        MESSAGES.skeletons_2d(people, header(), 640, 480),
        MESSAGES.skeletons(people, header(), up=np.array((0.0, -0.8, -0.6))),
    ):
        messages.show(type_name(type(message)), message)
    assert recorder.of("at") == [(5_000_000_000,)] * 4
    assert recorder.of("show_image")[0][0].shape == (480, 640, 3) and recorder.of("show_camera") == [(camera,)]
    assert len(recorder.of("show_keypoints")[0][0]) == 2
    ((shown_people, ground),) = recorder.of("show_people")
    np.testing.assert_allclose(ground.down_cam, (0, 0.8, 0.6), atol=1e-9)
    np.testing.assert_allclose(shown_people[0].joints_cam_m, people[0].joints_cam_m, atol=1e-6)
    assert shown_people[1].root_m is None


def test_people_of_a_target_frame_stand_in_it(shown, make_person):
    messages, recorder = shown
    message = MESSAGES.skeletons([make_person(1)], header("map"), up=np.array((0.0, 0, 1)))
    messages.show("nanohtnet_ros/msg/Skeleton3DArray", message)
    ((people, rotation, up),) = recorder.of("show_people_in")
    np.testing.assert_array_equal(rotation, np.eye(3))
    assert up[2] == 1 and people[0].track_id == 1 and recorder.of("show_people") == []


def test_rates_and_latencies_are_plotted_and_what_cannot_be_shown_is_left_out(shown):
    messages, recorder = shown
    values = {"output rate Hz": "24.5", "total p50 ms": "31.0", "dropped": "3", "models": "nano", "lift p50 ms": "?"}
    status = DiagnosticStatus(name="pose_node: status", values=[KeyValue(key=k, value=v) for k, v in values.items()])
    messages.show("diagnostic_msgs/msg/DiagnosticArray", DiagnosticArray(header=header(), status=[status]))
    figures = {"pose_node output rate Hz": 24.5, "pose_node total p50 ms": 31.0, "pose_node dropped": 3.0}
    assert recorder.of("show_figures") == [(figures,)]
    assert recorder.of("at") == []  # a bag that is played has other times than the diagnostics
    messages.show("sensor_msgs/msg/Image", Image(header=header(), encoding="nonsense", width=2, height=2))
    messages.show("sensor_msgs/msg/CameraInfo", CameraInfo(header=header(), width=640, height=480))
    assert recorder.of("show_image") == [] == recorder.of("show_camera")
