"""The parameter table, and a node's settings made from one."""

import math
from dataclasses import asdict, dataclass, fields

import pytest

rclpy = pytest.importorskip("rclpy", reason="ROS 2 is not installed")

from rclpy.exceptions import ParameterException
from rclpy.parameter import Parameter as RosParameter

from nanohtnet_ros.core.settings import Settings, constraint_of, setting
from nanohtnet_ros.errors import UserError
from nanohtnet_ros.ros.parameters import NODES, NodeParameters


@dataclass(frozen=True)
class Table(Settings):
    size_m: float = setting(1.0, "how large, metres", 0.5, 2.0, live=True)
    colour: str = setting("red", "which colour", choices=("red", "green"))
    count: int = setting(3, "how many", 1, 9)



@pytest.fixture
def node():
    rclpy.init()
    node = rclpy.create_node("settings_test")
    yield node
    node.destroy_node()
    rclpy.shutdown()


def set_all(node, **values):
    return node.set_parameters_atomically([RosParameter(name, value=value) for name, value in values.items()])


def test_values_are_the_defaults_and_follow_changes(node):
    seen: list[Table] = []
    settings = NodeParameters(node, Table, locked=lambda: None, changed=seen.append)
    assert asdict(settings.values) == {"size_m": 1.0, "colour": "red", "count": 3}
    before = settings.values
    assert set_all(node, size_m=2.0, colour="green").successful
    assert asdict(settings.values) == {"size_m": 2.0, "colour": "green", "count": 3}
    assert seen == [settings.values]
    assert before.size_m == 1.0  # who works with the old values keeps them whole


@pytest.mark.parametrize(("values", "says"), [
    ({"size_m": 2.5}, "size_m out of range"),
    ({"size_m": math.nan}, "nan"),
    ({"count": 10}, "count out of range"),
    ({"count": 1.5}, "type"),
    ({"colour": "blue"}, "colour is 'blue', expected one of red, green"),
    ({"size_m": 1.5, "colour": "green"}, "colour cannot change now: it is busy"),
    ({"count": 4, "size_m": 1.5}, "count cannot change now: it is busy"),
])
def test_what_is_refused_changes_nothing(node, values, says):
    seen: list[Table] = []
    settings = NodeParameters(node, Table, locked=lambda: "it is busy", changed=seen.append)
    result = set_all(node, **values)
    assert not result.successful and says in result.reason
    assert asdict(settings.values) == {"size_m": 1.0, "colour": "red", "count": 3} and not seen
    assert node.get_parameter("size_m").value == 1.0


def test_whoever_takes_the_change_may_refuse_it(node):
    def refuse(values: Table) -> None:
        raise UserError(f"{values.size_m} m do not fit")

    settings = NodeParameters(node, Table, changed=refuse)
    result = set_all(node, size_m=1.5)
    assert (result.successful, result.reason) == (False, "1.5 m do not fit")
    assert settings.values.size_m == node.get_parameter("size_m").value == 1.0


def test_what_is_locked_may_be_set_to_what_it_is(node):
    NodeParameters(node, Table)
    assert set_all(node, colour="red", count=3).successful
    assert "start the node with it" in set_all(node, colour="green").reason


def test_parameters_of_others_are_theirs(node):
    node.declare_parameter("foreign", 1)
    NodeParameters(node, Table, locked=lambda: "it is busy")
    assert set_all(node, foreign=2).successful


@pytest.mark.parametrize(("given", "says"), [(5.0, "out of range"), (math.nan, "nan"), ("wide", "type")])
def test_a_start_with_what_cannot_be_raises(given, says):
    rclpy.init()
    node = rclpy.create_node("settings_test", parameter_overrides=[RosParameter("size_m", value=given)])
    try:
        with pytest.raises(ParameterException, match=says):
            NodeParameters(node, Table)
    finally:
        node.destroy_node()
        rclpy.shutdown()


def test_a_whole_number_is_taken_for_a_float(node):
    settings = NodeParameters(node, Table)
    assert set_all(node, size_m=2).successful
    assert settings.values.size_m == 2.0 and isinstance(settings.values.size_m, float)


@pytest.mark.parametrize("name", NODES)
def test_every_parameter_has_a_description_and_a_whole_range(name):
    for entry in fields(NODES[name]):
        constraint = constraint_of(entry)
        assert constraint.description and (constraint.low is None) == (constraint.high is None)
    NODES[name]()  # defaults within their ranges
