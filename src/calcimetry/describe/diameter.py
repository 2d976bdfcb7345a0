"""Diameters of a deposit: equivalent, longest in 3D, longest axial and its perpendicular.

A chord between voxel centres misses half a voxel at each end, so a chord of direction u
gets the voxel's own width along it, ``sqrt(sum((u_i * s_i)^2))``: a row of n voxels is then
n voxels long, and a digital ball has its own diameter on average.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calcimetry.kernels.compiled import inner, kernel
from calcimetry.kernels.order import sort
from calcimetry.kernels.types import Plane, Vector
from calcimetry.records import Form, Runs, Scan
from calcimetry.runs.find import columns


@dataclass(frozen=True, slots=True)
class Diameters:
    """All in mm. `axial` and `perpendicular` lie in one slice, `slice_index`."""

    equivalent: float
    longest: float
    axial: float
    perpendicular: float
    slice_index: int


def form(
    scan: Scan,
    runs: Runs,
    *,
    shape: str = "",
    volume_mm3: float | None = None,
    numbers: Mapping[str, float] | None = None,
) -> Form:
    """Size of a deposit as a `Form`; axes are the axial ones that radiologists measure.

    volume_mm3 : for the equivalent diameter; without it, the volume of the voxels
    shape, numbers : what was said of the shape elsewhere; the longest 3D diameter is added
    """
    size = diameters(scan, runs, volume_mm3=volume_mm3)
    extra = {"longest_3d_mm": size.longest, "axial_slice": float(size.slice_index)}
    return Form(shape, size.equivalent, size.axial, size.perpendicular, dict(numbers or {}) | extra)


def diameters(scan: Scan, runs: Runs, *, volume_mm3: float | None = None) -> Diameters:
    """The four diameters of an object.

    The equivalent diameter is ``(6 V / pi)^(1/3)``. The axial one is the longest chord in
    any slice; its perpendicular is the caliper width of that slice across it (the length
    and width of RECIST 1.1, doi 10.1016/j.ejca.2008.10.026).
    """
    edges = np.array(scan.spacing[::-1])
    steps = np.ascontiguousarray(scan.affine[:3, :3])
    longest, axial, pair, flat = _chords(*columns(runs), runs.shape[1], steps, edges)
    chord = pair[1] - pair[0]
    along = chord if chord.any() else np.array([1.0, 0.0, 0.0])
    across = _width(flat, steps, edges, along * edges)
    volume = runs.voxels * scan.voxel_mm3 if volume_mm3 is None else volume_mm3
    return Diameters((6.0 * volume / math.pi) ** (1 / 3), longest, axial, across, int(flat[0, 2]))


def _width(
    flat: Plane[np.float64],
    steps: Plane[np.float64],
    edges: Vector[np.float64],
    direction: Vector[np.float64],
) -> float:
    """Caliper width in the slice of corners (n, 3), across `direction`: (i, j, k) throughout."""
    x_axis, y_axis = _unit(steps[:, 0]), _unit(steps[:, 1])
    along = _unit(direction[0] * x_axis + direction[1] * y_axis)
    across = _cross(_unit(_cross(x_axis, y_axis)), along)
    by_axis = across * _total((steps[:, None] * flat).transpose(2, 0, 1)).T
    reach = _total(by_axis.T)
    own = np.hypot(edges[0] * _total(across * x_axis), edges[1] * _total(across * y_axis))
    return float(reach.max() - reach.min() + own)


def _total(parts: NDArray[np.float64]) -> NDArray[np.float64]:
    """The sum of three numbers, or of three arrays, in their order."""
    total: NDArray[np.float64] = parts[0] + parts[1] + parts[2]
    return total


def _unit(vector: Vector[np.float64]) -> Vector[np.float64]:
    unit: Vector[np.float64] = vector / np.sqrt(_total(vector * vector))
    return unit


def _cross(a: Vector[np.float64], b: Vector[np.float64]) -> Vector[np.float64]:
    z = a[0] * b[1] - a[1] * b[0]
    return np.array([a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], z])


@kernel
def _chords(
    row: Vector[np.int32],
    start: Vector[np.int32],
    stop: Vector[np.int32],
    height: int,
    steps: Plane[np.float64],
    edges: Vector[np.float64],
) -> tuple[float, float, Plane[np.float64], Plane[np.float64]]:
    """The longest chord; the longest in any slice, its two corners (2, 3), and all corners of
    that slice (n, 3), as (i, j, k). Where no chord beats a voxel's width both corners are one."""
    corners, bounds = _corners(row, start, stop, height)
    axial, at, one, other = 0.0, 0, 0, 0
    for n in range(len(bounds) - 1):
        length, a, b = _longest(corners[bounds[n] : bounds[n + 1]], steps, edges)
        if length > axial:
            axial, at, one, other = length, n, bounds[n] + a, bounds[n] + b
    longest, _, _ = _longest(corners, steps, edges)
    pair = np.empty((2, 3))
    for k in range(3):
        pair[0, k], pair[1, k] = corners[one, k], corners[other, k]
    return longest, axial, pair, corners[bounds[at] : bounds[at + 1]]


