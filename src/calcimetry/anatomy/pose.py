"""How what was scanned lies in its field, told from the voxels alone, and scans turned by it.

A hand is scanned with its fingers to the head, to the feet or across: the same matter, with other
axes. What works in slices (body, cavities, marrow, water path, the network's grid and tiles) would
answer a little otherwise for each of them. So a scan is measured in a pose of its own, by swaps and
flips that do not ask where the head is: all turns of one array come to the same array. No value is
changed.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from calcimetry.kernels.compiled import inner, kernel, read_only
from calcimetry.kernels.types import Integer, Plane, Vector, Volume
from calcimetry.records import Frame, Runs, Scan, StoredGrid
from calcimetry.runs import box_of, from_mask, paint
from calcimetry.scan.grid import scan_affine
from calcimetry.threads import Jobs, over_slabs

SURFACES_HU = (-400, 200)
"""Of skin and of bone. Along the body's length fewer voxels of such surfaces face than across it:
limbs, trunks and the tables under them are drawn out that way. Of 45 scans that lay along z, all
but a lumbar spine cut out 114 mm wide were found to."""

TRUNK_CM2 = 415.0
"""A disc of 230 mm. What is as thick in the mean of its slices is a trunk, or as big as one."""

MOST_VOXELS = 1 << 27
"""A bigger scan is not turned end for end, since for that it is copied: a quarter of a gigabyte."""

_DECIMALS = 5  # of the spacing, mm: a turned affine gives another last bit


def pose_of(scan: Scan, *, jobs: Jobs = 1) -> StoredGrid:
    """The swaps and flips that bring a scan into its own pose, with the scan as what is stored.

    z is the axis along which the fewest surfaces face, y that of the two others along which more
    do. Each axis runs towards where, seen from the middle of all tissue, the dense lies. The same
    for all 48 ways to lay an array down, mirror images too, unless two axes tie to the bit.

    A trunk, and what is too big to be copied lightly, is only ever turned so that z is its length.
    Turned end for end nobody is scanned, and its front is told by the patient's axes.
    """
    faces, profiles = _counted(scan, jobs)
    step = np.round(scan.spacing, _DECIMALS)
    surface = (faces / step).tolist()
    z = min(range(3), key=surface.__getitem__)
    y = max((axis for axis in range(3) if axis != z), key=surface.__getitem__)
    x = 3 - z - y
    flipped = tuple(_turned_round(profiles[axis]) for axis in (z, y, x))
    if _as_thick_as_a_trunk(profiles[z], step, z) or scan.hu.size > MOST_VOXELS:
        y, x = (axis for axis in range(3) if axis != z)
        flipped = False, False, False
    k, j, i = scan.hu.shape
    # Of a scan's (z, y, x) as if they were stored: axis 0 is x.
    axes = 2 - z, 2 - y, 2 - x
    return StoredGrid((i, j, k), scan.affine, axes, flipped)  # type: ignore[arg-type]


def is_turned(pose: StoredGrid) -> bool:
    """Whether it is another than the scan's own."""
    return pose.axes != (2, 1, 0) or any(pose.flipped)


def in_pose(scan: Scan, pose: StoredGrid) -> Scan:
    """The scan in that pose, copied; the scan itself where it lies so already.

    Its axes are not the patient's: z is not feet to head. Its affine still leads to LPS mm, and
    its `stored` grid is the scan.
    """
    if not is_turned(pose):
        return scan
    hu = np.ascontiguousarray(pose.to_scan(scan.hu.T))
    return replace(scan, hu=hu, frame=Frame(hu.shape, scan_affine(pose), pose))


def into_pose(runs: Runs, pose: StoredGrid) -> Runs:
    """Runs of a scan as runs of the scan in that pose."""
    return _moved(runs, tuple(2 - axis for axis in pose.axes), pose.flipped)


def out_of_pose(runs: Runs, pose: StoredGrid) -> Runs:
    """Runs of the scan in that pose as runs of the scan."""
    axes = tuple(2 - axis for axis in pose.axes)
    way_back = tuple(axes.index(axis) for axis in range(3))
    return _moved(runs, way_back, tuple(pose.flipped[axis] for axis in way_back))


