"""From single voxels to runs, and from pieces to one table of runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calcimetry.kernels.compiled import kernel, read_only
from calcimetry.kernels.types import Plane, RunColumns, Vector
from calcimetry.records import Runs
from calcimetry.runs.find import columns


def keep_voxels(runs: Runs, keep: NDArray[np.bool_]) -> Runs:
    """The voxels of `runs` for which `keep`, bool (voxels,) in run order, is True."""
    held = read_only(keep, np.bool_)
    return Runs(runs.shape, *_keep(*columns(runs), held, int(np.count_nonzero(held))))


def merge_labelled(
    pieces: Sequence[Runs], shape: tuple[int, int, int]
) -> tuple[Runs, NDArray[np.int32]]:
    """Pieces that share no voxel, as runs in raster order and the piece (from 1) of each.

    The one place where two runs of a row may touch: they are of different pieces.
    """
    table = concatenated(pieces, shape)
    label = np.repeat(np.arange(1, len(pieces) + 1, dtype=np.int32), np.diff(table.bounds))
    return in_order(Runs(shape, *table.columns), label)


def in_order(runs: Runs, label: NDArray[np.int32]) -> tuple[Runs, NDArray[np.int32]]:
    """Runs that share no voxel and lie in any order, in raster order with the label of each."""
    depth, height, _ = runs.shape
    order = _raster_order(
        read_only(runs.row, np.int32), read_only(runs.start, np.int32), depth * height
    )
    return Runs(runs.shape, runs.row[order], runs.start[order], runs.stop[order]), label[order]


@dataclass(frozen=True, slots=True, eq=False)
class RunTable:
    """The runs of many pieces, one piece after the other, for kernels that do all at once.

    columns : int32 (n,) each, row, start and stop
    bounds : int64 (pieces + 1,), where each piece's runs begin
    """

    columns: RunColumns
    bounds: NDArray[np.int64]


def concatenated(pieces: Sequence[Runs], shape: tuple[int, int, int]) -> RunTable:
    """The runs of some pieces of a volume of `shape`, one piece after the other."""
    if not pieces:
        none = np.empty(0, np.int32)
        return RunTable(columns(Runs(shape, none, none, none)), np.zeros(1, np.int64))
    rows = [piece.row for piece in pieces]
    bounds = np.zeros(len(pieces) + 1, np.int64)
    np.cumsum(list(map(len, rows)), out=bounds[1:])
    starts, stops = [piece.start for piece in pieces], [piece.stop for piece in pieces]
    whole = Runs(shape, np.concatenate(rows), np.concatenate(starts), np.concatenate(stops))
    return RunTable(columns(whole), bounds)


def sample_voxels(
    pieces: Sequence[Runs], shape: tuple[int, int, int], most: int
) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """At most `most` voxels of each piece, evenly taken in raster order.

    Returns int32 (n, 3), (z, y, x), and int64 (pieces + 1,), where each piece's begin.
    """
    table = concatenated(pieces, shape)
    return sample_table(table, shape[1], most)


def sample_table(
    table: RunTable, height: int, most: int
) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """`sample_voxels` of a table of runs, whose volume has `height` rows in a slice."""
    _, start, stop = table.columns
    ends = np.zeros(len(start) + 1, np.int64)
    np.cumsum(stop - start, out=ends[1:])
    voxels = np.diff(ends[table.bounds])
    every = np.maximum(1, -(-voxels // most))
    bounds = np.zeros(len(voxels) + 1, np.int64)
    np.cumsum(-(-voxels // every), out=bounds[1:])
    points = np.empty((int(bounds[-1]), 3), np.int32)
    _sample(*table.columns, table.bounds, height, read_only(every, np.int64), points)
    return points, bounds


@kernel
def _keep(
    row: Vector[np.int32],
    start: Vector[np.int32],
    stop: Vector[np.int32],
    keep: Vector[np.bool_],
    most: int,
) -> RunColumns:
    """Stretches of voxels to keep; there are at most `most`."""
    rows, low, high = np.empty(most, np.int32), np.empty(most, np.int32), np.empty(most, np.int32)
    count, at = 0, 0
    for run in range(row.size):
        before = False
        for x in range(start[run], stop[run]):
            if keep[at] != before:
                if before:
                    high[count - 1] = x
                else:
                    rows[count], low[count] = row[run], x
                    count += 1
                before = keep[at]
            at += 1
        if before:
            high[count - 1] = stop[run]
    return rows[:count].copy(), low[:count].copy(), high[:count].copy()


@kernel
def _raster_order(row: Vector[np.int32], start: Vector[np.int32], rows: int) -> Vector[np.int32]:
    """Indices that put runs in raster order: counted by row, then sorted in each by start."""
    at = np.zeros(rows + 1, np.int32)
    for run in range(row.size):
        at[row[run] + 1] += 1
    for r in range(rows):
        at[r + 1] += at[r]
    held = at[:rows].copy()
    order = np.empty(row.size, np.int32)
    for run in range(row.size):
        r = row[run]
        k = held[r]
        held[r] += 1
        while k > at[r] and start[order[k - 1]] > start[run]:
            order[k] = order[k - 1]
            k -= 1
        order[k] = run
    return order


@kernel
def _sample(
    row: Vector[np.int32],
    start: Vector[np.int32],
    stop: Vector[np.int32],
    bounds: Vector[np.int64],
    height: int,
    every: Vector[np.int64],
    points: Plane[np.int32],
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
