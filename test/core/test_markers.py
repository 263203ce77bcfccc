from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from nanohtnet_ros.core.body import ANKLE_HEIGHT_M
from nanohtnet_ros.core.drawing import LEFT_RGB, RIGHT_RGB
from nanohtnet_ros.core.markers import LABEL_HEIGHT_M, MarkerSettings, PeopleMarkers, floor_below
from nanohtnet_ros.core.skeleton import Joint
from nanohtnet_ros.core.transforms import move_person
from nanohtnet_ros.core.window import NS_PER_S
from nanohtnet_ros.recording.messages import MESSAGES, typestore

from factories import STANDING_M

UP = np.array((0.0, -1.0, 0.0))
Z_UP = np.array(((0, 0, 1), (-1, 0, 0), (0, -1, 0)))  # x ahead, y to the left, from optical axes


Marker = typestore().types["visualization_msgs/msg/Marker"]


def markers(person, up=UP, frame_id="camera_optical_frame", trail=None) -> list:
    header = MESSAGES.header(3 * NS_PER_S, frame_id)
    (skeleton,) = MESSAGES.skeletons([person], header, up=up).skeletons
    return PeopleMarkers(MESSAGES).of_person(skeleton, header, up, MarkerSettings(), floor_below(skeleton, up), trail)


def xyz(points) -> np.ndarray:
    return np.array([(p.x, p.y, p.z) for p in points])


def rgb(colour) -> tuple:
    return tuple(round(value, 6) for value in (colour.r, colour.g, colour.b))


def test_one_list_of_spheres_one_of_lines_and_a_label(make_person):
    balls, lines, label = markers(make_person(1))
    assert (balls.type, lines.type, label.type) == (Marker.SPHERE_LIST, Marker.LINE_LIST, Marker.TEXT_VIEW_FACING)
    np.testing.assert_allclose(xyz(balls.points), STANDING_M + (0.5, 0, 4), atol=1e-5)
    assert len(balls.colors) == 17 and len(lines.points) == len(lines.colors) >= 2 * 16
    assert label.text == "1: 4.0 m" and all(m.color.a == 1 and m.lifetime.sec == 1 for m in (balls, lines, label))


def test_left_and_right_are_coloured_apart(make_person):
    balls, lines, label = markers(make_person(1))
    for joint in (Joint.L_WRIST, Joint.L_ANKLE):
        assert rgb(balls.colors[joint]) == LEFT_RGB
    assert rgb(balls.colors[Joint.R_KNEE]) == RIGHT_RGB != rgb(balls.colors[Joint.SPINE])
    assert rgb(balls.colors[Joint.SPINE]) == rgb(balls.colors[Joint.HEAD])
    other = markers(make_person(2))
    assert rgb(other[0].colors[0]) == rgb(balls.colors[0]) and rgb(other[2].color) != rgb(label.color)
    wrist = (STANDING_M[Joint.L_WRIST] + (0.5, 0, 4)).tolist()
    (bone,) = [i for i, point in enumerate(xyz(lines.points)) if np.allclose(point, wrist, atol=1e-5)]
    assert rgb(lines.colors[bone]) == LEFT_RGB == rgb(lines.colors[bone - 1])


def test_confidence_is_alpha_and_a_missing_joint_is_not_drawn(make_person):
    person = make_person(1, missing=(Joint.R_ANKLE,))
    sure, unsure = (markers(replace(person, confidence=(person.confidence > 0) * c)) for c in (1.0, 0.1))
    assert sure[0].colors[0].a == pytest.approx(1) and unsure[0].colors[0].a < 0.3
    assert len(sure[0].points) == 16 and np.isfinite(xyz(sure[1].points)).all()
    assert len(sure[1].points) == len(markers(make_person(1))[1].points) - 4  # a bone and a foot


@pytest.mark.parametrize(("frame_id", "text"), [("base_link", "1: 4.0 m"), ("map", "1"), ("robot/odom", "1")])
def test_in_any_frame_all_stands_on_the_floor_and_the_label_above_the_head(make_person, frame_id, text):
    there = move_person(make_person(1), Rotation.from_matrix(Z_UP).as_quat(), np.array((0, 0, 1.2)))
    there = replace(there, root_m=there.root_m.astype(np.float64))
    balls, lines, label = markers(there, np.array((0.0, 0, 1)), frame_id)
    head = xyz(balls.points)[Joint.HEAD]
    root = xyz(balls.points)[Joint.HIP]
    np.testing.assert_allclose(xyz([label.pose.position])[0], (*root[:2], head[2] + LABEL_HEIGHT_M), atol=1e-5)
    assert label.text.startswith(text.partition(":")[0]) and (":" in label.text) == (":" in text)
    floor = xyz(balls.points)[:, 2].min() - ANKLE_HEIGHT_M
    low = xyz(lines.points)[2 * 16 :]
    np.testing.assert_allclose(low[:, 2], floor, atol=1e-5)
    # Feet and arrow point where the person looks: at the camera, along -x.
    feet, arrow = low[:4].reshape(2, 2, 3), low[4:]
    np.testing.assert_allclose((feet[:, 1] - feet[:, 0])[:, 0], -0.2, atol=1e-3)
    assert arrow[:, 0].min() < root[0] - 0.5 and np.ptp(arrow[:, 1]) > 0.1


def test_the_floor_is_the_known_one(make_person):
    person = replace(make_person(1), root_ground_m=np.array((4, 0, 1.5)))
    low = xyz(markers(person)[1].points)[2 * 16 :]
    np.testing.assert_allclose(low[:, 1], 1.5, atol=1e-5)


def test_the_label_of_somebody_who_lies_is_above_them(make_person):
    lying = STANDING_M @ Rotation.from_euler("z", 90, degrees=True).as_matrix().T
    balls, _, label = markers(make_person(1, joints_rel_m=lying.astype(np.float32)))
    assert label.pose.position.y == pytest.approx(xyz(balls.points)[:, 1].min() - LABEL_HEIGHT_M, abs=1e-5)


def test_the_trail_fades(make_person):
    trail = np.array([(0.1 * i, 0.9, 4) for i in range(5)])
    plain, trailed = markers(make_person(1))[1], markers(make_person(1), trail=trail)[1]
    added = len(plain.points)
    assert len(trailed.points) == added + 8
    np.testing.assert_allclose(xyz(trailed.points[added:])[[0, -1]], trail[[0, -1]])
    assert trailed.colors[added].a < trailed.colors[-1].a


def test_a_person_of_whom_little_is_seen_is_drawn(make_person):
    balls, lines, label = markers(make_person(1, missing=range(16)))
    assert len(balls.points) == 1 and lines.points == [] and np.isfinite(label.pose.position.y)
    balls, lines, label = markers(make_person(1, missing=range(17)))
    assert balls.points == [] == lines.points and label.pose.position.z == 4
