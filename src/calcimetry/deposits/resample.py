"""Between a scan's voxels and the network's isotropic grid."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from calcimetry.kernels.compiled import inner, kernel
from calcimetry.kernels.types import Plane, RunColumns, Vector, Volume

GRID_MM = 1.5
"""Edge of the network's voxels, mm. Voxel centres lie at whole multiples of it from the
centre of the scan's first voxel, along the scan's own axes."""

OUTSIDE_HU = -1024
"""What lies outside the scan; padding inside it, far below air, is raised to this."""

_LEAST = np.float32(OUTSIDE_HU)

FilterTaps = tuple[NDArray[np.int32], NDArray[np.float32]]
"""For each place along an axis, native indices and their weights, both (places, taps)."""

LinearCells = tuple[NDArray[np.int32], NDArray[np.float32]]
"""For each voxel along an axis, the grid voxel before it, and how far it is beyond that."""


def axis_weights(count: int, spacing: float) -> FilterTaps:
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


def axis_cells(count: int, spacing: float, length: int) -> LinearCells:
    """Where the voxels of an axis lie on the network's grid of `length` along that axis."""
    at = np.minimum(np.arange(count) * (spacing / GRID_MM), length - 1)
    low = np.minimum(at.astype(np.int32), max(length - 2, 0)).astype(np.int32)
    return low, (at - low).astype(np.float32)


def turned_round(axis: tuple[FilterTaps, LinearCells]) -> tuple[FilterTaps, LinearCells]:
    """An axis' taps and cells for a grid that begins at its last voxel and runs against it."""
    (index, weight), (low, beyond) = axis
    return (len(low) - 1 - index, weight), (low[::-1].copy(), beyond[::-1].copy())


def resample(
    hu: NDArray[np.int16], z_taps: FilterTaps, y_taps: FilterTaps, x_taps: FilterTaps
) -> NDArray[np.float32]:
    """A part of the grid: float32 (places of z, of y, of x), from the int16 scan.

    Along z, then y, then x: whole rows first, so that only what is left of them is gathered.
    """
    (y_index, y_weight), (x_index, x_weight) = y_taps, x_taps
    low_y, low_x = int(y_index.min()), int(x_index.min())
    wide = int(y_index.max()) + 1 - low_y, int(x_index.max()) + 1 - low_x
    by_tap = np.ascontiguousarray((x_index - low_x).T), np.ascontiguousarray(x_weight.T)
    out: Volume[np.float32] = np.zeros((len(z_taps[0]), len(y_index), len(x_index)), np.float32)
    _resample(hu, z_taps, (y_index - low_y, y_weight), by_tap, (low_y, low_x), wide, out)
    return out


@kernel
def _resample(
    hu: Volume[np.int16],
    z_taps: FilterTaps,
    y_taps: FilterTaps,
    x_taps: FilterTaps,
    low: tuple[int, int],
    wide: tuple[int, int],
    out: Volume[np.float32],
) -> None:
    """`resample` into `out`, from the part of the slices that begins at `low`, (y, x), and is so
    `wide`. y_taps : indices from there; x_taps : too, and (taps, places)."""
    plane, row = np.empty(wide, np.float32), np.empty(wide[1], np.float32)
    for z in range(out.shape[0]):
        _mix_slices(hu, low[0], low[1], z_taps[0][z], z_taps[1][z], plane)
        for y in range(out.shape[1]):
            _mix_rows(plane, y_taps[0][y], y_taps[1][y], row)
            _gather(row, x_taps[0], x_taps[1], out[z, y])


@inner
def _gather(
    row: Vector[np.float32],
    index: Plane[np.int32],
    weight: Plane[np.float32],
    out: Vector[np.float32],
) -> None:
    for k in range(index.shape[0]):
        place, share = index[k], weight[k]
        for x in range(out.size):
            out[x] += share[x] * row[place[x]]


@inner
def _mix_slices(
    hu: Volume[np.int16],
    low_y: int,
    low_x: int,
    index: Vector[np.int32],
    weight: Vector[np.float32],
    plane: Plane[np.float32],
) -> None:
    for y in range(plane.shape[0]):
        sums = plane[y]
        for x in range(sums.size):
            sums[x] = 0
        for k in range(index.size):
            if weight[k] == 0:
                continue
            # A part of a row is known to be contiguous, a part of a volume is not.
            line, part = hu[index[k], low_y + y][low_x : low_x + sums.size], weight[k]
            for x in range(sums.size):
                value = np.float32(line[x])
                sums[x] += part * (value if value > _LEAST else _LEAST)


