"""Density inside a deposit: its map, and how much of it is soft, lobule-like or stony.

Hardening over time shows as mass that moves to denser classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calcimetry.plan import Plan
from calcimetry.quantity.calibration import slopes_of
from calcimetry.records import Box, Calibration, Runs, Scan
from calcimetry.runs import box_of, paint

CLASS_BOUNDS = (400.0, 1200.0)
"""mg/cm3 between soft ("mousse"), lobule-like and stony calcium: this project's choice."""
CLASS_NAMES = ("soft", "lobular", "stony")


@dataclass(frozen=True, slots=True)
class DensityClass:
    """What of a deposit lies between two densities. `high` None: no upper bound."""

    name: str
    low_mg_cm3: float
    high_mg_cm3: float | None
    mass_mg: float
    volume_mm3: float


def density_map(
    scan: Scan, runs: Runs, calibration: Calibration, plan: Plan
) -> tuple[Box, NDArray[np.float32]]:
    """Mineral density of a deposit's voxels.

    Returns the box in the scan and float32 (z, y, x) mg HA per cm3 on it: ``c (HU - M)`` with
    M the HU of the deposit's own soft tissue, not below 0; NaN outside the deposit. Blur is
    not undone: border voxels read less than they hold.
    """
    box = box_of(runs)
    own = paint(box, runs)
    slopes = slopes_of(calibration, box[0].start, box[0].stop)
    matrix = plan.quantity.matrix_hu + calibration.water_hu
    density = mineral(scan.hu[box], slopes[:, None, None], matrix)
    return box, np.where(own, density, np.float32(np.nan))


def mineral(hu: NDArray[Any], slope: NDArray[np.float64], matrix_hu: float) -> NDArray[np.float32]:
    """Mineral density, mg HA per cm3, not below 0: ``slope (hu - matrix_hu)``."""
    density = np.maximum((hu.astype(np.float64) - matrix_hu) * slope, 0.0)
    return density.astype(np.float32)


def density_classes(
    density: NDArray[np.float32], voxel_mm3: float, bounds: Sequence[float] = CLASS_BOUNDS
) -> tuple[DensityClass, ...]:
    """Mass and volume of a density map by class; with other bounds, classes have no names.

    Mass here is that of the map's voxels alone, without the blurred rim: its share by class
    is meant, not its sum.
    """
    values = density[np.isfinite(density)].astype(np.float64)
    edges = [0.0, *bounds, np.inf]
    names = CLASS_NAMES if tuple(bounds) == CLASS_BOUNDS else ("",) * (len(edges) - 1)
    classes = []
    for name, low, high in zip(names, edges, edges[1:], strict=False):
        here = values[(values >= low) & (values < high)]
        top = None if np.isinf(high) else high
        mass = float(here.sum()) * voxel_mm3 / 1000.0
        classes.append(DensityClass(name, low, top, mass, len(here) * voxel_mm3))
    return tuple(classes)
