"""detector_node and lifter_node in processes of their own."""

import numpy as np
import pytest

rclpy = pytest.importorskip("rclpy", reason="ROS 2 is not installed")

from lifecycle_msgs.msg import Transition
from nanohtnet_ros.msg import Skeleton2DArray, Skeleton3DArray

from nanohtnet_ros.core.camera import Camera
from nanohtnet_ros.core.messages import joints_from_msg, keypoints_from_msg, root_from_msg, stamp_ns
from nanohtnet_ros.core.poses import TrackedKeypoints
from nanohtnet_ros.ros.messages import MESSAGES

from streams import GREY, frames_of, header, image

CAMERA = Camera(640, 480, 600.0, 600.0, 319.5, 239.5)


def test_in_two_processes_the_result_is_the_same(start_pose, start_node, peer, wait_for):
    start_node("detector_node").says("models=blazepose")
    lifter = start_node("lifter_node", "-r", "skeletons_2d:=detector_node/skeletons_2d")
    lifter.says("models=nano_81_streaming")
    pose = start_pose(connect=False)
    outputs = [
        pose.skeletons,
        peer.listen("/lifter_node/skeletons", Skeleton3DArray),
        pose.skeletons_2d,
        peer.listen("/detector_node/skeletons_2d", Skeleton2DArray),
    ]
    peer.keep_publishing("camera_info", MESSAGES.camera_info(CAMERA))

    def send_to_all(picture: np.ndarray, seconds: float) -> list:
        """Every node's output for an image; who missed it gets it again, the others refuse it as stale."""
        msg = image(picture, seconds)

        def answers() -> list:
            return [next((m for m in reversed(output) if m.header == msg.header), None) for output in outputs]

        def sent_and_answered() -> bool:
            pose.send(msg)
            try:
                wait_for(lambda: all(answers()), "all", 2.0)
            except pytest.fail.Exception:
                return False
            return True

        wait_for(sent_and_answered, "all outputs")
        return answers()

    empty = 0

    def calibrated() -> bool:
        nonlocal empty
        pose.send(image(GREY, 0.05 * (empty := empty + 1)))
        said = all("calibration=640x480, fx 600.0 px" in node.diagnostics() for node in (pose, lifter))
        return said and all(outputs)

    wait_for(calibrated, "the calibration at both")
    people = set()
    for i, frame in enumerate(frames_of("rendered_two", 60)[::5]):
        one, two, one_2d, two_2d = send_to_all(frame, 1000 + i / 5)
        assert one.header == two.header == one_2d.header == two_2d.header
        assert len(one.skeletons) == len(two.skeletons) == len(one_2d.skeletons) == len(two_2d.skeletons)
        for a, b, c, d in zip(one.skeletons, two.skeletons, one_2d.skeletons, two_2d.skeletons, strict=True):
            assert a.track_id == b.track_id == c.track_id == d.track_id
            assert a.track_age == b.track_age and a.root_valid == b.root_valid
            np.testing.assert_allclose(joints_from_msg(b), joints_from_msg(a), atol=1e-5)
            np.testing.assert_allclose(root_from_msg(b), root_from_msg(a), atol=1e-5)
            np.testing.assert_allclose(b.confidence, a.confidence, atol=1e-6)
            np.testing.assert_array_equal(keypoints_from_msg(c), keypoints_from_msg(d))
            people.add(a.track_id)
    assert len(people) >= 2


class View:
    """A camera's keypoints to a lifter_node, and what comes back."""

    def __init__(self, peer, name: str, wait_for) -> None:
        self._peer, self._topic, self._wait_for = peer, f"{name}/skeletons_2d", wait_for
        self.frame_id = f"{name}_optical_frame"
        self.skeletons = peer.listen(f"/lifter_node/{name}/skeletons", Skeleton3DArray)
        peer.keep_publishing(f"{name}/camera_info", MESSAGES.camera_info(CAMERA))

    def send(self, keypoints, seconds: float, width: int = 640) -> None:
        people = [] if keypoints is None else [TrackedKeypoints(7, 1.0, keypoints)]
        stamped = header(seconds)
        stamped.frame_id = self.frame_id
        self._peer.publish(self._topic, MESSAGES.skeletons_2d(people, stamped, width, 480))

    def send_and_wait(self, keypoints, seconds: float) -> Skeleton3DArray:
        self.send(keypoints, seconds)
        self._wait_for(
            lambda: self.skeletons and stamp_ns(self.skeletons[-1].header) == round(seconds * 1e9), self._topic
        )
        return self.skeletons[-1]


