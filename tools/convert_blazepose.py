"""Convert MediaPipe's BlazePose networks from TensorFlow Lite to the ONNX files of this package.

    pip install ai-edge-litert==2.3.0 onnx==1.23.2
    python tools/convert_blazepose.py FOLDER_WITH_TFLITE_FILES nanohtnet_ros/models/blazepose

and compares both runtimes on frames of the packaged clips: outputs and time, alternately, with 1 and 2 threads.

`pose_detection.tflite` is in the wheel mediapipe==0.10.21 under mediapipe/modules/pose_detection, the three
`pose_landmark_*.tflite` are in the npm package @mediapipe/pose 0.5.1675469404. Images become (batch, 3, H, W), the
batch dynamic; outputs that this package does not use (segmentation, 3D landmarks) are left out with all that leads to
them alone. Weights stay float16 as in the originals; ONNX Runtime and TensorRT compute with them in float32.
"""

from __future__ import annotations

import argparse
import hashlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from onnx import TensorProto, checker, helper, numpy_helper, save

from nanohtnet_ros.runtime.onnx_session import OnnxSession
from nanohtnet_ros.samples.clips import packaged_clips

OUTPUTS = {
    "pose_detection": {"Identity": "boxes", "Identity_1": "scores"},
    "pose_landmark": {"Identity": "landmarks", "Identity_1": "presence", "Identity_3": "heatmaps"},
}
SHA256 = {
    "pose_detection": "9ba9dd3d42efaaba86b4ff0122b06f29c4122e756b329d89dca1e297fd8f866c",
    "pose_landmark_lite": "f17bfbecadb61c3be1baa8b8d851cc6619c870a87167b32848ad20db306b9d61",
    "pose_landmark_full": "e9a5c5cb17f736fafd4c2ec1da3b3d331d6edbe8a0d32395855aeb2cdfd64b9f",
    "pose_landmark_heavy": "59e42d71bcd44cbdbabc419f0ff76686595fd265419566bd4009ef703ea8e1fe",
}
OPERATORS = {code: name for name, code in vars(schema.BuiltinOperator).items() if isinstance(code, int)}
FRAMES = 20  # of each clip
NCHW_FROM_NHWC, NHWC_FROM_NCHW = (0, 3, 1, 2), (0, 2, 3, 1)


