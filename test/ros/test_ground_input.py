"""Down and the floor by TF, by an inertial sensor and by parameters: the input alone, and in nodes."""

import cv2
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

rclpy = pytest.importorskip("rclpy", reason="ROS 2 is not installed")

from geometry_msgs.msg import TransformStamped
from nanohtnet_ros.msg import Skeleton2DArray, Skeleton3D
from sensor_msgs.msg import Imu
from std_msgs.msg import Header

from nanohtnet_ros.core.ground import Ground
from nanohtnet_ros.ros.diagnostics import OK, WARN, Diagnostics
from nanohtnet_ros.ros.ground_input import GroundInput
from nanohtnet_ros.ros.parameters import GroundParameters
from nanohtnet_ros.ros.qos import LATCHED

from streams import FRAME_ID, header, image

CAMERA = FRAME_ID
LEVEL = np.array(((0, 0, 1), (-1, 0, 0), (0, -1, 0)), float)  # z-up axes, x ahead, from optical ones


class Tf:
    """What TF says, by target and source frame."""

    error = LookupError

    def __init__(self) -> None:
        self.transforms = {}

    def look_up(self, target_frame: str, header: Header):
        return self.transforms[target_frame, header.frame_id]


@pytest.fixture
def make(peer):
    """`make(tf, **parameters)`: the input and its node's diagnostics."""
    made = []

    def make(tf=None, **parameters):
        diagnostics = Diagnostics(peer.node)
        values = GroundParameters(**parameters)
        made.append(GroundInput(peer.node, diagnostics, lambda: values, tf))
        return made[-1], diagnostics

    yield make
    for source in made:
        source.close()


def imu(down_sensor, seconds: float, frame_id: str = CAMERA, orientation: Rotation | None = None) -> Imu:
    """At rest, in a frame in which down is as given."""
    msg = Imu(header=header(seconds))
    msg.header.frame_id = frame_id
    a = msg.linear_acceleration
    a.x, a.y, a.z = (-9.81 * np.asarray(down_sensor, float)).tolist()
    msg.orientation_covariance[0] = -1.0 if orientation is None else 0.0
    if orientation is not None:
        q = msg.orientation
        q.x, q.y, q.z, q.w = orientation.as_quat().tolist()
    return msg


def xyzw(rotation: np.ndarray) -> np.ndarray:
    return Rotation.from_matrix(rotation).as_quat()


def test_without_parameters_it_is_not_known(make):
    ground, diagnostics = make()
    assert ground.ground(header(1)) is None
    assert diagnostics._conditions["ground"] == (OK, "not known")


def test_a_fixed_camera_is_as_the_parameters_say(make):
    source, diagnostics = make(camera_height_m=1.2, camera_pitch_deg=15.0, camera_roll_deg=-3.0)
    ground, expected = source.ground(header(1)), Ground.of_angles(15.0, -3.0, 1.2)
    np.testing.assert_allclose(ground.down_cam, expected.down_cam)
    assert ground.height_m == 1.2
    figures = diagnostics.figures
    assert (figures["camera height m"], figures["camera looks down deg"], figures["camera rolled deg"]) == (
        "1.20",
        "15.0",
        "-3.0",
    )
    source.close()
    assert "ground" not in diagnostics._conditions and not any("camera" in name for name in figures)


def test_tf_gives_gravity_height_and_the_frame(make):
    turned = Rotation.from_euler("ZYX", (40, 20, 5), degrees=True).as_matrix() @ LEVEL
    source, diagnostics = make(tf := Tf(), ground_frame="base_footprint")
    tf.transforms["base_footprint", CAMERA] = xyzw(turned), np.array((0.3, 0.1, 1.1))
    ground = source.ground(header(1))
    np.testing.assert_allclose(ground.down_cam, Ground.of_angles(20.0, 5.0).down_cam, atol=1e-9)
    np.testing.assert_allclose(ground.place(np.zeros(3)), (0.3, 0.1, 1.1))
    assert ground.height_m == 1.1 and diagnostics._conditions["ground"][0] == OK


