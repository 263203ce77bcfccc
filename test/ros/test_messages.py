import math
import random
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="ROS 2 is not installed")

from builtin_interfaces.msg import Time
from nanohtnet_ros.msg import Skeleton2D, Skeleton2DArray, Skeleton3D, Skeleton3DArray
from rclpy.serialization import deserialize_message, serialize_message
from sensor_msgs.msg import CameraInfo, RegionOfInterest
from std_msgs.msg import Header

from nanohtnet_ros.core.camera import Camera
from nanohtnet_ros.core.camera_info import camera_from_msg, camera_of_image
from nanohtnet_ros.core.messages import joints_from_msg, keypoints_from_msg, root_from_msg, stamp_ns
from nanohtnet_ros.core.poses import Person
from nanohtnet_ros.core.skeleton import H36M_17
from nanohtnet_ros.errors import UserError
from nanohtnet_ros.ros.messages import MESSAGES

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
    array = over_the_wire(MESSAGES.skeletons([person, person], HEADER))
    assert isinstance(array, Skeleton3DArray) and array.header == HEADER and stamp_ns(array.header) == 12_000_000_345
    skeleton = array.skeletons[1]
    assert (skeleton.track_id, skeleton.track_age, skeleton.root_valid) == (7, 1.5, True)
    np.testing.assert_array_equal(joints_from_msg(skeleton), person.joints_rel_m)
    np.testing.assert_array_equal(skeleton.confidence, person.confidence)
    np.testing.assert_array_equal(root_from_msg(skeleton), person.root_m)
    assert np.isnan(joints_from_msg(skeleton)[0]).all() and skeleton.confidence[0] == 0


def test_2d_skeletons_survive_the_wire(person, camera):
    array = over_the_wire(MESSAGES.skeletons_2d([person], HEADER, camera.width, camera.height))
    assert isinstance(array, Skeleton2DArray) and (array.image_width, array.image_height) == (640, 480)
    np.testing.assert_array_equal(keypoints_from_msg(array.skeletons[0]), person.keypoints.xy_px)
    assert np.isnan(array.skeletons[0].x[0]) and array.skeletons[0].confidence[0] == 0


def test_a_root_that_is_not_known_is_nan_and_said_so(person):
    lost = Person(1, 0.0, person.keypoints, person.joints_rel_m, person.confidence, None)
    (skeleton,) = MESSAGES.skeletons([lost], HEADER).skeletons
    assert not skeleton.root_valid and np.isnan(root_from_msg(skeleton)).all()


def test_size_and_place_on_the_floor_survive_the_wire(person):
    known = replace(person, height_m=1.75, height_sigma_m=0.03, root_sigma_m=0.06, root_ground_m=np.array((3, 1, 0.9)))
    array = over_the_wire(MESSAGES.skeletons([known, person], HEADER, "base_footprint"))
    assert array.ground_frame == "base_footprint"
    measured, unknown = array.skeletons
    sizes = np.array([[s.height_m, s.height_sigma_m, s.root_sigma_m, s.root_in_ground.z] for s in (measured, unknown)])
    np.testing.assert_allclose(sizes, [[1.75, 0.03, 0.06, 0.9], [np.nan] * 4], rtol=1e-6)


def test_nobody_is_an_empty_array(camera):
    assert MESSAGES.skeletons([], HEADER).skeletons == []
    assert MESSAGES.skeletons_2d([], HEADER, camera.width, camera.height).skeletons == []


@pytest.mark.parametrize(
    "camera",
    [
        Camera(640, 480, 600.0, 601.0, 320.0, 241.0, "plumb_bob", (0.1, -0.2, 0.001, 0.002, 0.05)),
        Camera(640, 480, 300.0, 300.0, 320.0, 241.0, "equidistant", (0.1, -0.02, 0.001, 0.002)),
        Camera(640, 480, 300.0, 300.0, 320.0, 241.0, "equidistant"),
        Camera(640, 480, 300.0, 300.0, 320.0, 241.0),
    ],
)
def test_camera_info_and_back(camera):
    assert camera_from_msg(over_the_wire(MESSAGES.camera_info(camera))) == camera


CALIBRATED = Camera(640, 480, 600.0, 601.0, 320.0, 241.0, "plumb_bob", (0.1, -0.2, 0.001, 0.002, 0.05))


def info(**changes) -> CameraInfo:
    msg = MESSAGES.camera_info(CALIBRATED)
    for name, value in changes.items():
        setattr(msg, name, value)
    return msg


def roi(x: int, y: int, width: int, height: int) -> RegionOfInterest:
    return RegionOfInterest(x_offset=x, y_offset=y, width=width, height=height)


