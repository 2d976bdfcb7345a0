"""The least distance from objects to a surface that is known by its coarse cells.

A surface (skin, bone) has very many voxels, and objects ask for it one by one. Its cells are
put into blocks; blocks, then cells, that cannot hold anything nearer than what was found are
passed over (branch and bound), so an object looks closely at a few dozen cells at most. The
result is exact: no fixed number of neighbours is asked for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calcimetry.anatomy.coarse import Grid, Mask
from calcimetry.runs._jit import frozen, kernel
from calcimetry.runs._slabs import over_chunks

SIDE = 8  # cells along an edge of a block
SURFACE_HU = -500  # half way from air to tissue: where the skin's blurred edge lies
_SLACK_MM = 1e-9  # rounding: nothing is passed over that could be equal


@dataclass(frozen=True, slots=True, eq=False)
class Blocks:
    """Cells of a surface by the blocks they lie in.

    cells : int64 (n, 3), sorted by block
    middle : float64 (n, 3), of each cell, mm
    first : int64 (blocks + 1,), where each block's cells begin
    centre, radius : float64 (blocks, 3) and (blocks,), a ball around the middles of its cells
    to_mm : float64 (3, 3), voxel steps (z, y, x) to mm
    reach_mm : how far from the middle of its cell a point of the surface may lie
    """

    cells: NDArray[np.int64]
    middle: NDArray[np.float64]
    first: NDArray[np.int64]
    centre: NDArray[np.float64]
    radius: NDArray[np.float64]
    to_mm: NDArray[np.float64]
    reach_mm: float


def blocks_of(
    cells: NDArray[np.int64], grid: Grid, affine: NDArray[np.float64], beyond: float
) -> Blocks | None:
    """The blocks of a surface's cells (n, 3); None without any.

    beyond : voxels past the faces of its cell that a point of the surface may lie; voxel
        middles lie half a voxel within
    """
    if not len(cells):
        return None
    to_mm = np.ascontiguousarray(affine[:3, :3][:, ::-1])
    wide = -(-np.array(grid.shape) // SIDE)
    z, y, x = (cells // SIDE).T
    key = (z * wide[1] + y) * wide[2] + x
    order = np.argsort(key, kind="stable")
    cells = np.ascontiguousarray(cells[order])
    _, first = np.unique(key[order], return_index=True)
    middle = grid.centres(cells) @ to_mm.T
    ends = np.append(first, len(cells))
    centre = np.add.reduceat(middle, first) / np.diff(ends)[:, None]
    away = np.linalg.norm(middle - np.repeat(centre, np.diff(ends), axis=0), axis=1)
    reach = np.abs(to_mm) @ (np.array(grid.cell) / 2 + beyond)
    return Blocks(
        cells,
        middle,
        ends.astype(np.int64),
        centre,
        np.maximum.reduceat(away, first),
        to_mm,
        float(np.linalg.norm(reach)),
    )


@dataclass(frozen=True, slots=True, eq=False)
class Skin:
    """What crossings of the skin are looked for in: the scan's HU, near and unseen cells."""

    hu: NDArray[np.int16]
    cell: tuple[int, int, int]
    near: Mask
    unseen: Mask


def gaps_to_skin(
    blocks: Blocks,
    skin: Skin,
    points: NDArray[Any],
    bounds: NDArray[np.int64],
    *,
    jobs: int = 1,
) -> NDArray[np.float64]:
    """The least distance of each object's points to the skin, mm: float64 (objects,).

    points : voxel positions (n, 3); those of object k are ``points[bounds[k]:bounds[k + 1]]``

    The skin is where HU passes -500 between neighbouring voxels, interpolated, in and beside
    the blocks' cells. Where it crosses nowhere, the distance to the nearest cell's middle.
    """
    hu = frozen(skin.hu, np.int16)
    masks = frozen(skin.near, np.bool_), frozen(skin.unseen, np.bool_)
    none = np.empty(0, np.int32)
    surface = (hu, *masks, none, none, none)
    return _searched(blocks, True, surface, np.array(skin.cell), points, bounds, jobs)


