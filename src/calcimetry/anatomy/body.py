"""The body against air, table, cushions and clothing; the skin, and depth under it.

Body and outside are told apart on a coarse grid (coarse.py); the skin is then found to a
fraction of a voxel around the points that are asked for. The skin is only where body meets
air that was seen: the field's own borders, and padding outside a round field, are no skin.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from calcimetry.anatomy.coarse import (
    Grid,
    Mask,
    block_means,
    dilated,
    eroded,
    flooded,
    grid_of,
    labelled,
)
from calcimetry.anatomy.field import unseen_pixels
from calcimetry.anatomy.tissue import SMALLEST_CM3, bodily, make_up
from calcimetry.records import Scan
from calcimetry.runs._jit import kernel

TISSUE_HU = -400  # of a 3 mm cell: fat is near -100, lung near -850, foam and cloth below -700
SKIN_HU = -500  # half way from air to tissue: where a blurred edge lies
AIR_HU = -940  # of a cell at the border: above it, it may be lung that the field cuts
CREVICE_MM = 12.0  # how far air between fingers is followed; a nose no further
GATE_MM = 9.0  # half of the narrowest way by which air enters a space: an airway is narrower
NEAREST_CELLS = 64


@dataclass(frozen=True, slots=True, eq=False)
class Body:
    """What of a scan is body.

    grid : the coarse grid; all masks have its shape
    hu : int16, mean HU of each cell
    inside : bool, body: skin, all beneath it, and gas in it
    around : bool, the same and the cells next to it
    unseen : bool, cells that hold padding outside a round field
    part : uint8, the parts of the body that lie apart (limbs), 1.. by falling size, 0 outside
    skin : cKDTree over the middles, LPS mm, of cells on both sides of where body meets seen
        outside air; None where there are none
    skin_cells : int64 (n, 3), those cells
    """

    grid: Grid
    hu: NDArray[np.int16]
    inside: Mask
    around: Mask
    unseen: Mask
    part: NDArray[np.uint8]
    skin: Any
    skin_cells: NDArray[np.int64]

    @property
    def parts(self) -> int:
        """How many parts lie apart in this field."""
        return int(self.part.max(initial=0))


def find_body(scan: Scan, *, jobs: int = 1) -> Body:
    """The body in a scan; nothing is body in a scan of air or of a table alone.

    Several parts are kept where limbs lie apart. Tables, cushions, clothing and
    calibration phantoms that do not grow into the body are outside.
    """
    grid = grid_of(scan)
    hu = block_means(scan, grid, jobs=jobs)
    unseen = _unseen_cells(scan, grid)
    body = _tissue(hu, unseen, grid)
    outside = _outside(body, hu, unseen, grid)
    part = _parts(flooded(body, ~outside & ~unseen, 6), grid)
    inside = part > 0
    # On both sides: a cell less than half full of skin is outside.
    skin_cells = np.argwhere((inside & dilated(outside)) | (outside & dilated(inside)))
    tree = cKDTree(scan.to_lps(grid.centres(skin_cells))) if len(skin_cells) else None
    return Body(grid, hu, inside, dilated(inside), unseen, part, tree, skin_cells)


def inside(body: Body, zyx: NDArray[Any]) -> Mask:
    """Whether voxel positions (n, 3) lie in the body: bool (n,), right to a cell (3 mm)."""
    z, y, x = body.grid.of(zyx).T
    found: Mask = body.inside[z, y, x]
    return found


def part_of(body: Body, zyx: NDArray[Any]) -> NDArray[np.uint8]:
    """The part of the body (1.., 0 outside) that voxel positions (n, 3) lie in."""
    z, y, x = body.grid.of(zyx).T
    found: NDArray[np.uint8] = body.part[z, y, x]
    return found


def skin_depth(body: Body, scan: Scan, zyx: NDArray[Any]) -> NDArray[np.float64]:
    """Distance from voxel positions (n, 3) to the nearest skin seen: float64 (n,), mm.

    The skin is where HU passes -500 between neighbouring voxels, interpolated. Positions
    outside the body get their distance too. NaN where no skin is in the field of view.
    """
    points = np.asarray(zyx, np.float64).reshape(-1, 3)
    depth = np.full(len(points), np.nan)
    if body.skin is None or not len(points):
        return depth
    lps = scan.to_lps(points)
    count = min(NEAREST_CELLS, len(body.skin_cells))
    coarse, nearest = body.skin.query(lps, k=np.arange(1, count + 1))
    surface = _surface(body, scan, body.skin_cells[np.unique(nearest)])
    if not len(surface):
        return np.asarray(coarse[:, 0], np.float64)
    return np.asarray(cKDTree(scan.to_lps(surface)).query(lps)[0], np.float64)


def skin_gap(body: Body, scan: Scan, zyx: NDArray[Any]) -> float | None:
    """The smallest `skin_depth` of positions (n, 3), mm; None without skin in the field.

    Only positions that the coarse grid has among the nearest are looked at closely.
    """
    points = np.asarray(zyx, np.float64).reshape(-1, 3)
    if body.skin is None or not len(points):
        return None
    coarse, _ = body.skin.query(scan.to_lps(points))
    doubt = 2.0 * float(np.linalg.norm(body.grid.size_mm))
    near = points[coarse <= coarse.min() + doubt]
    return float(skin_depth(body, scan, near).min())


def _surface(body: Body, scan: Scan, cells: NDArray[np.int64]) -> NDArray[np.float64]:
    """Where the skin crosses between voxels in and beside `cells`: positions (n, 3)."""
    hu = scan.hu.view()
    hu.flags.writeable = False
    seen: NDArray[np.float64] = _crossings(
        hu, np.array(body.grid.cell), cells, body.around, body.unseen
    )
    return seen


def _unseen_cells(scan: Scan, grid: Grid) -> Mask:
    flat = unseen_pixels(scan.hu)
    _, fy, fx = grid.cell
    padded = np.pad(flat, [(0, -flat.shape[0] % fy), (0, -flat.shape[1] % fx)])
    cells = padded.reshape(grid.shape[1], fy, grid.shape[2], fx).any(axis=(1, 3))
    return np.ascontiguousarray(np.broadcast_to(cells, grid.shape))


def _tissue(hu: NDArray[np.int16], unseen: Mask, grid: Grid) -> Mask:
    """Tissue without tables: thin things are opened away, and parts that are no tissue."""
    tissue = (hu > TISSUE_HU) & ~unseen
    once = eroded(tissue | unseen)
    core = dilated(once) & tissue
    labels = labelled(core, 6)
    keep = bodily(make_up(labels, hu, once, grid))
    return dilated(keep[labels], 2) & tissue


def _outside(body: Mask, hu: NDArray[np.int16], unseen: Mask, grid: Grid) -> Mask:
    """Air and things around the body; not gas in it, nor lung that the field cuts."""
    room = ~body & ~unseen
    seeds = room & (hu < AIR_HU) & _border(body.shape, unseen)
    # Slice by slice, because lungs and bowel are closed in a slice while an airway opens.
    outside = flooded(seeds, room, 4)
    size = min(grid.size_mm)
    wide = eroded(room, round(GATE_MM / size))
    outside |= dilated(flooded(outside, wide | outside, 6), round(GATE_MM / size)) & room
    for _ in range(round(CREVICE_MM / size)):
        outside = dilated(outside) & room
    return outside


def _border(shape: tuple[int, ...], unseen: Mask) -> Mask:
    """Cells at the sides of the field (not its first and last slice, which cut lungs)."""
    border = dilated(unseen) & ~unseen
    border[:, [0, -1], :] = True
    border[:, :, [0, -1]] = True
    return border & np.ones(shape, np.bool_)


def _parts(inside: Mask, grid: Grid) -> NDArray[np.uint8]:
    """Parts that lie apart, by falling size; crumbs of tables, too small for a fingertip, go."""
    labels = labelled(inside, 6)
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    least = SMALLEST_CM3 / 2 * 1000 / np.prod(grid.size_mm)
    order = np.argsort(-sizes, kind="stable")[: min(int((sizes >= least).sum()), 255)]
    rank = np.zeros(len(sizes), np.uint8)
    rank[order] = np.arange(1, len(order) + 1)
    return rank[labels]


@kernel
def _crossings(hu: Any, cell: Any, cells: Any, near: Any, unseen: Any) -> Any:
    shape = hu.shape
    found = np.empty((3 * len(cells) * (cell[0] + 2) * (cell[1] + 2) * (cell[2] + 2), 3))
    count = 0
    step = np.zeros(3, np.int64)
    for c in range(len(cells)):
        low = [max(cells[c, k] * cell[k] - 1, 0) for k in range(3)]
        high = [min((cells[c, k] + 1) * cell[k] + 1, shape[k]) for k in range(3)]
        for z in range(low[0], high[0]):
            for y in range(low[1], high[1]):
                for x in range(low[2], high[2]):
                    here = hu[z, y, x] >= SKIN_HU
                    for axis in range(3):
                        step[:] = 0
                        step[axis] = 1
                        z1, y1, x1 = z + step[0], y + step[1], x + step[2]
                        if z1 >= high[0] or y1 >= high[1] or x1 >= high[2]:
                            continue
                        if here == (hu[z1, y1, x1] >= SKIN_HU):
                            continue
                        a = z // cell[0], y // cell[1], x // cell[2]
                        b = z1 // cell[0], y1 // cell[1], x1 // cell[2]
                        if unseen[a] or unseen[b] or not (near[a] or near[b]):
                            continue
                        v, w = np.float64(hu[z, y, x]), np.float64(hu[z1, y1, x1])
                        part = (SKIN_HU - v) / (w - v)
                        found[count, 0] = z + part * step[0]
                        found[count, 1] = y + part * step[1]
                        found[count, 2] = x + part * step[2]
                        count += 1
    return found[:count].copy()
