"""Sets of voxels as runs: union, intersection, difference, and the parts of objects."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calcimetry.errors import UsageError
from calcimetry.kernels.compiled import kernel, read_only
from calcimetry.kernels.types import RunColumns, Vector
from calcimetry.records import Objects, Runs
from calcimetry.runs.find import columns


def union(a: Runs, b: Runs) -> Runs:
    """Voxels in `a` or `b`. Raises UsageError when the shapes differ."""
    return _combined(_union, a, b)


def intersect(a: Runs, b: Runs) -> Runs:
    """Voxels in `a` and `b`. Raises UsageError when the shapes differ."""
    return _combined(_intersect, a, b)


def difference(a: Runs, b: Runs) -> Runs:
    """Voxels in `a` but not in `b`. Raises UsageError when the shapes differ."""
    return _combined(_difference, a, b)


def select(objects: Objects, keep: NDArray[Any] | Sequence[int]) -> Runs:
    """The runs of some objects, in raster order.

    keep : bool (count,), one for each object; or object numbers, from 1
    """
    chosen = np.asarray(keep)
    if chosen.dtype != np.bool_:
        numbers = chosen.astype(np.int64)
        chosen = np.zeros(len(objects), np.bool_)
        chosen[numbers - 1] = True
    return take(objects.runs, chosen[objects.label - 1])


def take(runs: Runs, keep: NDArray[Any] | slice) -> Runs:
    """Some of the runs: a bool (n,), a slice or rising indices."""
    return Runs(runs.shape, runs.row[keep], runs.start[keep], runs.stop[keep])


def runs_of_object(objects: Objects, number: int) -> Runs:
    """The runs of object `number` (from 1); for many objects `parts` is faster."""
    z0, z1 = objects.box[number - 1, :2]
    height = objects.runs.shape[1]
    first, end = np.searchsorted(objects.runs.row, (z0 * height, z1 * height))
    near = slice(int(first), int(end))
    return take(take(objects.runs, near), objects.label[near] == number)


def object_runs(objects: Objects, chosen: Sequence[int] | None = None) -> list[Runs]:
    """The runs of every object in order of their numbers, or of some (indices, from 0)."""
    return split_by_label(objects.runs, objects.label, chosen)


def split_by_label(
    runs: Runs, label: NDArray[np.int32], chosen: Sequence[int] | None = None
) -> list[Runs]:
    """Labelled runs (1..) taken apart, all at once; `chosen`: only some labels, from 0."""
    order, bounds = _by_label(read_only(label, np.int32), int(label.max(initial=0)))
    whole, ends = take(runs, order), bounds.tolist()
    row, start, stop = whole.row, whole.start, whole.stop
    return [
        Runs(runs.shape, row[i:j], start[i:j], stop[i:j])
        for i, j in (pairwise(ends) if chosen is None else ((ends[k], ends[k + 1]) for k in chosen))
    ]


def union_all(pieces: Sequence[Runs], shape: tuple[int, int, int]) -> Runs:
    """The union of any number of runs, of one volume of `shape`."""
    if not pieces:
        none = np.empty(0, np.int32)
        return Runs(shape, none, none, none)
    result = list(pieces)
    while len(result) > 1:  # pairwise, so that each run is merged log(n) times
        rest = [result[-1]] if len(result) % 2 else []
        result = [union(a, b) for a, b in zip(result[::2], result[1::2], strict=False)] + rest
    return result[0]


def _combined(operation: Any, a: Runs, b: Runs) -> Runs:
    if a.shape != b.shape:
        raise UsageError(
            "RUNS_OF_OTHER_VOLUME",
            found=f"shapes {a.shape} and {b.shape}",
            expected="runs of one volume",
            where="the runs handed in",
            remedy="combine runs of the same scan only",
        )
    return Runs(a.shape, *operation(*columns(a), *columns(b)))


@kernel
def _by_label(label: Vector[np.int32], count: int) -> tuple[Vector[np.int64], Vector[np.int64]]:
    bounds = np.zeros(count + 1, np.int64)
    for run in range(label.size):
        bounds[label[run]] += 1
    for number in range(count):
        bounds[number + 1] += bounds[number]
    at = bounds.copy()
    order = np.empty(label.size, np.int64)
    for run in range(label.size):
        number = label[run] - 1
        order[at[number]] = run
        at[number] += 1
    return order, bounds


@kernel
def _union(
    a_row: Vector[np.int32],
    a_start: Vector[np.int32],
    a_stop: Vector[np.int32],
    b_row: Vector[np.int32],
    b_start: Vector[np.int32],
    b_stop: Vector[np.int32],
) -> RunColumns:
    most = a_row.size + b_row.size
    row, start, stop = np.empty(most, np.int32), np.empty(most, np.int32), np.empty(most, np.int32)
    count, a, b = 0, 0, 0
    while a < a_row.size or b < b_row.size:
        from_a = b == b_row.size or (
            a < a_row.size
            and (a_row[a] < b_row[b] or (a_row[a] == b_row[b] and a_start[a] <= b_start[b]))
        )
        if from_a:
            r, x, end = a_row[a], a_start[a], a_stop[a]
            a += 1
        else:
            r, x, end = b_row[b], b_start[b], b_stop[b]
            b += 1
        if count > 0 and row[count - 1] == r and x <= stop[count - 1]:
            stop[count - 1] = max(stop[count - 1], end)
        else:
            row[count], start[count], stop[count] = r, x, end
            count += 1
    return row[:count].copy(), start[:count].copy(), stop[:count].copy()


@kernel
def _intersect(
    a_row: Vector[np.int32],
    a_start: Vector[np.int32],
    a_stop: Vector[np.int32],
    b_row: Vector[np.int32],
    b_start: Vector[np.int32],
    b_stop: Vector[np.int32],
) -> RunColumns:
    most = a_row.size + b_row.size
    row, start, stop = np.empty(most, np.int32), np.empty(most, np.int32), np.empty(most, np.int32)
    count, a, b = 0, 0, 0
    while a < a_row.size and b < b_row.size:
        if a_row[a] == b_row[b]:
            x, end = max(a_start[a], b_start[b]), min(a_stop[a], b_stop[b])
            if x < end:
                row[count], start[count], stop[count] = a_row[a], x, end
                count += 1
        if a_row[a] < b_row[b] or (a_row[a] == b_row[b] and a_stop[a] <= b_stop[b]):
            a += 1
        else:
            b += 1
    return row[:count].copy(), start[:count].copy(), stop[:count].copy()


@kernel
def _difference(
    a_row: Vector[np.int32],
    a_start: Vector[np.int32],
    a_stop: Vector[np.int32],
    b_row: Vector[np.int32],
    b_start: Vector[np.int32],
    b_stop: Vector[np.int32],
) -> RunColumns:
    most = a_row.size + b_row.size
    row, start, stop = np.empty(most, np.int32), np.empty(most, np.int32), np.empty(most, np.int32)
    count, b = 0, 0
    for a in range(a_row.size):
        x = a_start[a]
        while b < b_row.size and (b_row[b] < a_row[a] or (b_row[b] == a_row[a] and b_stop[b] <= x)):
            b += 1
        cut = b
        while cut < b_row.size and b_row[cut] == a_row[a] and b_start[cut] < a_stop[a]:
            if b_start[cut] > x:
                row[count], start[count], stop[count] = a_row[a], x, b_start[cut]
                count += 1
            x = max(x, b_stop[cut])
            cut += 1
        if x < a_stop[a]:
            row[count], start[count], stop[count] = a_row[a], x, a_stop[a]
            count += 1
    return row[:count].copy(), start[:count].copy(), stop[:count].copy()