@inner
def _mix_rows(
    plane: Plane[np.float32],
    index: Vector[np.int32],
    weight: Vector[np.float32],
    row: Vector[np.float32],
) -> None:
    for x in range(row.size):
        row[x] = 0
    for k in range(index.size):
        if weight[k] != 0:
            line = plane[index[k]]
            for x in range(row.size):
                row[x] += weight[k] * line[x]


def folded(volume: NDArray[np.float32]) -> NDArray[np.float32]:
    """(z, y, x), even sides, as the network takes it: (z/2, y/2, x/2, 8), cells of 2x2x2."""
    z, y, x = (side // 2 for side in volume.shape)
    parts = volume.reshape(z, 2, y, 2, x, 2).transpose(0, 2, 4, 1, 3, 5)
    return parts.reshape(z, y, x, 8)


def unfolded(cells: NDArray[np.float32]) -> NDArray[np.float32]:
    """What `folded` makes, back as (z, y, x)."""
    z, y, x, _ = cells.shape
    parts = cells.reshape(z, y, x, 2, 2, 2).transpose(0, 3, 1, 4, 2, 5)
    return parts.reshape(2 * z, 2 * y, 2 * x)


@kernel
def mark_blocks(
    blocks: Volume[np.uint8],
    side: int,
    runs: RunColumns,
    low_z: Vector[np.int32],
    low_y: Vector[np.int32],
    low_x: Vector[np.int32],
) -> None:
    """Mark the `side`-long blocks of all grid voxels that the runs are interpolated from.

    runs : row, start, stop; low_z, low_y, low_x : the first part of `axis_cells`
    """
    row, start, stop = runs
    for run in range(row.size):
        z, y = low_z[row[run] // low_y.size], low_y[row[run] % low_y.size]
        one, other = low_x[start[run]], low_x[stop[run] - 1]
        first, last = min(one, other) // side, (max(one, other) + 1) // side
        for block_z in range(z // side, (z + 1) // side + 1):
            for block_y in range(y // side, (y + 1) // side + 1):
                for block_x in range(first, last + 1):
                    blocks[block_z, block_y, block_x] = 1


@kernel
def interpolate(
    grid: Volume[np.float32],
    runs: RunColumns,
    z_cells: LinearCells,
    y_cells: LinearCells,
    x_cells: LinearCells,
    result: Vector[np.float32],
) -> None:
    """Trilinear values of the grid at every voxel of the runs, in run order, into `result`."""
    row, start, stop = runs
    line = np.empty(grid.shape[2] + 1, np.float32)
    height = len(y_cells[0])
    at = 0
    for run in range(row.size):
        z, y = row[run] // height, row[run] % height
        low, beyond = x_cells
        one, other = low[start[run]], low[stop[run] - 1]
        first, last = min(one, other), max(one, other) + 1
        _mix(grid, z_cells[0][z], z_cells[1][z], y_cells[0][y], y_cells[1][y], first, last, line)
        for x in range(start[run], stop[run]):
            result[at] = line[low[x]] * (1 - beyond[x]) + line[low[x] + 1] * beyond[x]
            at += 1


@inner
def _mix(
    grid: Volume[np.float32],
    z: int,
    beyond_z: float,
    y: int,
    beyond_y: float,
    first: int,
    last: int,
    line: Vector[np.float32],
) -> None:
    """One row between four of the grid, from `first` to `last`."""
    next_z, next_y = min(z + 1, grid.shape[0] - 1), min(y + 1, grid.shape[1] - 1)
    for x in range(first, last + 1):
        c = min(x, grid.shape[2] - 1)
        near = grid[z, y, c] * (1 - beyond_y) + grid[z, next_y, c] * beyond_y
        far = grid[next_z, y, c] * (1 - beyond_y) + grid[next_z, next_y, c] * beyond_y
        line[x] = near * (1 - beyond_z) + far * beyond_z
