"""The least distance from objects to the skin, right to a fraction of a voxel.

The skin is where HU passes -500 between neighbouring voxels, interpolated. Its points are
found cell by cell of the coarse grid. Balls around the points of a cell and of a block of
cells say what can be nearer than what was found (branch and bound): the result is exact. A few
of the cells are looked at first, and then all that may hold something nearer than those do.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calcimetry.anatomy.coarse import Grid, Mask
from calcimetry.anatomy.nearest import SLACK_MM, Blocks, apart, ball_of
from calcimetry.records import Scan, turned
from calcimetry.runs._jit import frozen, kernel
from calcimetry.runs._slabs import over_chunks, over_slabs

SURFACE_HU = -500  # half way from air to tissue: where the skin's blurred edge lies
_EVERY = 16  # of the cells one is looked at first
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
    own = turned(np.asarray(points).reshape(-1, 3), blocks.to_mm)
    asked = own, frozen(bounds, np.int64)
    grid, near, unseen = lattice
    home = np.zeros(grid.shape, np.bool_)
    home[tuple(blocks.cells.T)] = True
    masks = tuple(frozen(mask, np.bool_) for mask in (near, unseen, home))
    few = _some(blocks, np.arange(len(blocks.cells)) % _EVERY == 0)
    most = _least(_tree(few, *_crossings(few, scan, grid, masks, jobs)), asked, jobs)
    rest = _some(blocks, _may_be_nearer(blocks, asked, most))
    first, spots = _crossings(rest, scan, grid, masks, jobs)
    if not len(spots):
        first, spots = np.arange(len(rest.cells) + 1), np.ascontiguousarray(rest.middle)
    return _least(_tree(rest, first, spots), asked, jobs)


def _some(blocks: Blocks, keep: NDArray[np.bool_]) -> Blocks:
    """Some of the cells, in their blocks."""
    before = np.concatenate([[0], np.cumsum(keep)])
    cells, middle = blocks.cells[keep], blocks.middle[keep]
    return replace(blocks, cells=cells, middle=middle, first=before[blocks.first])


def _may_be_nearer(
    blocks: Blocks, asked: tuple[NDArray[Any], NDArray[np.int64]], most: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """bool (cells,): which may hold a point of the skin that is no further off than `most`."""
    keep = np.zeros(len(blocks.cells), np.uint8)
    around = blocks.first, blocks.middle, blocks.centre, blocks.radius, blocks.reach_mm
    _mark_near(around, *asked, most, keep)
    return keep.view(np.bool_)


def _least(
    tree: Tree, asked: tuple[NDArray[Any], NDArray[np.int64]], jobs: int
) -> NDArray[np.float64]:
    found = np.full(len(asked[1]) - 1, np.inf)

    def chunk(first: int, end: int) -> None:
        _search(tree, *asked, found, first, end)

    over_chunks(chunk, len(found), jobs)
    return found


def _crossings(
    blocks: Blocks, scan: Scan, grid: Grid, masks: tuple[NDArray[Any], ...], jobs: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Where each cell's points of the skin begin, int64 (cells + 1,), and all points (n, 3)."""
    cells = frozen(blocks.cells, np.int64)
    surface = frozen(scan.hu, np.int16), np.array(grid.cell)
    found = over_slabs(
        lambda begin, end: _cross(cells[begin:end], surface, masks, blocks.to_mm), len(cells), jobs
    )
    first = np.concatenate([[0], *(count for count, _ in found)]).cumsum()
    return first, np.concatenate([spots for _, spots in found])


def _tree(blocks: Blocks, first: NDArray[np.int64], spots: NDArray[np.float64]) -> Tree:
    """The skin's points, where each cell's and each block's begin, and the balls around them."""
    return spots, first, blocks.first, *_balls(spots, first), *_balls(spots, first[blocks.first])


@kernel
def _cross(cells: Any, surface: Any, masks: Any, to_mm: Any) -> Any:
    """How many points of the skin each of some cells has in and beside it, and the points."""
    hu, size = surface
    low, high = np.empty(3, np.int64), np.empty(3, np.int64)
    count, at = np.zeros(len(cells), np.int64), 0
    most = 3 * (size[0] + 2) * (size[1] + 2) * (size[2] + 2)  # of one cell
    spots = np.empty((most + 4 * len(cells), 3))
    bits = np.empty((size[0] + 2, size[1] + 2), np.int64)
    for number in range(len(cells)):
        if len(spots) - at < most:
            spots = np.concatenate((spots, np.empty_like(spots)))
        cell = (cells[number, 0], cells[number, 1], cells[number, 2])
        for k in range(3):
            low[k] = max(cell[k] * size[k] - 1, 0)
            high[k] = min((cell[k] + 1) * size[k] + 1, hu.shape[k])
        before = at
        _compare(hu, low, high, bits)
        inner = (np.int64(1) << (high[2] - low[2] - 1)) - 1
        for z in range(low[0], high[0]):
            for y in range(low[1], high[1]):
                # At the box's end a voxel is compared with itself: nothing crosses there.
                here = bits[z - low[0], y - low[1]]
                below = bits[min(z + 1, high[0] - 1) - low[0], y - low[1]]
                beside = bits[z - low[0], min(y + 1, high[1] - 1) - low[1]]
                turns = (here ^ below) | (here ^ beside) | ((here ^ (here >> 1)) & inner)
                x = low[2]
                while turns:
                    if turns & 1:
                        at = _from_voxel(surface, (z, y, x), high, cell, masks, to_mm, spots, at)
                    turns >>= 1
                    x += 1
        count[number] = at - before
    return count, spots[:at].copy()


@kernel
def _compare(hu: Any, low: Any, high: Any, bits: Any) -> None:
    """For each row of a box one bit for each voxel: whether it is on the inner side."""
    for z in range(low[0], high[0]):
        for y in range(low[1], high[1]):
            line, row = hu[z, y], np.int64(0)
            for x in range(high[2] - 1, low[2] - 1, -1):
                row = (row << 1) | (line[x] >= SURFACE_HU)
            bits[z - low[0], y - low[1]] = row


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
def _mark_near(around: Any, points: Any, bounds: Any, most: Any, keep: Any) -> None:
    first, middle, centre, radius, reach = around
    for number in range(len(most)):
        own = points[bounds[number] : bounds[number + 1]]
        if not len(own):
            continue
        ball, size = ball_of(own)
        far = most[number] + size + reach + SLACK_MM
        for block in range(len(radius)):
            if apart(ball, centre[block]) - radius[block] > far:
                continue
            for cell in range(first[block], first[block + 1]):
                if not keep[cell] and apart(ball, middle[cell]) <= far:
                    keep[cell] = 1


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