def _moved(runs: Runs, axes: tuple[int, ...], flipped: tuple[bool, ...]) -> Runs:
    """Runs with (z, y, x) taken from these axes, and then turned round."""
    shape = tuple(runs.shape[axis] for axis in axes)
    box = box_of(runs)
    mask = paint(box, runs).transpose(axes)
    mask = mask[tuple(slice(None, None, -1) if flip else slice(None) for flip in flipped)]
    sides = [box[axis] for axis in axes]
    low = [
        n - side.stop if flip else side.start
        for n, side, flip in zip(shape, sides, flipped, strict=True)
    ]
    part = from_mask(np.ascontiguousarray(mask))
    z, y = np.divmod(part.row, np.int32(part.shape[1]))
    row = (z + low[0]) * np.int32(shape[1]) + y + low[1]
    start, stop = part.start + low[2], part.stop + low[2]
    return Runs(shape, *(column.astype(np.int32) for column in (row, start, stop)))  # type: ignore[arg-type]


def _as_thick_as_a_trunk(profile: NDArray[np.int64], step: NDArray[np.float64], z: int) -> bool:
    """Whether the mean slice across axis z holds as much tissue as a trunk's."""
    area = np.delete(step, z).prod()
    return bool(profile[0].mean() * area >= TRUNK_CM2 * 100)


def _turned_round(profile: NDArray[np.int64]) -> bool:
    """Whether the dense lies towards the axis' beginning, seen from the middle of all tissue.

    In whole numbers, so that a profile turned round gives the opposite. Where both have the same
    middle, the longer tail of the tissue decides.
    """
    tissue, dense = profile.tolist()
    place = range(len(tissue))
    n, m = sum(tissue), sum(dense)
    middle = sum(a * k for a, k in zip(tissue, place, strict=True))
    off = sum(a * k for a, k in zip(dense, place, strict=True)) * n - middle * m
    tail = sum(a * (n * k - middle) ** 3 for a, k in zip(tissue, place, strict=True))
    return bool((off or tail) < 0)


def _counted(scan: Scan, jobs: Jobs) -> tuple[NDArray[np.int64], list[NDArray[np.int64]]]:
    """How many surface faces look along (z, y, x), int64 (3,); and, along each axis, how many
    voxels of tissue, and how many dense ones, each layer holds: int64 (2, layers)."""
    hu, shape = read_only(scan.hu, np.int16), scan.hu.shape

    def slab(first: int, end: int) -> tuple[NDArray[np.int64], list[NDArray[np.int64]]]:
        found = np.zeros(3, np.int64)
        layers = [np.zeros((2, n), np.int64) for n in shape]
        _count(hu, first, end, np.array(SURFACES_HU, np.int16), found, *layers)
        return found, layers

    parts = over_slabs(slab, shape[0], jobs)
    faces = np.sum([found for found, _ in parts], axis=0)
    profiles = [np.sum([layers[axis] for _, layers in parts], axis=0) for axis in range(3)]
    return faces, profiles


@kernel
def _count(
    hu: Volume[np.int16],
    first: int,
    end: int,
    levels: Vector[np.int16],
    faces: Vector[np.int64],
    by_z: Plane[np.int64],
    by_y: Plane[np.int64],
    by_x: Plane[np.int64],
) -> None:
    """`_counted` for slices first to end - 1, the faces between these and the one before them too;
    added to `faces` and, by axis, to the layers."""
    low, high = levels[0], levels[1]
    _, height, width = hu.shape
    before = np.zeros((height, width), np.uint8)
    now = np.zeros((height, width), np.uint8)
    for z in range(max(first - 1, 0), end):
        before, now = now, before
        for y in range(height):
            line, code = hu[z, y], now[y]
            for x in range(width):
                code[x] = np.uint8(line[x] >= low) + np.uint8(line[x] >= high)
            if z < first:
                continue
            tissue, dense = np.int64(0), np.int64(0)
            for x in range(width):
                tissue += code[x] >= 1
                dense += code[x] >= 2
                by_x[0, x] += code[x] >= 1
                by_x[1, x] += code[x] >= 2
            by_z[0, z] += tissue
            by_z[1, z] += dense
            by_y[0, y] += tissue
            by_y[1, y] += dense
            faces[2] += _between(code[1:], code[:-1])
            if y > 0:
                faces[1] += _between(code, now[y - 1])
            if z > 0:
                faces[0] += _between(code, before[y])


@inner
def _between(one: Vector[np.uint8], other: Vector[np.uint8]) -> Integer:
    """How many surfaces lie between neighbours of two lines."""
    count = np.int64(0)
    for x in range(len(one)):
        count += np.int64(max(one[x], other[x]) - min(one[x], other[x]))
    return count