def test_a_missing_transform_and_a_floor_above_the_camera_degrade(make):
    source, diagnostics = make(tf := Tf(), ground_frame="base_footprint", camera_height_m=1.0)
    assert source.ground(header(1)) is None
    level, sentence = diagnostics._conditions["ground"]
    assert level == WARN and all(word in sentence for word in ("not known", "no transform", CAMERA, "base_footprint"))
    tf.transforms["base_footprint", CAMERA] = xyzw(LEVEL), np.array((0.3, 0.1, -0.2))
    assert source.ground(header(1)) is None
    assert "above the floor is -0.2 m" in diagnostics._conditions["ground"][1]


def hear(peer, source, message, wait_for) -> None:
    count = len(source._imu._downs)
    peer.publish("imu", message)
    wait_for(lambda: len(source._imu._downs) > count, "the measurement")


def test_an_inertial_sensor_gives_gravity(make, peer, wait_for):
    source, diagnostics = make(imu_topic="imu", camera_height_m=0.9)
    assert source.ground(header(1)) is None and diagnostics._conditions["ground"][0] == WARN
    down = Ground.of_angles(30.0, 10.0).down_cam
    hear(peer, source, imu(down, 1.0), wait_for)
    ground = source.ground(header(1.1))
    np.testing.assert_allclose(ground.down_cam, down, atol=1e-9)
    assert ground.height_m == 0.9 and diagnostics._conditions["ground"] == (OK, "down by /imu")
    assert source.ground(header(3.0)) is None  # too long ago
    assert "within 0.5 s" in diagnostics._conditions["ground"][1]


def test_a_sensor_in_a_frame_of_its_own_is_turned_by_tf(make, peer, wait_for):
    sensor_down = np.array((0.0, 0.0, -1.0))  # REP 103's axes
    source, diagnostics = make(tf := Tf(), imu_topic="imu")
    hear(peer, source, imu(sensor_down, 1.0, "imu_link"), wait_for)
    assert source.ground(header(1)) is None and "no transform from 'imu_link'" in diagnostics._conditions["ground"][1]
    tf.transforms[CAMERA, "imu_link"] = xyzw(LEVEL.T), np.zeros(3)
    np.testing.assert_allclose(source.ground(header(1)).down_cam, (0, 1, 0), atol=1e-9)


def test_an_orientation_counts_unless_the_acceleration_denies_it(make, peer, wait_for):
    source, _ = make(imu_topic="imu")
    tilt = Rotation.from_euler("xyz", (5.0, -3.0, 70.0), degrees=True)  # world from sensor
    down = tilt.inv().apply((0.0, 0.0, -1.0))
    pushed = imu((0.0, 0.0, -1.0), 1.0, orientation=tilt)  # a push of a few degrees
    hear(peer, source, pushed, wait_for)
    np.testing.assert_allclose(source.ground(header(1)).down_cam, down, atol=1e-6)
    hear(peer, source, imu((1.0, 0.0, 0.0), 2.5, orientation=Rotation.identity()), wait_for)  # never filled in
    np.testing.assert_allclose(source.ground(header(2.5)).down_cam, (1.0, 0.0, 0.0), atol=1e-6)


def test_where_tf_fails_the_sensor_gives_gravity_alone(make, peer, wait_for):
    source, diagnostics = make(Tf(), ground_frame="map", imu_topic="imu", camera_height_m=1.0)
    hear(peer, source, imu((0.0, 1.0, 0.0), 1.0), wait_for)
    ground = source.ground(header(1), "left")
    np.testing.assert_allclose(ground.down_cam, (0, 1, 0))
    assert ground.height_m is None and ground.place(np.ones(3)) is None  # its place would not be in the map
    level, sentence = diagnostics._conditions["ground left"]
    assert level == WARN and "no transform" in sentence and "down by /imu" in sentence


