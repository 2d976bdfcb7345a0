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

from calcimetry.anatomy.body_parts import SMALLEST_CM3, bodily, part_features
from calcimetry.anatomy.coarse_grid import (
    Grid,
    Mask,
    block_means,
    connected,
    dilated,
    eroded,
    flooded,
    grid_of,
    painted,
)
from calcimetry.anatomy.field_of_view import unseen_pixels
from calcimetry.anatomy.nearest import Blocks, blocks_of
from calcimetry.anatomy.skin import gaps_to_skin
from calcimetry.records import Scan
from calcimetry.runs import paint
from calcimetry.threads import Jobs

TISSUE_HU = -400  # of a 3 mm cell: fat is near -100, lung near -850, foam and cloth below -700
AIR_HU = -940  # of a cell at the border: above it, it may be lung that the field cuts
CREVICE_MM = 12.0  # how far air between fingers is followed; a nose no further
GATE_MM = 9.0  # half of the narrowest way by which air enters a space: an airway is narrower


@dataclass(frozen=True, slots=True, eq=False)
class Body:
    """What of a scan is body.

    grid : the coarse grid; all masks have its shape
    hu : int16, mean HU of each cell
    inside : bool, body: skin, all beneath it, and gas in it
    around : bool, the same and the cells next to it
    unseen : bool, cells that hold padding outside a round field
    part : uint8, the parts of the body that lie apart (limbs), 1.. by falling size, 0 outside
    skin : cells on both sides of where body meets seen outside air, to be searched; None where
        there are none
    skin_cells : int64 (n, 3), those cells
    """

    grid: Grid
    hu: NDArray[np.int16]
    inside: Mask
    around: Mask
    unseen: Mask
    part: NDArray[np.uint8]
    skin: Blocks | None
    skin_cells: NDArray[np.int64]

    @property
    def parts(self) -> int:
        """How many parts lie apart in this field."""
        return int(self.part.max(initial=0))


def find_body(scan: Scan, *, jobs: Jobs = 1) -> Body:
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
    skin = blocks_of(skin_cells, grid, scan.affine, 0.5)
    return Body(grid, hu, inside, dilated(inside), unseen, part, skin, skin_cells)


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
    return skin_gaps(body, scan, points, np.arange(len(points) + 1))


def skin_gaps(
    body: Body, scan: Scan, zyx: NDArray[Any], bounds: NDArray[np.int64], *, jobs: Jobs = 1
) -> NDArray[np.float64]:
    """The smallest `skin_depth` of each object: float64 (objects,), mm.

    zyx : voxel positions (n, 3); object k has ``zyx[bounds[k]:bounds[k + 1]]``
    """
    if body.skin is None:
        return np.full(len(bounds) - 1, np.nan)
    lattice = body.grid, body.around, body.unseen
    return gaps_to_skin(body.skin, scan, lattice, zyx, bounds, jobs=jobs)


def skin_gap(body: Body, scan: Scan, zyx: NDArray[Any]) -> float | None:
    """The smallest `skin_depth` of positions (n, 3), mm; None without skin in the field."""
    points = np.asarray(zyx, np.float64).reshape(-1, 3)
    if body.skin is None or not len(points):
        return None
    return float(skin_gaps(body, scan, points, np.array([0, len(points)]))[0])


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
    runs, label = connected(core, 6)
    keep = bodily(part_features(runs, label, hu, once, grid))
    return dilated(painted(runs, keep[label]), 2) & tissue


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
    runs, label = connected(inside, 6)
    sizes = np.bincount(label, runs.stop - runs.start, minlength=1)
    least = SMALLEST_CM3 / 2 * 1000 / np.prod(grid.size_mm)
    order = np.argsort(-sizes, kind="stable")[: min(int((sizes >= least).sum()), 255)]
    rank = np.zeros(len(sizes), np.uint8)
    rank[order] = np.arange(1, len(order) + 1)
    z, y, x = (slice(0, n) for n in inside.shape)
    part: NDArray[np.uint8] = np.zeros(inside.shape, np.uint8)
    paint((z, y, x), runs, rank[label].astype(np.int32), part)
    return part
