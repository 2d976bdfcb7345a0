"""Landmarks: points of bone surface and skin, by which a later visit is laid over this one.

They are few and coarse on purpose: enough to align by, too little to look at. A point of bone
is an end of a run of bone voxels beyond which no bone and no marrow follows, so inner walls,
which change with the threshold, are left out.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from calcimetry.anatomy.body import Body
from calcimetry.anatomy.bone import Skeleton
from calcimetry.records import Landmarks, Scan
from calcimetry.runs._jit import kernel
from calcimetry.runs.find import columns

BONE_MM, SKIN_MM = 2.0, 6.0  # cells of which one point is kept
BEYOND_MM = 3.0  # how far past the end of a run there must be neither bone nor marrow
MOST = 60_000  # points of one kind; beyond it every n-th is kept


def landmarks(scan: Scan, body: Body, skeleton: Skeleton) -> Landmarks:
    """Points (n, 3) LPS mm of the bones' outer surface and of the skin, and which way they face."""
    bone = scan.to_lps(_outer_ends(skeleton, scan.spacing[2]))
    kept = _thinned(bone, BONE_MM)
    skin = scan.to_lps(body.grid.centres(body.skin_cells)) if len(body.skin_cells) else _none()
    return Landmarks(bone[kept].astype(np.float32), _few(skin, SKIN_MM))


def _none() -> NDArray[np.float64]:
    return np.zeros((0, 3))


def _few(points: NDArray[np.float64], cell: float) -> NDArray[np.float32]:
    return points[_thinned(points, cell)].astype(np.float32)


def _outer_ends(skeleton: Skeleton, step_mm: float) -> NDArray[np.float64]:
    """Faces of runs, (n, 3) voxels (z, y, x), beyond which no bone and no marrow follows."""
    grid, runs = skeleton.grid, skeleton.runs
    enclosed = skeleton.marrow.copy()
    rows, cell = columns(runs), np.array(grid.cell)
    _enclose(rows, runs.shape[1], cell, enclosed)
    beyond = (BEYOND_MM + grid.size_mm[2]) / step_mm
    ends: NDArray[np.float64] = _outer(rows, np.array(runs.shape), cell, enclosed, beyond)
    return ends


def _thinned(points: NDArray[np.float64], cell: float) -> NDArray[np.intp]:
    """Indices of one point of every cell of space, at most MOST of them."""
    if not len(points):
        return np.zeros(0, np.intp)
    index = np.floor((points - points.min(axis=0)) / cell).astype(np.int64)
    wide = index.max(axis=0) + 1
    key = (index[:, 0] * wide[1] + index[:, 1]) * wide[2] + index[:, 2]
    _, first = np.unique(key, return_index=True)
    return np.sort(first)[:: -(-len(first) // MOST)]


@kernel
def _enclose(runs: Any, height: Any, cell: Any, enclosed: Any) -> None:
    """Mark the cells that hold the middle of a run."""
    row, start, stop = runs
    for run in range(row.size):
        z, y = row[run] // height // cell[0], row[run] % height // cell[1]
        middle = np.floor((start[run] + stop[run] - 1) / 2 + 0.5)
        enclosed[z, y, min(np.int64(middle) // cell[2], enclosed.shape[2] - 1)] = True


@kernel
def _outer(runs: Any, shape: Any, cell: Any, enclosed: Any, beyond: Any) -> Any:
    row, start, stop = runs
    found = np.empty((2 * row.size, 3))
    count = 0
    # All low ends first, then all high ones: which of them is kept depends on their order.
    for side in range(2):
        for run in range(row.size):
            end = start[run] if side == 0 else stop[run]
            if end == (0 if side == 0 else shape[2]):
                continue
            z, y = row[run] // shape[1], row[run] % shape[1]
            ahead = np.floor(end + (beyond if side == 1 else -beyond))
            x = np.int64(min(max(ahead, 0), shape[2] - 1)) // cell[2]
            if not enclosed[z // cell[0], y // cell[1], x]:
                found[count, 0], found[count, 1], found[count, 2] = z, y, end - 0.5
                count += 1
    return found[:count].copy()
