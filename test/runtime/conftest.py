"""Small ONNX files."""

from __future__ import annotations

import numpy as np
import pytest


@pytest.fixture
def write_onnx(tmp_path):
    """`write_onnx(nodes, inputs, outputs, weights={}, name="net")`: tensors as name: (type, shape)."""
    onnx = pytest.importorskip("onnx", reason="onnx, which writes the networks, is not installed")

    def write(nodes, inputs, outputs, weights=None, name="net"):
        helper, kinds = onnx.helper, onnx.TensorProto

        def infos(tensors):
            return [
                helper.make_tensor_value_info(n, getattr(kinds, kind), shape) for n, (kind, shape) in tensors.items()]

        initializers = [onnx.numpy_helper.from_array(np.asarray(v), n) for n, v in (weights or {}).items()]
        graph = helper.make_graph(nodes, "g", infos(inputs), infos(outputs), initializers)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        onnx.checker.check_model(model)
        path = tmp_path / f"{name}.onnx"
        onnx.save(model, str(path))
        return path

    return write


@pytest.fixture
def small_onnx(write_onnx):
    """x (B, 2, 3) to doubled (B, 2, 3) and total (B, 1)."""
    from onnx import helper

    nodes = [
        helper.make_node("Mul", ["x", "two"], ["doubled"]),
        helper.make_node("ReduceSum", ["x", "axes"], ["sums"], keepdims=0),
        helper.make_node("Unsqueeze", ["sums", "one"], ["total"])]
    weights = {"two": np.float32(2), "axes": np.array([1, 2]), "one": np.array([1])}
    outputs = {"doubled": ("FLOAT", ["B", 2, 3]), "total": ("FLOAT", ["B", 1])}
    return write_onnx(nodes, {"x": ("FLOAT", ["B", 2, 3])}, outputs, weights)
