"""ONNX networks in half precision where that is harmless, for runtimes that take each tensor's type from the file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from nanohtnet_ros.errors import UserError

if TYPE_CHECKING:
    import onnx

PRODUCTS = frozenset({"Conv", "ConvTranspose", "Gemm", "MatMul"})
"""Always computed in half precision: nearly all of the work."""

FOLLOWERS = frozenset({
    "Add", "Clip", "Concat", "Flatten", "Gather", "HardSigmoid", "HardSwish", "LeakyRelu", "MaxPool", "Mul", "Relu",
    "Reshape", "Resize", "Sigmoid", "Slice", "Split", "Squeeze", "Sub", "Tanh", "Transpose", "Unsqueeze"})
"""Computed in half precision where everything that they take is so already. All others stay in single precision."""

DATA_INPUTS = {"Resize": (0,)}  # its other float inputs must stay float32
LARGEST = 65504.0


def half_onnx(path: Path) -> bytes:
    """Convert an ONNX file; its inputs and outputs stay float32.

    Products (convolutions, matrix products) and what directly follows them become float16. Normalisation, softmax,
    sums over axes, and everything before the first product, such as the geometry of NanoHTNet's person view, stay
    float32.

    Raises:
        ImportError: the package onnx is not installed.
        ValueError: a weight does not fit into half precision.
    """
    try:
        import onnx
    except ImportError as error:
        raise ImportError(f"fp16 of {path.name} needs the package onnx: pip install onnx, or use fp32") from error
    model = onnx.shape_inference.infer_shapes(onnx.load(str(path)))
    return _Converter(model, path).converted().SerializeToString()


class _Converter:
    """Rewrites the graph node by node; a tensor can exist in both precisions, `name` and `name:half`."""

    def __init__(self, model: onnx.ModelProto, path: Path) -> None:
        import onnx

        self._onnx, self._model, self._path = onnx, model, path
        graph = model.graph
        infos = (*graph.value_info, *graph.input, *graph.output)
        self._floats = {i.name for i in infos if i.type.tensor_type.elem_type == onnx.TensorProto.FLOAT}
        self._weights = {t.name: t for t in graph.initializer if t.data_type == onnx.TensorProto.FLOAT}
        for node in graph.node:
            values = [a.t for a in node.attribute if a.name == "value"]
            if node.op_type == "Constant" and values and values[0].data_type == onnx.TensorProto.FLOAT:
                self._weights[node.output[0]] = values[0]
        self._floats |= set(self._weights)
        self._halves: set[str] = set()  # tensors that are computed in half precision
        self._there: set[str] = set()  # names made by this class
        self._nodes: list[onnx.NodeProto] = []
        self._new_weights: list[onnx.TensorProto] = []

    def converted(self) -> onnx.ModelProto:
        graph = self._model.graph
        for node in graph.node:
            inner = [a.g for a in node.attribute if a.type == self._onnx.AttributeProto.GRAPH]
            for name in {name for g in inner for n in g.node for name in n.input} | set(node.input):
                if not self._takes_half(node) or name not in self._data(node):
                    self._single(name)
            if self._takes_half(node):
                self._convert(node)
            else:
                self._nodes.append(node)
        for output in graph.output:
            self._single(output.name)
        del graph.node[:], graph.value_info[:]
        graph.node.extend(self._nodes)
        graph.initializer.extend(self._new_weights)
        used = {name for node in graph.node for name in node.input} | {o.name for o in graph.output}
        inner = {n for node in graph.node for a in node.attribute if a.type == self._onnx.AttributeProto.GRAPH
                 for x in a.g.node for n in x.input}
        kept = [t for t in graph.initializer if t.name in used | inner]
        del graph.initializer[:]
        graph.initializer.extend(kept)
        self._onnx.checker.check_model(self._model)
        return self._model

    def _data(self, node: onnx.NodeProto) -> list[str]:
        """The float inputs that a node computes with."""
        places = DATA_INPUTS.get(node.op_type, range(len(node.input)))
        return [node.input[i] for i in places if node.input[i] in self._floats]

    def _takes_half(self, node: onnx.NodeProto) -> bool:
        if node.domain or not any(name in self._floats for name in node.output):
            return False
        computed = [name for name in self._data(node) if name not in self._weights]
        if node.op_type in PRODUCTS:
            return bool(computed)
        return node.op_type in FOLLOWERS and bool(computed) and all(name in self._halves for name in computed)

    def _convert(self, node: onnx.NodeProto) -> None:
        data = set(self._data(node))
        inputs = [self._half(name, node.op_type == "Clip") if name in data else name for name in node.input]
        del node.input[:]
        node.input.extend(inputs)
        outputs = [f"{name}:half" if name else name for name in node.output]
        self._halves.update(name for name in node.output if name)
        self._there.update(outputs)
        del node.output[:]
        node.output.extend(outputs)
        self._nodes.append(node)

    def _half(self, name: str, bound: bool = False) -> str:
        """The half of a tensor, made where it is missing; a bound may be cut to the largest half."""
        half = f"{name}:half" if not (bound and name in self._weights) else f"{name}:bound"
        if half not in self._there:
            self._there.add(half)
            if name in self._weights:
                values = self._onnx.numpy_helper.to_array(self._weights[name])
                if bound:
                    values = np.clip(values, -LARGEST, LARGEST)
                if np.abs(values[np.isfinite(values)]).max(initial=0.0) > LARGEST:
                    raise UserError(f"{self._path}: '{name}' exceeds half precision's {LARGEST:g}: use fp32")
                self._new_weights.append(self._onnx.numpy_helper.from_array(values.astype(np.float16), half))
            else:
                self._nodes.append(self._cast(name, half, self._onnx.TensorProto.FLOAT16))
        return half

    def _single(self, name: str) -> None:
        """See that a tensor exists in single precision too."""
        if name in self._halves and name not in self._there:
            self._there.add(name)
            self._nodes.append(self._cast(f"{name}:half", name, self._onnx.TensorProto.FLOAT))

    def _cast(self, name: str, to: str, kind: int) -> onnx.NodeProto:
        return self._onnx.helper.make_node("Cast", [name], [to], name=f"cast {to}", to=kind)
