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

from calcimetry.anatomy.coarse_grid import Grid, Mask
from calcimetry.anatomy.nearest import SLACK_MM, Blocks, apart, ball_of, square
from calcimetry.kernels.compiled import inner, kernel, read_only
from calcimetry.kernels.order import index_of_least
from calcimetry.kernels.types import Plane, Vector, Volume
from calcimetry.records import Scan, turned
from calcimetry.runs.find import lowest_bit
from calcimetry.threads import Jobs, over_chunks, over_slabs

SURFACE_HU = -500  # half way from air to tissue: where the skin's blurred edge lies
_EVERY = 16  # of the cells one is looked at first
_TOGETHER = 8  # points of an object, one after the other, that share a ball
_SEEN, _NEAR, _HOME = np.uint8(1), np.uint8(2), np.uint8(4)  # of a cell

Tree = tuple[
    Plane[np.float64],
    Vector[np.int64],
    Vector[np.int64],
    Plane[np.float64],
    Vector[np.float64],
    Plane[np.float64],
    Vector[np.float64],
]
"""See `_tree`."""
Asked = Tree
"""See `_asked`."""


def gaps_to_skin(
    blocks: Blocks,
    scan: Scan,
    lattice: tuple[Grid, Mask, Mask],
    points: NDArray[Any],
    bounds: NDArray[np.int64],
    *,
    jobs: Jobs = 1,
) -> NDArray[np.float64]:
    """The least distance of each object's points to the skin, mm: float64 (objects,).

    blocks : the cells that the skin may lie in
    lattice : the coarse grid; masks of the cells near the body and of those that are padding
    points : voxel positions (n, 3); those of object k are ``points[bounds[k]:bounds[k + 1]]``

    Where HU crosses nowhere, the distance to the nearest cell's middle.
    """
    own = turned(np.asarray(points).reshape(-1, 3), blocks.to_mm)
    asked = _asked(own, np.array(bounds, np.int64))
    grid, near, unseen = lattice
    kind = near.astype(np.uint8) * _NEAR | (~unseen).astype(np.uint8) * _SEEN
    kind[tuple(blocks.cells.T)] |= _HOME
    found = np.full(len(bounds) - 1, np.inf)
    few = _some(blocks, np.arange(len(blocks.cells)) % _EVERY == 0)
    _lower(_tree(few, *_crossings(few, scan, grid, kind, jobs)), asked, found, jobs)
    rest = _some(blocks, _may_be_nearer(blocks, asked, found))
    first, spots = _crossings(rest, scan, grid, kind, jobs)
    if not len(spots):
        first, spots = np.arange(len(rest.cells) + 1), np.ascontiguousarray(rest.middle)
    _lower(_tree(rest, first, spots), asked, found, jobs)
    return found


