import numpy as np
import pytest

pytest.importorskip("rclpy", reason="ROS 2 is not installed")

from builtin_interfaces.msg import Time
from nanohtnet_ros.msg import Skeleton2D, Skeleton2DArray, Skeleton3D, Skeleton3DArray
from rclpy.serialization import deserialize_message, serialize_message
from sensor_msgs.msg import CameraInfo
from std_msgs.msg import Header

from nanohtnet_ros.core.camera import Camera
from nanohtnet_ros.core.poses import Person
from nanohtnet_ros.core.skeleton import H36M_17
from nanohtnet_ros.ros.messages import (
    camera_from_msg,
    camera_to_msg,
    joints_from_msg,
    keypoints_from_msg,
    root_from_msg,
    skeletons_2d_to_msg,
    skeletons_to_msg,
    stamp_ns,
)

from factories import STANDING_M

HEADER = Header(stamp=Time(sec=12, nanosec=345), frame_id="camera_optical_frame")


@pytest.fixture
def person(make_keypoints):
    confidence = np.linspace(0, 1, 17, dtype=np.float32)  # the hip is missing
    keypoints = make_keypoints((0.2, 0.1, 3.0), confidence)
    joints = np.where(keypoints.valid[:, None], STANDING_M, np.nan).astype(np.float32)
    return Person(7, 1.5, keypoints, joints, keypoints.confidence, np.array((0.2, 0.1, 3.0)))


def over_the_wire(msg):
    return deserialize_message(serialize_message(msg), type(msg))


@pytest.mark.parametrize("kind", [Skeleton2D, Skeleton3D])
def test_index_constants_are_the_skeletons(kind):
    assert len(H36M_17) == kind.JOINTS
    for index, name in enumerate(H36M_17.joint_names):
        assert getattr(kind, name.upper()) == index


def test_3d_skeletons_survive_the_wire(person):
    array = over_the_wire(skeletons_to_msg([person, person], HEADER))
    assert isinstance(array, Skeleton3DArray) and array.header == HEADER and stamp_ns(array.header) == 12_000_000_345
    skeleton = array.skeletons[1]
    assert (skeleton.track_id, skeleton.track_age, skeleton.root_valid) == (7, 1.5, True)
    np.testing.assert_array_equal(joints_from_msg(skeleton), person.joints_rel_m)
    np.testing.assert_array_equal(skeleton.confidence, person.confidence)
    np.testing.assert_array_equal(root_from_msg(skeleton), person.root_m)
    assert np.isnan(joints_from_msg(skeleton)[0]).all() and skeleton.confidence[0] == 0


def test_2d_skeletons_survive_the_wire(person, camera):
    array = over_the_wire(skeletons_2d_to_msg([person], HEADER, camera.width, camera.height))
    assert isinstance(array, Skeleton2DArray) and (array.image_width, array.image_height) == (640, 480)
    np.testing.assert_array_equal(keypoints_from_msg(array.skeletons[0]), person.keypoints.xy_px)
    assert np.isnan(array.skeletons[0].x[0]) and array.skeletons[0].confidence[0] == 0


def test_a_root_that_is_not_known_is_nan_and_said_so(person):
    lost = Person(1, 0.0, person.keypoints, person.joints_rel_m, person.confidence, None)
    (skeleton,) = skeletons_to_msg([lost], HEADER).skeletons
    assert not skeleton.root_valid and np.isnan(root_from_msg(skeleton)).all()


def test_nobody_is_an_empty_array(camera):
    assert skeletons_to_msg([], HEADER).skeletons == []
    assert skeletons_2d_to_msg([], HEADER, camera.width, camera.height).skeletons == []


@pytest.mark.parametrize("camera", [
    Camera(640, 480, 600.0, 601.0, 320.0, 241.0, "plumb_bob", (0.1, -0.2, 0.001, 0.002, 0.05)),
    Camera(640, 480, 300.0, 300.0, 320.0, 241.0, "equidistant", (0.1, -0.02, 0.001, 0.002)),
])
def test_camera_info_and_back(camera):
    assert camera_from_msg(over_the_wire(camera_to_msg(camera))) == camera


def test_camera_info_of_zeros_is_not_calibrated():
    uncalibrated = camera_to_msg(Camera.from_field_of_view(640, 480))
    assert uncalibrated.k[0] == 0.0
    for msg in (uncalibrated, CameraInfo(width=640, height=480), CameraInfo()):
        with pytest.raises(ValueError):
            camera_from_msg(msg)
