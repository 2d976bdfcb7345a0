"""Trained weights to an ONNX file that onnxruntime runs fast on a CPU.

onnxruntime's kernels for 2D convolution are several times faster than those for 3D. So slices
become the batch, and a 3x3x3 convolution becomes a 3x3 one over the channels of a slice and
its two neighbours: the same numbers. Batch normalisation is folded into the weights.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from training.net import WINDOWS, Block, Finder, Residual

BIG = 1000
Weights = tuple[NDArray[np.float32], NDArray[np.float32]]


class Graph:
    """Nodes and constants of an ONNX graph as they are added."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def add(self, kind: str, inputs: list[str], **attributes: object) -> str:
        name = f"{kind}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [name], name, **attributes))
        return name

    def hold(self, values: NDArray[np.float32] | list[int] | float) -> str:
        """A constant; big ones are kept as float16, which halves the file and moves
        probabilities by less than 0.01. onnxruntime widens them once, when it loads."""
        name = f"c{len(self.constants)}"
        array = np.asarray(values, np.int64 if isinstance(values, list) else np.float32)
        big = array.size > BIG
        self.constants.append(
            numpy_helper.from_array(array.astype(np.float16) if big else array, name)
        )
        return self.add("Cast", [name], to=TensorProto.FLOAT) if big else name


