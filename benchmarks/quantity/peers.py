"""The arithmetic of CalciumScoring.jl (MolloiLab, MIT), written anew from its formulas.

Conventions are its own, oddities included, so that numbers can be set side by side.
Arrays (z, y, x), densities mg/cm3, masses mg.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage


def integrated_mass(
    hu: NDArray[np.float64], background: float, pure: float, density: float, voxel_mm3: float
) -> float:
    """V = v (I - N S_bkg) / (S_obj - S_bkg), m = V rho (doi 10.1002/mp.16326).

    hu : any shape, the region's values; pure : HU of an object of `density`
    """
    share = (hu.sum() - hu.size * background) / (pure - background)
    return float(share * voxel_mm3 * density / 1000.0)


def volume_fraction_mass(
    hu: NDArray[np.float64], background: float, pure: float, density: float, voxel_mm3: float
) -> float:
    """Each voxel's filled share, summed, times volume and density (doi 10.1117/1.JMI.10.4.043502).

    The same number as `integrated_mass` for the same region and background.
    """
    filled = (hu - background) / (pure - background)
    return float(filled.sum() * voxel_mm3 * density / 1000.0)


def threshold_hu(kvp: float) -> float:
    """round(378 exp(-0.009 kVp)): 184, 154, 128, 112 at 80, 100, 120, 135.

    Its weights start at 177, 145, 130, 119: voxels are counted at one threshold and weighed
    from another. Mass uses the first alone.
    """
    return float(np.round(378.0 * np.exp(-0.009 * kvp)))


def agatston_mass(
    hu: NDArray[np.float64], spacing: tuple[float, float, float], slope: float, kvp: float
) -> float:
    """Volume over threshold times mean HU times slope; no background is subtracted.

    hu : (z, y, x), zero outside the region; in-plane components of less than round(1 mm2 /
    pixel) pixels are dropped; slope : mg/cm3 per HU
    """
    area = spacing[1] * spacing[2]
    least = int(np.round(1.0 / area))
    # trues(3, 3) from 2 pixels on, else trues(1, 1), which joins nothing.
    joined = np.ones((3, 3)) if least >= 2 else np.zeros((3, 3))
    joined[1, 1] = 1
    kept: list[NDArray[np.float64]] = []
    for plane in hu:
        labels, count = ndimage.label(plane > threshold_hu(kvp), joined)
        parts = (plane[labels == n] for n in range(1, count + 1))
        kept.extend(part for part in parts if part.size >= least)
    values = np.concatenate(kept) if kept else np.zeros(0)
    return float(values.sum() * area * spacing[0] * slope / 1000.0)