@pytest.fixture
def two_views(start_node, peer, wait_for):
    """A lifter_node of the cameras left and right, connected and calibrated."""
    lifter = start_node("lifter_node", cameras="[left, right]", stale_after_s=1.0)
    lifter.says("models=nano_81_streaming")
    left, right = View(peer, "left", wait_for), View(peer, "right", wait_for)
    connect(lifter, (left, right), wait_for)
    return lifter, left, right


def connect(lifter, views, wait_for) -> None:
    sent = 0

    def connected() -> bool:
        nonlocal sent
        sent += 1
        for view in views:
            view.send(None, 0.05 * sent)
        said = all(f"calibration {name}=640x480, fx 600.0 px" in lifter.diagnostics() for name in ("left", "right"))
        return said and all(view.skeletons for view in views)

    wait_for(connected, lambda: f"both cameras: {lifter.diagnostics()}")


def test_each_camera_gets_its_own_skeletons(two_views, make_keypoints):
    """Both have a person of the same id, at other places and times."""
    lifter, left, right = two_views
    for i in range(10):
        near = left.send_and_wait(make_keypoints((0.5, 0.0, 3.0)), 1000 + i / 25)
        far = right.send_and_wait(make_keypoints((-1.0, 0.0, 6.0)), 500 + i / 25)
        assert (near.header.frame_id, far.header.frame_id) == ("left_optical_frame", "right_optical_frame")
        assert [s.track_id for s in near.skeletons] == [s.track_id for s in far.skeletons] == [7]
        assert near.skeletons[0].root.x > 0 > far.skeletons[0].root.x
        assert far.skeletons[0].root.z > 1.6 * near.skeletons[0].root.z
    lifter.says("input left=comes on /left/skeletons_2d", "input right=comes on /right/skeletons_2d")


def test_one_camera_stalls_and_the_other_goes_on(two_views, make_keypoints, wait_for):
    lifter, left, right = two_views
    heard, sent = len(right.skeletons), 0

    def said() -> bool:
        nonlocal sent
        assert left.send_and_wait(make_keypoints(), 1000 + 0.04 * (sent := sent + 1)).skeletons
        text = lifter.diagnostics()
        return "input right: nothing on /right/skeletons_2d for more than 1 s" in text and "input left=comes on" in text

    wait_for(said, "the diagnostic")
    assert len(right.skeletons) <= heard + 1
    assert right.send_and_wait(make_keypoints(), 1000.0).skeletons


def test_garbage_of_one_camera_is_said_and_the_other_goes_on(two_views, make_keypoints):
    lifter, left, right = two_views
    assert left.send_and_wait(make_keypoints(), 1000.0).skeletons
    right.send(make_keypoints(), 1000.0, width=0)
    lifter.says(
        "refused=1", "failed=0", "keypoints right: they are of an image of 0x480 pixels, expected both to be positive"
    )
    left.send_and_wait(make_keypoints(), 1000.04)
    assert right.send_and_wait(make_keypoints(), 1000.04).skeletons
    lifter.says("keypoints right=of 640x480 pixels")


def test_deactivated_and_active_again_it_says_how_it_is(two_views, make_keypoints, wait_for):
    lifter, left, right = two_views
    assert lifter.change(Transition.TRANSITION_DEACTIVATE)
    lifter.says("input=not active")
    assert not any(text in lifter.diagnostics() for text in ("input left", "calibration right", "seconds since"))
    assert lifter.change(Transition.TRANSITION_ACTIVATE)
    connect(lifter, (left, right), wait_for)
    assert left.send_and_wait(make_keypoints(), 1000.0).skeletons
    lifter.says("input left=")
    assert "input=" not in lifter.diagnostics()
