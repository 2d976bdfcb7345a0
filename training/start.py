"""Weights to start from: a finder that was exported before, so that training goes on from it.

An exported file holds no batch normalisation, since that was folded into the convolutions. It
is put back so that the network answers as the file does on the patches it is given here.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import numpy_helper
from torch import Tensor, nn

from training.net import Finder

Pair = tuple[NDArray[np.float32], NDArray[np.float32]]


@torch.no_grad()
def begin_from(net: Finder, path: Path, hu: Tensor, scale: tuple[float, float]) -> None:
    """Give a network the weights of an exported file.

    hu : (n, 1, z, y, x), patches whose statistics the normalisation starts with
    scale : temperature and shift of the logit that were exported, which are taken out again
    """
    stored = iter(_convolutions(path))
    for convolution, norm in _layers(net):
        weight, bias = next(stored)
        convolution.weight.copy_(torch.from_numpy(_cubed(weight, convolution)))
        if norm is None:
            assert convolution.bias is not None
            convolution.bias.copy_(torch.from_numpy(bias))
        else:
            norm.register_forward_pre_hook(_Fit(torch.from_numpy(bias)))
    temperature, shift = scale
    net.head.weight.mul_(temperature)
    assert net.head.bias is not None
    net.head.bias.copy_((net.head.bias - shift) * temperature)
    net.eval()(hu)
    for _, norm in _layers(net):
        if norm is not None:
            norm._forward_pre_hooks.clear()


class _Fit:
    """Sets a normalisation so that it only adds `bias` to what it is first given."""

    def __init__(self, bias: Tensor) -> None:
        self.bias = bias

    def __call__(self, norm: nn.BatchNorm3d, inputs: tuple[Tensor]) -> None:
        variance, mean = torch.var_mean(inputs[0].float(), dim=(0, 2, 3, 4))
        norm.running_mean.copy_(mean)  # type: ignore[union-attr]
        norm.running_var.copy_(variance)  # type: ignore[union-attr]
        norm.weight.copy_(torch.sqrt(variance + norm.eps))
        norm.bias.copy_(self.bias + mean)


def _layers(net: Finder) -> Iterator[tuple[nn.Conv3d, nn.BatchNorm3d | None]]:
    """Convolutions in the order in which `training.export` writes them, with what follows."""
    for part in (net.stem, net.one.first, net.one.second):
        yield part[0], part[1]
    for stage in (net.two, net.three):
        for part in (stage[0], stage[1].first, stage[1].second):
            yield part[0], part[1]
    for up, out in ((net.up_two, net.out_two), (net.up_one, net.out_one)):
        yield up, None
        yield out[0], out[1]
    yield net.head, None


def _convolutions(path: Path) -> Iterator[Pair]:
    """Weight and bias of each convolution of an exported file, in its order."""
    graph = onnx.load(str(path)).graph
    held = {c.name: numpy_helper.to_array(c) for c in graph.initializer}
    for node in graph.node:
        if node.op_type == "QLinearConv":
            yield _dequantised(*(held[node.input[k]] for k in (1, 3, 4, 8)))
    yield held["head_w"].T[:, :, None, None].copy(), held["head_b"].copy()


def _dequantised(
    scale: NDArray[np.float32],
    weight: NDArray[np.int8],
    step: NDArray[np.float32],
    sums: NDArray[np.int32],
) -> Pair:
    """Whole numbers of an 8-bit convolution as what they stand for (see `training.export`)."""
    return weight * step[:, None, None, None], sums * (step * scale)


def _cubed(weight: NDArray[np.float32], convolution: nn.Conv3d) -> NDArray[np.float32]:
    """A 2D kernel over three slices' channels as the 3D kernel it was made from.

    Channels that the convolution has and the kernel lacks, those of a window that is new, are 0.
    """
    outside, inside = convolution.weight.shape[:2]
    if convolution.kernel_size[0] == 1:
        return weight[:, :, None]
    cube = weight.reshape(outside, 3, -1, 3, 3).transpose(0, 2, 1, 3, 4)
    return np.pad(cube, ((0, 0), (0, inside - cube.shape[1]), (0, 0), (0, 0), (0, 0)))