class Converter:
    """One network; tensors of four axes are NHWC in TensorFlow Lite and NCHW here."""

    def __init__(self, path: Path) -> None:
        """Read a network and the values of its constants, which LiteRT unpacks."""
        model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(path.read_bytes(), 0))
        (self.graph,) = model.subgraphs
        self.codes = [OPERATORS[code.builtinCode] for code in model.operatorCodes]
        self.interpreter = Interpreter(
            str(path),
            experimental_preserve_all_tensors=True,
            experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
        )
        self.interpreter.allocate_tensors()
        self.interpreter.invoke()
        self.nodes, self.weights, self.names = [], [], {}

    def converted(self, outputs: dict[str, str]) -> Any:
        """The ONNX model with some of the network's outputs, by their names there and here."""
        producers = {op.outputs[0]: op for op in self.graph.operators}
        wanted = {
            i: outputs[self.graph.tensors[i].name.decode()]
            for i in self.graph.outputs
            if self.graph.tensors[i].name.decode() in outputs
        }
        needed, left = set(), list(wanted)
        while left:
            tensor = left.pop()
            if tensor in producers and tensor not in needed:
                needed.add(tensor)
                left.extend(int(i) for i in producers[tensor].inputs)
        (source,) = self.graph.inputs
        self.names[source] = "image"
        for op in self.graph.operators:
            kind = self.codes[op.opcodeIndex]
            if op.outputs[0] in needed and kind not in ("DEQUANTIZE", "DENSIFY"):
                output = getattr(self, kind.lower())(op, op.builtinOptions)
                fused = getattr(op.builtinOptions, "fusedActivationFunction", schema.ActivationFunctionType.NONE)
                self.names[op.outputs[0]] = self.activated(output, fused)
        for tensor, name in wanted.items():
            self.nodes.append(helper.make_node("Identity", [self.names[tensor]], [name]))
        inputs, results = (
            [
                helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", *self.shape(i)[1:]])
                for i, name in tensors
            ]
            for tensors in ([(source, "image")], wanted.items())
        )
        graph = helper.make_graph(self.nodes, "blazepose", inputs, results, self.weights)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        checker.check_model(model, full_check=True)
        return model

    def shape(self, tensor: int) -> list[int]:
        """A tensor's shape in its order here."""
        shape = [int(size) for size in self.graph.tensors[tensor].shape]
        return [shape[axis] for axis in NCHW_FROM_NHWC] if len(shape) == 4 else shape

    def value(self, tensor: int) -> np.ndarray:
        """A constant, in its order there."""
        return self.interpreter.get_tensor(tensor)

    def constant(self, value: np.ndarray, as_stored: bool = False) -> str:
        """Name of a constant; real numbers are stored as float16, where that loses nothing, with a cast."""
        name = f"constant{len(self.weights)}"
        half = value.astype(np.float16)
        cast = not as_stored and value.dtype == np.float32 and np.array_equal(half, value)
        self.weights.append(numpy_helper.from_array(np.ascontiguousarray(half if cast else value), name))
        return self.node("Cast", name, to=TensorProto.FLOAT) if cast else name

    def node(self, kind: str, *inputs: str, **attributes: Any) -> str:
        """Name of a new node's output."""
        output = f"value{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [output], **attributes))
        return output

    def activated(self, name: str, function: int) -> str:
        """A node's output after the activation that TensorFlow Lite has fused into it."""
        if function == schema.ActivationFunctionType.NONE:
            return name
        if function == schema.ActivationFunctionType.RELU:
            return self.node("Relu", name)
        assert function == schema.ActivationFunctionType.RELU6, function
        return self.node("Clip", name, self.constant(np.array(0, np.float32)), self.constant(np.array(6, np.float32)))

    def window(self, op: Any, kernel: tuple[int, int], options: Any) -> dict[str, list[int]]:
        """Kernel, strides and TensorFlow's padding; with "SAME" the odd pixel lies below and on the right."""
        strides, begin, end = [options.strideH, options.strideW], [0, 0], [0, 0]
        if options.padding == schema.Padding.SAME:
            for axis, size in enumerate(self.shape(op.inputs[0])[2:]):
                pad = max((-(-size // strides[axis]) - 1) * strides[axis] + kernel[axis] - size, 0)
                begin[axis], end[axis] = pad // 2, pad - pad // 2
        return {"kernel_shape": list(kernel), "strides": strides, "pads": begin + end}

    # One method for each operator of these networks.

    def conv_2d(self, op: Any, options: Any) -> str:
        weight = self.value(op.inputs[1]).transpose(NCHW_FROM_NHWC)
        return self.convolution(op, options, weight, 1)

    def depthwise_conv_2d(self, op: Any, options: Any) -> str:
        weight = self.value(op.inputs[1]).transpose(3, 0, 1, 2)
        return self.convolution(op, options, weight, len(weight))

    def convolution(self, op: Any, options: Any, weight: np.ndarray, group: int) -> str:
        constants = self.constant(weight), self.constant(self.value(op.inputs[2]))
        window = self.window(op, weight.shape[2:], options)
        return self.node("Conv", self.names[op.inputs[0]], *constants, group=group, **window)

    def max_pool_2d(self, op: Any, options: Any) -> str:
        window = self.window(op, (options.filterHeight, options.filterWidth), options)
        return self.node("MaxPool", self.names[op.inputs[0]], **window)

    def add(self, op: Any, options: Any) -> str:
        return self.node("Add", *(self.names[tensor] for tensor in op.inputs))

    def pad(self, op: Any, options: Any) -> str:
        pads = self.value(op.inputs[1])[list(NCHW_FROM_NHWC)].T.reshape(-1)
        return self.node("Pad", self.names[op.inputs[0]], self.constant(pads.astype(np.int64)))

    def resize_bilinear(self, op: Any, options: Any) -> str:
        source, target = self.shape(op.inputs[0]), self.shape(op.outputs[0])
        assert options.halfPixelCenters and not options.alignCorners
        scales = np.array([1, 1, target[2] / source[2], target[3] / source[3]], np.float32)
        return self.node(
            "Resize",
            self.names[op.inputs[0]],
            "",
            self.constant(scales, as_stored=True),
            mode="linear",
            coordinate_transformation_mode="half_pixel",
        )

    def depth_to_space(self, op: Any, options: Any) -> str:
        return self.node("DepthToSpace", self.names[op.inputs[0]], blocksize=options.blockSize, mode="DCR")

    def concatenation(self, op: Any, options: Any) -> str:
        rank = len(self.shape(op.outputs[0]))
        axis = options.axis % rank
        return self.node(
            "Concat",
            *(self.names[tensor] for tensor in op.inputs),
            axis=NCHW_FROM_NHWC.index(axis) if rank == 4 else axis,
        )

    def logistic(self, op: Any, options: Any) -> str:
        return self.node("Sigmoid", self.names[op.inputs[0]])

    def reshape(self, op: Any, options: Any) -> str:
        rows = self.names[op.inputs[0]]
        if len(self.shape(op.inputs[0])) == 4:
            rows = self.node("Transpose", rows, perm=NHWC_FROM_NCHW)
        return self.node("Reshape", rows, self.constant(np.array([0, *self.shape(op.outputs[0])[1:]], np.int64)))


def compare(source: Path, target: Path) -> None:
    """Print the largest differences of all outputs, and the ratio of the runtimes' times."""
    outputs = OUTPUTS["pose_landmark" if source.stem.startswith("pose_landmark") else source.stem]
    for threads in (1, 2):
        interpreter = Interpreter(str(source), num_threads=threads)
        interpreter.allocate_tensors()
        (given,), details = interpreter.get_input_details(), interpreter.get_output_details()
        session = OnnxSession(target, threads)
        apart, times_s = dict.fromkeys(outputs.values(), 0.0), np.empty((0, 2))
        for image in frames(session.input_shape[2]):
            x = image[None].astype(np.float32) / 255.0 if "landmarks" in apart else image[None] / np.float32(127.5) - 1
            nchw = np.ascontiguousarray(x.transpose(NCHW_FROM_NHWC))
            started = time.perf_counter()
            interpreter.set_tensor(given["index"], x)
            interpreter.invoke()
            between = time.perf_counter()
            found = session.run_named(nchw)
            times_s = np.vstack((times_s, (between - started, time.perf_counter() - between)))
            for detail in details:
                if name := outputs.get(detail["name"]):
                    expected = interpreter.get_tensor(detail["index"])
                    expected = expected.transpose(NCHW_FROM_NHWC) if expected.ndim == 4 else expected
                    apart[name] = max(apart[name], float(np.abs(expected - found[name]).max()))
        median, least = np.median(times_s, axis=0) * 1000, times_s.min(axis=0) * 1000
        print(
            f"  {threads} threads: LiteRT {median[0]:.1f} ms, ONNX Runtime {median[1]:.1f} ms; ratio of medians "
            f"{median[1] / median[0]:.2f}, of the fastest {least[1] / least[0]:.2f}; largest differences "
            f"{', '.join(f'{name} {most:.1g}' for name, most in apart.items())}"
        )


def frames(size: int) -> Iterator[np.ndarray]:
    """(size, size, 3) uint8 squares of the packaged clips' frames, red, green, blue."""
    for clip in packaged_clips():
        video = cv2.VideoCapture(str(clip.video))
        for _ in range(FRAMES):
            read = video.read()
            height, width = read[1].shape[:2]
            square = read[1][:, (width - height) // 2 : (width + height) // 2]
            yield cv2.cvtColor(cv2.resize(square, (size, size), interpolation=cv2.INTER_AREA), cv2.COLOR_BGR2RGB)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path)
    parser.add_argument("target", type=Path)
    args = parser.parse_args()
    args.target.mkdir(parents=True, exist_ok=True)
    for name, sha256 in SHA256.items():
        path = args.source / f"{name}.tflite"
        if hashlib.sha256(path.read_bytes()).hexdigest() != sha256:
            raise SystemExit(f"{path} is another file than the one that was tested: SHA-256 is not {sha256}")
        outputs = OUTPUTS["pose_landmark" if name.startswith("pose_landmark") else name]
        target = args.target / f"{name}.onnx"
        save(Converter(path).converted(outputs), str(target))
        print(f"{target} {target.stat().st_size / 1e6:.1f} MB {hashlib.sha256(target.read_bytes()).hexdigest()}")
        compare(path, target)


if __name__ == "__main__":
    main()
