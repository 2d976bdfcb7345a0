"""The coarse grid: block means of a scan at about 3 mm, and morphology on it.

Anatomy is found on this grid, a hundredth of the scan's size; what must be right to a
voxel is then looked up in the scan around the points that are asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calcimetry.records import Scan
from calcimetry.runs import connect, from_mask, paint
from calcimetry.runs._jit import kernel
from calcimetry.runs._slabs import over_slabs

CELL_MM = 3.0
MOST_VOXELS = 60
"""Of a cell along each side: a row of one and its neighbours fits a word of bits (skin.py)."""

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Grid:
    """Cells of whole voxels laid over a scan.

    shape : cells along (z, y, x); cells at the far ends may hang over the scan
    cell : voxels in a cell along (z, y, x)
    size_mm : edge lengths of a cell
    """

    shape: tuple[int, int, int]
    cell: tuple[int, int, int]
    size_mm: tuple[float, float, float]

    def of(self, zyx: NDArray[Any]) -> NDArray[np.int64]:
        """The cell that holds each voxel position (..., 3); clipped to the grid."""
        index = np.floor((np.asarray(zyx, np.float64) + 0.5) / self.cell).astype(np.int64)
        return np.clip(index, 0, np.array(self.shape) - 1)

    def centres(self, cells: NDArray[Any]) -> NDArray[np.float64]:
        """Voxel positions (z, y, x) of the middles of cells (n, 3)."""
        middle: NDArray[np.float64] = (np.asarray(cells) + 0.5) * self.cell - 0.5
        return middle


def grid_of(scan: Scan, cell_mm: float = CELL_MM) -> Grid:
    """The grid of cells nearest to `cell_mm` on each side, of 1 to MOST_VOXELS voxels."""
    z, y, x = (min(max(1, round(cell_mm / step)), MOST_VOXELS) for step in scan.spacing)
    depth, height, width = scan.hu.shape
    shape = (-(-depth // z), -(-height // y), -(-width // x))
    dz, dy, dx = scan.spacing
    return Grid(shape, (z, y, x), (z * dz, y * dy, x * dx))


def block_means(scan: Scan, grid: Grid, *, jobs: int = 1) -> NDArray[np.int16]:
    """Mean HU of each cell, in one streaming read of the scan."""
    out = np.empty(grid.shape, np.int16)
    hu = scan.hu.view()
    hu.flags.writeable = False
    over_slabs(lambda a, b: _means(hu, np.array(grid.cell), out, a, b), grid.shape[0], jobs)
    return out


def labelled(mask: Mask, connectivity: int) -> NDArray[np.int32]:
    """Connected parts of a coarse mask, 1..; 4 or 8 within slices, 6, 18 or 26 through them."""
    runs = from_mask(np.ascontiguousarray(mask))
    z, y, x = (slice(0, n) for n in mask.shape)
    labels: NDArray[np.int32] = paint((z, y, x), runs, connect(runs, connectivity=connectivity))
    return labels


def flooded(seeds: Mask, room: Mask, connectivity: int) -> Mask:
    """The connected parts of `room` that hold a seed."""
    labels = labelled(room, connectivity)
    reached = np.zeros(int(labels.max(initial=0)) + 1, np.bool_)
    reached[labels[seeds & room]] = True
    reached[0] = False
    return reached[labels]


def dilated(mask: Mask, steps: int = 1, *, in_slice: bool = False) -> Mask:
    """Grown by `steps` cells, faces and then edges in turns (nearly a ball, or a disc)."""
    for step in range(steps):
        mask = _grown(mask, reach=1 + step % 2, in_slice=in_slice)
    return mask


def eroded(mask: Mask, steps: int = 1, *, in_slice: bool = False) -> Mask:
    """Shrunk by `steps` cells; beyond the grid everything counts as set."""
    return ~dilated(~mask, steps, in_slice=in_slice)


def _grown(mask: Mask, *, reach: int, in_slice: bool) -> Mask:
    out = mask.copy()
    for offset in product((0,) if in_slice else (-1, 0, 1), (-1, 0, 1), (-1, 0, 1)):
        if 1 <= sum(map(abs, offset)) <= reach:
            out[_shifted(offset)] |= mask[_shifted([-step for step in offset])]
    return out


def _shifted(offset: Sequence[int]) -> tuple[slice, ...]:
    """What of an array is still on it when moved back by `offset`."""
    return tuple(slice(max(0, step), min(0, step) or None) for step in offset)


@kernel
def _means(hu: Any, cell: Any, out: Any, first: Any, end: Any) -> None:
    depth, height, width = hu.shape
    fz, fy, fx = cell
    line = np.empty(width, np.int32)
    for cz in range(first, end):
        z1 = min((cz + 1) * fz, depth)
        for cy in range(out.shape[1]):
            y1 = min((cy + 1) * fy, height)
            line[:] = 0
            for z in range(cz * fz, z1):
                for y in range(cy * fy, y1):
                    source = hu[z, y]
                    for x in range(width):
                        line[x] += source[x]
            rows = (z1 - cz * fz) * (y1 - cy * fy)
            for cx in range(out.shape[2]):
                total, x1 = np.int64(0), min((cx + 1) * fx, width)
                for x in range(cx * fx, x1):
                    total += line[x]
                out[cz, cy, cx] = np.int16(round(total / (rows * (x1 - cx * fx))))
