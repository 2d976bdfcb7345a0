"""The skeleton: which dense objects are bone, bone with its marrow, and distance to it.

A dense object is taken for skeleton when it is far bigger than deposits are, when it is a
shell around something less dense (cortex around marrow), or when it is long and cut by the
field as limb bones are. This is a first judgement, from geometry alone: a deposit grown onto
a bone is one object with it, and big deposits can look like bone; the finder overrules it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calcimetry.anatomy.body import Body, inside
from calcimetry.anatomy.coarse_grid import Grid, Mask, connected, eroded, painted
from calcimetry.anatomy.nearest import Blocks, blocks_of, gaps_to_runs
from calcimetry.kernels.compiled import kernel
from calcimetry.kernels.types import RunColumns, Vector, Volume
from calcimetry.records import Objects, Runs, Scan
from calcimetry.runs import crop, paint, select, take
from calcimetry.runs.find import columns
from calcimetry.threads import Jobs, each

HUGE_MM3 = 20_000.0  # above this, bone; the biggest deposits reach it, bones pass it early
LEAST_MM3 = 150.0  # below this, too little to judge: sesamoids and chips are left to the finder
LONG_MM = 30.0  # of a cut bone: twice the standard deviation along the longest axis, each way
CORTEX_MM = 2.0  # of finger bones; that of long bones is thicker
MARROW_GAP_HU = 40.0  # by which the inside is less dense than the shell around it
MARROW_SHARE = 0.12  # of the filled object that is marrow or spongiosa
HOLE_CM2 = 20.0  # the widest marrow space in a slice, a condyle's; a skull's is far wider


@dataclass(frozen=True, slots=True, eq=False)
class Skeleton:
    """The bones of a scan.

    runs : dense voxels of all bones
    members : bool (objects,), which dense objects they are
    grid : the coarse grid
    held : bool on it, cells that hold bone
    marrow : bool on it, spaces that bone encloses
    surface : cells that hold bone and are not amid bone, to be searched; None without bone
    """

    runs: Runs
    members: Mask
    grid: Grid
    held: Mask
    marrow: Mask
    surface: Blocks | None


def find_bone(
    scan: Scan, objects: Objects, body: Body, *, among: Mask | None = None, jobs: Jobs = 1
) -> Skeleton:
    """The skeleton among the dense objects of a scan (at 100 to 200 HU).

    among : bool (objects,), those that may be bone; all unless given
    jobs : threads
    """
    members = np.zeros(len(objects), np.bool_)
    big = objects.voxels * scan.voxel_mm3 >= LEAST_MM3
    maybe = np.flatnonzero(big if among is None else big & among).tolist()
    members[maybe] = each(lambda index: _is_bone(scan, objects, index, body), maybe, jobs)
    return replace(skeleton_of(scan, select(objects, members), body), members=members)


def skeleton_of(scan: Scan, runs: Runs, body: Body) -> Skeleton:
    """The skeleton whose bones are known by their voxels; it has no members."""
    held = _cells_held(runs, body.grid)
    cells = np.argwhere(held & ~eroded(held))
    surface = blocks_of(cells, body.grid, scan.affine, -0.5)
    none = np.zeros(0, np.bool_)
    return Skeleton(runs, none, body.grid, held, _marrow(held, body.grid), surface)


def bone_distance(skeleton: Skeleton, zyx: NDArray[Any]) -> NDArray[np.float64]:
    """Distance from voxel positions (n, 3) to the nearest bone voxel: float64 (n,), mm.

    0 in bone and in its marrow; else up to 0.5 mm too long. NaN where there is no bone.
    """
    points = np.asarray(zyx, np.float64).reshape(-1, 3)
    return bone_gaps(skeleton, points, np.arange(len(points) + 1))


def bone_gaps(
    skeleton: Skeleton, zyx: NDArray[Any], bounds: NDArray[np.int64], *, jobs: Jobs = 1
) -> NDArray[np.float64]:
    """The smallest `bone_distance` of each object: float64 (objects,), mm.

    zyx : voxel positions (n, 3); object k has ``zyx[bounds[k]:bounds[k + 1]]``
    """
    if skeleton.surface is None:
        return np.full(len(bounds) - 1, np.nan)
    runs = skeleton.runs
    lattice = runs.shape, skeleton.grid.cell
    found = gaps_to_runs(skeleton.surface, columns(runs), lattice, zyx, bounds, jobs=jobs)
    z, y, x = skeleton.grid.of(zyx).T
    owner = np.repeat(np.arange(len(found)), np.diff(bounds))
    found[owner[skeleton.marrow[z, y, x]]] = 0.0
    return found


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
    runs, own = objects.runs, np.flatnonzero(objects.label == index + 1)
    pick = own[np.linspace(0, len(own) - 1, min(len(own), 200)).astype(int)]
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
    height = scan.hu.shape[1]
    ends = np.array([box[0].start * height, box[0].stop * height], objects.runs.row.dtype)
    near = slice(*np.searchsorted(objects.runs.row, ends).tolist())
    own = objects.label[near] == index + 1
    mask = paint(box, take(take(objects.runs, near), own))
    filled = mask | _holes(mask)
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
    _mark(columns(runs), runs.shape[1], np.array(grid.cell), held)
    return held


def _marrow(held: Mask, grid: Grid) -> Mask:
    """Spaces that bone cells enclose in a slice, unless too wide for marrow."""
    return _holes(held, HOLE_CM2 * 100 / (grid.size_mm[1] * grid.size_mm[2]))


def _holes(mask: Mask, most: float = np.inf) -> Mask:
    """Spaces of at most `most` cells that a mask encloses in its slices."""
    runs, label = connected(~mask, 4)
    y = runs.row % runs.shape[1]
    at_border = (y == 0) | (y == runs.shape[1] - 1)
    at_border |= (runs.start == 0) | (runs.stop == runs.shape[2])
    small = np.bincount(label, runs.stop - runs.start, minlength=1) <= most
    small[label[at_border]] = False
    return painted(runs, small[label])


@kernel
def _mark(runs: RunColumns, height: int, cell: Vector[np.int64], held: Volume[np.bool_]) -> None:
    row, start, stop = runs
    at = -1  # the row that is looked at
    for run in range(row.size):
        if row[run] != at:
            at = row[run]
            line = held[at // height // cell[0], at % height // cell[1]]
        x = start[run] // cell[2]
        while x * cell[2] < stop[run]:
            line[x] = True
            x += 1
