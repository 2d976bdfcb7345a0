"""Totals over deposits, with errors that they share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from calcimetry.records import Calibration, Estimate, Quantity
from calcimetry.statistics import Z95

_SHARED_VOLUME_SD = 0.02  # what one wrong point spread does to all volumes alike
_ALONE = ("noise", "background", "segmentation")


@dataclass(frozen=True, slots=True)
class Sums:
    """Totals over deposits, with their 95 % intervals."""

    mass_mg: Estimate
    volume_mm3: Estimate


def total(quantities: Sequence[Quantity], calibration: Calibration) -> Sums:
    """Total mass and volume of deposits.

    One calibration and one assumption on the matrix serve all deposits, so those errors add
    up; the others are independent from deposit to deposit:
    ``var = sum_i m_i^2 e_i^2 + (sum_i m_i e_matrix,i)^2 + (e_c sum_i m_i)^2``.
    An upper end is None where any deposit has none (voxels at the ceiling).
    """
    return Sums(_mass(quantities, calibration.relative_sd), _volume(quantities))


def _mass(quantities: Sequence[Quantity], calibration_sd: float) -> Estimate:
    value = sum(q.mass_mg.value or 0.0 for q in quantities)
    alone = sum(_alone_variance(q) for q in quantities)
    matrix = sum((q.mass_mg.value or 0.0) * q.relative_error.get("matrix", 0.0) for q in quantities)
    sd = float(np.sqrt(alone + matrix**2 + (calibration_sd * value) ** 2))
    open_ended = any(q.mass_mg.value is not None and q.mass_mg.high is None for q in quantities)
    high = None if open_ended else value + Z95 * sd
    return Estimate(value, max(0.0, value - Z95 * sd), high)


def _alone_variance(quantity: Quantity) -> float:
    """Of the errors that a deposit does not share, mg2."""
    value = quantity.mass_mg.value
    if value is None:
        return 0.0
    if value == 0.0:  # its relative errors do not exist: take them from the interval
        return ((quantity.mass_mg.high or 0.0) / Z95) ** 2
    return float(sum((value * quantity.relative_error.get(cause, 0.0)) ** 2 for cause in _ALONE))


def _volume(quantities: Sequence[Quantity]) -> Estimate:
    value = sum(q.volume_mm3.value or 0.0 for q in quantities)
    alone = sum(_volume_sd(q.volume_mm3) ** 2 for q in quantities)
    sd = float(np.sqrt(alone + (_SHARED_VOLUME_SD * value) ** 2))
    return Estimate(value, max(0.0, value - Z95 * sd), value + Z95 * sd)


def _volume_sd(volume: Estimate) -> float:
    """1 SD beyond the share that all volumes have in common; the interval is a factor."""
    if not volume.value or volume.high is None:
        return 0.0
    relative = np.log(volume.high / volume.value) / Z95
    return float(volume.value * np.sqrt(max(0.0, relative**2 - _SHARED_VOLUME_SD**2)))
