"""Tiles that cover the marked voxels of a grid at little cost.

A network's work grows with the volume of its tiles and their margins. Starting from the
box of all marked voxels, boxes are cut in two, and shrunk to what they hold, as long as that
makes the sum cheaper.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

BLOCK = 8
"""Marks are kept per block of this many voxels along each axis: the stride of the network's
deepest level. Tiles begin at whole blocks, so that a voxel's answer does not depend on where
its tile begins, save by what the margins leave out."""

MARGINS = 8, 4
"""Voxels around a tile that the network sees beside it: 12 mm of surroundings, or 6 mm where
that would be DEAR. With less it is as often right, but surer than it should be."""

DEAR = 5e6
"""Voxels, those of margins too. Limbs stay below it; trunks, whose tiles are many, do not."""

LARGEST = 112
"""No tile's side is longer than this, margins apart: it bounds memory and feeds threads."""

_OVERHEAD = 16.0**3
"""What one more call costs, in voxels."""

Bounds = tuple[int, int, int, int, int, int]
"""z0, z1, y0, y1, x0, x1; the odd ones are one past the last."""


def tiles(marked: NDArray[np.bool_]) -> tuple[list[Bounds], int]:
    """Disjoint boxes, in voxels, that hold every marked block, dearest first; and their margin.

    marked : (z, y, x), one value for each BLOCK-sided block of the grid
    """
    wide, narrow = MARGINS
    boxes = _boxes(marked, wide)
    if sum(_cost(box, wide) for box in boxes) <= DEAR:
        return [_in_voxels(box) for box in boxes], wide
    return [_in_voxels(box) for box in _boxes(marked, narrow)], narrow


def _boxes(marked: NDArray[np.bool_], margin: int) -> list[Bounds]:
    """The boxes in blocks."""
    whole = _tight(marked, (0, *marked.shape[:1], 0, marked.shape[1], 0, marked.shape[2]))
    waiting = [] if whole is None else [whole]
    done: list[Bounds] = []
    while waiting:
        box = waiting.pop()
        halves = _cut(marked, box, margin)
        if halves is None:
            done.append(box)
        else:
            waiting.extend(halves)
    return sorted(done, key=lambda box: (-_cost(box, margin), box))


def padded(length: int, margin: int) -> int:
    """The side that the network is run on: margins, and a multiple of 8."""
    return -(-(length + 2 * margin) // 8) * 8


def _in_voxels(box: Bounds) -> Bounds:
    z0, z1, y0, y1, x0, x1 = (BLOCK * edge for edge in box)
    return z0, z1, y0, y1, x0, x1


def _cost(box: Bounds, margin: int) -> float:
    sides = (padded(BLOCK * (box[k + 1] - box[k]), margin) for k in (0, 2, 4))
    return float(np.prod([float(side) for side in sides])) + _OVERHEAD


def _tight(marked: NDArray[np.bool_], box: Bounds) -> Bounds | None:
    part = marked[box[0] : box[1], box[2] : box[3], box[4] : box[5]]
    edges: list[int] = []
    for axis in range(3):
        held = np.flatnonzero(part.any(axis=tuple(a for a in range(3) if a != axis)))
        if not len(held):
            return None
        edges += [box[2 * axis] + int(held[0]), box[2 * axis] + int(held[-1]) + 1]
    return edges[0], edges[1], edges[2], edges[3], edges[4], edges[5]


def _cut(marked: NDArray[np.bool_], box: Bounds, margin: int) -> list[Bounds] | None:
    """The cheapest two parts of a box; None when it is best left whole."""
    best, choice = 0.97 * _cost(box, margin), None
    part = marked[box[0] : box[1], box[2] : box[3], box[4] : box[5]]
    longest = int(np.argmax(part.shape))
    must = part.shape[longest] * BLOCK > LARGEST
    for axis in range(3):
        costs = _cut_costs(part, axis, margin)
        if must:
            # What is too long is cut near its middle: the cheapest cut would shave a sliver.
            middle = np.abs(np.arange(1, part.shape[axis]) / part.shape[axis] - 0.5) < 0.2
            costs = np.where(middle & (axis == longest), costs, np.inf)
        if len(costs) and costs.min() < (np.inf if must else best):
            best, choice = float(costs.min()), (axis, int(costs.argmin()) + 1)
    if choice is None:
        return None
    axis, at = choice
    low, high = list(box), list(box)
    low[2 * axis + 1] = high[2 * axis] = box[2 * axis] + at
    halves = (_tight(marked, (*side,)) for side in (low, high))  # type: ignore[arg-type]
    return [half for half in halves if half is not None]


def _cut_costs(part: NDArray[np.bool_], axis: int, margin: int) -> NDArray[np.float64]:
    """The cost of both parts, shrunk, for a cut before layer 1, 2, ... along an axis."""
    layers = np.moveaxis(part, axis, 0)
    costs: NDArray[np.float64] = (
        _running_cost(layers, margin)[:-1] + _running_cost(layers[::-1], margin)[::-1][1:]
    )
    return costs


def _running_cost(layers: NDArray[np.bool_], margin: int) -> NDArray[np.float64]:
    """At each layer, the cost of the shrunk box of all layers up to it."""
    held, number = layers.any(axis=(1, 2)), np.arange(len(layers))
    last = np.maximum.accumulate(np.where(held, number, -1))
    cost = _padded(last - held.argmax() + 1, margin)
    for axis in (1, 2):
        seen = np.logical_or.accumulate(layers.any(axis=axis), axis=0)
        length = seen.shape[1] - seen.argmax(axis=1) - seen[:, ::-1].argmax(axis=1)
        cost = cost * _padded(length, margin)
    return np.where(last < 0, 0.0, cost + _OVERHEAD)


def _padded(blocks: NDArray[np.int64], margin: int) -> NDArray[np.int64]:
    return -(-(BLOCK * blocks + 2 * margin) // 8) * 8
