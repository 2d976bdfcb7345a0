"""What is really there: the deposits of a phantom, or those painted into a scan."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calcimetry.phantom.spec import Placement
from calcimetry.records import Box, Scan

Drawn = tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float64], NDArray[np.float64]]
"""Relative density and filling of cells, position of cell 0, and cell edges, in voxels."""


@dataclass(frozen=True, slots=True, eq=False)
class Painted:
    """A deposit that is in a scan, with its exact size.

    mass_mg, volume_mm3 : integrals over all that was drawn, also beyond the field
    mass_in_field_mg : of it, what lies inside the scan's array
    density_mg_cm3 : mass over volume
    centroid_mm : LPS (x, y, z), weighted by mineral
    diameter_mm : of the sphere of this volume
    fraction : float32, on `box`: share of each voxel that deposit fills, without blur
    imaged : the same, after the point spread
    """

    family: str
    site: str | None
    tissue: str | None
    touches_bone: bool | None
    centroid_mm: tuple[float, float, float]
    mass_mg: float
    mass_in_field_mg: float
    volume_mm3: float
    density_mg_cm3: float
    diameter_mm: float
    negative: bool
    box: Box
    fraction: NDArray[np.float32]
    imaged: NDArray[np.float32]

    @classmethod
    def of(
        cls,
        scan: Scan,
        place: Placement,
        box: Box,
        drawn: Drawn,
        filled: tuple[NDArray[np.float32], NDArray[np.float32]],
    ) -> Painted:
        """From the cells that were drawn; `filled` is (fraction, imaged)."""
        shape, inside, start, pitch = drawn
        cell = float(np.prod(pitch)) * scan.voxel_mm3
        volume = float(inside.sum(dtype=np.float64)) * cell
        to_mg = place.density_mg_cm3 * cell / 1000.0
        mass = float(shape.sum(dtype=np.float64)) * to_mg
        return cls(
            family=str(place.family),
            site=place.site,
            tissue=place.tissue,
            touches_bone=place.touches_bone,
            centroid_mm=_centroid(scan, shape, start, pitch),
            mass_mg=mass,
            mass_in_field_mg=_held(shape, start, pitch, scan.hu.shape) * to_mg,
            volume_mm3=volume,
            density_mg_cm3=1000.0 * mass / volume,
            diameter_mm=float((6 * volume / np.pi) ** (1 / 3)),
            negative=place.negative,
            box=box,
            fraction=filled[0],
            imaged=filled[1],
        )


@dataclass(frozen=True, slots=True, eq=False)
class Truth:
    """The deposits of a scan, numbered from 1 in this order, and what is no deposit."""

    deposits: tuple[Painted, ...]
    negatives: tuple[Painted, ...]
    shape: tuple[int, int, int]

    @classmethod
    def of(cls, painted: Iterable[Painted], shape: tuple[int, ...]) -> Truth:
        every = tuple(painted)
        grid = (shape[0], shape[1], shape[2])
        real = tuple(item for item in every if not item.negative)
        return cls(real, tuple(item for item in every if item.negative), grid)

    @property
    def mass_mg(self) -> float:
        return sum(item.mass_mg for item in self.deposits)

    def labels(self) -> NDArray[np.uint16]:
        """(z, y, x): the number of the deposit that fills more than half a voxel, else 0.

        A deposit too fine to fill half of any voxel is labelled where it fills more than half
        of what it fills at most, so that none is without a voxel while it is in the field.
        """
        labels = np.zeros(self.shape, np.uint16)
        best = np.zeros(self.shape, np.float32)
        for number, item in enumerate(self.deposits, 1):
            if not item.fraction.size or item.fraction.max() <= 0:
                continue
            level = 0.5 * min(1.0, float(item.fraction.max()))
            part, held = labels[item.box], best[item.box]
            here = (item.fraction > level) & (item.fraction > held)
            part[here], held[here] = number, item.fraction[here]
        return labels


def _centroid(
    scan: Scan, shape: NDArray[np.float32], start: NDArray[np.float64], pitch: NDArray[np.float64]
) -> tuple[float, float, float]:
    weight = shape.astype(np.float64)
    sums = [weight.sum(axis=tuple(a for a in range(3) if a != axis)) for axis in range(3)]
    cell = [float((s * np.arange(s.size)).sum() / s.sum()) for s in sums]
    x, y, z = scan.to_lps(start + np.array(cell) * pitch)
    return float(x), float(y), float(z)


def _held(
    shape: NDArray[np.float32],
    start: NDArray[np.float64],
    pitch: NDArray[np.float64],
    grid: tuple[int, ...],
) -> float:
    """The sum of a shape's cells, each by the share of it inside the array."""
    kept: NDArray[np.float64] = shape.astype(np.float64)
    for axis in (2, 1, 0):
        middle = start[axis] + pitch[axis] * np.arange(shape.shape[axis])
        low = np.maximum(middle - pitch[axis] / 2, -0.5)
        high = np.minimum(middle + pitch[axis] / 2, grid[axis] - 0.5)
        kept = kept @ (np.clip(high - low, 0, None) / pitch[axis])
    return float(kept)
