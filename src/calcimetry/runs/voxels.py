"""From single voxels to runs, and from pieces to one table of runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calcimetry.records import Runs
from calcimetry.runs._jit import frozen, kernel
from calcimetry.runs.find import columns


def kept(runs: Runs, keep: NDArray[np.bool_]) -> Runs:
    """The voxels of `runs` for which `keep`, bool (voxels,) in run order, is True."""
    return Runs(runs.shape, *_keep(*columns(runs), frozen(keep, np.bool_)))


def stacked(pieces: Sequence[Runs], shape: tuple[int, int, int]) -> tuple[Runs, NDArray[np.int32]]:
    """Pieces that share no voxel, as runs in raster order and the piece (from 1) of each.

    The one place where two runs of a row may touch: they are of different pieces.
    """
    if not pieces:
        none = np.empty(0, np.int32)
        return Runs(shape, none, none, none), none
    row, start, stop = (
        np.concatenate([getattr(piece, name) for piece in pieces])
        for name in ("row", "start", "stop")
    )
    label = np.repeat(np.arange(1, len(pieces) + 1, dtype=np.int32), [len(p) for p in pieces])
    order = np.argsort(row.astype(np.int64) * shape[2] + start)
    return Runs(shape, row[order], start[order], stop[order]), label[order]


@dataclass(frozen=True, slots=True, eq=False)
class Pile:
    """The runs of many pieces, one piece after the other, for kernels that do all at once.

    columns : int32 (n,) each, row, start and stop
    bounds : int64 (pieces + 1,), where each piece's runs begin
    """

    columns: tuple[NDArray[np.int32], ...]
    bounds: NDArray[np.int64]


def piled(pieces: Sequence[Runs], shape: tuple[int, int, int]) -> Pile:
    """The pile of some pieces of a volume of `shape`."""
    bounds = np.zeros(len(pieces) + 1, np.int64)
    np.cumsum([len(piece) for piece in pieces], out=bounds[1:])
    none = np.empty(0, np.int32)
    whole = Runs(
        shape,
        *(
            np.concatenate([getattr(piece, name) for piece in pieces]) if pieces else none
            for name in ("row", "start", "stop")
        ),
    )
    return Pile(columns(whole), bounds)


def sampled(
    pieces: Sequence[Runs], shape: tuple[int, int, int], most: int
) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """At most `most` voxels of each piece, evenly taken in raster order.

    Returns int32 (n, 3), (z, y, x), and int64 (pieces + 1,), where each piece's begin.
    """
    pile = piled(pieces, shape)
    voxels = np.array([piece.voxels for piece in pieces], np.int64)
    every = np.maximum(1, -(-voxels // most))
    bounds = np.zeros(len(pieces) + 1, np.int64)
    np.cumsum(-(-voxels // every), out=bounds[1:])
    points = np.empty((int(bounds[-1]), 3), np.int32)
    _sample(*pile.columns, pile.bounds, shape[1], frozen(every, np.int64), points)
    return points, bounds


@kernel
def _keep(row: Any, start: Any, stop: Any, keep: Any) -> Any:
    count, at, before = 0, 0, False
    for run in range(row.size):
        before = False
        for _ in range(start[run], stop[run]):
            count += keep[at] and not before
            before = keep[at]
            at += 1
    rows, low, high = (
        np.empty(count, np.int32),
        np.empty(count, np.int32),
        np.empty(count, np.int32),
    )
    count, at = 0, 0
    for run in range(row.size):
        before = False
        for x in range(start[run], stop[run]):
            if keep[at] and not before:
                rows[count], low[count] = row[run], x
                count += 1
            if keep[at]:
                high[count - 1] = x + 1
            before = keep[at]
            at += 1
    return rows, low, high


@kernel
def _sample(
    row: Any, start: Any, stop: Any, bounds: Any, height: Any, every: Any, points: Any
) -> None:
    at = 0
    for piece in range(every.size):
        skipped = 0  # voxels until the next that is taken
        for run in range(bounds[piece], bounds[piece + 1]):
            x = start[run] + skipped
            while x < stop[run]:
                points[at, 0] = row[run] // height
                points[at, 1] = row[run] % height
                points[at, 2] = x
                at += 1
                x += every[piece]
            skipped = x - stop[run]
