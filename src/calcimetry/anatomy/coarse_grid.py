"""The coarse grid: block means of a scan at about 3 mm, and morphology on it.

Anatomy is found on this grid, a hundredth of the scan's size; what must be right to a
voxel is then looked up in the scan around the points that are asked for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calcimetry.kernels.compiled import kernel
from calcimetry.kernels.types import Vector, Volume
from calcimetry.records import Runs, Scan
from calcimetry.runs import from_mask, label_components, take, to_mask
from calcimetry.threads import Jobs, over_slabs

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


def block_means(scan: Scan, grid: Grid, *, jobs: Jobs = 1) -> NDArray[np.int16]:
    """Mean HU of each cell, in one streaming read of the scan."""
    out = np.empty(grid.shape, np.int16)
    hu = scan.hu.view()
    hu.flags.writeable = False
    over_slabs(lambda a, b: _means(hu, np.array(grid.cell), out, a, b), grid.shape[0], jobs)
    return out


def connected(mask: Mask, connectivity: int) -> tuple[Runs, NDArray[np.int32]]:
    """Runs of a coarse mask and the part of each, 1..; see `runs.label_components`."""
    runs = from_mask(mask)
    return runs, label_components(runs, connectivity=connectivity)


def painted(runs: Runs, keep: NDArray[np.bool_]) -> Mask:
    """The coarse mask of some of its runs."""
    return to_mask(take(runs, keep))


def flooded(seeds: Mask, room: Mask, connectivity: int) -> Mask:
    """The connected parts of `room` that hold a seed."""
    runs, label = connected(room, connectivity)
    # How many seeds lie before each cell tells whether any lies in a run.
    before = np.append(0, np.cumsum(seeds, dtype=np.int32))
    first = runs.row.astype(np.int64) * seeds.shape[2]
    held = before[first + runs.stop] > before[first + runs.start]
    reached = np.zeros(int(label.max(initial=0)) + 1, np.bool_)
    reached[label[held]] = True
    return painted(runs, reached[label])


def dilated(mask: Mask, steps: int = 1, *, in_slice: bool = False) -> Mask:
    """Grown by `steps` cells, faces and then edges in turns (nearly a ball, or a disc)."""
    edged = np.pad(mask, 1).view(np.uint8)
    for step in range(steps):
        grown = np.zeros_like(edged)
        _grow(edged, 1 + step % 2, in_slice, grown)
        edged = grown
    return edged[1:-1, 1:-1, 1:-1].copy().view(np.bool_)


def eroded(mask: Mask, steps: int = 1, *, in_slice: bool = False) -> Mask:
    """Shrunk by `steps` cells; beyond the grid everything counts as set."""
    return ~dilated(~mask, steps, in_slice=in_slice)


@kernel
def _grow(mask: Volume[np.uint8], reach: int, in_slice: bool, out: Volume[np.uint8]) -> None:
    """Grow by one cell: over faces, and with reach 2 over edges too. Both have a border.

    A slice is one line from its first inner cell to its last, so that the loops are long and
    SIMD; the border is cleared afterwards.
    """
    depth, height, width = mask.shape
    size, count = height * width, height * width - 2 * (width + 1)
    cells, grown = mask.reshape(-1), out.reshape(-1)
    side, ends = np.empty(count + 2, np.uint8), np.empty(count + 2, np.uint8)
    through, edges = np.uint8(0 if in_slice else 255), np.uint8(255 if reach == 2 else 0)
    for z in range(1, depth - 1):
        at = z * size + width
        here, before, behind = cells[at:], cells[at - width :], cells[at + width :]
        below, above = cells[at - size :], cells[at + size :]
        for k in range(count + 2):
            side[k] = before[k] | behind[k] | ((below[k] | above[k]) & through)
        for k in range(count + 2):
            ends[k] = here[k] | (side[k] & edges)
        line, left, right = grown[at + 1 :], ends, ends[2:]
        here, beside = here[1:], side[1:]
        for k in range(count):
            line[k] = here[k] | beside[k] | left[k] | right[k]
        if reach == 2 and not in_slice:
            a, b = cells[at + 1 - size - width :], cells[at + 1 - size + width :]
            c, d = cells[at + 1 + size - width :], cells[at + 1 + size + width :]
            for k in range(count):
                line[k] |= a[k] | b[k] | c[k] | d[k]
        for y in range(height):
            out[z, y, 0] = out[z, y, width - 1] = 0


@kernel
def _means(
    hu: Volume[np.int16], cell: Vector[np.int64], out: Volume[np.int16], first: int, end: int
) -> None:
    depth, height, width = hu.shape
    fz, fy, fx = int(cell[0]), int(cell[1]), int(cell[2])
    line = np.empty(width, np.int32)
    for cz in range(first, end):
        z1 = min((cz + 1) * fz, depth)
        for cy in range(out.shape[1]):
            y1 = min((cy + 1) * fy, height)
            for x in range(width):
                line[x] = 0
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
