"""Landmarks: points of bone surface and skin, by which a later visit is laid over this one.

They are few and coarse on purpose: enough to align by, too little to look at. A point of bone
is an end of a run of bone voxels beyond which no bone and no marrow follows, so inner walls,
which change with the threshold, are left out.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from calcimetry.anatomy.body import Body
from calcimetry.anatomy.bone import Skeleton
from calcimetry.kernels.compiled import kernel
from calcimetry.kernels.types import Plane, RunColumns, Vector, Volume
from calcimetry.records import Landmarks, Scan
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
    # What holds the middle of a run is bone.
    z, y = np.divmod(runs.row, runs.shape[1])
    middle = (runs.start + runs.stop) // 2  # of two the later
    enclosed[z // cell[0], y // cell[1], middle // cell[2]] = True
    beyond = (BEYOND_MM + grid.size_mm[2]) / step_mm
    ends: NDArray[np.float64] = _outer(rows, np.array(runs.shape), cell, enclosed, beyond)
    return ends


def _thinned(points: NDArray[np.float64], cell: float) -> NDArray[np.int64]:
    """Indices of one point of every cell of space, the first, at most MOST of them."""
    if not len(points):
        return np.zeros(0, np.int64)
    first = _firsts(np.ascontiguousarray(points), cell)
    return first[:: -(-len(first) // MOST)]


@kernel
def _firsts(points: Plane[np.float64], cell: float) -> Vector[np.int64]:
    """The points that are the first of their cell; a bit for each cell says if it has one."""
    low, high, wide = np.empty(3), np.empty(3), np.empty(3, np.int64)
    for k in range(3):
        low[k] = high[k] = points[0, k]
    for p in range(len(points)):
        for k in range(3):
            low[k], high[k] = min(low[k], points[p, k]), max(high[k], points[p, k])
    for k in range(3):
        wide[k] = np.int64(np.floor((high[k] - low[k]) / cell)) + 1
    held = np.zeros(wide[0] * wide[1] * wide[2] // 8 + 1, np.uint8)
    found, count = np.empty(len(points), np.int64), 0
    for p in range(len(points)):
        key = 0
        for k in range(3):
            key = key * wide[k] + np.int64(np.floor((points[p, k] - low[k]) / cell))
        bit = np.uint8(1 << (key & 7))
        if not held[key >> 3] & bit:
            held[key >> 3] |= bit
            found[count] = p
            count += 1
    return found[:count].copy()


@kernel
def _outer(
    runs: RunColumns,
    shape: Vector[np.int64],
    cell: Vector[np.int64],
    enclosed: Volume[np.bool_],
    beyond: float,
) -> Plane[np.float64]:
    row, start, stop = runs
    # All low ends first, then all high ones: which of them is kept depends on their order.
    found, later = np.empty((2 * row.size, 3)), np.empty((row.size, 3))
    low, high, last = 0, 0, -1
    line, z, y = enclosed[0, 0], 0, 0
    for run in range(row.size):
        if row[run] != last:
            last = row[run]
            z, y = last // shape[1], last % shape[1]
            line = enclosed[z // cell[0], y // cell[1]]
        for end, ahead in ((start[run], -beyond), (stop[run], beyond)):
            if end == (0 if ahead < 0 else shape[2]):
                continue
            x = np.int64(min(max(np.floor(end + ahead), 0), shape[2] - 1)) // cell[2]
            if line[x]:
                continue
            if ahead < 0:
                found[low, 0], found[low, 1], found[low, 2] = z, y, end - 0.5
                low += 1
            else:
                later[high, 0], later[high, 1], later[high, 2] = z, y, end - 0.5
                high += 1
    for n in range(high):
        for k in range(3):
            found[low + n, k] = later[n, k]
    return found[: low + high]
