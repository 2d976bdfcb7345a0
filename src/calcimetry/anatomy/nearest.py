"""The least distance from objects to a surface that is known by its coarse cells.

A surface has very many voxels, and objects ask for it one by one. Its cells are
put into blocks; blocks, then cells, that cannot hold anything nearer than what was found are
passed over (branch and bound), so an object looks closely at a few dozen cells at most. The
result is exact: no fixed number of neighbours is asked for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calcimetry.anatomy.coarse_grid import Grid
from calcimetry.kernels.compiled import inner, kernel, read_only
from calcimetry.kernels.order import first_at_least, index_of_least
from calcimetry.kernels.types import Plane, RunColumns, Vector
from calcimetry.records import turned
from calcimetry.threads import Jobs, over_chunks

SIDE = 8  # cells along an edge of a block
SLACK_MM = 1e-9  # rounding: nothing is passed over that could be equal

Tree = tuple[
    Plane[np.int64], Plane[np.float64], Vector[np.int64], Plane[np.float64], Vector[np.float64]
]
"""Cells, middle, first, centre and radius of `Blocks`."""

Look = tuple[RunColumns, Vector[np.int64], Plane[np.float64], float]
"""Runs; a cell's and the volume's edges (6,), voxels (z, y, x); `to_mm` and `reach_mm`."""


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


def gaps_to_runs(
    blocks: Blocks,
    columns: RunColumns,
    lattice: tuple[tuple[int, int, int], tuple[int, int, int]],
    points: NDArray[Any],
    bounds: NDArray[np.int64],
    *,
    jobs: Jobs = 1,
) -> NDArray[np.float64]:
    """The least distance of each object's points to voxels of runs, mm: float64 (objects,).

    columns : row, start and stop of the runs
    lattice : the volume's shape and a cell's, voxels (z, y, x)
    points : voxel positions (n, 3); those of object k are ``points[bounds[k]:bounds[k + 1]]``

    Voxels in the blocks' cells count, and those in cells that the points themselves lie in.
    """
    shape, cell = lattice
    found = np.full(len(bounds) - 1, np.inf)
    places = read_only(points, np.float64)
    own = turned(places, blocks.to_mm)
    tree = (blocks.cells, blocks.middle, blocks.first, blocks.centre, blocks.radius)
    edges = read_only(bounds, np.int64)
    look = (columns, np.array([*cell, *shape]), blocks.to_mm, blocks.reach_mm)

    def chunk(first: int, end: int) -> None:
        _search(tree, look, (places, own, edges), found, first, end)

    over_chunks(chunk, len(found), jobs)
    return found


@inner
def apart(a: Vector[np.float64], b: Vector[np.float64]) -> float:
    z, y, x = a[0] - b[0], a[1] - b[1], a[2] - b[2]
    gap: float = np.sqrt(z * z + y * y + x * x)
    return gap


@inner
def square(a: Vector[np.float64], b: Vector[np.float64]) -> float:
    z, y, x = a[0] - b[0], a[1] - b[1], a[2] - b[2]
    gap: float = z * z + y * y + x * x
    return gap


@kernel
def _search(
    tree: Tree,
    look: Look,
    asked: tuple[Plane[np.float64], Plane[np.float64], Vector[np.int64]],
    found: Vector[np.float64],
    begin: int,
    end: int,
) -> None:
    points, own, bounds = asked
    about = look[1]
    spots = np.empty((3 * (about[0] + 2) * (about[1] + 2) * (about[2] + 2), 3))
    for number in range(begin, end):
        a, b = bounds[number], bounds[number + 1]
        if a < b:
            found[number] = _least_gap(tree, look, points[a:b], own[a:b], spots)


@inner
def _least_gap(
    tree: Tree,
    look: Look,
    points: Plane[np.float64],
    own: Plane[np.float64],
    spots: Plane[np.float64],
) -> float:
    _, middle, first, centre, radius = tree
    reach = look[3]
    ball, size = ball_of(own)
    best: float = _at_home(points, own, look, spots)
    least = np.empty(len(radius))
    for block in range(len(radius)):
        least[block] = apart(ball, centre[block]) - size - radius[block] - reach - SLACK_MM
    while True:
        chosen = index_of_least(least)
        if least[chosen] >= best or least[chosen] == np.inf:
            break
        least[chosen] = np.inf
        cells = first[chosen], first[chosen + 1]
        best = _in_block(tree, look, (own, ball, size), cells, best, spots)
    if best == np.inf:
        for cell in range(len(middle)):
            for p in range(len(own)):
                best = min(best, apart(own[p], middle[cell]))
    return best


@inner
def _in_block(
    tree: Tree,
    look: Look,
    part: tuple[Plane[np.float64], Vector[np.float64], float],
    block: tuple[int, int],
    best: float,
    spots: Plane[np.float64],
) -> float:
    """The best once the cells of a block have been looked at, the nearest of them first."""
    middle, (own, ball, size), reach = tree[1], part, look[3]
    nearest = block[0]
    gap = np.inf
    for cell in range(block[0], block[1]):
        far = apart(ball, middle[cell])
        if far < gap:
            nearest, gap = cell, far
    best = _in_cell(tree, look, own, nearest, best, spots)
    for cell in range(block[0], block[1]):
        if apart(ball, middle[cell]) - size - reach - SLACK_MM < best:
            best = _in_cell(tree, look, own, cell, best, spots)
    return best


@inner
def _in_cell(
    tree: Tree,
    look: Look,
    own: Plane[np.float64],
    cell: int,
    best: float,
    spots: Plane[np.float64],
) -> float:
    """The best once the surface in one cell has been looked at, where that may be nearer."""
    cells, middle, reach = tree[0], tree[1], look[3]
    most = (best + reach + SLACK_MM) ** 2
    for p in range(len(own)):
        if square(own[p], middle[cell]) < most:
            seen = _spots(cells[cell], look, spots)
            return _closest(own, spots[:seen], middle[cell], most, best)
    return best


@inner
def ball_of(own: Plane[np.float64]) -> tuple[Vector[np.float64], float]:
    """A ball that holds all points: centre and radius."""
    low, high, ball = np.empty(3), np.empty(3), np.empty(3)
    for k in range(3):
        low[k], high[k] = own[0, k], own[0, k]
    for p in range(len(own)):
        for k in range(3):
            low[k], high[k] = min(low[k], own[p, k]), max(high[k], own[p, k])
    for k in range(3):
        ball[k] = (low[k] + high[k]) / 2
    size = 0.0
    for p in range(len(own)):
        size = max(size, apart(own[p], ball))
    return ball, size


@inner
def _closest(
    own: Plane[np.float64],
    spots: Plane[np.float64],
    about: Vector[np.float64],
    most: float,
    best: float,
) -> float:
    """The best once the points with a square less than `most` from `about` have been tried."""
    least = best * best
    for p in range(len(own)):
        if square(own[p], about) < most:
            for s in range(len(spots)):
                least = min(least, square(own[p], spots[s]))
    return min(best, float(np.sqrt(least)))


@inner
def _at_home(
    points: Plane[np.float64],
    own: Plane[np.float64],
    look: Look,
    spots: Plane[np.float64],
) -> float:
    """The least distance to voxels in the points' own cells."""
    about = look[1]
    best = np.inf
    last, cell = (-1, -1, -1), np.empty(3, np.int64)
    for p in range(len(points)):
        for k in range(3):
            place = min(max(np.floor(points[p, k] + 0.5), 0), about[3 + k] - 1)
            cell[k] = np.int64(place) // about[k]
        here = (cell[0], cell[1], cell[2])
        if here == last:
            continue
        last = here
        seen = _spots(cell, look, spots)
        if seen:
            most = (best + 2 * look[3] + SLACK_MM) ** 2  # two spots of a cell are no further apart
            best = _closest(own, spots[:seen], spots[0], most, best)
    return best


