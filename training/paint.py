"""Patches of a natural CT with deposits painted in, and whose each dense voxel is.

The acquisition is simulated: a deposit is blurred by a point spread, averaged over the scan's
own slices and pixels, and only then brought to the network's grid, all as one matrix per axis.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special

from calcimetry.deposits.resample import GRID_MM
from calcimetry.kernels.compiled import kernel
from training.shapes import Shape

Patch = NDArray[np.float32]
Label = NDArray[np.uint8]
PATCH = 48
FINE_MM = GRID_MM / 2
_PAD = 12  # fine cells around a patch, so that what lies outside blurs in
FINE = 2 * PATCH + 2 * _PAD
IGNORE = 2


def axis_matrix(corner: float, spacing: float, fwhm_mm: float) -> NDArray[np.float32]:
    """From fine cells to a patch along one axis, (PATCH, FINE).

    corner : the patch's first voxel on the network's grid of the whole scan, or between two
    """
    reach = max(1.0, GRID_MM / spacing)
    centre = (corner + np.arange(PATCH)) * GRID_MM / spacing
    first = int(np.floor(centre[0] - reach))
    native = np.arange(first, int(np.ceil(centre[-1] + reach)) + 1)
    resample = np.maximum(0.0, 1.0 - np.abs(native[None] - centre[:, None]) / reach)
    resample /= resample.sum(1, keepdims=True)
    cell = corner * GRID_MM + (np.arange(FINE) - _PAD + 0.5) * FINE_MM - GRID_MM / 2
    away = cell[None] - (native * spacing)[:, None]
    sigma = max(fwhm_mm, 0.2) / 2.3548 * np.sqrt(2)
    half = spacing / 2
    share = special.erf((away + half) / sigma) - special.erf((away - half) / sigma)
    share *= 0.5 / spacing * FINE_MM
    return (resample @ share).astype(np.float32)


def project(fine: Patch, matrices: tuple[Patch, Patch, Patch]) -> Patch:
    """Fine cells (FINE,)*3 to a patch, working only where there is something."""
    some = np.flatnonzero(fine.any(axis=(1, 2)))
    if not len(some):
        return np.zeros((PATCH,) * 3, np.float32)
    part = slice(some[0], some[-1] + 1)
    z, y, x = matrices
    one = fine[part].reshape(-1, FINE) @ x.T
    one = one.reshape(-1, FINE, PATCH)
    two = np.matmul(y[None], one)
    return np.ascontiguousarray(np.tensordot(z[:, part], two, axes=(1, 0)), dtype=np.float32)


@dataclass(slots=True, eq=False)
class Paint:
    """What is painted into one patch, on the fine grid.

    fill : volume fraction of deposit; mineral : mg HA/cm3; other : HU of what is no deposit
    """

    fill: Patch
    mineral: Patch
    other: Patch

    @classmethod
    def empty(cls) -> Paint:
        return cls(*(np.zeros((FINE,) * 3, np.float32) for _ in range(3)))


def deposit(
    paint: Paint,
    shape: Shape,
    centre_mm: NDArray[np.float64],
    turn: NDArray[np.float64],
    density_mg_cm3: float,
    closed: NDArray[np.bool_],
) -> None:
    """Add a shape, but for what would lie in `closed` voxels of the patch (bone, air).

    centre_mm : of the shape, from the middle of the patch's first voxel, (z, y, x)
    """
    points = shape.points @ turn.T.astype(np.float32) + centre_mm.astype(np.float32)
    share = np.float32(shape.cell_mm3 / FINE_MM**3)
    density = (shape.density * np.float32(density_mg_cm3)).astype(np.float32)
    _splat(points.astype(np.float32), density, share, closed, paint.fill, paint.mineral)


def tube(
    paint: Paint, path_mm: NDArray[np.float64], radius_mm: float, hu: float, closed: Any
) -> None:
    """Add a tube of even HU along a path: a vessel with contrast, a catheter, a wire."""
    count = int(np.clip(len(path_mm) * radius_mm**2 * 60, 2000, 200_000))
    rng = np.random.default_rng(len(path_mm))
    ball = rng.normal(size=(count, 3))
    ball *= (rng.random(count) ** (1 / 3) / np.linalg.norm(ball, axis=1))[:, None] * radius_mm
    points = path_mm[rng.integers(len(path_mm), size=count)] + ball
    fill = np.zeros_like(paint.fill)
    one = np.ones(count, np.float32)
    _splat(points.astype(np.float32), one, np.float32(1), closed, fill, np.zeros_like(fill))
    paint.other += np.where(fill > 0, np.float32(hu), np.float32(0))


def rendered(
    hu: Patch, paint: Paint, matrices: tuple[Patch, Patch, Patch], hu_per_mg: float, base_hu: float
) -> tuple[Patch, NDArray[np.uint8]]:
    """The painted patch, and for each voxel 1 where its HU are mostly a deposit's, 0 where
    they are not, IGNORE where they are mixed."""
    fill = np.clip(project(paint.fill, matrices), 0, 1)
    excess = np.clip(project(paint.mineral, matrices), 0, 2500) * np.float32(hu_per_mg)
    other = project(paint.other, matrices)
    natural = hu + other
    mine = excess / (excess + np.maximum(natural - 60, 0) + 20)
    label = np.where(mine > 0.6, 1, np.where(mine < 0.25, 0, IGNORE)).astype(np.uint8)
    return natural + excess + fill * (base_hu - np.clip(hu, -150, 150)), label


@kernel
def _splat(points: Any, density: Any, share: Any, closed: Any, fill: Any, mineral: Any) -> None:
    n = fill.shape[0]
    m = closed.shape[0]
    for i in range(points.shape[0]):
        z, y, x = points[i, 0], points[i, 1], points[i, 2]
        a = int(np.floor((z + FINE_MM) / FINE_MM)) + _PAD
        b = int(np.floor((y + FINE_MM) / FINE_MM)) + _PAD
        c = int(np.floor((x + FINE_MM) / FINE_MM)) + _PAD
        if a < 0 or b < 0 or c < 0 or a >= n or b >= n or c >= n:
            continue
        u = min(max(int(np.floor(z / GRID_MM + 0.5)), 0), m - 1)
        v = min(max(int(np.floor(y / GRID_MM + 0.5)), 0), m - 1)
        w = min(max(int(np.floor(x / GRID_MM + 0.5)), 0), m - 1)
        if closed[u, v, w]:
            continue
        fill[a, b, c] += share
        mineral[a, b, c] += share * density[i]