@inner
def _corners(
    row: Vector[np.int32], start: Vector[np.int32], stop: Vector[np.int32], height: int
) -> tuple[Plane[np.float64], Vector[np.int64]]:
    """Voxels on the convex hull of each slice, (n, 3) as (i, j, k), and where slices begin."""
    corners = np.empty((2 * row.size, 3))
    bounds = np.empty(row.size + 1, np.int64)
    keys, chain = np.empty(2 * row.size, np.int64), np.empty((4 * row.size, 2), np.int64)
    slices, count, run = 0, 0, 0
    while run < row.size:
        z, first = row[run] // height, run
        while run < row.size and row[run] // height == z:
            run += 1
        bounds[slices] = count
        slices += 1
        ends = _ends(row, start, stop, (first, run), height, keys)
        size = _hull(keys[:ends], height, chain)
        for corner in range(size):
            corners[count, 0], corners[count, 1] = chain[corner, 0], chain[corner, 1]
            corners[count, 2] = z
            count += 1
    bounds[slices] = count
    return corners[:count], bounds[: slices + 1]


@inner
def _ends(
    row: Vector[np.int32],
    start: Vector[np.int32],
    stop: Vector[np.int32],
    span: tuple[int, int],
    height: int,
    keys: Vector[np.int64],
) -> int:
    """The outermost voxels of every row of a slice, as ``x * height + y``, sorted, none twice;
    how many there are."""
    count, run, end = 0, span[0], span[1]
    while run < end:
        low, here = start[run], row[run]
        while run + 1 < end and row[run + 1] == here:
            run += 1
        keys[count] = low * height + here % height
        count += 1
        if stop[run] - 1 > low:
            keys[count] = (stop[run] - 1) * height + here % height
            count += 1
        run += 1
    sort(keys[:count])
    return count


@inner
def _hull(keys: Vector[np.int64], height: int, chain: Plane[np.int64]) -> int:
    """Convex hull of points, ``x * height + y``, into `chain` (x, y): Andrew's monotone chain."""
    count, size = 0, len(keys)
    for turn in range(2 if size > 2 else 1):
        begin = count
        for n in range(size):
            key = keys[n] if turn == 0 else keys[size - 1 - n]
            x, y = key // height, key % height
            while size > 2 and count - begin > 1 and _turn(chain, count, x, y) <= 0:
                count -= 1
            chain[count, 0], chain[count, 1] = x, y
            count += 1
        if size > 2:
            count -= 1  # the last is the first of the other way
    return count


@inner
def _turn(chain: Plane[np.int64], count: int, x: int, y: int) -> int:
    """Which way a chain turns from its last two points to the next: over 0 to the left."""
    along, up = chain[count - 1, 0] - chain[count - 2, 0], chain[count - 1, 1] - chain[count - 2, 1]
    area: int = along * (y - chain[count - 2, 1]) - up * (x - chain[count - 2, 0])
    return area


@inner
def _longest(
    corners: Plane[np.float64], steps: Plane[np.float64], edges: Vector[np.float64]
) -> tuple[float, int, int]:
    """The longest chord, mm, and its two corners; 0 and 0 where none beats a voxel's width."""
    best = max(edges[0], edges[1])
    widest = max(best, edges[2])
    one, other = 0, 0
    for n in range(len(corners) - 1):
        for m in range(n + 1, len(corners)):
            # One by one: a difference of rows would be a new array for every chord.
            i, j = corners[m, 0] - corners[n, 0], corners[m, 1] - corners[n, 1]
            k = corners[m, 2] - corners[n, 2]
            square = 0.0
            for axis in range(3):
                part = steps[axis, 0] * i + steps[axis, 1] * j + steps[axis, 2] * k
                square += part * part
            # No voxel is wider than its widest edge: most chords are out without a root.
            if square < max(best - widest, 0.0) ** 2:
                continue
            along = np.sqrt((i * edges[0]) ** 2 + (j * edges[1]) ** 2 + (k * edges[2]) ** 2)
            wide = (i * edges[0] ** 2) ** 2 + (j * edges[1] ** 2) ** 2 + (k * edges[2] ** 2) ** 2
            length = np.sqrt(square) + np.sqrt(wide) / max(along, 1e-12)
            if length > best:
                best, one, other = length, n, m
    return best, one, other