@inner
def _spots(
    cell: Vector[np.int64],
    look: Look,
    spots: Plane[np.float64],
) -> int:
    """The surface's points in one cell, mm, into `spots`; how many there are."""
    columns, about, to_mm, _ = look
    count = _voxels(cell, columns, about, spots)
    for s in range(count):
        z, y, x = spots[s, 0], spots[s, 1], spots[s, 2]
        for k in range(3):
            spots[s, k] = to_mm[k, 0] * z + to_mm[k, 1] * y + to_mm[k, 2] * x
    return count


@inner
def _voxels(
    cell: Vector[np.int64], columns: RunColumns, about: Vector[np.int64], spots: Plane[np.float64]
) -> int:
    row, start, stop = columns
    height = about[4]
    x0, x1 = cell[2] * about[2], (cell[2] + 1) * about[2]
    y0, y1 = cell[1] * about[1], min((cell[1] + 1) * about[1], height)
    count = 0
    for z in range(cell[0] * about[0], min((cell[0] + 1) * about[0], about[3])):
        run = first_at_least(row, z * height + y0, 0)
        while run < row.size and row[run] < z * height + y1:
            for x in range(max(start[run], x0), min(stop[run], x1)):
                spots[count, 0] = z
                spots[count, 1] = row[run] - z * height
                spots[count, 2] = x
                count += 1
            run += 1
    return count
