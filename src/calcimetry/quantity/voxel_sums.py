"""Plain sums over the voxels of many objects at once, one call for all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calcimetry.kernels.compiled import kernel, read_only
from calcimetry.kernels.types import Plane, RunColumns, Vector
from calcimetry.records import Runs
from calcimetry.runs import concatenated
from calcimetry.threads import Jobs, over_chunks

_DENSE_HU = 130


@dataclass(frozen=True, slots=True, eq=False)
class VoxelSums:
    """A number for each object.

    voxels : int64; total, of their HU : int64; peak : the largest HU, int64
    dense : voxels of 130 HU and more, int64
    slope : c in the mean over all slices from the first to the last, float64
    """

    voxels: NDArray[np.int64]
    total: NDArray[np.int64]
    peak: NDArray[np.int64]
    dense: NDArray[np.int64]
    slope: NDArray[np.float64]


def voxel_sums(
    hu: NDArray[np.int16], pieces: Sequence[Runs], slopes: NDArray[np.float64], *, jobs: Jobs = 1
) -> VoxelSums:
    """Sums over pieces of a scan, none of them empty.

    hu : int16 (z, y, x); slopes : float64 (z,), c of each slice; jobs : threads
    """
    all_runs = concatenated(pieces, hu.shape)
    table, slope = np.zeros((len(pieces), 4), np.int64), np.zeros(len(pieces))
    lines = read_only(hu, np.int16).reshape(-1, max(hu.shape[2], 1))
    given = read_only(slopes, np.float64)

    def stretch(first: int, end: int) -> None:
        bounds = all_runs.bounds[first : end + 1]
        _sum(
            lines, all_runs.columns, bounds, hu.shape[1], given, table[first:end], slope[first:end]
        )

    over_chunks(stretch, len(pieces), jobs)
    return VoxelSums(table[:, 0], table[:, 1], table[:, 2], table[:, 3], slope)


@kernel
def _sum(
    lines: Plane[np.int16],
    columns: RunColumns,
    bounds: Vector[np.int64],
    height: int,
    slopes: Vector[np.float64],
    table: Plane[np.int64],
    slope: Vector[np.float64],
) -> None:
    row, start, stop = columns
    for piece in range(slope.size):
        first, end = bounds[piece], bounds[piece + 1]
        count, whole, peak, dense = 0, 0, -32768, 0
        for run in range(first, end):
            count += stop[run] - start[run]
            at = row[run]
            for x in range(start[run], stop[run]):
                value = lines[at, x]
                whole += value
                peak = max(peak, value)
                dense += value >= _DENSE_HU
        table[piece, 0], table[piece, 1] = count, whole
        table[piece, 2], table[piece, 3] = peak, dense
        # A connected object has voxels in every slice between its first and its last.
        low, high = row[first] // height, row[end - 1] // height + 1
        sum_of_slopes = 0.0
        for z in range(low, high):
            sum_of_slopes += slopes[z]
        slope[piece] = sum_of_slopes / (high - low)
