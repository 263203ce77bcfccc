"""Parameters of a running node over its services."""

import math
from dataclasses import fields

import numpy as np
import pytest

rclpy = pytest.importorskip("rclpy", reason="ROS 2 is not installed")

from lifecycle_msgs.msg import Transition
from rcl_interfaces.msg import ParameterType
from rcl_interfaces.srv import DescribeParameters, ListParameters

from nanohtnet_ros.core.messages import joints_from_msg
from nanohtnet_ros.core.settings import constraint_of
from nanohtnet_ros.ros.parameters import NODES

from streams import frames_of, image


def test_a_change_is_in_the_next_message(pose, picture):
    """The assumed field of view, and how tall the people are, place the person nearer or further."""

    def root_z(seconds: float) -> float:
        return pose.send_and_wait(image(picture, seconds)).skeletons[0].root.z

    wide = root_z(1000.0)
    assert pose.set(horizontal_fov_deg=30.0).successful
    narrow = root_z(2000.0)  # a jump in time, for a person who is not smoothed with what was before
    assert narrow / wide == pytest.approx(math.tan(math.radians(30)) / math.tan(math.radians(15)), rel=0.1)
    assert pose.set(person_height_m=1.2).successful
    child = root_z(3000.0)
    assert pose.set(person_height_m=2.4).successful
    assert root_z(4000.0) / child == pytest.approx(2.0, rel=0.05)
    pose.says("field of view of 30 degrees is assumed")


def test_hips_are_moved_back_to_the_joints_centres(pose, picture):
    def joints(seconds: float) -> np.ndarray:
        return joints_from_msg(pose.send_and_wait(image(picture, seconds)).skeletons[0])

    assert pose.set(hips_ahead_m=0.0).successful
    marked = joints(1000.0)
    assert pose.set(hips_ahead_m=0.1).successful
    way = joints(2000.0) - marked
    knee, shoulder = (np.linalg.norm(way[joint]) for joint in (2, 11))
    assert knee == pytest.approx(0.1, abs=0.015) and shoulder == pytest.approx(
        0.1, abs=0.005
    )  # thighs are of one length
    assert np.abs(way[[0, 1, 4]]).max() < 0.005


def test_smoothing_is_switched_in_mid_stream(pose):
    def heads(start: float) -> np.ndarray:
        arrays = [pose.send_and_wait(image(frame, start + i / 25)) for i, frame in enumerate(frames)]
        assert [s.track_id for a in arrays for s in a.skeletons] == [arrays[0].skeletons[0].track_id] * len(frames)
        return np.array([joints_from_msg(a.skeletons[0])[10] for a in arrays])

    frames = frames_of("rendered_walk", 8)
    assert pose.set(one_euro=False).successful
    as_they_are = heads(1000.0)
    np.testing.assert_allclose(heads(2000.0), as_they_are, atol=1e-5)
    assert pose.set(one_euro=True, one_euro_min_cutoff_hz=0.01, one_euro_beta=0.0).successful
    smoothed = heads(3000.0)
    np.testing.assert_allclose(smoothed[0], as_they_are[0], atol=1e-5)
    moved, moved_smoothed = (np.abs(np.diff(x, axis=0)).sum() for x in (as_they_are, smoothed))
    assert moved_smoothed < 0.3 * moved
    assert pose.set(one_euro=False).successful
    np.testing.assert_allclose(heads(4000.0), as_they_are, atol=1e-5)


def test_what_cannot_be_is_refused_with_the_reason(pose, picture):
    for name, value, says in (
        ("horizontal_fov_deg", 0.5, "range"),
        ("horizontal_fov_deg", 179.5, "range"),
        ("horizontal_fov_deg", math.nan, "nan"),
        ("max_gap_s", math.inf, "range"),
        ("one_euro", "yes", "type"),
        ("image_transport", "theora", "image_transport is 'theora', expected one of raw, compressed"),
        ("max_people", 7, "max_people cannot change now: the node is configured with it"),
        ("use_depth", True, "use_depth cannot change now"),
        ("person_height_m", 0.1, "person_height_m is 0.1, expected 0.5 to 2.6 metres"),
        ("no_such_parameter", 1, "undeclared"),
    ):
        result = pose.set(**{name: value})
        assert not result.successful and says in result.reason, (name, value, result.reason)
    assert pose.set(max_people=6).successful  # as it is
    assert pose.send_and_wait(image(picture, 1000.0)).skeletons
    pose.says("field of view of 60 degrees is assumed")


def test_what_is_locked_changes_once_the_node_is_cleaned_up(pose, peer, wait_for):
    assert not pose.set(image_transport="compressed").successful
    assert pose.change(Transition.TRANSITION_DEACTIVATE)
    assert not pose.set(image_transport="compressed").successful
    assert pose.change(Transition.TRANSITION_CLEANUP)
    assert not pose.set(image_transport="theora").successful
    assert pose.set(image_transport="compressed").successful
    assert pose.change(Transition.TRANSITION_CONFIGURE) and pose.change(Transition.TRANSITION_ACTIVATE)
    wait_for(lambda: peer.node.count_subscribers("/image/compressed") == 1, "the subscription")
    assert peer.node.count_subscribers("/image") == 0


@pytest.mark.parametrize(
    ("node", "argument", "says"),
    [
        ("pose_node", "horizontal_fov_deg:=500.0", "horizontal_fov_deg"),
        ("pose_node", "horizontal_fov_deg:=.nan", "nan"),
        ("detector_node", "max_people:=0", "max_people"),
        ("lifter_node", "one_euro:=3", "one_euro"),
        ("pose_node", "image_transport:=theora", "image_transport is 'theora', expected one of raw, compressed"),
        ("video_node", "speed:=-1.0", "speed"),
        ("marker_node", "lifetime_s:=0.0", "lifetime_s"),
    ],
)
def test_a_start_with_what_cannot_be_ends_with_one_clear_line(processes, node, argument, says):
    process = processes.node(node, "-p", argument)
    assert process.wait(timeout=60) == 1
    lines = processes.log_of(process).strip().splitlines()
    assert len(lines) == 1 and lines[0].startswith("cannot start: ") and says in lines[0], lines


@pytest.mark.parametrize("name", NODES)
def test_every_parameter_describes_itself(start_node, name):
    node = start_node(name, autostart="false")
    known = {entry.name: constraint_of(entry) for entry in fields(NODES[name])}
    names = list(known)
    request = DescribeParameters.Request(names=names)
    described = {d.name: d for d in node.call("describe_parameters", DescribeParameters, request).descriptors}
    for parameter_name, parameter in known.items():
        descriptor = described[parameter_name]
        assert descriptor.description == parameter.description and len(parameter.description) > 10
        ranges = [*descriptor.floating_point_range, *descriptor.integer_range]
        expected = [] if parameter.low is None else [(parameter.low, parameter.high)]
        assert [(r.from_value, r.to_value) for r in ranges] == expected
        assert all(str(choice) in descriptor.additional_constraints for choice in parameter.choices)
        at_start = name in ("video_node", "viewer_node")
        fixed = "read when the node starts" if at_start else "changes while the node is unconfigured only"
        assert parameter.live == (fixed not in descriptor.additional_constraints)
        assert descriptor.type != ParameterType.PARAMETER_NOT_SET
    listed = node.call("list_parameters", ListParameters, ListParameters.Request()).result.names
    own = [n for n in listed if not n.startswith(("qos_overrides", "use_sim_time", "start_type_description"))]
    assert sorted(own) == sorted(names)