def gaps_to_runs(
    blocks: Blocks,
    columns: tuple[NDArray[np.int32], ...],
    lattice: tuple[tuple[int, int, int], tuple[int, int, int]],
    points: NDArray[Any],
    bounds: NDArray[np.int64],
    *,
    jobs: int = 1,
) -> NDArray[np.float64]:
    """The same to the voxels of runs (row, start, stop) in the blocks' cells.

    lattice : the volume's shape and a cell's, voxels (z, y, x)
    Cells that the points themselves lie in are looked into whether they are in a block or not.
    """
    shape, cell = lattice
    hu = frozen(np.broadcast_to(np.int16(0), (1, 1, 1)), np.int16)
    mask = frozen(np.zeros((1, 1, 1)), np.bool_)
    surface = (hu, mask, mask, *columns)
    about = np.array([*cell, *shape])
    return _searched(blocks, False, surface, about, points, bounds, jobs)


def _searched(
    blocks: Blocks,
    skin: bool,
    surface: Any,
    about: NDArray[np.int64],
    points: NDArray[Any],
    bounds: NDArray[np.int64],
    jobs: int,
) -> NDArray[np.float64]:
    found = np.full(len(bounds) - 1, np.inf)
    places = frozen(points, np.float64)
    tree = (blocks.cells, blocks.middle, blocks.first, blocks.centre, blocks.radius)
    edges = frozen(bounds, np.int64)

    look = (skin, surface, about, blocks.to_mm, blocks.reach_mm)

    def chunk(first: int, end: int) -> None:
        _search(tree, look, (places, edges), found, first, end)

    over_chunks(chunk, len(found), jobs)
    return found


@kernel
def _apart(a: Any, b: Any) -> Any:
    z, y, x = a[0] - b[0], a[1] - b[1], a[2] - b[2]
    return np.sqrt(z * z + y * y + x * x)


@kernel
def _square(a: Any, b: Any) -> Any:
    z, y, x = a[0] - b[0], a[1] - b[1], a[2] - b[2]
    return z * z + y * y + x * x


@kernel
def _search(tree: Any, look: Any, asked: Any, found: Any, begin: Any, end: Any) -> None:
    points, bounds = asked
    about = look[2]
    spots = np.empty((3 * (about[0] + 2) * (about[1] + 2) * (about[2] + 2), 3))
    for number in range(begin, end):
        part = points[bounds[number] : bounds[number + 1]]
        if len(part):
            found[number] = _least_gap(tree, look, part, spots)


@kernel
def _least_gap(tree: Any, look: Any, points: Any, spots: Any) -> Any:
    _, middle, first, centre, radius = tree
    skin, _, _, to_mm, reach = look
    own = points @ to_mm.T
    ball, size = _ball(own)
    best: Any = np.inf if skin else _at_home(points, own, look, spots)
    least = np.empty(len(radius))
    for block in range(len(radius)):
        least[block] = _apart(ball, centre[block]) - size - radius[block] - reach - _SLACK_MM
    while True:
        chosen = np.argmin(least)
        if least[chosen] >= best or least[chosen] == np.inf:
            break
        least[chosen] = np.inf
        cells = first[chosen], first[chosen + 1]
        best = _in_block(tree, look, (own, ball, size), cells, best, spots)
    if best == np.inf:
        for cell in range(len(middle)):
            for p in range(len(own)):
                best = min(best, _apart(own[p], middle[cell]))
    return best


@kernel
def _in_block(tree: Any, look: Any, part: Any, block: Any, best: Any, spots: Any) -> Any:
    """The best once the cells of a block have been looked at, the nearest of them first."""
    middle, (own, ball, size), reach = tree[1], part, look[4]
    nearest: Any = block[0]
    gap: Any = np.inf
    for cell in range(block[0], block[1]):
        far = _apart(ball, middle[cell])
        if far < gap:
            nearest, gap = cell, far
    best = _in_cell(tree, look, own, nearest, best, spots)
    for cell in range(block[0], block[1]):
        if _apart(ball, middle[cell]) - size - reach - _SLACK_MM < best:
            best = _in_cell(tree, look, own, cell, best, spots)
    return best


@kernel
def _in_cell(tree: Any, look: Any, own: Any, cell: Any, best: Any, spots: Any) -> Any:
    """The best once the surface in one cell has been looked at, where that may be nearer."""
    cells, middle, reach = tree[0], tree[1], look[4]
    near = np.empty(len(own), np.int64)
    kept, most = 0, (best + reach + _SLACK_MM) ** 2
    for p in range(len(own)):
        if _square(own[p], middle[cell]) < most:
            near[kept] = p
            kept += 1
    if kept == 0:
        return best
    seen = _spots(cells[cell], look, spots)
    return _closest(own, near[:kept], spots[:seen], best)


