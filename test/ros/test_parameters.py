"""The parameter table, and a node's settings made from one."""

import gc
import inspect
import logging
import math
import re
from dataclasses import asdict, dataclass, fields

import pytest
import yaml

rclpy = pytest.importorskip("rclpy", reason="ROS 2 is not installed")

from rclpy.parameter import Parameter as RosParameter

from nanohtnet_ros.core.body import TALLEST_M
from nanohtnet_ros.core.settings import Settings, constraint_of, default_of, setting
from nanohtnet_ros.errors import UserError
from nanohtnet_ros.ros.lifter_node import LifterNode
from nanohtnet_ros.ros.marker_node import MarkerNode
from nanohtnet_ros.ros.parameters import NODES, NodeParameters, PoseNodeParameters, unknown_parameters
from nanohtnet_ros.ros.pose_node import PoseNode


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


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"size_m": 2.5}, "size_m out of range"),
        ({"size_m": math.nan}, "nan"),
        ({"count": 10}, "count out of range"),
        ({"count": 1.5}, "type"),
        ({"colour": "blue"}, "colour is 'blue', expected one of red, green"),
        ({"size_m": 1.5, "colour": "green"}, "colour cannot change now: it is busy"),
        ({"count": 4, "size_m": 1.5}, "count cannot change now: it is busy"),
    ],
)
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


@pytest.fixture
def started(tmp_path):
    """`started("-p", "size_m:=2")` is a node that was started with these arguments of ROS."""
    nodes = []

    def start(*args: str, make=lambda: rclpy.create_node("settings_test")):
        rclpy.init(args=["--ros-args", *args])
        nodes.append(make())
        return nodes[-1]

    yield start
    for node in nodes:
        node.destroy_node()
    rclpy.try_shutdown()


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("size_m:=5.0", "size_m is 5, expected 0.5 to 2"),
        ("size_m:=.nan", "size_m is nan, expected a finite number"),
        ("size_m:=wide", "size_m is 'wide', expected a value of type float"),
        ("count:=10", "count is 10, expected 1 to 9"),
        ("count:=2.5", "count is 2.5, expected a value of type int"),
        ("colour:=blue", "colour is 'blue', expected one of red, green"),
    ],
)
def test_a_start_with_what_cannot_be_says_name_value_and_range(started, given, says):
    node = started("-p", given)
    with pytest.raises(UserError, match=f"^{re.escape(says)}$"):
        NodeParameters(node, Table)


def test_a_whole_number_is_taken_for_a_float(node):
    settings = NodeParameters(node, Table)
    assert set_all(node, size_m=2).successful
    assert settings.values.size_m == 2.0 and isinstance(settings.values.size_m, float)


@pytest.mark.parametrize("by_file", [True, False])
@pytest.mark.parametrize("name", sorted(NODES.keys() - {"viewer_node"}))  # which has none
def test_every_float_takes_a_whole_number_at_start(started, tmp_path, name, by_file):
    """By a params_file or the command line; once `person_height_m: 2` kept a node from starting."""
    floats = {}
    for entry in fields(NODES[name]):
        if isinstance(default_of(entry), float):
            low, high = constraint_of(entry).low, constraint_of(entry).high
            floats[entry.name] = next(n for n in (2, 1, 0) if low <= n <= high)
    if by_file:
        (tmp_path / "mine.yaml").write_text(yaml.safe_dump({"/**": {"ros__parameters": floats}}))
        node = started("--params-file", str(tmp_path / "mine.yaml"))
    else:
        node = started(*(a for key, value in floats.items() for a in ("-p", f"{key}:={value}")))
    values = asdict(NodeParameters(node, NODES[name]).values)
    assert floats and {key: values[key] for key in floats} == floats
    assert all(isinstance(values[key], float) for key in floats)


def test_unknown_parameters_are_named_with_the_nearest():
    given = [
        "max_peple",
        "frobnicate",
        "use_sim_time",
        "qos_overrides./image.subscription.depth",
        "threads",
        "bone_width_m",
    ]
    assert unknown_parameters(given, PoseNodeParameters) == [
        "parameter 'max_peple' is unknown and ignored: do you mean 'max_people'?",
        "parameter 'frobnicate' is unknown and ignored",
    ]  # bone_width_m is marker_node's, for a file of all nodes
    assert unknown_parameters(["max_peple"], NODES["marker_node"]) == [
        "parameter 'max_peple' is unknown and ignored: do you mean 'max_people'?"
    ]


