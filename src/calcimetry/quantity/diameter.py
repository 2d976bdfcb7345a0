"""Diameters of a deposit: equivalent, longest in 3D, longest axial and its perpendicular.

A chord between voxel centres misses half a voxel at each end, so a chord of direction u
gets the voxel's own width along it, ``sqrt(sum((u_i * s_i)^2))``: a row of n voxels is then
n voxels long, and a digital ball has its own diameter on average.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calcimetry.records import Form, Runs, Scan


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
    corners, slices = _corners(runs)
    edges = np.array(scan.spacing[::-1])
    steps = scan.affine[:3, :3]
    longest, _ = _longest(corners, steps, edges)
    best = (0.0, 0.0, int(slices[0]))
    for k in np.unique(slices):
        flat = corners[slices == k]
        length, direction = _longest(flat, steps, edges)
        if length > best[0]:
            best = (length, _width(flat, steps, edges, direction), int(k))
    volume = runs.voxels * scan.voxel_mm3 if volume_mm3 is None else volume_mm3
    return Diameters(float((6.0 * volume / np.pi) ** (1 / 3)), longest, *best)


def _corners(runs: Runs) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Voxels on the convex hull of each slice, (n, 3) as (i, j, k), and their slices."""
    z, y = np.divmod(runs.row, runs.shape[1])
    parts = []
    for k in np.unique(z):
        here = z == k
        ends = np.concatenate([runs.start[here], runs.stop[here] - 1])
        hull = _hull(np.stack([ends, np.tile(y[here], 2)], axis=1).astype(np.float64))
        parts.append(np.column_stack([hull, np.full(len(hull), float(k))]))
    corners = np.concatenate(parts)
    return corners, corners[:, 2].astype(np.intp)


def _hull(flat: NDArray[np.float64]) -> NDArray[np.float64]:
    """Convex hull of points (n, 2): Andrew's monotone chain."""
    flat = np.unique(flat, axis=0)
    if len(flat) < 3:
        return flat
    chains = []
    for ordered in (flat, flat[::-1]):
        chain: list[NDArray[np.float64]] = []
        for point in ordered:
            while len(chain) > 1 and _turn(chain[-2], chain[-1], point) <= 0:
                chain.pop()
            chain.append(point)
        chains += chain[:-1]
    return np.array(chains)


def _turn(a: NDArray[np.float64], b: NDArray[np.float64], c: NDArray[np.float64]) -> float:
    return float((b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]))


def _longest(
    corners: NDArray[np.float64], steps: NDArray[np.float64], edges: NDArray[np.float64]
) -> tuple[float, NDArray[np.float64]]:
    """The longest chord in mm and its direction in voxel axes (i, j, k), in mm."""
    best, direction = float(edges[:2].max()), np.array([1.0, 0.0, 0.0])
    for n in range(len(corners) - 1):
        index_step = corners[n + 1 :] - corners[n]
        length = np.linalg.norm(index_step @ steps.T, axis=1)
        along = index_step * edges
        width = np.linalg.norm(along * edges, axis=1) / np.maximum(
            np.linalg.norm(along, axis=1), 1e-12
        )
        top = int(np.argmax(length + width))
        if length[top] + width[top] > best:
            best, direction = float(length[top] + width[top]), along[top]
    return best, direction / np.linalg.norm(direction)


def _width(
    flat: NDArray[np.float64],
    steps: NDArray[np.float64],
    edges: NDArray[np.float64],
    direction: NDArray[np.float64],
) -> float:
    """Caliper width in the slice, across `direction`."""
    x_axis = steps[:, 0] / np.linalg.norm(steps[:, 0])
    y_axis = steps[:, 1] / np.linalg.norm(steps[:, 1])
    along = direction[0] * x_axis + direction[1] * y_axis
    normal = np.cross(x_axis, y_axis)
    across = np.cross(normal / np.linalg.norm(normal), along / np.linalg.norm(along))
    reach = flat @ steps.T @ across
    own = np.hypot(edges[0] * (across @ x_axis), edges[1] * (across @ y_axis))
    return float(reach.max() - reach.min() + own)
