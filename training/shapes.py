"""A bank of deposit shapes, drawn once by the phantom room and painted over and over."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage as ndi

from calcimetry.phantom.shapes import Family, draw

# family: share, smallest and largest diameter in mm
_MENU: dict[Family, tuple[float, float, float]] = {
    Family.NODULE: (0.16, 2.5, 18),
    Family.ELLIPSOID: (0.09, 2.5, 20),
    Family.LOBULATED: (0.13, 4, 60),
    Family.RING: (0.16, 6, 40),
    Family.CLUSTER: (0.11, 4, 30),
    Family.SHEET: (0.14, 6, 40),
    Family.STIPPLED: (0.07, 4, 30),
    Family.CHICKEN_WIRE: (0.05, 10, 55),
    Family.FLUID_LEVEL: (0.04, 6, 45),
    Family.STONE: (0.04, 2.5, 16),
    Family.LINEAR: (0.03, 8, 40),
}


def menu() -> dict[str, tuple[float, float, float]]:
    """What is drawn: family, its share, smallest and largest diameter in mm."""
    return {str(family): about for family, about in _MENU.items()}


@dataclass(frozen=True, slots=True, eq=False)
class Shape:
    """Cells of a deposit about its middle.

    points : float32 (n, 3), mm (z, y, x)
    density : float32 (n,), relative mineral density; 0 for a core without mineral
    cell_mm3 : volume of a cell
    """

    family: str
    diameter_mm: float
    points: NDArray[np.float32]
    density: NDArray[np.float32]
    cell_mm3: float


def bank(count: int, seed: int, jobs: int = 2) -> list[Shape]:
    """`count` shapes; the same for a seed whatever `jobs` is."""
    with ProcessPoolExecutor(jobs) as pool:
        return list(pool.map(_one, range(count), [seed] * count, chunksize=20))


def _one(number: int, seed: int) -> Shape:
    rng = np.random.default_rng((seed, number))
    names = list(_MENU)
    share = np.array([_MENU[name][0] for name in names])
    family = names[rng.choice(len(names), p=share / share.sum())]
    _, low, high = _MENU[family]
    diameter = float(np.exp(rng.uniform(np.log(low), np.log(high))))
    step = float(np.clip(diameter / 20, 0.2, 0.75))
    grid = draw(family, diameter, rng, step)
    if family is Family.RING:
        grid = np.where(_core(grid, step), np.float32(-1), grid)
    cells = np.argwhere(grid != 0)
    density = np.maximum(grid[grid != 0], 0).astype(np.float32)
    points = ((cells - (np.array(grid.shape) - 1) / 2) * step).astype(np.float32)
    return Shape(str(family), diameter, points, density, step**3)


def _core(grid: NDArray[np.float32], step: float) -> NDArray[np.bool_]:
    """What a ring encloses, gaps and all."""
    around = max(1, round(2.0 / step))
    padded = np.pad(grid > 0, around)
    closed = ndi.binary_fill_holes(ndi.binary_closing(padded, iterations=around))
    inner = (slice(around, -around),) * 3
    core: NDArray[np.bool_] = closed[inner] & ~(grid > 0)
    return core