def test_a_node_warns_of_an_unknown_parameter(started, capfd):
    NodeParameters(started("-p", "colur:=red"), Table)
    assert "parameter 'colur' is unknown and ignored: do you mean 'colour'?" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("name", "arguments", "says"),
    [
        ("marker_node", {"lifetime_s": "99"}, "cannot start: lifetime_s is 99, expected 0.05 to 60"),
        ("pose_node", {"person_height_m": "0.3"}, "cannot start: person_height_m is 0.3, expected 0.5 to 2.6 metres"),
        ("lifter_node", {"cameras": "[left, left]"}, "cannot start: cameras is ['left', 'left'], expected one or more"),
        ("lifter_node", {"cameras": "[]"}, "cannot start: "),
    ],
)
def test_a_process_that_cannot_start_says_so_in_one_line(processes, name, arguments, says):
    process = processes.node(name, **arguments)
    assert process.wait(timeout=60) == 1
    log = processes.log_of(process).strip()
    assert says in log and "Traceback" not in log and log.count("cannot start") == 1


def test_a_params_file_that_cannot_be_parsed_is_named(processes, tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text("/**:\n  ros__parameters:\n    threads: [1, two]\n")
    process = processes.node("marker_node", "--params-file", str(file))
    assert process.wait(timeout=60) == 1
    log = processes.log_of(process)
    assert log.count("cannot start") == 1 and str(file) in log and "Traceback" not in log


@pytest.mark.parametrize(
    ("make", "name"), [(PoseNode, "pose_node"), (LifterNode, "lifter_node"), (MarkerNode, "marker_node")]
)
def test_a_node_made_in_python_takes_name_namespace_and_overrides(started, make, name):
    overrides = (
        [RosParameter("lifetime_s", value=2.5)]
        if make is MarkerNode
        else [RosParameter("autostart", value=False), RosParameter("person_height_m", value=2)]
    )
    node = started(make=lambda: make("eye", namespace="robot", parameter_overrides=overrides))
    assert node.get_fully_qualified_name() == "/robot/eye"
    assert all(node.get_parameter(o.name).value == o.value for o in overrides)
    assert inspect.signature(make).parameters["name"].default == name


def test_a_node_that_cannot_be_made_leaves_nothing_behind(started, wait_for):
    """On Kilted half of a node was destroyed with a traceback of its own."""
    handlers = list(logging.getLogger("nanohtnet_ros").handlers)
    with pytest.raises(UserError, match="threads is 1000, expected 1 to 64"):
        started(make=lambda: PoseNode(parameter_overrides=[RosParameter("threads", value=1000)]))
    assert logging.getLogger("nanohtnet_ros").handlers == handlers
    gc.collect()  # rclpy's state machine holds the node until then
    other = rclpy.create_node("other")
    wait_for(lambda: other.get_node_names() == ["other"], "the other node alone", 10.0)
    other.destroy_node()


def test_descriptions_say_when_a_parameter_can_change(started):
    node = started(make=lambda: PoseNode(parameter_overrides=[RosParameter("autostart", value=False)]))
    assert node.describe_parameter("model").additional_constraints == "changes while the node is unconfigured only"
    height = node.describe_parameter("person_height_m")
    assert height.additional_constraints == "" and height.floating_point_range[0].to_value == TALLEST_M
    settings_node = rclpy.create_node("video_test")
    NodeParameters(settings_node, NODES["video_node"])
    assert settings_node.describe_parameter("source").additional_constraints == "read when the node starts"
    settings_node.destroy_node()


@pytest.mark.parametrize("name", NODES)
def test_every_parameter_has_a_description_and_a_whole_range(name):
    for entry in fields(NODES[name]):
        constraint = constraint_of(entry)
        assert constraint.description and (constraint.low is None) == (constraint.high is None)
    NODES[name]()  # defaults within their ranges
