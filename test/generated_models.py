"""ONNX files that look like detectors from outside, and find a red square on black where detectors find a person.

Whatever a network says of a person follows from where the square's centre is, so what must come back is known exactly:
in the image's pixels it is `expected_joints`. The networks undo the normalisation that their family wants; with another
one, or another order of channels, the square is not found, or not there.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

onnx = pytest.importorskip("onnx", reason="onnx is not installed (requirements/test.txt)")

from onnx import TensorProto, helper, numpy_helper

from nanohtnet_ros.core.skeleton import coco_to_h36m

# A standing person's COCO keypoints, relative to the square's centre, in pixels of the network's input.
BODY = np.array(
    [
        (2, -52),
        (5, -55),
        (-1, -55),
        (8, -53),
        (-4, -53),
        (14, -36),
        (-14, -36),
        (18, -16),
        (-18, -15),
        (20, 4),
        (-21, 3),
        (9, 4),
        (-9, 4),
        (10, 36),
        (-10, 35),
        (11, 66),
        (-11, 66),
    ],
    np.float32,
)
CONFIDENCE = np.linspace(0.5, 0.9, 17, dtype=np.float32)
BOX = np.array((-30, -68, 30, 76), np.float32)

DARK, GLARING = 200.0, 260.0  # the square is brighter than the one, and nothing brighter than the other, of 255
MEAN, STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)  # ImageNet's, of red, green and blue

Triple = tuple[float, float, float]


class Graph:
    """An ONNX graph under construction; values are named by strings."""

    def __init__(
        self,
        size: tuple[int, int],
        rgb: bool,
        mean: Triple = (0.0, 0.0, 0.0),
        std: Triple = (1.0, 1.0, 1.0),
        batch: int | str = 1,
    ) -> None:
        """Take an image and find the square's centre, by how much redder than green a pixel is.

        Args:
            size: width and height of the input.
            rgb: order of the channels.
            mean, std: of the normalisation, in that order.
        """
        self.nodes, self.constants, self.batch = [], [], batch
        width, height = size
        self.input = helper.make_tensor_value_info("input", TensorProto.FLOAT, (batch, 3, height, width))
        scaled = self.op("Mul", "input", self.constant(np.float32(std)[:, None, None]))
        pixels = self.op("Add", scaled, self.constant(np.float32(mean)[:, None, None]))
        red, green = (self.op("Gather", pixels, self.constant(np.array([c])), axis=1) for c in (0 if rgb else 2, 1))
        weight = self.op("Relu", self.op("Sub", red, green))
        total = self.total(weight)
        brightest = self.op("ReduceMax", red, axes=[1, 2, 3], keepdims=0)
        seen = (
            self.op("Greater", brightest, self.constant(np.float32(DARK))),
            self.op("Less", brightest, self.constant(np.float32(GLARING))),
            self.op(
                "Greater", self.op("Reshape", total, self.constant(np.array([-1]))), self.constant(np.float32(255))
            ),
        )
        there = self.op("Cast", self.op("And", self.op("And", *seen[:2]), seen[2]), to=TensorProto.FLOAT)
        self.there = self.op("Reshape", there, self.constant(np.array([-1, 1, 1])))
        some = self.op("Max", total, self.constant(np.float32(1e-6)))
        x, y = np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32)[:, None]
        self.x, self.y = (
            self.op("Div", self.total(self.op("Mul", weight, self.constant(axis))), some) for axis in (x, y)
        )

    def constant(self, value: np.ndarray) -> str:
        name = f"constant{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def op(self, kind: str, *inputs: str, output: str | None = None, **attributes) -> str:
        output = output or f"value{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [output], **attributes))
        return output

    def total(self, value: str) -> str:
        """(N, 1, 1) sums over an image."""
        total = self.op("ReduceSum", value, self.constant(np.array([1, 2, 3])), keepdims=0)
        return self.op("Reshape", total, self.constant(np.array([-1, 1, 1])))

    def affine(self, always: np.ndarray, x: np.ndarray, y: np.ndarray, there: np.ndarray) -> str:
        """always + x * (the square's x) + y * (its y) + there * (whether there is one); (R, D) each."""
        parts = [(self.x, x), (self.y, y), (self.there, there)]
        value = self.constant(np.float32(always)[None])
        for known, factor in parts:
            value = self.op("Add", value, self.op("Mul", known, self.constant(np.float32(factor)[None])))
        return value

    def save(self, path: Path, **outputs: tuple[str, tuple, int]) -> Path:
        """Write the file; outputs by name: value, shape and type."""
        infos = []
        for name, (value, shape, kind) in outputs.items():
            self.op("Identity", value, output=name)
            infos.append(helper.make_tensor_value_info(name, kind, shape))
        graph = helper.make_graph(self.nodes, "generated", [self.input], infos, self.constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
        onnx.checker.check_model(model)
        onnx.save(model, path)
        return path


class Rows:
    """Rows of a detector's output, each an affine function of where the square is."""

    def __init__(self, rows: int, columns: int) -> None:
        self.always, self.x, self.y, self.there = np.zeros((4, rows, columns), np.float32)

    def point(self, row: int, column: int, xy: np.ndarray, scale: float = 1.0) -> None:
        """The square's centre plus an offset, over a scale."""
        self.always[row, column : column + 2] = np.asarray(xy) / scale
        self.x[row, column], self.y[row, column + 1] = 1 / scale, 1 / scale

    def box(self, row: int, xyxy: np.ndarray, score: float, score_column: int = 4) -> None:
        self.point(row, 0, xyxy[:2])
        self.point(row, 2, xyxy[2:])
        self.there[row, score_column] = score

    def body(self, row: int, column: int) -> None:
        for k in range(17):
            self.point(row, column + 3 * k, BODY[k])
            self.always[row, column + 3 * k + 2] = CONFIDENCE[k]

    def value(self, graph: Graph) -> str:
        return graph.affine(self.always, self.x, self.y, self.there)


def yolo_pose(path: Path, size: tuple[int, int] = (320, 256), end_to_end: bool = False) -> Path:
    """YOLO-pose: a person, the same again less surely and two pixels beside it, and cells with nobody in them."""
    graph = Graph(size, rgb=True, std=(255.0,) * 3)
    rows = Rows(300 if end_to_end else 1680, 57 if end_to_end else 56)
    for row, (score, beside) in enumerate(((0.9, 0), (0.1, 2) if end_to_end else (0.8, 2))):
        if end_to_end:
            rows.box(row, BOX + beside, score)
        else:
            rows.point(row, 0, (BOX[:2] + BOX[2:]) / 2 + beside)
            rows.always[row, 2:4] = BOX[2:] - BOX[:2]
            rows.there[row, 4] = score
        rows.body(row, 6 if end_to_end else 5)
    value = rows.value(graph)
    if end_to_end:
        return graph.save(path, output0=(value, (1, 300, 57), TensorProto.FLOAT))
    return graph.save(path, output0=(graph.op("Transpose", value, perm=(0, 2, 1)), (1, 56, 1680), TensorProto.FLOAT))


def rtmo(path: Path, size: tuple[int, int] = (320, 256)) -> Path:
    """RTMO, with a duplicate that suppression in the graph would have left."""
    graph = Graph(size, rgb=False)
    dets, keypoints = Rows(10, 5), Rows(10, 51)
    for row, score in enumerate((0.6, 0.9)):
        dets.box(row, BOX + row, score)
        keypoints.body(row, 0)
    shaped = graph.op("Reshape", keypoints.value(graph), graph.constant(np.array([1, 10, 17, 3])))
    return graph.save(
        path,
        dets=(dets.value(graph), (1, "people", 5), TensorProto.FLOAT),
        keypoints=(shaped, (1, "people", 17, 3), TensorProto.FLOAT),
    )


def suppressed(path: Path, normalised: bool, size: tuple[int, int] = (320, 256)) -> Path:
    """RTMDet (normalised) or YOLOX as MMDeploy exports them: something that is no person, then a person."""
    graph = Graph(size, False, MEAN[::-1], STD[::-1]) if normalised else Graph(size, rgb=False)
    rows = Rows(4, 5)
    rows.box(0, BOX - 50, 0.95)
    rows.box(1, BOX, 0.9)
    labels = graph.constant(np.array([[16, 0, 0, 0]]))
    return graph.save(
        path,
        dets=(rows.value(graph), (1, "boxes", 5), TensorProto.FLOAT),
        labels=(labels, (1, "boxes"), TensorProto.INT64),
    )


def yolox_raw(path: Path, size: tuple[int, int] = (320, 256)) -> Path:
    """YOLOX as its authors export it: a person in cells of two grids, and a dog beside them."""
    graph = Graph(size, rgb=False)
    cells = [size[0] // stride * (size[1] // stride) for stride in (8, 16, 32)]
    rows = Rows(sum(cells), 85)
    middle = (BOX[:2] + BOX[2:]) / 2
    for row, column, stride, score in ((0, 0, 8, 0.9), (1, 1, 8, 0.8), (cells[0], 0, 16, 0.7), (-1, None, 32, 0.9)):
        at = (size[0] // 32 - 1, size[1] // 32 - 1) if column is None else (column, 0)
        beside = 0 if column is not None else 90
        rows.point(row, 0, middle + beside - np.array(at) * stride, stride)
        rows.always[row, 2:4] = np.log((BOX[2:] - BOX[:2]) / stride)
        rows.there[row, 4] = 1.0
        rows.always[row, 5 if column is not None else 21] = score
    return graph.save(path, output=(rows.value(graph), (1, sum(cells), 85), TensorProto.FLOAT))


def rtmpose(path: Path, size: tuple[int, int] = (192, 256), batch: int | str = "batch") -> Path:
    """RTMPose: responses are bells around the keypoints."""
    graph = Graph(size, True, MEAN, STD, batch)
    outputs = {}
    for axis, (name, centre) in enumerate((("simcc_x", graph.x), ("simcc_y", graph.y))):
        bins = np.arange(2 * size[axis], dtype=np.float32)[None, None]
        offset = graph.constant(bins - 2 * BODY[None, :, axis : axis + 1])
        away = graph.op("Sub", offset, graph.op("Mul", centre, graph.constant(np.float32(2))))
        bell = graph.op("Exp", graph.op("Mul", graph.op("Mul", away, away), graph.constant(np.float32(-1 / 72))))
        sure = graph.op("Mul", graph.there, graph.constant(CONFIDENCE[None, :, None] + np.float32(0.05 * axis)))
        outputs[name] = graph.op("Mul", bell, sure), (batch, 17, 2 * size[axis]), TensorProto.FLOAT
    return graph.save(path, **outputs)


def picture(centre: tuple[int, int], size: tuple[int, int] = (640, 480)) -> np.ndarray:
    """(H, W, 3) black image with a red square, blurred so that its middle survives being scaled down."""
    image = np.zeros((size[1], size[0], 3), np.uint8)
    image[centre[1] - 15 : centre[1] + 16, centre[0] - 15 : centre[0] + 16] = (0, 0, 255)
    return cv2.GaussianBlur(image, None, 5.0)


def expected_joints(centre: tuple[float, float], pixel: float) -> tuple[np.ndarray, np.ndarray]:
    """Human3.6M's joints of the person at a square.

    Args:
        pixel: image pixels per pixel of the network's input.
    """
    return coco_to_h36m(np.array(centre, np.float32) + pixel * BODY, CONFIDENCE)
