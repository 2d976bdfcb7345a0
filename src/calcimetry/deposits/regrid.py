"""Between a scan's voxels and the network's isotropic grid."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from calcimetry.runs._jit import kernel

GRID_MM = 1.5
"""Edge of the network's voxels, mm. Voxel centres lie at whole multiples of it from the
centre of the scan's first voxel, along the scan's own axes."""

OUTSIDE_HU = -1024
"""What lies outside the scan; padding inside it, far below air, is raised to this."""

Taps = tuple[NDArray[np.int32], NDArray[np.float32]]
"""For each place along an axis, native indices and their weights, both (places, taps)."""

Cells = tuple[NDArray[np.int32], NDArray[np.float32]]
"""For each voxel along an axis, the grid voxel before it, and how far it is beyond that."""


def axis_weights(count: int, spacing: float) -> Taps:
    """How one axis is brought to the network's grid: a triangle filter, antialiased.

    Parameters
    ----------
    count, spacing : voxels along the axis, and their distance in mm

    Returns
    -------
    index, weight : (grid, taps); native indices, clipped to the axis, and weights of sum 1.
        Where the scan is coarser than the grid this is linear interpolation.
    """
    length = int(np.floor((count - 1) * spacing / GRID_MM + 1e-6)) + 1
    reach = max(1.0, GRID_MM / spacing)
    centre = np.arange(length) * GRID_MM / spacing
    first = np.floor(centre - reach).astype(np.int64) + 1
    index = first[:, None] + np.arange(int(np.ceil(2 * reach)) + 1)
    weight = np.maximum(0.0, 1.0 - np.abs(index - centre[:, None]) / reach)
    weight /= weight.sum(axis=1, keepdims=True)
    return np.clip(index, 0, count - 1).astype(np.int32), weight.astype(np.float32)


def axis_cells(count: int, spacing: float, length: int) -> Cells:
    """Where the voxels of an axis lie on the network's grid of `length` along that axis."""
    at = np.minimum(np.arange(count) * (spacing / GRID_MM), length - 1)
    low = np.minimum(at.astype(np.int32), max(length - 2, 0)).astype(np.int32)
    return low, (at - low).astype(np.float32)


@kernel
def resample(hu: Any, z_taps: Any, y_taps: Any, x_taps: Any) -> Any:
    """A part of the grid: float32 (places of z, of y, of x), from the int16 scan."""
    index, weight = z_taps
    low_y, high_y = y_taps[0].min(), y_taps[0].max() + 1
    width = len(x_taps[0])
    out = np.zeros((len(index), len(y_taps[0]), width), np.float32)
    rows = np.empty((high_y - low_y, width), np.float32)
    plane = np.empty(out.shape[1:], np.float32)
    for z in range(index.min(), index.max() + 1):
        for y in range(low_y, high_y):
            _along_row(hu[z, y], x_taps, rows[y - low_y])
        _along_columns(rows, low_y, y_taps, plane)
        for place in range(len(index)):
            for k in range(index.shape[1]):
                if index[place, k] == z and weight[place, k] != 0:
                    _add(out[place], weight[place, k], plane)
    return out


@kernel
def _along_row(line: Any, taps: Any, out: Any) -> None:
    index, weight = taps
    for x in range(out.size):
        total = np.float32(0)
        for k in range(index.shape[1]):
            total += weight[x, k] * np.float32(max(line[index[x, k]], OUTSIDE_HU))
        out[x] = total


@kernel
def _along_columns(rows: Any, first: Any, taps: Any, plane: Any) -> None:
    index, weight = taps
    plane[:] = 0
    for y in range(plane.shape[0]):
        for k in range(index.shape[1]):
            if weight[y, k] != 0:
                line = rows[index[y, k] - first]
                for x in range(plane.shape[1]):
                    plane[y, x] += weight[y, k] * line[x]


@kernel
def _add(into: Any, weight: Any, plane: Any) -> None:
    for y in range(plane.shape[0]):
        for x in range(plane.shape[1]):
            into[y, x] += weight * plane[y, x]


@kernel
def mark(blocks: Any, side: Any, runs: Any, low_z: Any, low_y: Any, low_x: Any) -> None:
    """Mark the `side`-long blocks of all grid voxels that the runs are interpolated from.

    runs : row, start, stop; low_z, low_y, low_x : the first part of `axis_cells`
    """
    row, start, stop = runs
    for run in range(row.size):
        z, y = low_z[row[run] // low_y.size], low_y[row[run] % low_y.size]
        first = low_x[start[run]] // side
        last = (low_x[stop[run] - 1] + 1) // side
        for block_z in range(z // side, (z + 1) // side + 1):
            for block_y in range(y // side, (y + 1) // side + 1):
                blocks[block_z, block_y, first : last + 1] = 1


@kernel
def interpolate(grid: Any, runs: Any, z_cells: Any, y_cells: Any, x_cells: Any) -> Any:
    """Trilinear values of the grid at every voxel of the runs, float32, in run order."""
    row, start, stop = runs
    result = np.empty((stop - start).sum(), np.float32)
    line = np.empty(grid.shape[2] + 1, np.float32)
    height = len(y_cells[0])
    at = 0
    for run in range(row.size):
        z, y = row[run] // height, row[run] % height
        low, beyond = x_cells
        first, last = low[start[run]], low[stop[run] - 1] + 1
        _mix(grid, z_cells[0][z], z_cells[1][z], y_cells[0][y], y_cells[1][y], first, last, line)
        for x in range(start[run], stop[run]):
            result[at] = line[low[x]] * (1 - beyond[x]) + line[low[x] + 1] * beyond[x]
            at += 1
    return result


@kernel
def _mix(
    grid: Any, z: Any, beyond_z: Any, y: Any, beyond_y: Any, first: Any, last: Any, line: Any
) -> None:
    """One row between four of the grid, from `first` to `last`."""
    next_z, next_y = min(z + 1, grid.shape[0] - 1), min(y + 1, grid.shape[1] - 1)
    for x in range(first, last + 1):
        c = min(x, grid.shape[2] - 1)
        near = grid[z, y, c] * (1 - beyond_y) + grid[z, next_y, c] * beyond_y
        far = grid[next_z, y, c] * (1 - beyond_y) + grid[next_z, next_y, c] * beyond_y
        line[x] = near * (1 - beyond_z) + far * beyond_z
