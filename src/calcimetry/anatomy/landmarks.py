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
from calcimetry.anatomy.coarse import Mask
from calcimetry.records import Landmarks, Scan

BONE_MM, SKIN_MM = 2.0, 6.0  # cells of which one point is kept
BEYOND_MM = 3.0  # how far past the end of a run there must be neither bone nor marrow
MOST = 60_000  # points of one kind; beyond it every n-th is kept


def landmarks(scan: Scan, body: Body, skeleton: Skeleton) -> Landmarks:
    """Points (n, 3) LPS mm of the bones' outer surface and of the skin, and which way they face."""
    ends, facing = _ends(skeleton)
    outer = _outer(skeleton, ends, facing, scan.spacing[2])
    bone = scan.to_lps(ends[outer])
    kept = _thinned(bone, BONE_MM)
    skin = scan.to_lps(body.grid.centres(body.skin_cells)) if len(body.skin_cells) else _none()
    return Landmarks(bone[kept].astype(np.float32), _few(skin, SKIN_MM))


def _none() -> NDArray[np.float64]:
    return np.zeros((0, 3))


def _few(points: NDArray[np.float64], cell: float) -> NDArray[np.float32]:
    return points[_thinned(points, cell)].astype(np.float32)


def _ends(skeleton: Skeleton) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Positions (2n, 3) of both faces of every run, voxels (z, y, x), and +1 or -1 along x."""
    runs = skeleton.runs
    z, y = np.divmod(runs.row.astype(np.int64), runs.shape[1])
    low = np.stack([z, y, runs.start - 0.5], axis=1)
    high = np.stack([z, y, runs.stop - 0.5], axis=1)
    facing = np.repeat([-1.0, 1.0], len(runs))
    inside = np.concatenate([runs.start > 0, runs.stop < runs.shape[2]])
    return np.concatenate([low, high])[inside], facing[inside]


def _outer(
    skeleton: Skeleton, ends: NDArray[np.float64], facing: NDArray[np.float64], step: float
) -> Mask:
    grid = skeleton.grid
    enclosed = skeleton.marrow.copy()
    enclosed[tuple(_cells(skeleton).T)] = True
    ahead = ends.copy()
    ahead[:, 2] += facing * (BEYOND_MM + grid.size_mm[2]) / step
    z, y, x = grid.of(ahead).T
    outer: Mask = ~enclosed[z, y, x]
    return outer


def _cells(skeleton: Skeleton) -> NDArray[np.int64]:
    """Cells that hold the middle of a run."""
    runs = skeleton.runs
    z, y = np.divmod(runs.row.astype(np.int64), runs.shape[1])
    middle = np.stack([z, y, (runs.start + runs.stop - 1) / 2], axis=1)
    return skeleton.grid.of(middle)


def _thinned(points: NDArray[np.float64], cell: float) -> NDArray[np.intp]:
    """Indices of one point of every cell of space, at most MOST of them."""
    if not len(points):
        return np.zeros(0, np.intp)
    index = np.floor((points - points.min(axis=0)) / cell).astype(np.int64)
    wide = index.max(axis=0) + 1
    key = (index[:, 0] * wide[1] + index[:, 1]) * wide[2] + index[:, 2]
    _, first = np.unique(key, return_index=True)
    return np.sort(first)[:: -(-len(first) // MOST)]
