import numpy as np
import pytest

pytest.importorskip("rosbags", reason="rosbags, which reads bags, is not installed")

from bags import START_NS, jpeg, write_bag
from scipy.spatial.transform import Rotation

from nanohtnet_ros.core.camera import Camera
from nanohtnet_ros.core.window import NS_PER_S
from nanohtnet_ros.errors import UserError
from nanohtnet_ros.recording.bag_tf import TransformTree
from nanohtnet_ros.recording.messages import MESSAGES, message
from nanohtnet_ros.recording.sources import SourceOptions, open_source

OPTICAL = Rotation.from_matrix([[0, 0, 1], [-1, 0, 0], [0, -1, 0]])  # of a level camera, from its optical axes


def transform(parent: str, child: str, stamp_ns: int, xyz, rotation: Rotation):
    return MESSAGES.transform(MESSAGES.header(stamp_ns, parent), child, np.array(xyz), rotation.as_quat())


def tf(*transforms):
    return message("tf2_msgs/msg/TFMessage", transforms=list(transforms))


def nodding(stamps):
    """A robot's head that nods down by 0 to 40 degrees while the robot drives; and an arm that nobody asks for."""
    found = [
        (True, tf(transform("base", "torso", 0, (0.1, 0.0, 1.0), Rotation.identity()))),
        (True, tf(transform("head", "front_optical", 0, (0.05, 0.0, 0.0), OPTICAL))),
    ]
    for i, stamp in enumerate(stamps):
        nod = Rotation.from_euler("y", 10.0 * i, degrees=True)
        found.append((False, tf(transform("torso", "head", stamp, (0.0, 0.0, 0.3 + 0.1 * i), nod))))
        found.append((False, tf(transform("torso", "arm", stamp, (9.0, 9.0, 9.0), nod))))
        found.append((False, tf(transform("base_footprint", "base", stamp, (0.0, 0.0, 0.02), Rotation.identity()))))
    return found


STAMPS = [START_NS + i * NS_PER_S for i in range(5)]


def test_transforms_are_composed_and_interpolated():
    tree = TransformTree(lambda: nodding(STAMPS), "base_footprint", "front_optical")
    for seconds in (0.0, 1.0, 1.5, 3.25, 4.0):
        rotation, translation = tree.target_from_source(START_NS + round(seconds * NS_PER_S))
        nod = Rotation.from_euler("y", 10.0 * seconds, degrees=True)
        np.testing.assert_allclose(rotation, (nod * OPTICAL).as_matrix(), atol=1e-9)
        expected = np.array((0.1, 0.0, 1.32 + 0.1 * seconds)) + nod.apply((0.05, 0, 0))
        np.testing.assert_allclose(translation, expected, atol=1e-9)
    across = TransformTree(lambda: nodding(STAMPS), "arm", "front_optical")
    rotation, translation = across.target_from_source(STAMPS[2])
    nod = Rotation.from_euler("y", 20.0, degrees=True)
    np.testing.assert_allclose(rotation, OPTICAL.as_matrix(), atol=1e-9)
    camera_in_torso = np.array((0.0, 0.0, 0.5)) + nod.apply((0.05, 0, 0))
    np.testing.assert_allclose(translation, nod.inv().apply(camera_in_torso - 9.0), atol=1e-9)


def test_what_tf_does_not_tell_is_not_made_up():
    tree = TransformTree(lambda: nodding(STAMPS), "base_footprint", "front_optical")
    assert tree.target_from_source(STAMPS[0] - NS_PER_S // 4) is not None
    assert tree.target_from_source(STAMPS[0] - NS_PER_S) is None
    assert tree.target_from_source(STAMPS[-1] + NS_PER_S) is None
    with pytest.raises(
        UserError, match=r"does not lead from 'front_optical' to 'map'; it has arm, base, base_footprint"
    ):
        TransformTree(lambda: nodding(STAMPS), "map", "front_optical")
    with pytest.raises(UserError, match="it has nothing"):
        TransformTree(lambda: [], "map", "front_optical")


def test_a_bags_frames_have_their_ground(tmp_path):
    images = [jpeg(np.zeros((48, 64, 3), np.uint8), stamp) for stamp in (*STAMPS, STAMPS[-1] + 2 * NS_PER_S)]
    topics = {"/front/image/compressed": images}
    found = nodding(STAMPS)
    for topic, static in (("/tf_static", True), ("/tf", False)):
        topics[topic] = [message for is_static, message in found if is_static == static]
    bag = write_bag(tmp_path / "bag", topics, Camera(64, 48, 60.0, 60.0, 31.0, 24.0))
    source = open_source(str(bag), SourceOptions(ground_frame="base_footprint"))
    grounds = [frame.ground for frame in source]
    source.close()
    for i, ground in enumerate(grounds[:-1]):
        pitch = np.radians(10.0 * i)
        np.testing.assert_allclose(ground.down_cam, (0, np.cos(pitch), np.sin(pitch)), atol=1e-9)
        assert ground.height_m == pytest.approx(1.32 + 0.1 * i - 0.05 * np.sin(pitch))
    assert grounds[-1] is None and "TF does not tell" in source.warnings[0]
    with pytest.raises(UserError, match="does not lead from 'front_optical' to 'odom'"):
        open_source(str(bag), SourceOptions(ground_frame="odom"))
