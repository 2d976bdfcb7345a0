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

from calcimetry.kernels.compiled import kernel
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
    corners, bounds = _corners(*columns(runs), runs.shape[1])
    longest, axial, across, z = _chords(corners, bounds, steps, edges)
    volume = runs.voxels * scan.voxel_mm3 if volume_mm3 is None else volume_mm3
    return Diameters((6.0 * volume / math.pi) ** (1 / 3), longest, axial, across, int(z))


@kernel
def _chords(
    corners: Plane[np.float64],
    bounds: Vector[np.int64],
    steps: Plane[np.float64],
    edges: Vector[np.float64],
) -> tuple[float, float, float, float]:
    """The longest chord, the longest in any slice, the width across it, and its slice."""
    axial, at, one, other = 0.0, 0, 0, 0
    for n in range(len(bounds) - 1):
        length, a, b = _longest(corners[bounds[n] : bounds[n + 1]], steps, edges)
        if length > axial:
            axial, at, one, other = length, n, bounds[n] + a, bounds[n] + b
    flat = corners[bounds[at] : bounds[at + 1]]
    along = np.array([1.0, 0.0, 0.0]) if one == other else corners[other] - corners[one]
    longest, _, _ = _longest(corners, steps, edges)
    return longest, axial, _width(flat, steps, edges, along * edges), flat[0, 2]


@kernel
def _width(
    flat: Plane[np.float64],
    steps: Plane[np.float64],
    edges: Vector[np.float64],
    direction: Vector[np.float64],
) -> float:
    """Caliper width in the slice, across `direction`."""
    x_axis, y_axis = _unit(steps[:, 0]), _unit(steps[:, 1])
    along = _unit(direction[0] * x_axis + direction[1] * y_axis)
    across = _cross(_unit(_cross(x_axis, y_axis)), along)
    low, high = np.inf, -np.inf
    for point in flat:
        reach = 0.0
        for axis in range(3):
            reach += across[axis] * (steps[axis] * point).sum()
        low, high = min(low, reach), max(high, reach)
    own = np.hypot(edges[0] * (across * x_axis).sum(), edges[1] * (across * y_axis).sum())
    width: float = high - low + own
    return width


@kernel
def _unit(vector: Vector[np.float64]) -> Vector[np.float64]:
    unit: Vector[np.float64] = vector / np.sqrt((vector * vector).sum())
    return unit


@kernel
def _cross(a: Vector[np.float64], b: Vector[np.float64]) -> Vector[np.float64]:
    z = a[0] * b[1] - a[1] * b[0]
    return np.array([a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], z])


@kernel
def _corners(
    row: Vector[np.int32], start: Vector[np.int32], stop: Vector[np.int32], height: int
) -> tuple[Plane[np.float64], Vector[np.int64]]:
    """Voxels on the convex hull of each slice, (n, 3) as (i, j, k), and where slices begin."""
    corners = np.empty((2 * row.size, 3))
    bounds = np.empty(row.size + 1, np.int64)
    slices, count, run = 0, 0, 0
    while run < row.size:
        z, first = row[run] // height, run
        while run < row.size and row[run] // height == z:
            run += 1
        bounds[slices] = count
        slices += 1
        hull = _hull(_ends(row[first:run] % height, start[first:run], stop[first:run]))
        for corner in range(len(hull)):
            corners[count, 0], corners[count, 1], corners[count, 2] = (
                hull[corner, 0],
                hull[corner, 1],
                z,
            )
            count += 1
    bounds[slices] = count
    return corners[:count].copy(), bounds[: slices + 1].copy()


@kernel
def _ends(y: Vector[np.int32], start: Vector[np.int32], stop: Vector[np.int32]) -> Plane[np.int64]:
    """The outermost voxels (x, y) of every row, sorted by x and then y, none twice."""
    found = np.empty((2 * y.size, 2), np.int64)
    count, run = 0, 0
    while run < y.size:
        low, here = start[run], y[run]
        while run + 1 < y.size and y[run + 1] == here:
            run += 1
        found[count, 0], found[count, 1] = low, here
        count += 1
        if stop[run] - 1 > low:
            found[count, 0], found[count, 1] = stop[run] - 1, here
            count += 1
        run += 1
    found = found[:count]
    return found[np.argsort(found[:, 0] * (found[:, 1].max() + 1) + found[:, 1])]


@kernel
def _hull(flat: Plane[np.int64]) -> Plane[np.int64]:
    """Convex hull of points (n, 2): Andrew's monotone chain."""
    if len(flat) < 3:
        return flat
    chain = np.empty((2 * len(flat), 2), np.int64)
    count = 0
    for turn in range(2):
        begin = count
        for n in range(len(flat)):
            point = flat[n] if turn == 0 else flat[len(flat) - 1 - n]
            while count - begin > 1 and _turn(chain[count - 2], chain[count - 1], point) <= 0:
                count -= 1
            chain[count] = point
            count += 1
        count -= 1  # the last is the first of the other way
    return chain[:count].copy()


@kernel
def _turn(a: Vector[np.int64], b: Vector[np.int64], c: Vector[np.int64]) -> int:
    area: int = (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
    return area


@kernel
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