def export(finder: Finder, path: Path, temperature: float = 1.0, shift: float = 0.0) -> None:
    """Write the network: input ``hu`` (z, y, x) float32, sides multiples of 8; output
    ``logit`` of the same shape, divided by `temperature`, plus `shift`."""
    finder = finder.float().cpu().eval()
    g = Graph()
    x = _fold(g, _windows(g, "hu"))
    one = _residual(g, finder.one, _block(g, finder.stem, x))
    two = _stage(g, finder.two, one)
    three = _stage(g, finder.three, two)
    two = _block(g, finder.out_two, _joined(g, two, finder.up_two, three))
    one = _block(g, finder.out_one, _joined(g, one, finder.up_one, two))
    _unfold(g, _point(g, finder.head, one, 1 / temperature, shift))
    sides = ["z", "y", "x"]
    graph = helper.make_graph(
        g.nodes,
        "finder",
        [helper.make_tensor_value_info("hu", TensorProto.FLOAT, sides)],
        [helper.make_tensor_value_info("logit", TensorProto.FLOAT, sides)],
        g.constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(model.SerializeToString())


def _windows(g: Graph, hu: str) -> list[str]:
    made = []
    for centre, scale, low, high in WINDOWS:
        clipped = g.add("Clip", [hu, g.hold(low), g.hold(high)])
        shifted = g.add("Sub", [clipped, g.hold(centre)])
        made.append(g.add("Mul", [shifted, g.hold(1 / scale)]))
    return made


def _fold(g: Graph, windows: list[str]) -> str:
    """Two (z, y, x) windows to (z/2, 16, y/2, x/2): slices first, channels second."""
    folded = []
    for window in windows:
        shape = g.add("Shape", [window])
        y = g.add("Slice", [shape, g.hold([1]), g.hold([2])])
        w = g.add("Slice", [shape, g.hold([2]), g.hold([3])])
        half_y, half_x = (g.add("Div", [side, g.hold([2])]) for side in (y, w))
        target = g.add(
            "Concat", [g.hold([-1, 2]), half_y, g.hold([2]), half_x, g.hold([2])], axis=0
        )
        split = g.add("Reshape", [window, target])
        turned = g.add("Transpose", [split], perm=[0, 1, 3, 5, 2, 4])
        flat = g.add("Concat", [g.hold([-1, 8]), half_y, half_x], axis=0)
        folded.append(g.add("Reshape", [turned, flat]))
    return g.add("Concat", folded, axis=1)


def _unfold(g: Graph, x: str) -> None:
    """(z/2, 8, y/2, x/2) to (z, y, x), named ``logit``."""
    shape = g.add("Shape", [x])
    y = g.add("Slice", [shape, g.hold([2]), g.hold([3])])
    w = g.add("Slice", [shape, g.hold([3]), g.hold([4])])
    split = g.add("Concat", [g.hold([-1, 2, 2, 2]), y, w], axis=0)
    parts = g.add("Reshape", [x, split])
    turned = g.add("Transpose", [parts], perm=[0, 1, 4, 2, 5, 3])
    full_y, full_x = (g.add("Mul", [side, g.hold([2])]) for side in (y, w))
    target = g.add("Concat", [g.hold([-1]), full_y, full_x], axis=0)
    g.nodes.append(helper.make_node("Reshape", [turned, target], ["logit"], "logit"))


def _stage(g: Graph, stage: nn.Sequential, x: str) -> str:
    down, residual = stage
    assert isinstance(down, Block)
    assert isinstance(residual, Residual)
    return _residual(g, residual, _block(g, down, x))


def _block(g: Graph, block: Block, x: str) -> str:
    convolution, norm, _ = block
    stride = convolution.stride[0]
    return g.add("Relu", [_cube(g, _folded(convolution, norm), x, stride)])


def _residual(g: Graph, residual: Residual, x: str) -> str:
    convolution, norm = residual.second
    inner = _cube(g, _folded(convolution, norm), _block(g, residual.first, x), 1)
    return g.add("Relu", [g.add("Add", [x, inner])])


def _joined(g: Graph, skip: str, up: nn.Conv3d, deep: str) -> str:
    """The skip plus the deeper level, doubled along every axis by repetition."""
    x = _point(g, up, deep)
    x = g.add("Resize", [x, "", g.hold(np.array([1, 1, 2, 2], np.float32))], mode="nearest")
    twice = g.add("Concat", [g.add("Unsqueeze", [x, g.hold([1])])] * 2, axis=1)
    shape = g.add("Slice", [g.add("Shape", [x]), g.hold([1]), g.hold([4])])
    x = g.add("Reshape", [twice, g.add("Concat", [g.hold([-1]), shape], axis=0)])
    return g.add("Add", [skip, x])


def _point(g: Graph, convolution: nn.Conv3d, x: str, gain: float = 1.0, shift: float = 0.0) -> str:
    weight = convolution.weight.detach().numpy()[:, :, 0] * np.float32(gain)
    assert convolution.bias is not None
    bias = convolution.bias.detach().numpy() * np.float32(gain) + np.float32(shift)
    return g.add("Conv", [x, g.hold(weight), g.hold(bias)], kernel_shape=[1, 1])


def _cube(g: Graph, weights: Weights, x: str, stride: int) -> str:
    """A 3x3x3 convolution, padding 1, as a 3x3 one over slices and their neighbours."""
    weight, bias = weights
    outside, inside = weight.shape[:2]
    flat = weight.transpose(0, 2, 1, 3, 4).reshape(outside, 3 * inside, 3, 3)
    padded = g.add("Pad", [x, g.hold([1, 0, 0, 0, 1, 0, 0, 0])])
    last = 2**31
    ends = [[-2], [-1], [last]]
    shifted = [
        g.add("Slice", [padded, g.hold([k]), g.hold(ends[k]), g.hold([0]), g.hold([stride])])
        for k in range(3)
    ]
    beside = g.add("Concat", shifted, axis=1)
    return g.add(
        "Conv",
        [beside, g.hold(np.ascontiguousarray(flat)), g.hold(bias)],
        kernel_shape=[3, 3],
        pads=[1, 1, 1, 1],
        strides=[stride, stride],
    )


def _folded(convolution: nn.Conv3d, norm: nn.BatchNorm3d) -> Weights:
    weight = convolution.weight.detach().numpy()
    mean, variance = norm.running_mean, norm.running_var
    assert mean is not None
    assert variance is not None
    gain = norm.weight.detach().numpy() / np.sqrt(variance.numpy() + norm.eps)
    bias = norm.bias.detach().numpy() - mean.numpy() * gain
    return (weight * gain[:, None, None, None, None]).astype(np.float32), bias.astype(np.float32)
