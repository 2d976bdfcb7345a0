"""Runs joined into connected objects, and what is summed over each of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calcimetry.errors import UsageError
from calcimetry.kernels.compiled import inner, kernel, read_only
from calcimetry.kernels.order import first_at_least
from calcimetry.kernels.types import Integer, Plane, RunColumns, Vector
from calcimetry.records import Objects, Runs
from calcimetry.runs.find import (
    RunSums,
    columns,
    find_and_sum,
    find_runs,
    hu_volume,
    integer_threshold,
    sum_run,
)
from calcimetry.threads import Jobs, over_slabs, slabs

# By connectivity: how far apart in x runs may lie to be joined, in the row before of the
# same slice, in the same row of the slice before, and in that row's two neighbours.
# -1 never, 0 they must overlap, 1 corners may touch.
# 4 and 8 join within slices only.
_REACH = {
    4: (0, -1, -1),
    8: (1, -1, -1),
    6: (0, 0, -1),
    18: (1, 1, 0),
    26: (1, 1, 1),
}

# Columns of the table that the summing kernel fills.
_N, _TOTAL, _PEAK, _FLOOR = 0, 1, 2, 3
_SUMS = slice(4, 7)  # z, y, x, from the object's first voxel
_SQUARES = slice(7, 13)  # zz, yy, xx, zy, zx, yx
_BOX = slice(13, 19)
_ORIGIN = slice(19, 22)
_COLUMNS = 22


def label_components(runs: Runs, *, connectivity: int = 26, jobs: Jobs = 1) -> NDArray[np.int32]:
    """The object of every run: int32 (n,), 1.., numbered by first voxel in raster order.

    Union-find over runs of neighbouring rows, slab by slab and then across the seams.
    Connectivity 6, 18 or 26 (faces, edges, corners);
    4 or 8 joins within slices only. Raises UsageError for another.
    """
    if connectivity not in _REACH:
        raise UsageError(
            "BAD_CONNECTIVITY",
            found=str(connectivity),
            expected="4, 6, 8, 18 or 26",
            where="connectivity",
            remedy="choose one of them",
        )
    reach = np.array(_REACH[connectivity], np.int32)
    depth, height, _ = runs.shape
    rows = columns(runs)
    first_run = _first_runs(rows[0], depth * height)
    parent = np.arange(len(runs), dtype=np.int32)

    def slab(first: int, end: int) -> None:
        _join(rows, first_run, height, reach, parent, first, end, first)

    over_slabs(slab, depth, jobs)
    for seam, _ in slabs(depth, jobs)[1:]:
        _join(rows, first_run, height, reach, parent, seam, seam + 1, 0)
    label: NDArray[np.int32] = _numbered(parent)
    return label


def objects_of(
    hu: NDArray[np.int16], runs: Runs, *, connectivity: int = 26, jobs: Jobs = 1
) -> Objects:
    """Connected objects of `runs`, with counts, sums, extremes, moments and boxes.

    Parameters
    ----------
    hu : int16 (z, y, x), of the runs' shape; only voxels in runs are read
    connectivity : 26 (corners touch), 18 (edges) or 6 (faces)
    jobs : threads

    All sums are whole numbers in 64 bits, so that results are the same for any `jobs`.
    Raises UsageError for another shape or dtype, or another connectivity.
    """
    if hu.dtype != np.int16 or hu.shape != runs.shape:
        raise UsageError(
            "BAD_VOLUME",
            found=f"{hu.dtype} of shape {hu.shape}",
            expected=f"an int16 volume of shape {runs.shape}",
            where="the array handed in",
            remedy="hand in the volume that the runs were found in",
        )
    label = label_components(runs, connectivity=connectivity, jobs=jobs)
    return object_statistics(hu, runs, label, jobs=jobs)


def dense_objects(
    hu: NDArray[np.int16], threshold: float, *, connectivity: int = 26, jobs: Jobs = 1
) -> Objects:
    """`objects(hu, find_runs(hu, threshold))` in one streaming read of the volume.

    Faster than the two calls, because runs are summed while their slice is in the cache.
    """
    values, least = hu_volume(hu), integer_threshold(threshold)
    depth, height, width = values.shape
    if least > np.iinfo(np.int16).max or values.size == 0:
        return objects_of(hu, find_runs(hu, threshold), connectivity=connectivity)

    def slab(first: int, end: int) -> tuple[RunColumns, RunSums]:
        lines = values[first:end].reshape(-1, width)
        return find_and_sum(lines, np.int16(least), np.int32(first * height), height)

    found = over_slabs(slab, depth, jobs)
    row, start, stop = _end_to_end([runs for runs, _ in found])
    runs = Runs(values.shape, row, start, stop)
    label = label_components(runs, connectivity=connectivity, jobs=jobs)
    total, peak, floor = _end_to_end([sums for _, sums in found])
    return replace(_tabulated(runs, label, (total, peak, floor)), sums=(total, peak, floor))


def object_statistics(
    hu: NDArray[np.int16],
    runs: Runs,
    label: NDArray[np.int32],
    *,
    known: Objects | None = None,
    jobs: Jobs = 1,
) -> Objects:
    """`objects` for runs that were already labelled 1.. (every number must occur).

    known : from `dense_objects` of the same volume; of runs that it has no voxel is read again
    """
    lines = read_only(hu, np.int16).reshape(-1, max(hu.shape[2], 1))
    count = len(runs)
    sums = np.empty(count, np.int64), np.empty(count, np.int16), np.empty(count, np.int16)
    rows = columns(runs)
    had, had_sums = _known_sums(known)

    def stretch(first: int, end: int) -> None:
        _sum_runs(lines, rows, sums, had, had_sums, first, end)

    over_slabs(stretch, len(runs), jobs)
    return _tabulated(runs, label, sums)


def _known_sums(known: Objects | None) -> tuple[RunColumns, RunSums]:
    """Columns and sums of runs that were summed before; of none where there are none."""
    if known is None or known.sums is None:
        none = read_only(np.empty(0), np.int32)
        return (none, none, none), _read_only_sums((np.empty(0), np.empty(0), np.empty(0)))
    return columns(known.runs), _read_only_sums(known.sums)


def _read_only_sums(sums: tuple[NDArray[Any], ...]) -> RunSums:
    total, peak, floor = sums
    return read_only(total, np.int64), read_only(peak, np.int16), read_only(floor, np.int16)


def _end_to_end(parts: Sequence[tuple[NDArray[Any], ...]]) -> tuple[NDArray[Any], ...]:
    if len(parts) == 1:
        return parts[0]
    return tuple(np.concatenate(column) for column in zip(*parts, strict=True))


def _tabulated(runs: Runs, label: NDArray[np.int32], sums: RunSums) -> Objects:
    table = np.zeros((int(label.max(initial=0)), _COLUMNS), np.int64)
    _accumulate(columns(runs), runs.shape[1], read_only(label, np.int32), sums, table)
    return _from_table(runs, label, table)


def _from_table(runs: Runs, label: NDArray[np.int32], table: NDArray[np.int64]) -> Objects:
    voxels = table[:, _N].copy()
    n = np.maximum(voxels, 1)[:, None]
    mean = table[:, _SUMS] / n
    zz, yy, xx, zy, zx, yx = (table[:, _SQUARES] / n).T
    square = np.array([[zz, zy, zx], [zy, yy, yx], [zx, yx, xx]]).transpose(2, 0, 1)
    return Objects(
        runs=runs,
        label=label,
        voxels=voxels,
        total=table[:, _TOTAL].astype(np.float64),
        peak=table[:, _PEAK].astype(np.int16),
        floor=table[:, _FLOOR].astype(np.int16),
        centroid=mean + table[:, _ORIGIN],
        moment=square - mean[:, :, None] * mean[:, None, :],
        box=table[:, _BOX].astype(np.int32),
    )


def _first_runs(row: NDArray[np.int32], rows: int) -> NDArray[np.int32]:
    """Index of the first run at or after each row; one more than there are rows."""
    first = np.zeros(rows + 1, np.int32)
    np.cumsum(np.bincount(row, minlength=rows), out=first[1:], dtype=np.int32)
    return first


@inner
def _root(parent: Vector[np.int32], run: Integer) -> Integer:
    while parent[run] != run:
        parent[run] = parent[parent[run]]
        run = parent[run]
    return run


@inner
def _join_rows(
    start: Vector[np.int32],
    stop: Vector[np.int32],
    parent: Vector[np.int32],
    reach: int,
    a: int,
    a_end: int,
    b: int,
    b_end: int,
) -> None:
    """Unite runs a of a row with those of an earlier row, from b on, that they reach.

    The smaller index becomes the root: then a parent comes before its children.
    """
    for run in range(a, a_end):
        low, high = start[run] - reach, stop[run] + reach
        while b < b_end and stop[b] <= low:
            b += 1
        root = parent[run]
        other = b
        while other < b_end and start[other] < high:
            if parent[other] != root:
                root, found = _root(parent, np.int32(root)), _root(parent, np.int32(other))
                parent[max(root, found)] = min(root, found)
                root = min(root, found)
            other += 1
        parent[run] = root


@kernel
def _join(
    runs: RunColumns,
    first_run: Vector[np.int32],
    height: int,
    reach: Vector[np.int32],
    parent: Vector[np.int32],
    z0: int,
    z1: int,
    least: int,
) -> None:
    """Unite runs of slices z0..z1 with earlier rows, but not with slices below `least`."""
    _, start, stop = runs
    for z in range(z0, z1):
        for y in range(height):
            r = z * height + y
            a, a_end = first_run[r], first_run[r + 1]
            if a == a_end:
                continue
            if y > 0:
                _join_rows(start, stop, parent, reach[0], a, a_end, first_run[r - 1], a)
            if z - 1 < least:
                continue
            for dy in range(-1, 2):
                far = reach[1] if dy == 0 else reach[2]
                if far < 0 or y + dy < 0 or y + dy >= height:
                    continue
                p = r - height + dy
                _join_rows(start, stop, parent, far, a, a_end, first_run[p], first_run[p + 1])


@kernel
def _numbered(parent: Vector[np.int32]) -> Vector[np.int32]:
    label = np.empty(parent.size, np.int32)
    count = 0
    for run in range(parent.size):
        if parent[run] == run:
            count += 1
            label[run] = count
        else:
            label[run] = label[parent[run]]
    return label


@kernel
def _sum_runs(
    lines: Plane[np.int16],
    runs: RunColumns,
    sums: RunSums,
    known: RunColumns,
    known_sums: RunSums,
    first: int,
    end: int,
) -> None:
    """Sum, peak and floor of runs first to end; of those that are known as they are known."""
    row, start, stop = runs
    total, peak, floor = sums
    rows, starts, stops = known
    totals, peaks, floors = known_sums
    at = first_at_least(rows, row[first], 0) if first < end else 0
    for run in range(first, end):
        while at < rows.size and (
            rows[at] < row[run] or (rows[at] == row[run] and starts[at] < start[run])
        ):
            at += 1
        same = at < rows.size and rows[at] == row[run] and starts[at] == start[run]
        if same and stops[at] == stop[run]:
            total[run], peak[run], floor[run] = totals[at], peaks[at], floors[at]
        else:
            total[run], peak[run], floor[run] = sum_run(lines[row[run]], start[run], stop[run])


@inner
def _squares_below(m: int) -> int:
    """0 + 1 + 4 + ... + (m - 1)^2, right for negative m too (as differences)."""
    return (m - 1) * m * (2 * m - 1) // 6


@kernel
def _accumulate(
    runs: RunColumns,
    height: int,
    label: Vector[np.int32],
    sums: RunSums,
    table: Plane[np.int64],
) -> None:
    row, start, stop = runs
    total, peak, floor = sums
    for run in range(row.size):
        t = table[label[run] - 1]
        z, y = np.int64(row[run]) // height, np.int64(row[run]) % height
        x, end = np.int64(start[run]), np.int64(stop[run])
        if t[0] == 0:
            t[2], t[3] = peak[run], floor[run]
            t[13], t[14], t[15], t[16], t[17], t[18] = z, z + 1, y, y + 1, x, end
            t[19], t[20], t[21] = z, y, x
        n = end - x
        t[0] += n
        t[1] += total[run]
        t[2], t[3] = max(t[2], np.int64(peak[run])), min(t[3], np.int64(floor[run]))
        t[14] = z + 1
        t[15], t[16] = min(t[15], y), max(t[16], y + 1)
        t[17], t[18] = min(t[17], x), max(t[18], end)
        # From the object's first voxel, so that squares stay small and exact.
        dz, dy, a, b = z - t[19], y - t[20], x - t[21], end - t[21]
        along = (a + b - 1) * n // 2
        t[4] += dz * n
        t[5] += dy * n
        t[6] += along
        t[7] += dz * dz * n
        t[8] += dy * dy * n
        t[9] += _squares_below(b) - _squares_below(a)
        t[10] += dz * dy * n
        t[11] += dz * along
        t[12] += dy * along
