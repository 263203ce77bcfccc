"""How much a network computes."""

from __future__ import annotations

import math
from pathlib import Path

import onnx


def multiply_adds(path: Path) -> int:
    """Multiply-adds of an ONNX network's products (matrix products and convolutions) for one sample.

    Raises:
        ValueError: a product's shapes do not follow from the input's.
    """
    model = onnx.load(str(path))
    for tensor in model.graph.input:
        batch = tensor.type.tensor_type.shape.dim[0]
        batch.Clear()
        batch.dim_value = 1
    del model.graph.value_info[:]
    for tensor in model.graph.output:
        tensor.type.tensor_type.ClearField("shape")
    graph = onnx.shape_inference.infer_shapes(model, data_prop=True).graph
    shapes = {t.name: tuple(t.dims) for t in graph.initializer}
    for tensor in (*graph.input, *graph.value_info, *graph.output):
        shapes[tensor.name] = tuple(dim.dim_value for dim in tensor.type.tensor_type.shape.dim)
    total = 0
    for node in graph.node:
        if node.op_type not in ("MatMul", "Gemm", "Conv"):
            continue
        first, second, out = (shapes.get(name, ()) for name in (*node.input[:2], node.output[0]))
        if not out or 0 in (*first, *second, *out):
            raise ValueError(
                f"{path}: the shapes of {node.op_type} '{node.name}' are unknown, {first}, {second} and {out}: "
                "export it with fixed sizes but for the batch")
        if node.op_type == "Conv":
            summed = math.prod(second[1:])  # inputs per group and kernel
        else:
            transposed = node.op_type == "Gemm" and any(a.name == "transA" and a.i for a in node.attribute)
            summed = first[-2] if transposed else first[-1]
        total += math.prod(out) * summed
    return total
