from dataclasses import replace

import numpy as np
import pytest

rclpy = pytest.importorskip("rclpy", reason="ROS 2 is not installed")
hri_msgs = pytest.importorskip("hri_msgs.msg", reason="hri_msgs is not installed")

from builtin_interfaces.msg import Time
from sensor_msgs.msg import Image, JointState
from std_msgs.msg import Header

from nanohtnet_ros.core.poses import Keypoints
from nanohtnet_ros.ros.hri_output import HriOutput, crop, region_of_interest
from nanohtnet_ros.samples.image_messages import image_from_msg

PICTURE = np.random.default_rng(3).integers(0, 256, (480, 640, 3), np.uint8)


def header(sec: float) -> Header:
    return Header(stamp=Time(sec=int(sec), nanosec=int(sec % 1 * 1e9)), frame_id="camera_optical_frame")


@pytest.fixture
def output(peer, wait_for):
    output = HriOutput(peer.node)
    output.tracked = peer.listen("/humans/bodies/tracked", hri_msgs.IdsList)
    wait_for(lambda: output._tracked.get_subscription_count() > 0, "a listener")
    yield output
    output.close()


@pytest.fixture
def body(peer, wait_for, output, make_person, camera):
    """What is heard of a body once its topics are there: `body("p1", publish)` gives messages by topic."""

    def listen(name: str, publish) -> dict:
        heard = {
            topic: peer.listen(f"/humans/bodies/{name}/{topic}", kind)
            for topic, kind in (
                ("roi", hri_msgs.NormalizedRegionOfInterest2D),
                ("cropped", Image),
                ("skeleton2d", hri_msgs.Skeleton2D),
                ("joint_states", JointState),
            )
        }

        def complete() -> bool:
            publish()
            return all(heard.values())

        wait_for(complete, f"everything of {name}")
        return {topic: messages[-1] for topic, messages in heard.items()}

    return listen


def test_a_prefix_tells_cameras_apart(peer, wait_for, make_person, camera):
    output = HriOutput(peer.node, "left_")
    tracked = peer.listen("/humans/bodies/tracked", hri_msgs.IdsList)

    def heard() -> bool:
        output.publish([make_person(1)], header(5), None, camera)
        return bool(tracked)

    wait_for(heard, "the ids")
    assert tracked[-1].ids == ["left_p1"]
    wait_for(lambda: peer.node.count_publishers("/humans/bodies/left_p1/joint_states") == 1, "the body's topic")
    output.close()


def test_a_body_has_all_its_topics(output, body, make_person, camera):
    person = make_person(1, missing=(0, 13))
    heard = body("p1", lambda: output.publish([person], header(5), PICTURE, camera))
    assert output.tracked[-1] == hri_msgs.IdsList(header=header(5), ids=["p1"])
    assert all(message.header == header(5) for message in heard.values())

    roi = heard["roi"]
    xy = (person.keypoints.xy_px[person.keypoints.valid] + 0.5) / (640, 480)
    assert roi.xmin < xy[:, 0].min() and xy[:, 0].max() < roi.xmax and 0 <= roi.ymin < roi.ymax <= 1
    assert roi.c == pytest.approx(0.8)
    cropped = image_from_msg(heard["cropped"])
    left, top = int(roi.xmin * 640), int(roi.ymin * 480)
    np.testing.assert_array_equal(cropped, PICTURE[top : top + len(cropped), left : left + cropped.shape[1]])

    skeleton = heard["skeleton2d"].skeleton
    assert len(skeleton) == 18
    for theirs, ours in (
        (hri_msgs.Skeleton2D.RIGHT_KNEE, 2),
        (hri_msgs.Skeleton2D.LEFT_SHOULDER, 11),
        (hri_msgs.Skeleton2D.NOSE, 9),
        (hri_msgs.Skeleton2D.NECK, 8),
    ):
        np.testing.assert_allclose(
            (skeleton[theirs].x, skeleton[theirs].y), (person.keypoints.xy_px[ours] + 0.5) / (640, 480), atol=1e-5
        )
        assert skeleton[theirs].c == pytest.approx(0.8)
    for theirs in (hri_msgs.Skeleton2D.LEFT_WRIST, hri_msgs.Skeleton2D.LEFT_EYE, hri_msgs.Skeleton2D.RIGHT_EAR):
        assert (skeleton[theirs].x, skeleton[theirs].y, skeleton[theirs].c) == (0, 0, 0)

    angles = dict(zip(heard["joint_states"].name, heard["joint_states"].position, strict=True))
    assert np.isfinite(list(angles.values())).all()
    assert "l_elbow_p1" not in angles and 0 <= angles["r_elbow_p1"] < 0.5


