"""Small boxes of a scan around one object, with what else is dense there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from calcimetry.records import Box, Finding, Runs, Scan


@dataclass(frozen=True, slots=True, eq=False)
class Crop:
    """One object and its surroundings.

    hu : float32 (z, y, x)
    own : bool, the object's voxels
    other : bool, voxels of every other dense object
    spacing : (z, y, x) mm
    voxel_mm3 : volume of a voxel (for sheared grids not the product of the spacings)
    box : where the crop lies in the scan
    """

    hu: NDArray[np.float32]
    own: NDArray[np.bool_]
    other: NDArray[np.bool_]
    spacing: tuple[float, float, float]
    voxel_mm3: float
    box: Box


@dataclass(frozen=True, slots=True, eq=False)
class Index:
    """All runs of all findings, by row, with the number (1..) of their finding."""

    row: NDArray[np.int64]
    start: NDArray[np.int64]
    stop: NDArray[np.int64]
    owner: NDArray[np.int32]


def index(findings: Sequence[Finding]) -> Index:
    """Put the runs of all findings in one list ordered by row."""
    if not findings:
        empty = np.zeros(0, np.int64)
        return Index(empty, empty, empty, np.zeros(0, np.int32))
    row, start, stop = (
        np.concatenate([getattr(f.runs, name) for f in findings]).astype(np.int64)
        for name in ("row", "start", "stop")
    )
    lengths = [len(f.runs) for f in findings]
    owner = np.repeat(np.arange(1, len(findings) + 1, dtype=np.int32), lengths)
    order = np.lexsort((start, row))
    return Index(row[order], start[order], stop[order], owner[order])


def bounds(runs: Runs) -> tuple[tuple[int, int], ...]:
    """First and one past the last (z, y, x) index of the runs."""
    z, y = np.divmod(runs.row, runs.shape[1])
    return (
        (int(z.min()), int(z.max()) + 1),
        (int(y.min()), int(y.max()) + 1),
        (int(runs.start.min()), int(runs.stop.max())),
    )


def box_around(runs: Runs, spacing: tuple[float, float, float], margin_mm: float) -> Box:
    """The box of the runs with a margin (at least 2 voxels), kept inside the volume."""
    parts = []
    for (low, high), size, step in zip(bounds(runs), runs.shape, spacing, strict=True):
        extra = max(2, int(np.ceil(margin_mm / step)))
        parts.append(slice(max(0, low - extra), min(size, high + extra)))
    return parts[0], parts[1], parts[2]


def cut(scan: Scan, runs: Runs, number: int, everything: Index, margin_mm: float) -> Crop:
    """The crop of finding `number` (1..) of an index."""
    box = box_around(runs, scan.spacing, margin_mm)
    owner = paint(everything, box, runs.shape[1])
    own = owner == number
    other = (owner > 0) & ~own
    hu = scan.hu[box].astype(np.float32)
    return Crop(hu, own, other, scan.spacing, scan.voxel_mm3, box)


def paint(everything: Index, box: Box, rows_per_slice: int) -> NDArray[np.int32]:
    """The number of the finding that holds each voxel of a box; 0 for none."""
    low = np.array([part.start for part in box])
    high = np.array([part.stop for part in box])
    out = np.zeros(tuple(high - low), np.int32)
    first, last = np.searchsorted(
        everything.row, (low[0] * rows_per_slice, high[0] * rows_per_slice)
    )
    part = slice(int(first), int(last))
    _paint(
        everything.row[part],
        everything.start[part],
        everything.stop[part],
        everything.owner[part],
        low,
        high,
        rows_per_slice,
        out,
    )
    return out


@njit(cache=True, nogil=True)
def _paint(row, start, stop, owner, low, high, height, out):  # type: ignore[no-untyped-def]
    for n in range(len(row)):
        z, y = row[n] // height, row[n] % height
        if z < low[0] or z >= high[0] or y < low[1] or y >= high[1]:
            continue
        for x in range(max(start[n], low[2]), min(stop[n], high[2])):
            out[z - low[0], y - low[1], x - low[2]] = owner[n]


def values(hu: NDArray[np.int16], runs: Runs) -> NDArray[np.int16]:
    """The HU of the voxels of runs, in order."""
    out = np.empty(runs.voxels, np.int16)
    _gather(hu, runs.row, runs.start, runs.stop, out)
    return out


@njit(cache=True, nogil=True)
def _gather(hu, row, start, stop, out):  # type: ignore[no-untyped-def]
    at = 0
    for n in range(len(row)):
        z, y = row[n] // hu.shape[1], row[n] % hu.shape[1]
        for x in range(start[n], stop[n]):
            out[at] = hu[z, y, x]
            at += 1


def points(runs: Runs) -> NDArray[np.int64]:
    """(n, 3) indices (z, y, x) of the voxels of runs, in order."""
    lengths = (runs.stop - runs.start).astype(np.int64)
    z, y = np.divmod(np.repeat(runs.row.astype(np.int64), lengths), runs.shape[1])
    offset = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    return np.stack([z, y, np.repeat(runs.start.astype(np.int64), lengths) + offset], axis=1)