def _asked(points: NDArray[np.float64], bounds: NDArray[np.int64]) -> Asked:
    """Points (mm); where groups of them end and each object's groups begin; balls around both."""
    count = -(-np.diff(bounds) // _TOGETHER)
    first = np.concatenate([[0], np.cumsum(count)])
    begin = np.repeat(bounds[:-1] - _TOGETHER * first[:-1], count)
    ends = np.append(begin + _TOGETHER * np.arange(first[-1]), len(points))
    return points, ends, first, *_balls(points, ends), *_balls(points, bounds)


def _some(blocks: Blocks, keep: NDArray[np.bool_]) -> Blocks:
    """Some of the cells, in their blocks."""
    before = np.concatenate([[0], np.cumsum(keep)])
    cells, middle = blocks.cells[keep], blocks.middle[keep]
    return replace(blocks, cells=cells, middle=middle, first=before[blocks.first])


def _may_be_nearer(blocks: Blocks, asked: Asked, most: NDArray[np.float64]) -> NDArray[np.bool_]:
    """bool (cells,): which may hold a point of the skin that is no further off than `most`."""
    keep = np.zeros(len(blocks.cells), np.uint8)
    around = blocks.first, blocks.middle, blocks.centre, blocks.radius, blocks.reach_mm
    _mark_near(around, asked, most, keep)
    return keep.view(np.bool_)


def _lower(tree: Tree, asked: Asked, found: NDArray[np.float64], jobs: Jobs) -> None:
    """Lower each object's distance to that of the nearest of the skin's points."""

    def chunk(first: int, end: int) -> None:
        _search(tree, asked, found, first, end)

    over_chunks(chunk, len(found), jobs)


def _crossings(
    blocks: Blocks, scan: Scan, grid: Grid, kind: NDArray[np.uint8], jobs: Jobs
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Where each cell's points of the skin begin, int64 (cells + 1,), and all points (n, 3)."""
    cells = read_only(blocks.cells, np.int64)
    surface = read_only(scan.hu, np.int16), np.array(grid.cell)
    found = over_slabs(
        lambda begin, end: _cross(cells[begin:end], surface, kind, blocks.to_mm), len(cells), jobs
    )
    first = np.concatenate([[0], *(count for count, _ in found)]).cumsum()
    return first, np.concatenate([spots for _, spots in found])


def _tree(blocks: Blocks, first: NDArray[np.int64], spots: NDArray[np.float64]) -> Tree:
    """The skin's points, where each cell's and each block's begin, and the balls around them."""
    return spots, first, blocks.first, *_balls(spots, first), *_balls(spots, first[blocks.first])


@kernel
def _cross(
    cells: Plane[np.int64],
    surface: tuple[Volume[np.int16], Vector[np.int64]],
    kind: Volume[np.uint8],
    to_mm: Plane[np.float64],
) -> tuple[Vector[np.int64], Plane[np.float64]]:
    """How many points of the skin each of some cells has in and beside it, and the points."""
    hu, size = surface
    box = np.empty((3, 2), np.int64)
    count, at = np.zeros(len(cells), np.int64), 0
    most = 3 * (size[0] + 2) * (size[1] + 2) * (size[2] + 2)  # of one cell
    spots = np.empty((most + 4 * len(cells), 3))
    bits = np.empty((size[0] + 2, size[1] + 2), np.uint64)
    turns = np.empty((3, size[0] + 2, size[1] + 2), np.uint64)
    counts = np.empty((3, 3, 3), np.uint64)
    for number in range(len(cells)):
        if len(spots) - at < most:
            spots = _twice(spots)
        cell, before = cells[number], at
        for k in range(3):
            box[k, 0] = max(cell[k] * size[k] - 1, 0)
            box[k, 1] = min((cell[k] + 1) * size[k] + 1, hu.shape[k])
        _compare(hu, box, bits)
        _count(cell, size, box, kind, counts)
        _turn(cell, size, box, bits, counts, turns)
        for axis in range(3):
            for z in range(box[0, 0], box[0, 1]):
                for y in range(box[1, 0], box[1, 1]):
                    here = turns[axis, z - box[0, 0], y - box[1, 0]]
                    while here:
                        voxel = (z, y, box[2, 0] + lowest_bit(here))
                        _put(hu, voxel, axis, to_mm, spots[at])
                        at += 1
                        here &= here - np.uint64(1)
        count[number] = at - before
    return count, spots[:at].copy()


@inner
def _twice(spots: Plane[np.float64]) -> Plane[np.float64]:
    """Room for twice as many points, the first as they are."""
    more = np.empty((2 * len(spots), 3))
    for n in range(len(spots)):
        for k in range(3):
            more[n, k] = spots[n, k]
    return more


@inner
def _count(
    cell: Vector[np.int64],
    size: Vector[np.int64],
    box: Plane[np.int64],
    kind: Volume[np.uint8],
    counts: Volume[np.uint64],
) -> None:
    """For rows of the cell and of those beside it, bits of voxels: whose crossings are to be
    told here and not by another cell; that are seen; that are near the body."""
    one = np.uint64(1)
    a = np.uint64(cell[2] * size[2] - box[2, 0])
    b = np.uint64(min((cell[2] + 1) * size[2], box[2, 1]) - box[2, 0])
    end = np.uint64(box[2, 1] - box[2, 0])
    stretches = ((one << a) - one, (one << b) - (one << a), (one << end) - (one << b))
    for n in range(27):
        counts[n // 9, n // 3 % 3, n % 3] = np.uint64(0)
    for dz in range(3):
        for dy in range(3):
            z, y = cell[0] + dz - 1, cell[1] + dy - 1
            if not (0 <= z < kind.shape[0] and 0 <= y < kind.shape[1]):
                continue
            for dx in range(3):
                x = cell[2] + dx - 1
                if stretches[dx] == 0 or x >= kind.shape[2]:
                    continue
                what = kind[z, y, x]
                seen = stretches[dx] if what & _SEEN else np.uint64(0)
                mine = (dz == 1 and dy == 1 and dx == 1) or not what & _HOME
                counts[0, dz, dy] |= seen if mine else np.uint64(0)
                counts[1, dz, dy] |= seen
                counts[2, dz, dy] |= stretches[dx] if what & _NEAR else np.uint64(0)


@inner
def _turn(
    cell: Vector[np.int64],
    size: Vector[np.int64],
    box: Plane[np.int64],
    bits: Plane[np.uint64],
    counts: Volume[np.uint64],
    turns: Volume[np.uint64],
) -> None:
    """For each axis and row the voxels, as bits, between which and the next the skin lies."""
    depth, height = box[0, 1] - box[0, 0], box[1, 1] - box[1, 0]
    # Where the cell begins and ends among the rows: a row is before it (0), in it or after it.
    z0, z1 = cell[0] * size[0] - box[0, 0], (cell[0] + 1) * size[0] - box[0, 0]
    y0, y1 = cell[1] * size[1] - box[1, 0], (cell[1] + 1) * size[1] - box[1, 0]
    for axis in range(3):
        for z in range(turns.shape[1]):
            for y in range(turns.shape[2]):
                turns[axis, z, y] = np.uint64(0)
        dz, dy, step = int(axis == 0), int(axis == 1), np.uint64(axis == 2)
        for z in range(depth - dz):
            for y in range(height - dy):
                turned = bits[z, y] ^ (bits[z + dz, y + dy] >> step)
                if not turned:
                    continue
                a, b = int(z >= z0) + int(z >= z1), int(y >= y0) + int(y >= y1)
                c, d = int(z + dz >= z0) + int(z + dz >= z1), int(y + dy >= y0) + int(y + dy >= y1)
                near = counts[2, a, b] | (counts[2, c, d] >> step)
                # Past the row's end nothing is seen, so nothing crosses there.
                turns[axis, z, y] = turned & counts[0, a, b] & (counts[1, c, d] >> step) & near


@inner
def _compare(hu: Volume[np.int16], box: Plane[np.int64], bits: Plane[np.uint64]) -> None:
    """For each row of a box one bit for each voxel: whether it is on the inner side."""
    for z in range(box[0, 0], box[0, 1]):
        for y in range(box[1, 0], box[1, 1]):
            line, row = hu[z, y], np.uint64(0)
            for x in range(box[2, 1] - 1, box[2, 0] - 1, -1):
                row = (row << np.uint64(1)) | np.uint64(line[x] >= SURFACE_HU)
            bits[z - box[0, 0], y - box[1, 0]] = row


@inner
def _put(
    hu: Volume[np.int16],
    at: tuple[int, int, int],
    axis: int,
    to_mm: Plane[np.float64],
    spot: Vector[np.float64],
) -> None:
    """Where HU crosses between a voxel and the next along an axis, mm."""
    z, y, x = at
    v = np.float64(hu[z, y, x])
    w = np.float64(hu[z + (axis == 0), y + (axis == 1), x + (axis == 2)])
    part = (SURFACE_HU - v) / (w - v)
    for k in range(3):
        spot[k] = to_mm[k, 0] * z + to_mm[k, 1] * y + to_mm[k, 2] * x + to_mm[k, axis] * part


@kernel
def _balls(
    spots: Plane[np.float64], first: Vector[np.int64]
) -> tuple[Plane[np.float64], Vector[np.float64]]:
    """Centre (n, 3) and radius of a ball around each group of points; -1 around none."""
    centre, radius = np.zeros((len(first) - 1, 3)), np.empty(len(first) - 1)
    for group in range(len(radius)):
        radius[group] = -1.0
        if first[group + 1] > first[group]:
            ball, radius[group] = ball_of(spots[first[group] : first[group + 1]])
            for k in range(3):
                centre[group, k] = ball[k]
    return centre, radius


@kernel
def _mark_near(
    around: tuple[
        Vector[np.int64], Plane[np.float64], Plane[np.float64], Vector[np.float64], float
    ],
    asked: Asked,
    most: Vector[np.float64],
    keep: Vector[np.uint8],
) -> None:
    first, middle, centre, radius, reach = around
    _, _, groups, ball, size, whole, wide = asked
    for number in range(len(most)):
        if wide[number] < 0:
            continue
        far = most[number] + reach + SLACK_MM
        for block in range(len(radius)):
            if apart(whole[number], centre[block]) > far + wide[number] + radius[block]:
                continue
            for cell in range(first[block], first[block + 1]):
                if keep[cell] or apart(whole[number], middle[cell]) > far + wide[number]:
                    continue
                for group in range(groups[number], groups[number + 1]):
                    if apart(ball[group], middle[cell]) <= far + size[group]:
                        keep[cell] = 1
                        break


@kernel
def _search(
    tree: Tree,
    asked: Asked,
    found: Vector[np.float64],
    begin: int,
    end: int,
) -> None:
    centre, radius = tree[5], tree[6]
    whole, wide = asked[5], asked[6]
    least = np.empty(len(radius))
    for number in range(begin, end):
        if wide[number] < 0:
            continue
        for block in range(len(radius)):
            least[block] = np.inf
            if radius[block] >= 0:
                gap = apart(whole[number], centre[block])
                least[block] = gap - wide[number] - radius[block] - SLACK_MM
        # The nearest block first: most of the others are passed over then.
        best = _in_block(tree, asked, number, index_of_least(least), found[number])
        for block in range(len(radius)):
            if least[block] < best:
                best = _in_block(tree, asked, number, block, best)
        found[number] = best


@inner
def _in_block(
    tree: Tree,
    asked: Asked,
    number: int,
    block: int,
    best: float,
) -> float:
    """The best once those cells of a block have been looked at that may hold a nearer point."""
    spots, first, firsts, centre, radius = tree[:5]
    own, ends, groups, ball, size, whole, wide = asked
    for cell in range(firsts[block], firsts[block + 1]):
        far = best + wide[number] + radius[cell] + SLACK_MM
        if radius[cell] < 0 or square(whole[number], centre[cell]) >= far * far:
            continue
        for group in range(groups[number], groups[number + 1]):
            far = best + size[group] + SLACK_MM
            if square(ball[group], centre[cell]) >= (far + radius[cell]) ** 2:
                continue
            least = best * best
            for s in range(first[cell], first[cell + 1]):
                if square(ball[group], spots[s]) < far * far:
                    for p in range(ends[group], ends[group + 1]):
                        least = min(least, square(own[p], spots[s]))
            best = min(best, np.sqrt(least))
    return best
