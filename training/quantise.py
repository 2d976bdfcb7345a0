"""An exported network with its convolutions in 8-bit integers: three times faster on a CPU.

Activations are unsigned bytes with one scale per tensor, set by the least and greatest values
seen on training patches; weights are signed and have a scale for each output channel. Weights
use 7 of their 8 bits, so that processors whose byte products add up in 16 bits (AVX2 without
VNNI) cannot overflow: sums are then whole numbers that are the same on every machine. The
windows at the door and the last 1x1 convolution stay in floating point.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from training.patches import World, patch

WEIGHT_MOST = 63  # 7 bits and a sign: 2 x 255 x 63 fits into 16 bits
PATCHES = 48
MOVES = ("Pad", "Slice", "Concat", "Reshape", "Transpose", "Unsqueeze", "Resize")
"""Operators that carry values about and leave them what they are."""

Range = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Whole:
    """A tensor kept as bytes: value = scale x (byte - zero)."""

    name: str
    scale: float
    zero: int


def quantise(source: Path, out: Path, patches: Iterable[NDArray[np.float32]]) -> None:
    """Write an exported float network as integers.

    patches : float32 HU (z, y, x), sides multiples of 8; they set the activations' ranges
    """
    model = _plain(source)
    nodes = list(model.graph.node)
    ranges = _ranges(model, [n.output[0] for n in nodes if n.op_type in ("Conv", "Add")], patches)
    writer = _Writer(model, ranges)
    for node in nodes:
        writer.put(node)
    graph = helper.make_graph(
        writer.nodes,
        "finder",
        model.graph.input,
        model.graph.output,
        list(writer.constants.values()),
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    made = helper.make_model(graph, opset_imports=opsets, ir_version=8)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_bytes(made.SerializeToString())


def _plain(source: Path) -> onnx.ModelProto:
    """The model with weights widened: `Cast` of a constant becomes the constant."""
    model = onnx.load(source)
    held = {c.name: c for c in model.graph.initializer}
    rest = []
    for node in model.graph.node:
        if node.op_type == "Cast" and node.input[0] in held:
            wide = numpy_helper.to_array(held[node.input[0]]).astype(np.float32)
            model.graph.initializer.append(numpy_helper.from_array(wide, node.output[0]))
        else:
            rest.append(node)
    del model.graph.node[:]
    model.graph.node.extend(rest)
    return model


def _ranges(
    model: onnx.ModelProto, names: Sequence[str], patches: Iterable[NDArray[np.float32]]
) -> dict[str, Range]:
    """The least and greatest value of each named tensor over all patches, 0 among them.

    Leaving out the outermost values makes finer steps, but what it clips is what the network
    is sure of: it moved probabilities more than it mended.
    """
    watched = onnx.ModelProto()
    watched.CopyFrom(model)
    for name in [*names, *_doors(model)]:
        watched.graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, None))
    options = ort.SessionOptions()
    options.log_severity_level = 3
    session = ort.InferenceSession(
        watched.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    told = [output.name for output in session.get_outputs()]
    found: dict[str, Range] = {}
    for hu in patches:
        for name, values in zip(told, session.run(None, {"hu": hu}), strict=True):
            low, high = found.get(name, (0.0, 0.0))
            found[name] = min(low, float(values.min())), max(high, float(values.max()))
    return found


def _doors(model: onnx.ModelProto) -> list[str]:
    """The HU windows: the last thing that is computed before bytes begin."""
    return [node.output[0] for node in model.graph.node if node.op_type == "Mul" and _scales(node)]


def _scales(node: onnx.NodeProto) -> bool:
    return node.input[0].startswith("Sub")


class _Writer:
    """The new graph as it grows, and which tensors are bytes by now."""

    def __init__(self, model: onnx.ModelProto, ranges: dict[str, Range]) -> None:
        self.held = {c.name: numpy_helper.to_array(c) for c in model.graph.initializer}
        self.ranges = ranges
        self.users = _users(model)
        self.last = model.graph.output[0].name
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[str, onnx.TensorProto] = {}
        self.bytes: dict[str, Whole] = {}
        self.window: Whole | None = None

    def put(self, node: onnx.NodeProto) -> None:
        if node.op_type == "Mul" and _scales(node):
            self._door(node)
        elif node.op_type == "Conv" and not self._is_head(node):
            self._convolution(node)
        elif node.op_type == "Add" and node.input[0] in self.bytes:
            self._sum(node)
        elif node.op_type == "Relu" and node.input[0] in self.bytes:
            self.bytes[node.output[0]] = self.bytes[node.input[0]]  # its zero cuts off below
        elif node.op_type in MOVES and node.input[0] in self.bytes:
            self._move(node)
        else:
            self._keep(node)

    def _keep(self, node: onnx.NodeProto) -> None:
        """As it was; bytes are widened for it, save where only their shape is asked for."""
        copy = onnx.NodeProto()
        copy.CopyFrom(node)
        for at, name in enumerate(node.input):
            if name in self.bytes:
                asks = node.op_type == "Shape"
                copy.input[at] = self.bytes[name].name if asks else self._widened(name)
            elif name in self.held:
                self._hold(name, self.held[name])
        self.nodes.append(copy)

    def _door(self, node: onnx.NodeProto) -> None:
        """Both windows share one scale: they become channels of one tensor."""
        self._keep(node)
        if self.window is None:
            spans = [self.ranges[name] for name in self.ranges if name.startswith("Mul")]
            self.window = self._whole("", min(a for a, _ in spans), max(b for _, b in spans))
        name, whole = node.output[0], self.window
        bytes_of = Whole(f"{name}_q", whole.scale, whole.zero)
        self._op("QuantizeLinear", [name, *self._about(bytes_of)], bytes_of.name)
        self.bytes[name] = bytes_of

    def _convolution(self, node: onnx.NodeProto) -> None:
        x = self.bytes[node.input[0]]
        weight, bias = self.held[node.input[1]], self.held[node.input[2]]
        most = np.abs(weight).max(axis=(1, 2, 3))
        step = np.maximum(most, 1e-8).astype(np.float32) / np.float32(WEIGHT_MOST)
        small = np.round(weight / step[:, None, None, None]).astype(np.int8)
        sums = np.round(bias / (step * np.float32(x.scale))).astype(np.int32)
        y = self._outcome(node.output[0])
        name = node.output[0]
        inputs = [
            x.name,
            *self._about(x),
            self._hold(f"{name}_w", small),
            self._hold(f"{name}_ws", step),
            self._hold(f"{name}_wz", np.zeros(len(step), np.int8)),
            *self._about(y),
            self._hold(f"{name}_b", sums),
        ]
        made = helper.make_node("QLinearConv", inputs, [y.name], f"{name}_q")
        made.attribute.extend(node.attribute)
        self.nodes.append(made)
        self.bytes[name] = y

    def _sum(self, node: onnx.NodeProto) -> None:
        y = self._outcome(node.output[0])
        parts = [self.bytes[name] for name in node.input]
        inputs = [part for x in parts for part in (x.name, *self._about(x))]
        made = helper.make_node(
            "QLinearAdd", [*inputs, *self._about(y)], [y.name], y.name, domain="com.microsoft"
        )
        self.nodes.append(made)
        self.bytes[node.output[0]] = y

    def _move(self, node: onnx.NodeProto) -> None:
        copy = onnx.NodeProto()
        copy.CopyFrom(node)
        x = self.bytes[node.input[0]]
        for at, name in enumerate(node.input):
            if name in self.bytes:
                same = self.bytes[name]
                assert (same.scale, same.zero) == (x.scale, x.zero)
                copy.input[at] = same.name
            elif name in self.held:
                self._hold(name, self.held[name])
        if node.op_type == "Pad":  # with the byte that stands for 0
            copy.input.append(self._hold(f"{node.output[0]}_zero", np.uint8(x.zero)))
        copy.output[0] = f"{node.output[0]}_q"
        self.nodes.append(copy)
        self.bytes[node.output[0]] = Whole(copy.output[0], x.scale, x.zero)

    def _outcome(self, name: str) -> Whole:
        """How a computed tensor is kept: from 0 where only its positive part is used."""
        low, high = self.ranges[name]
        positive = all(user.op_type == "Relu" for user in self.users[name])
        return self._whole(f"{name}_q", 0.0 if positive else low, high)

    @staticmethod
    def _whole(name: str, low: float, high: float) -> Whole:
        scale = float(np.float32(max(high - low, 1e-6) / 255.0))
        return Whole(name, scale, round(-low / scale))

    def _is_head(self, node: onnx.NodeProto) -> bool:
        """Whether nothing but moves follow: the logits."""
        users = self.users[node.output[0]]
        while users:
            if any(user.op_type not in (*MOVES, "Shape") for user in users):
                return False
            users = [u for user in users if user.op_type != "Shape"
                     for u in self.users.get(user.output[0], [])]  # fmt: skip
        return True

    def _widened(self, name: str) -> str:
        x = self.bytes[name]
        wide = f"{x.name}_wide"
        self._op("DequantizeLinear", [x.name, *self._about(x)], wide)
        return wide

    def _about(self, x: Whole) -> tuple[str, str]:
        return (
            self._hold(f"s{x.scale!r}", np.float32(x.scale)),
            self._hold(f"z{x.zero}", np.uint8(x.zero)),
        )

    def _op(self, kind: str, inputs: list[str], output: str) -> None:
        self.nodes.append(helper.make_node(kind, inputs, [output], f"{output}_{kind}"))

    def _hold(self, name: str, values: NDArray[np.generic] | np.generic) -> str:
        self.constants.setdefault(name, numpy_helper.from_array(np.asarray(values), name))
        return name


def _users(model: onnx.ModelProto) -> dict[str, list[onnx.NodeProto]]:
    users: dict[str, list[onnx.NodeProto]] = {}
    for node in model.graph.node:
        for name in node.input:
            users.setdefault(name, []).append(node)
    return users


def drawn(world: World, seed: int = 0, count: int = PATCHES) -> list[NDArray[np.float32]]:
    """Training patches to set ranges by; other than those that trained the network."""
    return [patch(world, (seed, 10**6, k))[0].astype(np.float32) for k in range(count)]
