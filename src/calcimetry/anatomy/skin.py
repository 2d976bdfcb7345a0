"""The least distance from objects to the skin, right to a fraction of a voxel.

The skin is where HU passes -500 between neighbouring voxels, interpolated. All its points are
found once, cell by cell of the coarse grid. Balls around the points of a cell and of a block
of cells say what can be nearer than what was found (branch and bound): the result is exact.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from calcimetry.anatomy.coarse import Grid, Mask
from calcimetry.anatomy.nearest import SLACK_MM, Blocks, apart, ball_of
from calcimetry.records import Scan
from calcimetry.runs._jit import frozen, kernel
from calcimetry.runs._slabs import over_chunks, over_slabs

SURFACE_HU = -500  # half way from air to tissue: where the skin's blurred edge lies
_TOGETHER = 16  # points of an object, one after the other, that share a ball

Tree = tuple[NDArray[Any], ...]


def gaps_to_skin(
    blocks: Blocks,
    scan: Scan,
    lattice: tuple[Grid, Mask, Mask],
    points: NDArray[Any],
    bounds: NDArray[np.int64],
    *,
    jobs: int = 1,
) -> NDArray[np.float64]:
    """The least distance of each object's points to the skin, mm: float64 (objects,).

    blocks : the cells that the skin may lie in
    lattice : the coarse grid; masks of the cells near the body and of those that are padding
    points : voxel positions (n, 3); those of object k are ``points[bounds[k]:bounds[k + 1]]``

    Where HU crosses nowhere, the distance to the nearest cell's middle.
    """
    tree = _tree(blocks, scan, lattice, jobs)
    own = np.asarray(points, np.float64).reshape(-1, 3) @ blocks.to_mm.T
    found = np.full(len(bounds) - 1, np.inf)
    edges = frozen(bounds, np.int64)

    def chunk(first: int, end: int) -> None:
        _search(tree, own, edges, found, first, end)

    over_chunks(chunk, len(found), jobs)
    return found


def _tree(blocks: Blocks, scan: Scan, lattice: tuple[Grid, Mask, Mask], jobs: int) -> Tree:
    """The skin's points, where each cell's and each block's begin, and the balls around them."""
    cells, (grid, near, unseen) = frozen(blocks.cells, np.int64), lattice
    home = np.zeros(grid.shape, np.bool_)
    home[tuple(blocks.cells.T)] = True
    surface = frozen(scan.hu, np.int16), np.array(grid.cell)
    masks = tuple(frozen(mask, np.bool_) for mask in (near, unseen, home))
    found = over_slabs(
        lambda begin, end: _cross(cells[begin:end], surface, masks, blocks.to_mm), len(cells), jobs
    )
    first = np.concatenate([[0], *(count for count, _ in found)]).cumsum()
    spots = np.concatenate([spots for _, spots in found])
    if not len(spots):
        first, spots = np.arange(len(cells) + 1), np.ascontiguousarray(blocks.middle)
    return spots, first, blocks.first, *_balls(spots, first), *_balls(spots, first[blocks.first])


@kernel
def _cross(cells: Any, surface: Any, masks: Any, to_mm: Any) -> Any:
    """How many points of the skin each of some cells has in and beside it, and the points."""
    hu, size = surface
    low, high = np.empty(3, np.int64), np.empty(3, np.int64)
    count, at = np.zeros(len(cells), np.int64), 0
    most = 3 * (size[0] + 2) * (size[1] + 2) * (size[2] + 2)  # of one cell
    spots = np.empty((most + 4 * len(cells), 3))
    for number in range(len(cells)):
        if len(spots) - at < most:
            spots = np.concatenate((spots, np.empty_like(spots)))
        cell = (cells[number, 0], cells[number, 1], cells[number, 2])
        for k in range(3):
            low[k] = max(cell[k] * size[k] - 1, 0)
            high[k] = min((cell[k] + 1) * size[k] + 1, hu.shape[k])
        before = at
        for z in range(low[0], high[0]):
            for y in range(low[1], high[1]):
                # At the box's end a voxel is compared with itself: nothing crosses there.
                line, below = hu[z, y], hu[min(z + 1, high[0] - 1), y]
                beside = hu[z, min(y + 1, high[1] - 1)]
                for x in range(low[2], high[2]):
                    here = line[x] >= SURFACE_HU
                    same = here == (line[min(x + 1, high[2] - 1)] >= SURFACE_HU)
                    same &= here == (below[x] >= SURFACE_HU)
                    same &= here == (beside[x] >= SURFACE_HU)
                    if not same:
                        at = _from_voxel(surface, (z, y, x), high, cell, masks, to_mm, spots, at)
        count[number] = at - before
    return count, spots[:at].copy()


