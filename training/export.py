"""Trained weights to an ONNX file of 8-bit integers that onnxruntime runs fast on a CPU.

onnxruntime's kernels for 2D convolution are several times faster than those for 3D, and those
for bytes three times faster than those for floats. So slices become the batch, channels come
last, as its kernels want them, and a 3x3x3 convolution becomes a 3x3 one over the channels of a
slice and its two neighbours: the same numbers. Batch normalisation is folded into the weights.

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
from typing import Generic, Protocol, TypeVar

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn
from torch.nn import functional as nnf

from training.net import CHANNELS, WINDOWS, Block, Finder, Residual, fold
from training.patches import World, patch

WEIGHT_MOST = 63  # 7 bits and a sign: 2 x 255 x 63 fits into 16 bits
PATCHES = 48

T = TypeVar("T")
Range = tuple[float, float]
Weights = tuple[NDArray[np.float32], NDArray[np.float32]]


def export(
    finder: Finder,
    path: Path,
    patches: Iterable[NDArray[np.float32]],
    temperature: float = 1.0,
    shift: float = 0.0,
) -> None:
    """Write the network.

    Its input ``hu`` is float32 (z, y, x, 8): cells of 2x2x2 voxels, as `training.net.fold` makes
    them, sides multiples of 4; its output ``logit`` has the same shape, divided by
    `temperature`, plus `shift`. Its output ``features`` is the last hidden layer, from which the
    logit is made, uint8 (z, y, x, channels): value = ``features_scale`` x (byte -
    ``features_zero``), both of the model's metadata.

    patches : float32 HU (z, y, x), sides multiples of 8; they set the activations' ranges
    """
    finder = finder.float().cpu().eval()
    seen = Watched()
    for hu in patches:
        _walk(finder, seen, torch.from_numpy(hu[None, None]), 1.0, 0.0)
    model = Written(seen.ranges)
    _walk(finder, model, "hu", temperature, shift)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(model.serialised())


def drawn(world: World, seed: int = 0, count: int = PATCHES) -> list[NDArray[np.float32]]:
    """Training patches to set ranges by; other than those that trained the network."""
    return [patch(world, (seed, 10**6, k))[0].astype(np.float32) for k in range(count)]


class Steps(Protocol, Generic[T]):
    """What the network is made of. Names are those of the tensors that come out."""

    def door(self, name: str, hu: T) -> T: ...
    def cube(self, name: str, weights: Weights, x: T, stride: int, relu: bool) -> T: ...
    def point(self, name: str, weights: Weights, x: T) -> T: ...
    def add(self, name: str, one: T, other: T, relu: bool) -> T: ...
    def double(self, x: T) -> T: ...
    def head(self, weights: Weights, x: T) -> T: ...


def _walk(net: Finder, steps: Steps[T], hu: T, temperature: float, shift: float) -> T:
    """`Finder.forward`, step by step."""
    x = steps.door("door", hu)
    one = _residual("one", net.one, steps, _block("stem", net.stem, steps, x))
    two = _stage("two", net.two, steps, one)
    three = _stage("three", net.three, steps, two)
    two = _joined("up_two", net.up_two, net.out_two, steps, two, three)
    one = _joined("up_one", net.up_one, net.out_one, steps, one, two)
    weight, bias = _plain(net.head)
    gain = np.float32(1 / temperature)
    return steps.head((weight * gain, bias * gain + np.float32(shift)), one)


def _block(name: str, block: Block, steps: Steps[T], x: T, relu: bool = True) -> T:
    convolution, norm = block[0], block[1]
    assert isinstance(convolution, nn.Conv3d)
    assert isinstance(norm, nn.BatchNorm3d)
    return steps.cube(name, _folded(convolution, norm), x, convolution.stride[0], relu)


def _residual(name: str, residual: Residual, steps: Steps[T], x: T) -> T:
    inner = _block(f"{name}_first", residual.first, steps, x)
    inner = _block(f"{name}_second", residual.second, steps, inner, relu=False)
    return steps.add(f"{name}_sum", x, inner, relu=True)


def _stage(name: str, stage: nn.Sequential, steps: Steps[T], x: T) -> T:
    down, residual = stage
    assert isinstance(down, Block)
    assert isinstance(residual, Residual)
    return _residual(name, residual, steps, _block(f"{name}_down", down, steps, x))


def _joined(name: str, up: nn.Conv3d, out: Block, steps: Steps[T], skip: T, deep: T) -> T:
    x = steps.double(steps.point(name, _plain(up), deep))
    return _block(f"{name}_out", out, steps, steps.add(f"{name}_sum", skip, x, relu=False))


def _plain(convolution: nn.Conv3d) -> Weights:
    assert convolution.bias is not None
    return convolution.weight.detach().numpy(), convolution.bias.detach().numpy()


def _folded(convolution: nn.Conv3d, norm: nn.BatchNorm3d) -> Weights:
    weight = convolution.weight.detach().numpy()
    mean, variance = norm.running_mean, norm.running_var
    assert mean is not None
    assert variance is not None
    gain = norm.weight.detach().numpy() / np.sqrt(variance.numpy() + norm.eps)
    bias = norm.bias.detach().numpy() - mean.numpy() * gain
    return (weight * gain[:, None, None, None, None]).astype(np.float32), bias.astype(np.float32)


class Watched:
    """Runs the steps on a patch (1, c, z, y, x), and keeps the least and greatest values.

    Leaving out the outermost values makes finer steps, but what it clips is what the network
    is sure of: it moved probabilities more than it mended.
    """

    def __init__(self) -> None:
        self.ranges: dict[str, Range] = {}

    def _seen(self, name: str, x: Tensor) -> Tensor:
        low, high = self.ranges.get(name, (0.0, 0.0))
        self.ranges[name] = min(low, float(x.min())), max(high, float(x.max()))
        return x

    def door(self, name: str, hu: Tensor) -> Tensor:
        windows = [(hu.clamp(low, high) - c) / s for c, s, low, high in WINDOWS]
        return self._seen(name, fold(torch.cat(windows, 1)))

    def cube(self, name: str, weights: Weights, x: Tensor, stride: int, relu: bool) -> Tensor:
        weight, bias = (torch.from_numpy(values) for values in weights)
        y = nnf.conv3d(x, weight, bias, stride, 1)
        return self._seen(name, nnf.relu(y) if relu else y)

    def point(self, name: str, weights: Weights, x: Tensor) -> Tensor:
        weight, bias = (torch.from_numpy(values) for values in weights)
        return self._seen(name, nnf.conv3d(x, weight, bias))

    def add(self, name: str, one: Tensor, other: Tensor, relu: bool) -> Tensor:
        return self._seen(name, nnf.relu(one + other) if relu else one + other)

    def double(self, x: Tensor) -> Tensor:
        return nnf.interpolate(x, scale_factor=2.0, mode="nearest")

    def head(self, weights: Weights, x: Tensor) -> Tensor:
        weight, bias = (torch.from_numpy(values) for values in weights)
        return nnf.conv3d(x, weight, bias)


@dataclass(frozen=True, slots=True)
class Whole:
    """A tensor kept as bytes, (z, y, x, channels): value = scale x (byte - zero)."""

    name: str
    scale: float
    zero: int


class Written:
    """Writes the steps as a graph of ONNX nodes.

    ranges : of each step's values, by its name
    """

    def __init__(self, ranges: dict[str, Range]) -> None:
        self.ranges = ranges
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[str, onnx.TensorProto] = {}
        self.about_features: dict[str, str] = {}

    def serialised(self) -> bytes:
        sides, deep = ["z", "y", "x", 8], ["z", "y", "x", CHANNELS[0]]
        graph = helper.make_graph(
            self.nodes,
            "finder",
            [helper.make_tensor_value_info("hu", TensorProto.FLOAT, sides)],
            [
                helper.make_tensor_value_info("logit", TensorProto.FLOAT, sides),
                helper.make_tensor_value_info("features", TensorProto.UINT8, deep),
            ],
            list(self.constants.values()),
        )
        opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
        made = helper.make_model(graph, opset_imports=opsets, ir_version=8)
        helper.set_model_props(made, self.about_features)
        return bytes(made.SerializeToString())

    def door(self, name: str, hu: Whole | str) -> Whole:
        """All windows share one scale: they become channels of one tensor."""
        x = self._whole(name, *self.ranges[name])
        windows = [self._window(str(hu), x, window) for window in WINDOWS]
        self._op("Concat", windows, x.name, axis=3)
        return x

    def _window(self, hu: str, x: Whole, window: tuple[float, float, float, float]) -> str:
        centre, scale, low, high = window
        y = self._op("Clip", [hu, self._number(low), self._number(high)])
        y = self._op("Sub", [y, self._number(centre)])
        y = self._op("Mul", [y, self._number(1 / scale)])
        return self._op("QuantizeLinear", [y, *self._about(x)])

    def cube(self, name: str, weights: Weights, x: Whole | str, stride: int, relu: bool) -> Whole:
        """A 3x3x3 convolution, padding 1, as a 3x3 one over slices and their neighbours.

        Where only the positive part is used, bytes begin at 0, which cuts off below it.
        """
        assert isinstance(x, Whole)
        weight, bias = weights
        outside, inside = weight.shape[:2]
        flat = weight.transpose(0, 2, 1, 3, 4).reshape(outside, 3 * inside, 3, 3)
        return self._convolution(name, (flat, bias), x, self._beside(x, stride), stride, relu)

    def point(self, name: str, weights: Weights, x: Whole | str) -> Whole:
        assert isinstance(x, Whole)
        weight, bias = weights
        return self._convolution(name, (weight[:, :, 0], bias), x, x.name, 1, False)

    def add(self, name: str, one: Whole | str, other: Whole | str, relu: bool) -> Whole:
        assert isinstance(one, Whole)
        assert isinstance(other, Whole)
        y = self._outcome(name, relu)
        inputs = [part for x in (one, other) for part in (x.name, *self._about(x))]
        self._op("QLinearAdd", [*inputs, *self._about(y)], y.name, domain="com.microsoft")
        return y

    def double(self, x: Whole | str) -> Whole:
        """Twice as long along z, y and x, by repetition."""
        assert isinstance(x, Whole)
        shape = self._op("Shape", [x.name])
        z, y, w, c = (
            self._op("Slice", [shape, self._whole_numbers([k]), self._whole_numbers([k + 1])])
            for k in range(4)
        )
        one, two = self._whole_numbers([1]), self._whole_numbers([2])
        split = self._op("Concat", [z, one, y, one, w, one, c], axis=0)
        wide = self._op("Concat", [z, two, y, two, w, two, c], axis=0)
        joined = self._op(
            "Concat", [*(self._op("Mul", [side, two]) for side in (z, y, w)), c], axis=0
        )
        parts = self._op("Expand", [self._op("Reshape", [x.name, split]), wide])
        return Whole(self._op("Reshape", [parts, joined]), x.scale, x.zero)

    def head(self, weights: Weights, x: Whole | str) -> Whole:
        assert isinstance(x, Whole)
        weight, bias = weights
        self._op("Identity", [x.name], "features")
        self.about_features = {"features_scale": repr(x.scale), "features_zero": str(x.zero)}
        wide = self._op("DequantizeLinear", [x.name, *self._about(x)])
        matrix = np.ascontiguousarray(weight[:, :, 0, 0, 0].T)
        y = self._op("MatMul", [wide, self._hold("head_w", matrix)])
        self._op("Add", [y, self._hold("head_b", bias)], "logit")
        return x

    def _beside(self, x: Whole, stride: int) -> str:
        """Channels of a slice and its two neighbours, beyond the ends the byte that means 0."""
        ends = self._whole_numbers([1, 0, 0, 0, 1, 0, 0, 0])
        padded = self._op("Pad", [x.name, ends, self._about(x)[1]])
        last = ([-2], [-1], [2**31])
        slices = [
            self._op("Slice", [padded, *map(self._whole_numbers, ([k], last[k], [0], [stride]))])
            for k in range(3)
        ]
        return self._op("Concat", slices, axis=3)

    def _convolution(
        self, name: str, weights: Weights, x: Whole, beside: str, stride: int, relu: bool
    ) -> Whole:
        weight, bias = weights
        most = np.abs(weight).max(axis=(1, 2, 3))
        step = np.maximum(most, 1e-8).astype(np.float32) / np.float32(WEIGHT_MOST)
        small = np.round(weight / step[:, None, None, None]).astype(np.int8)
        sums = np.round(bias / (step * np.float32(x.scale))).astype(np.int32)
        y = self._outcome(name, relu)
        inputs = [
            beside,
            *self._about(x),
            self._hold(f"{name}_w", small),
            self._hold(f"{name}_ws", step),
            self._hold(f"{name}_wz", np.zeros(len(step), np.int8)),
            *self._about(y),
            self._hold(f"{name}_b", sums),
        ]
        side = weight.shape[-1]
        self._op(
            "QLinearConv",
            inputs,
            y.name,
            domain="com.microsoft",
            channels_last=1,
            kernel_shape=[side, side],
            pads=[side // 2] * 4,
            strides=[stride, stride],
        )
        return y

    def _outcome(self, name: str, relu: bool) -> Whole:
        low, high = self.ranges[name]
        return self._whole(name, 0.0 if relu else low, high)

    @staticmethod
    def _whole(name: str, low: float, high: float) -> Whole:
        scale = float(np.float32(max(high - low, 1e-6) / 255.0))
        return Whole(name, scale, round(-low / scale))

    def _about(self, x: Whole) -> tuple[str, str]:
        return (
            self._hold(f"s{x.scale!r}", np.float32(x.scale)),
            self._hold(f"z{x.zero}", np.uint8(x.zero)),
        )

    def _number(self, value: float) -> str:
        return self._hold(f"f{value!r}", np.float32(value))

    def _whole_numbers(self, values: Sequence[int]) -> str:
        return self._hold("i" + "_".join(map(str, values)), np.array(values, np.int64))

    def _hold(self, name: str, values: NDArray[np.generic] | np.generic) -> str:
        self.constants.setdefault(name, numpy_helper.from_array(np.asarray(values), name))
        return name

    def _op(self, kind: str, inputs: list[str], output: str = "", **attributes: object) -> str:
        name = output or f"{kind}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [name], name, **attributes))
        return name