@kernel
def _ball(own: Any) -> Any:
    """A ball that holds all points: centre and radius."""
    low, high = own[0].copy(), own[0].copy()
    for p in range(len(own)):
        for k in range(3):
            low[k], high[k] = min(low[k], own[p, k]), max(high[k], own[p, k])
    ball = (low + high) / 2
    size = 0.0
    for p in range(len(own)):
        size = max(size, _apart(own[p], ball))
    return ball, size


@kernel
def _closest(own: Any, near: Any, spots: Any, best: Any) -> Any:
    least = best * best
    for p in near:
        for s in range(len(spots)):
            least = min(least, _square(own[p], spots[s]))
    return min(best, np.sqrt(least))


@kernel
def _at_home(points: Any, own: Any, look: Any, spots: Any) -> Any:
    """The least distance to voxels in the points' own cells."""
    about = look[2]
    best = np.inf
    last = np.full(3, -1)
    cell = np.empty(3, np.int64)
    everyone = np.arange(len(points))
    for p in range(len(points)):
        for k in range(3):
            place = min(max(np.floor(points[p, k] + 0.5), 0), about[3 + k] - 1)
            cell[k] = np.int64(place) // about[k]
        if (cell == last).all():
            continue
        last[:] = cell
        seen = _spots(cell, look, spots)
        best = _closest(own, everyone, spots[:seen], best)
    return best


@kernel
def _spots(cell: Any, look: Any, spots: Any) -> Any:
    """The surface's points in one cell, mm, into `spots`; how many there are."""
    skin, surface, about, to_mm, _ = look
    if skin:
        count = _crossings(cell, surface, about, spots)
    else:
        count = _voxels(cell, surface, about, spots)
    for s in range(count):
        z, y, x = spots[s]
        for k in range(3):
            spots[s, k] = to_mm[k, 0] * z + to_mm[k, 1] * y + to_mm[k, 2] * x
    return count


@kernel
def _voxels(cell: Any, surface: Any, about: Any, spots: Any) -> Any:
    row, start, stop = surface[3], surface[4], surface[5]
    height = about[4]
    x0, x1 = cell[2] * about[2], (cell[2] + 1) * about[2]
    y0, y1 = cell[1] * about[1], min((cell[1] + 1) * about[1], height)
    count = 0
    for z in range(cell[0] * about[0], min((cell[0] + 1) * about[0], about[3])):
        run = np.searchsorted(row, z * height + y0)
        while run < row.size and row[run] < z * height + y1:
            for x in range(max(start[run], x0), min(stop[run], x1)):
                spots[count, 0] = z
                spots[count, 1] = row[run] - z * height
                spots[count, 2] = x
                count += 1
            run += 1
    return count


@kernel
def _crossings(cell: Any, surface: Any, about: Any, spots: Any) -> Any:
    hu, near, unseen = surface[0], surface[1], surface[2]
    step = np.zeros(3, np.int64)
    low = np.empty(3, np.int64)
    high = np.empty(3, np.int64)
    for k in range(3):
        low[k] = max(cell[k] * about[k] - 1, 0)
        high[k] = min((cell[k] + 1) * about[k] + 1, hu.shape[k])
    count = np.int64(0)
    for z in range(low[0], high[0]):
        for y in range(low[1], high[1]):
            for x in range(low[2], high[2]):
                here = hu[z, y, x] >= SURFACE_HU
                for axis in range(3):
                    step[:] = 0
                    step[axis] = 1
                    z1, y1, x1 = z + step[0], y + step[1], x + step[2]
                    if z1 >= high[0] or y1 >= high[1] or x1 >= high[2]:
                        continue
                    if here == (hu[z1, y1, x1] >= SURFACE_HU):
                        continue
                    a = z // about[0], y // about[1], x // about[2]
                    b = z1 // about[0], y1 // about[1], x1 // about[2]
                    if unseen[a] or unseen[b] or not (near[a] or near[b]):
                        continue
                    v, w = np.float64(hu[z, y, x]), np.float64(hu[z1, y1, x1])
                    part = (SURFACE_HU - v) / (w - v)
                    spots[count, 0] = z + part * step[0]
                    spots[count, 1] = y + part * step[1]
                    spots[count, 2] = x + part * step[2]
                    count += 1
    return count