@pytest.mark.parametrize(
    ("msg", "size", "expected"),
    [
        (info(), (640, 480), CALIBRATED),
        (info(), (320, 240), CALIBRATED.scaled_to(320, 240)),
        (info(roi=roi(0, 0, 640, 480)), (640, 480), CALIBRATED),
        (info(roi=roi(80, 60, 480, 360)), (480, 360), CALIBRATED.cropped(80, 60, 480, 360)),  # of the same shape
        (info(roi=roi(0, 120, 640, 240)), (640, 240), CALIBRATED.cropped(0, 120, 640, 240)),
        (info(roi=roi(0, 120, 640, 240)), (640, 241), CALIBRATED.cropped(0, 120, 640, 240).scaled_to(640, 241)),
        (info(binning_x=2, binning_y=2), (320, 240), CALIBRATED.binned(2, 2)),
        (info(binning_x=2, binning_y=1), (320, 480), CALIBRATED.binned(2, 1)),
        (info(binning_x=0, binning_y=4), (640, 120), CALIBRATED.binned(1, 4)),
        (
            info(roi=roi(80, 60, 480, 360), binning_x=2, binning_y=3),
            (240, 120),
            CALIBRATED.cropped(80, 60, 480, 360).binned(2, 3),
        ),
    ],
)
def test_crops_and_binning_of_each_axis(msg, size, expected):
    camera = camera_of_image(over_the_wire(msg), *size)
    assert camera == expected and (camera.width, camera.height) == size


@pytest.mark.parametrize(
    ("msg", "size", "says"),
    [
        (info(), (640, 360), "images are 640x360 but the calibration is for 640x480"),
        (info(roi=roi(80, 60, 480, 360)), (640, 480), r"images are 640x480, but by its roi of 480x360 at \(80, 60\)"),
        (info(roi=roi(80, 60, 480, 360)), (240, 180), "CameraInfo is for 480x360"),
        (info(roi=roi(400, 0, 480, 360)), (480, 360), "does not lie within the calibrated image"),
        (info(binning_x=2, binning_y=1), (640, 480), "calibration is for 320x480"),
        (info(binning_x=4096), (1, 480), "binning is 4096x1"),
        (info(distortion_model="omni"), (640, 480), "distortion model is 'omni'"),
    ],
)
def test_crops_that_cannot_be_are_refused(msg, size, says):
    with pytest.raises(UserError, match=says):
        camera_of_image(msg, *size)


def test_a_rectified_camera_has_its_projection_matrix():
    msg = info(k=np.zeros(9), d=[])
    assert camera_from_msg(msg) == Camera(640, 480, 600.0, 601.0, 320.0, 241.0)


@pytest.mark.parametrize(("model", "d"), [("fisheye", (0.1, 0.0, 0.0, 0.0)), ("none", ()), ("pinhole", (0.0,) * 5)])
def test_other_names_of_lenses(model, d):
    assert camera_from_msg(info(distortion_model=model, d=d)).distortion == (d if any(d) else ())


def test_fuzzed_camera_infos_give_a_camera_or_a_reason():
    chance, used = random.Random(0), 0
    numbers = (0.0, 1.0, -1.0, 600.0, 320.0, 1e-300, 1e300, math.nan, math.inf, -math.inf)
    sizes = (0, 1, 2, 480, 640, 2**31, 2**32 - 1)
    for _ in range(1000):
        msg = info()
        for _ in range(chance.choice((1, 1, 2, 4))):
            which = chance.randrange(7)
            if which == 0:
                msg.k[chance.randrange(9)] = chance.choice(numbers)
            elif which == 1:
                msg.d = [chance.choice(numbers) for _ in range(chance.choice((0, 1, 4, 5, 8, 12, 14, 30)))]
            elif which == 2:
                msg.p[chance.randrange(12)] = chance.choice(numbers)
            elif which == 3:
                msg.width, msg.height = chance.choice(sizes), chance.choice(sizes)
            elif which == 4:
                msg.roi = roi(*(chance.choice(sizes) for _ in range(4)))
            elif which == 5:
                msg.binning_x, msg.binning_y = chance.choice(sizes), chance.choice(sizes)
            else:
                msg.distortion_model = chance.choice(("", "plumb_bob", "equidistant", "fisheye", "none", "x" * 50))
        try:
            camera = camera_of_image(msg, 640, 480)
        except UserError as error:
            assert str(error)
            continue
        used += 1
        rays = camera.rays(np.array(((0.0, 0.0), (320.0, 240.0), (np.nan, 1.0))))
        assert rays.shape == (3, 3) and np.isnan(rays[2]).all()
        camera.normalise(camera.project(np.array(((0.0, 0.0, 3.0), (1.0, 1.0, 1.0), (0.0, 0.0, -1.0)))))
        assert camera.shift_px(CALIBRATED) >= 0
    assert used > 100


def test_camera_info_of_zeros_is_not_calibrated():
    uncalibrated = MESSAGES.camera_info(Camera.from_field_of_view(640, 480))
    assert uncalibrated.k[0] == 0.0
    for msg in (uncalibrated, CameraInfo(width=640, height=480), CameraInfo()):
        with pytest.raises(ValueError):
            camera_from_msg(msg)
