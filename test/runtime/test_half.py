"""Networks in half precision, run by ONNX Runtime on the CPU."""

import numpy as np
import pytest

onnx = pytest.importorskip("onnx", reason="onnx is not installed")

import onnxruntime
from onnx import helper

from nanohtnet_ros.core.model_card import ModelCard
from nanohtnet_ros.runtime.half import half_onnx
from nanohtnet_ros.runtime.model_store import DEFAULT_MODEL, find_model
from nanohtnet_ros.runtime.session import open_session
from nanohtnet_ros.samples.windows import clip_windows


def run(model, x: np.ndarray) -> list[np.ndarray]:
    return onnxruntime.InferenceSession(model).run(None, {"x": x})


def test_the_packaged_networks_loss_is_as_stated():
    path = find_model(DEFAULT_MODEL)
    (x, level), truth_m = clip_windows(ModelCard.load(path.with_suffix(".json")))
    single = open_session(path, "cpu").run(x, level)[:, -1, :, :3]
    half = onnxruntime.InferenceSession(half_onnx(path)).run(None, {"keypoints": x, "level": level})[0][:, -1, :, :3]
    difference_mm = np.linalg.norm(single - half, axis=-1) * 1000
    assert difference_mm.mean() < 0.5 and difference_mm.max() < 3.0
    mpjpe_mm = [np.linalg.norm(a - truth_m, axis=-1)[:, 1:].mean() * 1000 for a in (single, half)]
    assert abs(mpjpe_mm[0] - mpjpe_mm[1]) < 0.1 and mpjpe_mm[0] < 60


@pytest.fixture
def convolutions(write_onnx):
    """A detector in small: convolutions with SiLU, pooling, scaling, joining, a mean and a softmax at the end."""
    rng = np.random.default_rng(0)
    nodes = [
        helper.make_node("Conv", ["x", "w1", "b1"], ["c1"], pads=[1, 1, 1, 1]),
        helper.make_node("Sigmoid", ["c1"], ["s1"]),
        helper.make_node("Mul", ["c1", "s1"], ["a1"]),
        helper.make_node("MaxPool", ["a1"], ["p"], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Resize", ["p", "", "scales"], ["r"], mode="nearest"),
        helper.make_node("Concat", ["r", "a1"], ["j"], axis=1),
        helper.make_node("Conv", ["j", "w2"], ["c2"]),
        helper.make_node("Clip", ["c2", "low", "high"], ["y"]),
        helper.make_node("ReduceSum", ["y", "axes"], ["t"], keepdims=0),
        helper.make_node("Softmax", ["t"], ["z"]),
    ]
    weights = {
        "w1": rng.normal(0, 0.3, (4, 3, 3, 3)).astype(np.float32),
        "b1": np.zeros(4, np.float32),
        "w2": rng.normal(0, 0.3, (2, 8, 1, 1)).astype(np.float32),
        "scales": np.array([1, 1, 2, 2], np.float32),
        "low": np.float32(-3),
        "high": np.float32(3.4e38),
        "axes": np.array([2, 3]),
    }
    outputs = {"y": ("FLOAT", ["B", 2, 8, 8]), "z": ("FLOAT", ["B", 2])}
    return write_onnx(nodes, {"x": ("FLOAT", ["B", 3, 8, 8])}, outputs, weights)


def test_weights_are_half_inputs_and_outputs_are_not(convolutions):
    half = half_onnx(convolutions)
    graph = onnx.load_from_string(half).graph
    kinds = {t.name: t.data_type for t in graph.initializer}
    assert kinds["w1"] == kinds["w2"] == onnx.TensorProto.FLOAT16 and kinds["scales"] == onnx.TensorProto.FLOAT
    x = np.random.default_rng(1).normal(0, 1, (2, 3, 8, 8)).astype(np.float32)
    for single, result in zip(run(str(convolutions), x), run(half, x), strict=True):
        assert result.dtype == np.float32
        np.testing.assert_allclose(result, single, atol=0.02)


def test_a_branch_of_a_condition_is_converted_too(write_onnx):
    inner = helper.make_graph(
        [helper.make_node("Sqrt", ["m"], ["i"])],
        "inner",
        [],
        [helper.make_tensor_value_info("i", onnx.TensorProto.FLOAT, ["B", 2])],
    )
    other = helper.make_graph(
        [helper.make_node("Neg", ["m"], ["o"])],
        "other",
        [],
        [helper.make_tensor_value_info("o", onnx.TensorProto.FLOAT, ["B", 2])],
    )
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["m"]),
        helper.make_node("If", ["yes"], ["y"], then_branch=inner, else_branch=other),
    ]
    path = write_onnx(
        nodes,
        {"x": ("FLOAT", ["B", 2])},
        {"y": ("FLOAT", ["B", 2])},
        {"w": np.eye(2, dtype=np.float32), "yes": np.array(True)},
    )
    np.testing.assert_allclose(run(half_onnx(path), np.float32([[4, 9]]))[0], [[2, 3]], atol=0.01)