@kernel
def _from_voxel(
    surface: Any, voxel: Any, high: Any, cell: Any, masks: Any, to_mm: Any, spots: Any, at: Any
) -> Any:
    """The crossings from a voxel to the next ones, from place `at`; the place after them."""
    (hu, size), (z, y, x) = surface, voxel
    here = hu[voxel] >= SURFACE_HU
    for axis in range(3):
        z1, y1, x1 = z + (axis == 0), y + (axis == 1), x + (axis == 2)
        if z1 >= high[0] or y1 >= high[1] or x1 >= high[2]:
            continue
        if here == (hu[z1, y1, x1] >= SURFACE_HU):
            continue
        a = (z // size[0], y // size[1], x // size[2])
        b = (z1 // size[0], y1 // size[1], x1 // size[2])
        if _counts(a, b, cell, masks):
            _put(hu, voxel, axis, to_mm, spots[at])
            at += 1
    return at


@kernel
def _counts(a: Any, b: Any, cell: Any, masks: Any) -> Any:
    """Whether a crossing from cell a to b is of the skin, and not another cell's to tell."""
    near, unseen, home = masks
    if unseen[a] or unseen[b] or not (near[a] or near[b]):
        return False
    return a == cell or not home[a]


@kernel
def _put(hu: Any, at: Any, axis: Any, to_mm: Any, spot: Any) -> None:
    """Where HU crosses between a voxel and the next along an axis, mm."""
    z, y, x = at
    v = np.float64(hu[z, y, x])
    w = np.float64(hu[z + (axis == 0), y + (axis == 1), x + (axis == 2)])
    part = (SURFACE_HU - v) / (w - v)
    for k in range(3):
        spot[k] = to_mm[k, 0] * z + to_mm[k, 1] * y + to_mm[k, 2] * x + to_mm[k, axis] * part


@kernel
def _balls(spots: Any, first: Any) -> Any:
    """Centre (n, 3) and radius of a ball around each group of points; -1 around none."""
    centre, radius = np.zeros((len(first) - 1, 3)), np.full(len(first) - 1, -1.0)
    for group in range(len(radius)):
        if first[group + 1] > first[group]:
            ball, size = ball_of(spots[first[group] : first[group + 1]])
            centre[group], radius[group] = ball, size
    return centre, radius


@kernel
def _search(tree: Any, points: Any, bounds: Any, found: Any, begin: Any, end: Any) -> None:
    centre, radius = tree[5], tree[6]
    least = np.empty(len(radius))
    for number in range(begin, end):
        own = points[bounds[number] : bounds[number + 1]]
        if not len(own):
            continue
        ball, size = ball_of(own)
        ends = np.minimum(np.arange(0, len(own) + _TOGETHER, _TOGETHER), len(own))
        part = (own, ends, _balls(own, ends), ball, size)
        for block in range(len(radius)):
            least[block] = np.inf
            if radius[block] >= 0:
                least[block] = apart(ball, centre[block]) - size - radius[block] - SLACK_MM
        best: Any = np.inf
        while True:
            chosen = np.argmin(least)
            if least[chosen] >= best:
                break
            least[chosen] = np.inf
            best = _in_block(tree, part, chosen, best)
        found[number] = best


@kernel
def _in_block(tree: Any, part: Any, block: Any, best: Any) -> Any:
    """The best once the cells of a block have been looked at, the nearest of them first."""
    firsts, centre, radius = tree[2], tree[3], tree[4]
    ball, size = part[3], part[4]
    nearest: Any = -1
    gap: Any = np.inf
    for cell in range(firsts[block], firsts[block + 1]):
        far = apart(ball, centre[cell])
        if radius[cell] >= 0 and far < gap:
            nearest, gap = cell, far
    best = _in_cell(tree, part, nearest, best)
    for cell in range(firsts[block], firsts[block + 1]):
        far = apart(ball, centre[cell]) - size - radius[cell] - SLACK_MM
        if radius[cell] >= 0 and cell != nearest and far < best:
            best = _in_cell(tree, part, cell, best)
    return best


@kernel
def _in_cell(tree: Any, part: Any, cell: Any, best: Any) -> Any:
    spots, first = tree[0], tree[1]
    own, ends, (middle, reach), ball, size = part
    for s in range(first[cell], first[cell + 1]):
        if apart(ball, spots[s]) - size - SLACK_MM >= best:
            continue
        for group in range(len(reach)):
            if apart(middle[group], spots[s]) - reach[group] - SLACK_MM < best:
                for p in range(ends[group], ends[group + 1]):
                    best = min(best, apart(own[p], spots[s]))
    return best