def test_a_pose_node_with_a_fixed_camera_places_people_on_the_floor(start_pose, picture):
    node = start_pose(camera_height_m=1.45, camera_pitch_deg=7.7)
    node.says("ground=by parameters", "camera height m=1.45", "camera looks down deg=7.7")
    (skeleton,) = node.send_and_wait(image(picture, 100.0)).skeletons
    place, root = skeleton.root_in_ground, skeleton.root
    np.testing.assert_allclose(
        (place.x, place.y, place.z), Ground.of_angles(7.7, 0.0, 1.45).place(np.array((root.x, root.y, root.z)))
    )
    assert 0.6 < place.z < 1.3  # hips
    assert node.set(camera_height_m=2.45).successful
    (skeleton,) = node.send_and_wait(image(picture, 100.04)).skeletons
    assert skeleton.root_in_ground.z > 1.6


def test_a_pose_node_says_what_it_knows_of_gravity(start_pose, peer, picture):
    node = start_pose(imu_topic="imu")
    node.says("ground: not known", "nothing on /imu within 0.5 s")
    down = Ground.of_angles(7.7, 0.0).down_cam
    peer.publish("imu", imu(down, 100.0))
    node.send_empty_until(lambda: "imu=comes on /imu" in node.diagnostics(), "the sensor")
    (skeleton,) = node.send_and_wait(image(picture, 100.01)).skeletons
    assert np.isnan(skeleton.root_in_ground.z) and skeleton.root_valid
    node.says("ground=down by /imu", "camera looks down deg=7.7")


def test_a_pose_node_takes_the_floor_from_tf(start_pose, peer, picture):
    pytest.importorskip("tf2_ros", reason="tf2_ros is not installed")
    messages = pytest.importorskip("tf2_msgs.msg", reason="tf2_msgs is not installed")
    node = start_pose(ground_frame="base_footprint")
    node.says("ground: not known", "no transform")
    transform = TransformStamped(header=Header(frame_id="base_footprint"), child_frame_id=CAMERA)
    t, q = transform.transform.translation, transform.transform.rotation
    t.x, t.z = 0.2, 1.45
    q.x, q.y, q.z, q.w = xyzw(Rotation.from_euler("y", 7.7, degrees=True).as_matrix() @ LEVEL).tolist()
    peer.publish("/tf_static", messages.TFMessage(transforms=[transform]), LATCHED)
    node.send_empty_until(lambda: "ground=by TF, the floor of 'base_footprint'" in node.diagnostics(), "the transform")
    message = node.send_and_wait(image(picture, 100.0))
    assert message.ground_frame == "base_footprint" and message.header.frame_id == CAMERA
    place, root = message.skeletons[0].root_in_ground, message.skeletons[0].root
    expected = Ground.of_angles(7.7, 0.0, 1.45).place(np.array((root.x, root.y, root.z))) + (0.2, 0.0, 0.0)
    np.testing.assert_allclose((place.x, place.y, place.z), expected, atol=1e-6)


def test_a_camera_on_its_side_sees_people_upright_by_gravity(start_pose, start_node, peer, picture, wait_for):
    """A camera rolled clockwise by a quarter turn: its image has lain down to the left, down is at its right edge."""
    lying = image(cv2.rotate(picture, cv2.ROTATE_90_COUNTERCLOCKWISE), 100.0)
    pose = start_pose(image_rotation="auto", camera_roll_deg=90.0)
    (skeleton,) = pose.send_and_wait(lying).skeletons
    head, hip = (skeleton.joints[joint] for joint in (Skeleton3D.HEAD, Skeleton3D.HIP))
    assert head.x < hip.x - 0.4 and abs(head.y - hip.y) < 0.3
    detector = start_node("detector_node", image_rotation="auto", camera_roll_deg=90.0)
    keypoints = peer.listen("/detector_node/skeletons_2d", Skeleton2DArray)

    def found() -> bool:
        lying.header.stamp.sec += 1
        pose.send(lying)
        return bool(keypoints and keypoints[-1].skeletons)

    wait_for(found, "keypoints")
    np.testing.assert_allclose(keypoints[-1].skeletons[0].x, pose.skeletons_2d[-1].skeletons[0].x, atol=30)
    detector.says("ground=by parameters")
