"""The skeleton: which dense objects are bone, bone with its marrow, and distance to it.

A dense object is taken for skeleton when it is far bigger than deposits are, when it is a
shell around something less dense (cortex around marrow), or when it is long and cut by the
field as limb bones are. This is a first judgement, from geometry alone: a deposit grown onto
a bone is one object with it, and big deposits can look like bone; the finder overrules it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from calcimetry.anatomy.body import Body, inside
from calcimetry.anatomy.coarse import Grid, Mask, eroded, flooded, labelled
from calcimetry.records import Objects, Runs, Scan
from calcimetry.runs import crop, paint, select
from calcimetry.runs._jit import frozen, kernel

HUGE_MM3 = 20_000.0  # above this, bone; the biggest deposits reach it, bones pass it early
LEAST_MM3 = 150.0  # below this, too little to judge: sesamoids and chips are left to the finder
LONG_MM = 30.0  # of a cut bone: twice the standard deviation along the longest axis, each way
CORTEX_MM = 2.0  # of finger bones; that of long bones is thicker
MARROW_GAP_HU = 40.0  # by which the inside is less dense than the shell around it
MARROW_SHARE = 0.12  # of the filled object that is marrow or spongiosa
HOLE_CM2 = 20.0  # the widest marrow space in a slice, a condyle's; a skull's is far wider
NEAREST_CELLS = 48


@dataclass(frozen=True, slots=True, eq=False)
class Skeleton:
    """The bones of a scan.

    runs : dense voxels of all bones
    members : bool (objects,), which dense objects they are
    grid : the coarse grid
    marrow : bool on it, spaces that bone encloses
    tree : cKDTree over the middles, LPS mm, of cells that hold bone; None without bone
    cells : int64 (n, 3), those cells
    affine : of the scan, (i, j, k) to LPS mm
    """

    runs: Runs
    members: Mask
    grid: Grid
    marrow: Mask
    tree: Any
    cells: NDArray[np.int64]
    affine: NDArray[np.float64]


def find_bone(scan: Scan, objects: Objects, body: Body) -> Skeleton:
    """The skeleton among the dense objects of a scan (at 100 to 200 HU)."""
    members = np.zeros(len(objects), np.bool_)
    volume = objects.voxels * scan.voxel_mm3
    for index in np.flatnonzero(volume >= LEAST_MM3):
        members[index] = _is_bone(scan, objects, int(index), body)
    runs = select(objects, members)
    held = _cells_held(runs, body.grid)
    cells = np.argwhere(held & ~eroded(held))
    tree = cKDTree(scan.to_lps(body.grid.centres(cells))) if len(cells) else None
    return Skeleton(runs, members, body.grid, _marrow(held, body.grid), tree, cells, scan.affine)


def bone_distance(skeleton: Skeleton, zyx: NDArray[Any]) -> NDArray[np.float64]:
    """Distance from voxel positions (n, 3) to the nearest bone voxel: float64 (n,), mm.

    0 in bone and in its marrow; beyond 5 mm up to 0.5 mm too long. NaN where there is no bone.
    """
    points = np.asarray(zyx, np.float64).reshape(-1, 3)
    if skeleton.tree is None or not len(points):
        return np.full(len(points), np.nan)
    linear, origin = skeleton.affine[:3, :3], skeleton.affine[:3, 3]
    lps = points[:, ::-1] @ linear.T + origin
    count = min(NEAREST_CELLS, len(skeleton.cells))
    _, nearest = skeleton.tree.query(lps, k=np.arange(1, count + 1))
    runs = skeleton.runs
    columns = tuple(frozen(column, np.int32) for column in (runs.row, runs.start, runs.stop))
    cell, step = np.array(skeleton.grid.cell), np.ascontiguousarray(linear[:, ::-1])
    own = skeleton.grid.of(points)  # in thick bone it is no surface cell
    cells = np.concatenate([skeleton.cells[nearest], own[:, None]], axis=1)
    found = _nearest(points, cells, cell, np.array(runs.shape), columns, step)
    z, y, x = own.T
    return np.where(skeleton.marrow[z, y, x], 0.0, found)


def _is_bone(scan: Scan, objects: Objects, index: int, body: Body) -> bool:
    centre = objects.centroid[index][None]
    volume = float(objects.voxels[index]) * scan.voxel_mm3
    if not inside(body, centre)[0] and volume < HUGE_MM3:
        return False
    if volume >= HUGE_MM3:
        return _near_body(objects, index, body)
    if _is_cut(objects, index) and _half_length(objects, index, scan.spacing) >= LONG_MM:
        return True
    return _has_marrow(scan, objects, index)


def _near_body(objects: Objects, index: int, body: Body) -> bool:
    """Whether a good part of an object's runs lie in the body; tables do not."""
    runs = select(objects, [index + 1])
    pick = np.linspace(0, len(runs) - 1, min(len(runs), 200)).astype(int)
    middle = (runs.start[pick] + runs.stop[pick]) / 2
    points = np.stack([runs.row[pick] // runs.shape[1], runs.row[pick] % runs.shape[1], middle], 1)
    return bool(inside(body, points).mean() > 0.5)


def _is_cut(objects: Objects, index: int) -> bool:
    low, high = objects.box[index, ::2], objects.box[index, 1::2]
    return bool((low == 0).any() or (high == np.array(objects.runs.shape)).any())


def _half_length(objects: Objects, index: int, spacing: tuple[float, float, float]) -> float:
    scale = np.array(spacing)
    spread = objects.moment[index] * scale[:, None] * scale
    return 2.0 * float(np.sqrt(np.linalg.eigvalsh(spread)[-1]))


def _has_marrow(scan: Scan, objects: Objects, index: int) -> bool:
    """Whether it is a shell around something less dense."""
    box = crop(objects.box[index], scan.hu.shape, max(scan.spacing), scan.spacing)
    z0, z1 = box[0].start * scan.hu.shape[1], box[0].stop * scan.hu.shape[1]
    runs = objects.runs
    near = slice(*np.searchsorted(runs.row, (z0, z1)).tolist())
    own = objects.label[near] == index + 1
    mask = paint(
        box, Runs(runs.shape, runs.row[near][own], runs.start[near][own], runs.stop[near][own])
    )
    border = np.zeros_like(mask)
    border[:, [0, -1], :] = border[:, :, [0, -1]] = True
    filled = ~flooded(border & ~mask, ~mask, 4)
    # In slices only: thick slices leave small bones no depth along z.
    under = eroded(filled, in_slice=True)
    deep = eroded(filled, max(1, round(CORTEX_MM / scan.spacing[1])), in_slice=True)
    cortex = under & ~deep
    if not cortex.any() or deep.sum() < MARROW_SHARE * filled.sum():
        return False
    hu = scan.hu[box]
    return float(np.median(hu[deep])) + MARROW_GAP_HU < float(hu[cortex].mean())


def _cells_held(runs: Runs, grid: Grid) -> Mask:
    held = np.zeros(grid.shape, np.bool_)
    columns = tuple(frozen(column, np.int32) for column in (runs.row, runs.start, runs.stop))
    _mark(columns, runs.shape[1], np.array(grid.cell), held)
    return held


def _marrow(held: Mask, grid: Grid) -> Mask:
    """Spaces that bone cells enclose in a slice, unless too wide for marrow."""
    border = np.zeros_like(held)
    border[:, [0, -1], :] = border[:, :, [0, -1]] = True
    labels = labelled(~held & ~flooded(border & ~held, ~held, 4), 4)
    most = HOLE_CM2 * 100 / (grid.size_mm[1] * grid.size_mm[2])
    small = np.bincount(labels.ravel()) <= most
    small[0] = False
    return small[labels]


@kernel
def _mark(columns: Any, height: Any, cell: Any, held: Any) -> None:
    row, start, stop = columns
    for run in range(row.size):
        z, y = row[run] // height // cell[0], row[run] % height // cell[1]
        for x in range(start[run] // cell[2], (stop[run] - 1) // cell[2] + 1):
            held[z, y, x] = True


@kernel
def _nearest(points: Any, cells: Any, cell: Any, shape: Any, columns: Any, step: Any) -> Any:
    """Least distance (mm) from each point to a run's voxels in its own candidate cells."""
    row, start, stop = columns
    least = np.full(len(points), np.inf)
    for p in range(len(points)):
        for c in range(cells.shape[1]):
            x0, x1 = cells[p, c, 2] * cell[2], (cells[p, c, 2] + 1) * cell[2]
            for z in range(cells[p, c, 0] * cell[0], min((cells[p, c, 0] + 1) * cell[0], shape[0])):
                y1 = min((cells[p, c, 1] + 1) * cell[1], shape[1])
                run = np.searchsorted(row, z * shape[1] + cells[p, c, 1] * cell[1])
                while run < row.size and row[run] < z * shape[1] + y1:
                    for x in range(max(start[run], x0), min(stop[run], x1)):
                        dz = z - points[p, 0]
                        dy = row[run] - z * shape[1] - points[p, 1]
                        dx = x - points[p, 2]
                        square = 0.0
                        for k in range(3):
                            part = step[k, 0] * dz + step[k, 1] * dy + step[k, 2] * dx
                            square += part * part
                        least[p] = min(least[p], square)
                    run += 1
    return np.sqrt(least)