def test_topics_come_with_people_and_go_after_them(output, peer, make_person, camera, wait_for):
    def topics(name: str) -> int:
        return sum(
            peer.node.count_publishers(f"/humans/bodies/{name}/{topic}")
            for topic in ("roi", "cropped", "skeleton2d", "joint_states")
        )

    output.publish([make_person(1), make_person(2)], header(5), PICTURE, camera)
    wait_for(lambda: topics("p1") == topics("p2") == 4, "two bodies' topics")
    output.publish([make_person(2)], header(6.5), PICTURE, camera)
    assert topics("p1") == 4  # hidden for a moment
    output.publish([make_person(2)], header(7.5), PICTURE, camera)
    wait_for(lambda: topics("p1") == 0, "the end of the first's topics")
    output.publish([], header(0), PICTURE, camera)  # the bag starts again
    wait_for(lambda: topics("p2") == 0, "the end of the other's topics")
    wait_for(lambda: len(output.tracked) == 4, "four lists")
    assert [list(m.ids) for m in output.tracked] == [["p1", "p2"], ["p2"], ["p2"], []]


def test_without_an_image_nothing_is_cropped(output, peer, make_person, camera, wait_for):
    cropped = peer.listen("/humans/bodies/p1/cropped", Image)
    skeletons = peer.listen("/humans/bodies/p1/skeleton2d", hri_msgs.Skeleton2D)

    def heard() -> bool:
        output.publish([make_person(1)], header(5), None, camera)
        return len(skeletons) > 2

    wait_for(heard, "skeletons")
    assert not cropped


def test_an_image_is_cropped_only_for_listeners(output, make_person, camera, monkeypatch):
    monkeypatch.setattr("nanohtnet_ros.ros.hri_output.crop", lambda *_: pytest.fail("nobody listens"))
    output.publish([make_person(1)], header(5), PICTURE, camera)


def keypoints_at(xy_px) -> Keypoints:
    xy = np.full((17, 2), np.nan, np.float32)
    xy[: len(xy_px)] = np.reshape(xy_px, (-1, 2))
    return Keypoints(xy, np.ones(17, np.float32))


def test_regions_stay_within_the_image_and_outside_of_it_there_are_none(camera):
    np.testing.assert_allclose(region_of_interest(keypoints_at([(-50, 100), (700, 400)]), camera)[[0, 2]], (0, 1))
    assert region_of_interest(keypoints_at([(-50, 100), (-80, 400)]), camera) is None
    assert region_of_interest(keypoints_at([]), camera) is None
    edge = region_of_interest(keypoints_at([(639.4, 100), (660, 400)]), camera)
    height, width, _ = crop(PICTURE, edge).shape
    assert width >= 1 and 300 <= height <= 480


def test_joints_outside_the_image_are_not_shown(output, body, make_person, camera):
    person = make_person(1)
    xy = person.keypoints.xy_px.copy()
    xy[3] = (300, 700)
    person = replace(person, keypoints=Keypoints(xy, person.keypoints.confidence))
    ankle = body("p1", lambda: output.publish([person], header(5), PICTURE, camera))["skeleton2d"].skeleton[
        hri_msgs.Skeleton2D.RIGHT_ANKLE
    ]
    assert (ankle.x, ankle.y, ankle.c) == (0, 0, 0)
