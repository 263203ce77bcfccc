"""Every family of detectors end to end: images into pose_node, another process, and skeletons out of it."""

import numpy as np
import pytest

rclpy = pytest.importorskip("rclpy", reason="ROS 2 is not installed")

from builtin_interfaces.msg import Time
from nanohtnet_ros.msg import Skeleton2DArray, Skeleton3DArray
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from nanohtnet_ros.core.skeleton import H36M_17
from nanohtnet_ros.ros.images import image_to_msg

import generated_models as models

CENTRE = (300, 240)
ONE_STAGE_PIXEL = 2.0  # image pixels per pixel of the generated networks' input, at 640x480
TOP_DOWN_PIXEL = 2.0 * 1.25 * 144 / 256  # and of the crop of the box that they give


def top_down(folder, **persons) -> dict[str, str]:
    ((make, options),) = persons.values()
    return {
        "detector": models.rtmpose(folder / "pose.onnx"),
        "person_detector": make(folder / f"{next(iter(persons))}.onnx", **options),
    }


FAMILIES = {
    "rtmpose on rtmdet": (lambda f: top_down(f, rtmdet=(models.suppressed, {"normalised": True})), "rtmpose", 0.6),
    "rtmpose on yolox": (lambda f: top_down(f, yolox=(models.suppressed, {"normalised": False})), "rtmpose", 0.6),
    "rtmpose on raw yolox": (lambda f: top_down(f, raw=(models.yolox_raw, {})), "rtmpose", 0.6),
    "rtmo": (lambda f: {"detector": models.rtmo(f / "end2end.onnx")}, "rtmo", 0.05),
    "yolo11-pose": (lambda f: {"detector": models.yolo_pose(f / "yolo11n-pose.onnx")}, "yolo_pose", 0.05),
    "yolo26-pose": (
        lambda f: {"detector": models.yolo_pose(f / "yolo26n-pose.onnx", end_to_end=True)},
        "yolo_pose",
        0.05,
    ),
}


def image(number: int) -> Image:
    msg = image_to_msg(models.picture(CENTRE))
    msg.header = Header(frame_id="camera", stamp=Time(sec=1000 + number // 20, nanosec=number % 20 * 50_000_000))
    return msg


@pytest.mark.parametrize("kind", FAMILIES)
def test_a_person_comes_out_where_the_network_sees_them(kind, processes, peer, wait_for, tmp_path):
    files, family, tolerance = FAMILIES[kind]
    says = peer.diagnostics()
    skeletons, flat = (
        peer.listen(f"/pose_node/{topic}", message)
        for topic, message in (("skeletons", Skeleton3DArray), ("skeletons_2d", Skeleton2DArray))
    )
    processes.node("pose_node", **{name: f"'{path}'" for name, path in files(tmp_path).items()})
    sent = 0

    def sent_and_seen() -> bool:
        nonlocal sent
        peer.publish("image", image(sent))
        sent += 1
        return any(msg.skeletons for msg in skeletons) and any(msg.skeletons for msg in flat)

    wait_for(sent_and_seen, "skeletons")
    pixel = TOP_DOWN_PIXEL if family == "rtmpose" else ONE_STAGE_PIXEL
    expected, sure = models.expected_joints(CENTRE, pixel)
    (person,) = next(msg.skeletons for msg in flat if msg.skeletons)
    np.testing.assert_allclose(np.column_stack((person.x, person.y)), expected, atol=max(0.1, tolerance * pixel))
    np.testing.assert_allclose(person.confidence, sure, atol=0.02)
    (lifted,) = next(msg.skeletons for msg in skeletons if msg.skeletons)
    assert lifted.root_valid and all(np.isfinite(j.z) for j in lifted.joints)
    head, ankle = (lifted.joints[H36M_17.joint_names.index(name)].y for name in ("head", "l_ankle"))
    assert head < 0 < ankle  # y points down, and they stand
    wait_for(lambda: f"({family}) by ONNX Runtime" in says("pose_node"), "the detector's name in the diagnostics")


def test_a_file_of_no_family_leaves_a_living_node_that_lists_what_was_expected(processes, peer, wait_for, tmp_path):
    graph = models.Graph((64, 64), rgb=True)
    rows = models.Rows(84, 84).value(graph)
    path = graph.save(tmp_path / "yolo11n.onnx", output0=(rows, (1, 84, 84), models.TensorProto.FLOAT))
    says = peer.diagnostics()
    node = processes.node("pose_node", detector=f"'{path}'")
    wait_for(lambda: "is not a known detector of keypoints" in says("pose_node"), "the diagnostic")
    assert "yolo_pose: output0 (any, 56, any)" in says("pose_node") and "(1, 84, 84)" in says("pose_node")
    assert node.poll() is None


def test_families_that_do_not_exist_are_refused_by_the_parameter(processes, wait_for):
    node = processes.node("pose_node", detector_family="openpose")
    wait_for(lambda: node.poll() is not None, "the end of the node")
    assert "expected one of auto, rtmpose, rtmo, yolo_pose" in processes.log_of(node)
