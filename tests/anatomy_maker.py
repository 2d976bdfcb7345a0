"""A body and skeleton drawn on the coarse grid itself: anatomy that can be turned exactly."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import permutations, product

import numpy as np
from numpy.typing import NDArray

from calcimetry.anatomy import Body, Skeleton
from calcimetry.anatomy.coarse_grid import Grid
from calcimetry.runs import from_mask

Turn = tuple[tuple[int, int, int], tuple[bool, bool, bool]]
"""Which axis each axis becomes, and which are turned round."""

TURNS: list[Turn] = [
    (order, flips) for order in permutations(range(3)) for flips in product((False, True), repeat=3)
]
"""All 48 ways in which the axes of a scan can lie."""


@dataclass(frozen=True, slots=True, eq=False)
class Drawn:
    """Anatomy on a grid, and places in it: voxel positions (n, 3), (z, y, x)."""

    body: Body
    skeleton: Skeleton
    places: NDArray[np.float64]

    @property
    def voxels(self) -> tuple[int, int, int]:
        """Shape of the scan."""
        grid = self.body.grid
        z, y, x = (n * c for n, c in zip(grid.shape, grid.cell, strict=True))
        return z, y, x


def drawn(
    hu: NDArray[np.int16],
    bone: NDArray[np.bool_],
    inside: NDArray[np.bool_],
    places: NDArray[np.float64],
    cell: tuple[int, int, int] = (1, 3, 3),
    size_mm: tuple[float, float, float] = (3.0, 3.0, 3.0),
) -> Drawn:
    """Arrays on the grid; places in voxels of the scan."""
    grid = Grid(hu.shape, cell, size_mm)
    none = np.zeros(hu.shape, bool)
    cells = np.zeros((0, 3), np.int64)
    body = Body(grid, hu, inside, inside, none, inside.astype(np.uint8), None, cells)
    skeleton = Skeleton(from_mask(none), np.zeros(0, bool), grid, bone, none, None)
    return Drawn(body, skeleton, np.asarray(places, np.float64))


def turned(one: Drawn, turn: Turn) -> Drawn:
    """The same anatomy with its axes swapped and turned round."""
    z, y, x = turn[0]
    grid = one.body.grid
    other = Grid(*((side[z], side[y], side[x]) for side in (grid.shape, grid.cell, grid.size_mm)))
    body = replace(
        one.body,
        grid=other,
        hu=array(one.body.hu, turn),
        inside=array(one.body.inside, turn),
        around=array(one.body.around, turn),
        unseen=array(one.body.unseen, turn),
        part=array(one.body.part, turn),
    )
    skeleton = replace(
        one.skeleton,
        grid=other,
        held=array(one.skeleton.held, turn),
        marrow=array(one.skeleton.marrow, turn),
    )
    return Drawn(body, skeleton, points(one.places, one.voxels, turn))


def array(values: NDArray, turn: Turn) -> NDArray:
    """An array (z, y, x) as it is in the turned scan."""
    order, flips = turn
    way = tuple(slice(None, None, -1 if flip else 1) for flip in flips)
    return np.ascontiguousarray(values.transpose(order)[way])


def points(zyx: NDArray, shape: tuple[int, int, int], turn: Turn) -> NDArray:
    """Voxel positions (n, 3) of a scan of `shape` as they are in the turned scan."""
    order, flips = turn
    found = zyx[:, order].copy()
    for axis, flip in enumerate(flips):
        if flip:
            found[:, axis] = shape[order[axis]] - 1 - found[:, axis]
    return found
